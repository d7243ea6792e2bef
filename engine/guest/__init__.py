"""Code that runs inside the sandbox on the engine's behalf. Standard library only."""
