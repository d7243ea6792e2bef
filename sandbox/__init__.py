"""The sandbox is where everything a model wrote runs; it knows nothing of the rest of the project."""

from sandbox.pool import Pool, open_sandbox
from sandbox.types import (
    Callback,
    CallbackError,
    Limits,
    Outcome,
    Sandbox,
    SandboxError,
    Session,
    TestResult,
    Usage,
    Verdict,
)

__all__ = [
    "Callback",
    "CallbackError",
    "Limits",
    "Outcome",
    "Pool",
    "Sandbox",
    "SandboxError",
    "Session",
    "TestResult",
    "Usage",
    "Verdict",
    "open_sandbox",
]
