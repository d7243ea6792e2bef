"""Screen: ask for one line."""
