"""Labels of failed runs, and the evidence each comes with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from engine.json_objects import read_object

# Runs labelled by an older version are labelled again. Raise it when a rule changes what it finds.
VERSION = 3
QUOTE_CHARS = 300

# Label → what it says about a run, in the order in which labels are shown.
LABELS: dict[str, str] = {
    "no-workflow": "the meta-agent's reply holds no workflow",
    "workflow-syntax": "the workflow is not valid Python",
    "undefined-name": "the workflow uses a name or a prompt that nothing defines",
    "wrong-operator-call": "an operator is called that does not exist, or with arguments it does not take",
    "workflow-error": "the workflow, or an operator that it calls, raised an error",
    "nothing-returned": "the workflow ended without an answer",
    "prose-as-code": "prose was returned where code was asked for",
    "syntax-error": "the answer is not valid Python",
    "missing-function": "the answer does not define the function that was asked for",
    "answer-error": "the answer's code raised an error on a test",
    "wrong-value": "the answer gave another value than the tests expect",
    "verdict-not-understood": "a model's verdict could not be read, though it was asked for again",
    "string-verdict": "a worker's words were taken for a pass, and the tests failed",
    "special-cased-inputs": "the answer recognises the visible tests' inputs and returns their outputs",
    "tampering": "code tried to interfere with the checker that judges it",
    "val-test-gap": "everything on val passes, but test fails",
    "visible-test-gap": "the visible tests pass, but the hidden ones fail",
    "over-complex": "a complex workflow failed a problem that vanilla solves",
    "context-overflow": "a prompt was longer than the model's context",
    "empty-completion": "a model returned nothing",
    "truncated-completion": "a model's reply was cut off",
    "model-error": "a model could not be reached, or refused the call",
    "budget": "the run's budget was used up",
    "timeout": "something ran into its time limit",
    "interrupted": "the run was cut off before its end",
    "infra": "the sandbox or a model failed, so no verdict",
}


@dataclass(frozen=True)
class Finding:
    """A label and why it was given. `text` is one sentence; `seq` is the number of the event it is about.

    `line` counts from 1 in the workflow's code, or in the answer's where `text` says so. `quote` is an
    excerpt of at most `QUOTE_CHARS` characters of what a model or its code wrote, and must not be trusted.
    """

    label: str
    text: str
    seq: int
    step_id: str | None = None
    line: int | None = None
    quote: str = ""

    def to_json(self) -> dict[str, Any]:
        """All fields by name."""
        return asdict(self)


def finding_from(data: Mapping[str, Any]) -> Finding:
    """The inverse of `to_json`. Raises ValueError where `data` is not a finding."""
    return read_object(Finding, data, "a label")


@dataclass(frozen=True)
class Baseline:
    """The run in which vanilla solved the same problem with the same worker, and its workflow's
    complexity (`engine.workflows.complexity`).
    """

    run_id: str
    complexity: int


def quoted(text: str) -> str:
    """The beginning of a text, at most `QUOTE_CHARS` characters."""
    text = text.strip()
    return text if len(text) <= QUOTE_CHARS else text[: QUOTE_CHARS - 1] + "…"
