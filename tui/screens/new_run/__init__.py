"""Screen: the form that starts a run."""
