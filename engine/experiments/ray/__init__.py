"""Workers of trials on a Ray cluster."""
