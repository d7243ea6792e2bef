"""The sandbox is where everything a model wrote runs; it knows nothing of the rest of the project.

What it offers is imported when it is first asked for: errors and types are wanted by every command, the pool
with its backends by few.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
_MODULES = {
    **dict.fromkeys(("File", "FileNameError", "RefusedFile"), "sandbox.files"),
    **dict.fromkeys(("Pool", "open_sandbox"), "sandbox.pool"),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'sandbox' has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, "sandbox.types")), name)
