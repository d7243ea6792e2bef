"""Recipes: what a training job does, as a file of which every value is known and checked."""

from training.recipes.fields import RecipeField, fields
from training.recipes.kinds import KINDS, DPORecipe, GRPORecipe, Recipe, SFTRecipe
from training.recipes.load import RecipeError, load, presets
from training.recipes.plan import Estimate, Plan, plan

__all__ = [
    "KINDS",
    "DPORecipe",
    "Estimate",
    "GRPORecipe",
    "Plan",
    "Recipe",
    "RecipeError",
    "RecipeField",
    "SFTRecipe",
    "fields",
    "load",
    "plan",
    "presets",
]
