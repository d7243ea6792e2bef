"""Recipes: what a training job does, as a file of which every value is known and checked."""

from training.recipes.fields import RecipeField, fields
from training.recipes.kinds import DPORecipe, GRPORecipe, ModelRecipe, Recipe, SFTRecipe
from training.recipes.load import KINDS, RecipeError, load, presets
from training.recipes.maas import MaASRecipe
from training.recipes.plan import Estimate, Plan, plan

__all__ = [
    "KINDS",
    "DPORecipe",
    "Estimate",
    "GRPORecipe",
    "MaASRecipe",
    "ModelRecipe",
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
