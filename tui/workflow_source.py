"""The FILE argument of `run-workflow`: a workflow's source with its prompts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.operators.specs import OperatorSet
    from engine.workflows import Workflow

MAX_BYTES = 1024 * 1024


class WorkflowFileError(ValueError):
    """The file is no workflow that can run; the message names the line and the fix."""


def load_workflow(path: Path, operators: OperatorSet) -> Workflow:
    """A native or paper-figure workflow; prompts come from its tags or a `prompt.py` beside it.

    Raises:
        WorkflowFileError: the file cannot be read, or the workflow cannot run even when repaired.
    """
    from engine.workflows import Workflow, build_workflow

    built = build_workflow(_read(path), _prompts_beside(path), operators)
    if isinstance(built, Workflow):
        return built
    errors = [d for d in built.diagnostics if d.severity == "error"] or list(built.diagnostics)
    first = errors[0]
    where = f"{path}:{first.line}" if first.line else str(path)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    raise WorkflowFileError(f"{where}: {first.message}; {first.fix}{more}")


def _prompts_beside(path: Path) -> str:
    sibling = path.with_name("prompt.py")
    return _read(sibling) if sibling != path and sibling.is_file() else ""


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise WorkflowFileError(f"{path}: larger than 1 MiB, which no workflow is; give its source file")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise WorkflowFileError(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from None
    except OSError as error:
        raise WorkflowFileError(f"{path}: {error.strerror or error}; give a readable workflow file") from None
