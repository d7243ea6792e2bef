"""Screen: a run, live or from the store."""
