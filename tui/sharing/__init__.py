"""Runs and workflows out of the workbench and in, and the workbench in a browser."""
