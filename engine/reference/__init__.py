"""The generated parts of the docs."""
