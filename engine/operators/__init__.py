"""Operators: what a workflow is made of.

`sets.py`, `metaflow_sets.py`, `specs.py` and `own.py` describe them as data, on the host. Every other module
here is guest code: it uses the standard library only, runs in the sandbox in one process per step, and
reaches models and tests through `host.call`.
"""
