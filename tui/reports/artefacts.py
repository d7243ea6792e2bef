"""What a run produced, for `--out`: the answer, its workflow, and the files its programs left."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.events import CodeExecuted, Event, RunFinished, RunStarted, WorkflowProposed
from engine.problems import ProblemError
from tui.safe import file_stem


class Artefacts:
    """Collects them from a run's events."""

    def __init__(self) -> None:
        self.status = ""
        self._problem: Mapping[str, Any] = {}
        self._answer: str | None = None
        self._workflow_id: str | None = None
        self._workflows: dict[str, WorkflowProposed] = {}
        self._files: dict[str, bytes] = {}

    def add(self, event: Event) -> None:
        """Take note of an event; of files of one name the last is kept."""
        match event:
            case RunStarted():
                self._problem = event.problem
            case WorkflowProposed(workflow_id=str(workflow_id)):
                self._workflows[workflow_id] = event
            case CodeExecuted():
                self._files |= {f["name"]: base64.b64decode(f["base64"]) for f in event.files}
            case RunFinished():
                self.status, self._answer, self._workflow_id = event.status, event.answer, event.workflow_id

    def save(self, folder: Path) -> None:
        """Write everything into `folder`, program files into `files/` below it.

        Raises:
            ProblemError: the folder cannot be written.
        """
        stem = file_stem(str(self._problem.get("id", "")), "answer", separator="_")
        workflow = self._workflows.get(self._workflow_id or "")
        texts = {
            f"{stem}.{'py' if self._problem.get('kind') == 'code' else 'txt'}": self._answer,
            f"{stem}.workflow.py": workflow.code if workflow else None,
            f"{stem}.prompt.py": workflow.prompts if workflow else None,
        }
        made = {name: f"{text}\n".encode(errors="backslashreplace") for name, text in texts.items() if text}
        # The sandbox gave these names: plain, relative, and leading nowhere else.
        made |= {f"files/{name}": data for name, data in self._files.items()}
        try:
            for name, data in made.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        except OSError as error:
            raise ProblemError(
                f"--out {folder}: {error.strerror or error}; name a folder you may write to"
            ) from None
