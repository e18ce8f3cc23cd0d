"""Recipes, Keras models, and their lane form."""
