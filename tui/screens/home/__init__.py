"""Screen: what runs, what ran, what is set up."""
