"""Where a run is written to, or read from."""
