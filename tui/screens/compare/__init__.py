"""Screens: choosing what to compare, and a comparison."""
