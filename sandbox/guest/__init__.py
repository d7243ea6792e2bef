"""What runs inside the container: standard library only, Python 3.11 or newer.

The folder is copied into the image (or bound into bubblewrap) as the package `guest`, so its
modules import each other relatively and nothing else of the project.
"""
