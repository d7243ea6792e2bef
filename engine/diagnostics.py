"""What checking a workflow yields: diagnostics, and the repairs that answer some of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Diagnostic:
    """One thing that is wrong, or looks wrong, in a workflow as it was written.

    An "error" keeps the workflow from running as written; a "warning" does not. `code` is a stable
    name for the kind of finding, `line` counts from 1 in the workflow's code (in the prompts where
    the code starts with "prompt-"), and `fix` tells the author what to write instead.
    """

    code: str
    severity: Severity
    message: str
    line: int | None = None
    fix: str = ""

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        return f"{self.severity}: {where}{self.message}" + (f". {self.fix}" if self.fix else "")


@dataclass(frozen=True)
class Repair:
    """One change the checker made so that a workflow could run; never made silently."""

    code: str
    message: str
    line: int | None = None

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def error(code: str, message: str, line: int | None = None, fix: str = "") -> Diagnostic:
    return Diagnostic(code, "error", message, line, fix)


def warning(code: str, message: str, line: int | None = None, fix: str = "") -> Diagnostic:
    return Diagnostic(code, "warning", message, line, fix)


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    return any(d.severity == "error" for d in diagnostics)


def describe(diagnostics: Iterable[Diagnostic]) -> str:
    """Diagnostics as lines a meta-agent (or a person) can act on, errors first."""
    return "\n".join(
        f"- {d}" for d in sorted(diagnostics, key=lambda d: (d.severity != "error", d.line or 0))
    )
