"""Comparing experiments, variants and runs: plain data without a terminal, for the command and the screen."""
