"""Screen: a yes-or-no question."""
