"""Training jobs as the screens and commands have them: listed, read into the store, started, controlled."""
