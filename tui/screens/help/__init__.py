"""Screen: the keys that work here."""
