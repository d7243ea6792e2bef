"""Workflows in other projects' layouts: written, and read back."""
