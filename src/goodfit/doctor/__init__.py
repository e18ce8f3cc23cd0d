"""Watching people's own training, on any backend: the Keras callback `Doctor`, and scripts as they are.

Nothing is imported here, for a script that is watched has to be the first to import Keras.
"""
