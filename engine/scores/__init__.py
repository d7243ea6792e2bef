"""From an answer to a score: rules by benchmark, metrics, statistics."""
