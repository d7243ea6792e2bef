"""Code that runs inside the sandbox on the engine's behalf. It uses the standard library only."""
