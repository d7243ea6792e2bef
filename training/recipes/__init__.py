"""Recipes: what a training job does, as a file of which every value is known and checked."""

from training.recipes.kinds import KINDS, DPORecipe, GRPORecipe, Recipe, SFTRecipe
from training.recipes.load import RecipeError, load, presets

__all__ = ["KINDS", "DPORecipe", "GRPORecipe", "Recipe", "RecipeError", "SFTRecipe", "load", "presets"]
