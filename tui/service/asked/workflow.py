"""The FILE argument of `run-workflow`: a workflow's source with its prompts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import UsageError
from tui.service.asked.text_file import read_text

if TYPE_CHECKING:
    from engine.diagnostics import Diagnostic
    from engine.operators.specs import OperatorSet
    from engine.workflows import Workflow

MAX_BYTES = 1024 * 1024


class WorkflowFileError(UsageError):
    """The file is not a workflow that can run; the message names the line and the fix."""


def load_workflow(path: Path, operators: OperatorSet | None = None) -> Workflow:
    """A workflow in any format; prompts come from its tags or a `prompt.py` beside it.

    Without `operators` it gets the first set that has what it calls.

    Raises:
        WorkflowFileError: the file cannot be read, or the workflow cannot run even when repaired.
    """
    from engine.formats.catalog import FORMATS
    from engine.workflows import Workflow, build_workflow
    from engine.workflows.choice import build_for_its_set

    text, prompts = read_workflow_file(path)
    built = build_workflow(text, prompts, operators) if operators else build_for_its_set(text, prompts)
    if isinstance(built, Workflow):
        return replace(built, diagnostics=(*built.diagnostics, *_operators_beside(path)))
    errors = [d for d in built.diagnostics if d.severity == "error"] or list(built.diagnostics)
    first = errors[0]
    where = _place(path, text, built.code, first)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    read_as = f" (read as {FORMATS[built.format].title})" if built.format != "native" else ""
    fix = f"; {first.fix}" if first.fix else ""
    raise WorkflowFileError(f"{where}: {first.message}{fix}{more}{read_as}")


def _place(path: Path, text: str, code: str, found: Diagnostic) -> str:
    """The file and line that a diagnostic is about; `code` is what was read out of the `text` of `path`."""
    if found.line is None:
        return str(path)
    if found.code.startswith("prompt-"):
        beside = _prompts_file(path)
        return f"{beside}:{found.line}" if beside else str(path)
    return f"{path}:{_line_in(text, code, found.line)}"


def _line_in(text: str, code: str, line: int) -> int:
    """The line of a file for a line of the code that was read out of it, which a reply has text around, and a
    figure gets a class for.
    """
    lines = [each.strip() for each in code.split("\n")[:line]]
    same = [n for n, each in enumerate(text.splitlines(), 1) if each.strip() == lines[-1]]
    nth = lines.count(lines[-1])
    return same[nth - 1] if nth <= len(same) else line


def read_workflow_file(path: Path) -> tuple[str, str]:
    """(source, prompts) of a workflow file. Raises WorkflowFileError where either cannot be read."""
    return _read(path), _prompts_beside(path)


def _prompts_beside(path: Path) -> str:
    file = _prompts_file(path)
    return _read(file) if file is not None else ""


def _prompts_file(path: Path) -> Path | None:
    """AFlow has the prompts beside the graph, MaAS in a folder beside it."""
    siblings = (path.with_name("prompt.py"), path.parent / "template" / "prompt.py")
    return next((s for s in siblings if s != path and s.is_file()), None)


def _operators_beside(path: Path) -> list[Diagnostic]:
    """A word on operators that come with the file, which are not those that run."""
    from engine.diagnostics import warning

    places = (path.parent, path.parent / "template", path.parent.parent / "template")
    there = [name for name in ("operator.py", "op_prompt.py") if any((p / name).is_file() for p in places)]
    if not there:
        return []
    message = f"{' and '.join(there)} beside it: not used, the operators and their prompts are this project's"
    return [warning("own-operators", message, None, "Its score is not the one it has in its own project")]


def _read(path: Path) -> str:
    return read_text(path, "workflow", WorkflowFileError, MAX_BYTES)
