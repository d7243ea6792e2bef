"""Screen: go to a pane by its letter."""
