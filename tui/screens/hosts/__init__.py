"""Screen: Docker hosts and the sandboxes on them."""
