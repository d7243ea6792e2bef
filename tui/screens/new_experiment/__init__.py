"""Screen: the form that starts an experiment."""
