"""The sandbox is where everything a model wrote runs; it knows nothing of the rest of the project."""

from sandbox.files import File, FileNameError, RefusedFile
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
    "File",
    "FileNameError",
    "Limits",
    "Outcome",
    "Pool",
    "RefusedFile",
    "Sandbox",
    "SandboxError",
    "Session",
    "TestResult",
    "Usage",
    "Verdict",
    "open_sandbox",
]
