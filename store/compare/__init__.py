"""Comparing experiments, variants and runs: plain data without a terminal, for the command and the screen."""

FEWEST, MOST = 2, 4  # sides
