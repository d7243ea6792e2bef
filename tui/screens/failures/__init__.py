"""Screen: failed runs in clusters, with a look at each."""
