"""The results of checking a workflow: diagnostics, and the repairs that answer some of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Diagnostic:
    """One thing that is wrong, or looks wrong, in a workflow as it was written.

    An "error" keeps the workflow from running as written; a "warning" does not. `code` is a stable name for
    the kind of diagnostic. `line` counts from 1 in the workflow's code, or in its prompts where `code` starts
    with "prompt-". `fix` tells the author what to write instead.
    """

    code: str
    severity: Severity
    message: str
    line: int | None = None
    fix: str = ""

    def to_json(self) -> dict[str, Any]:
        """All fields by name."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        return f"{self.severity}: {where}{self.message}" + (f". {self.fix}" if self.fix else "")


@dataclass(frozen=True)
class Repair:
    """One change that was made so that a workflow could run; every change is recorded. `code` is that of the
    diagnostic it answers, or a name of its own.
    """

    code: str
    message: str
    line: int | None = None

    def to_json(self) -> dict[str, Any]:
        """All fields by name."""
        return dataclasses.asdict(self)


def error(code: str, message: str, line: int | None = None, fix: str = "") -> Diagnostic:
    """A diagnostic that keeps the workflow from running as written."""
    return Diagnostic(code, "error", message, line, fix)


def warning(code: str, message: str, line: int | None = None, fix: str = "") -> Diagnostic:
    """A diagnostic that does not keep the workflow from running."""
    return Diagnostic(code, "warning", message, line, fix)


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether one of them keeps the workflow from running."""
    return any(d.severity == "error" for d in diagnostics)


def describe(diagnostics: Iterable[Diagnostic]) -> str:
    """Diagnostics as lines for a meta-agent or a person to act on, errors first."""
    return "\n".join(
        f"- {d}" for d in sorted(diagnostics, key=lambda d: (d.severity != "error", d.line or 0))
    )
