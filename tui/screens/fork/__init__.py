"""Screen: what a fork is to change at a step."""
