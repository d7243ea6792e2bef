"""Operators: what a workflow is made of.

`sets.py` describes them as data; every other module here is guest code: standard library only, it
runs in the sandbox, one process a step, and reaches models and tests through `host.call`.
"""
