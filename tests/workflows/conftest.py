"""Workflow files are run in the same real sandbox as the engine's tests."""

from tests.engine.conftest import sandbox

__all__ = ["sandbox"]
