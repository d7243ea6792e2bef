"""Screen: a step's prompt, edited and asked of several models."""
