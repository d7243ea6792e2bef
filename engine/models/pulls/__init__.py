"""Models on this machine: a short catalogue of public ones, getting them, and what is there."""
