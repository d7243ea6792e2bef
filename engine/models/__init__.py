"""Models that write workflows (meta-agents) and carry operators out (workers)."""
