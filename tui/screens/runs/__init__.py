"""Screen: every run in the store."""
