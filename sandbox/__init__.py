"""The sandbox is where everything a model wrote runs; it knows nothing of the rest of the project."""
