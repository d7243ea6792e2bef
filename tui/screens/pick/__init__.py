"""Dialog: pick a name from those there are."""
