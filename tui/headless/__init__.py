"""Commands that run something: drive it, print it, and give the exit code."""
