"""Training jobs: what their folders say, read into the store; their runs, merged into it."""
