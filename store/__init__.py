"""The store remembers every event of every run in one SQLite file."""
