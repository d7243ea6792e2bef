"""What the generated parts of the docs are made from."""
