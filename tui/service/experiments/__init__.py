"""Experiments on this machine or a cluster, from a command, a screen or an engine."""
