"""Recipes, Keras models, and their lane form."""

from goodfit.settings import prefer_jax

prefer_jax()  # before any module of this package imports keras
