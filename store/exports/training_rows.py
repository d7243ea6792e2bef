"""Runs as rows to train on: one row for each workflow that was proposed, whatever became of it.

A run that proposed none is one row without a workflow, so that failures are in the data too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.events import (
    Event,
    ModelCallFinished,
    ModelCallStarted,
    RoundFinished,
    RunFinished,
    RunStarted,
    WorkflowProposed,
)
from store.texts import plain

# Column: (type, what it holds). Types are those of Parquet; "messages" is a list of {role, content}.
COLUMNS: dict[str, tuple[str, str]] = {
    "run_id": ("string", "the run"),
    "problem_id": ("string", "the problem"),
    "benchmark": ("string", "its benchmark, null for a problem of your own"),
    "variant": ("string", "the variant"),
    "meta_agent": ("string", "the model that wrote the workflow"),
    "worker": ("string", "the model that operators called"),
    "round": ("int64", "from 1; null where the run proposed nothing"),
    "instruction": ("string", "the query"),
    "system": ("string", "the workflow's code: the multi-agent system of the papers"),
    "prompts": ("string", "the workflow's prompts"),
    "modification": ("string", "what the meta-agent says it changed"),
    "reasoning": ("string", "the meta-agent's thinking"),
    "completion": ("string", "the meta-agent's reply, verbatim"),
    "messages": ("messages", "what the meta-agent was sent; empty where no model wrote the workflow"),
    "workflow_id": ("string", "null where the workflow cannot run"),
    "strict_ok": ("bool", "whether it would run without repair"),
    "complexity": ("int64", "of the workflow's syntax tree"),
    "reward": ("float64", "mean pass rate on `val` in its round, in [0, 1]; null where nothing was scored"),
    "feedback": ("string", "what the meta-agent was told about the round"),
    "score": (
        "float64",
        "the run's score on `test`, only to report: training on it spoils the benchmark",
    ),
    "status": ("string", "how the run ended"),
    "error": ("string", "why the run failed, in one sentence"),
    "seed": ("int64", "the run's seed"),
    "started_at": ("float64", "when the run started, in Unix seconds"),
}
# All that rows need: streamed text and steps are most of a run and never read.
KINDS = tuple(
    cls.kind
    for cls in (
        RunStarted,
        ModelCallStarted,
        ModelCallFinished,
        WorkflowProposed,
        RoundFinished,
        RunFinished,
    )
)


@dataclass
class _Rows:
    """One run, as its events go by."""

    started: RunStarted | None = None
    ended: RunFinished | None = None
    calls: dict[str, ModelCallStarted] = field(default_factory=dict)
    last: tuple[ModelCallStarted, ModelCallFinished] | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self.started = event
        elif isinstance(event, ModelCallStarted) and event.role == "meta":
            self.calls[event.call_id] = event
        elif isinstance(event, ModelCallFinished) and (call := self.calls.pop(event.call_id, None)):
            self.last = (call, event)
        elif isinstance(event, WorkflowProposed):
            self.rows.append(_proposal(event, self.last))
            self.last = None
        elif isinstance(event, RoundFinished):
            self._score(event)
        elif isinstance(event, RunFinished):
            self.ended = event

    def _score(self, event: RoundFinished) -> None:
        """A round's score is of the workflow it ran, which is the last that it proposed."""
        for row in reversed(self.rows):
            if row["round"] == event.round:
                if row["workflow_id"] == event.workflow_id:
                    row["reward"] = event.score
                row["feedback"] = event.feedback
                return

    def whole(self) -> Iterator[dict[str, Any]]:
        if self.started is None:
            return
        for row in self.rows or [_proposal(None, self.last)]:
            yield {name: _fit(value) for name, value in (row | self._of_run()).items()}

    def _of_run(self) -> dict[str, Any]:
        started, ended = self.started, self.ended
        assert started is not None
        metadata = started.problem.get("metadata")
        return {
            "run_id": started.run_id,
            "problem_id": str(started.problem.get("id", "")),
            "benchmark": metadata.get("benchmark") if isinstance(metadata, dict) else None,
            "variant": started.variant,
            "meta_agent": started.meta_agent,
            "worker": started.worker,
            "instruction": str(started.problem.get("prompt", "")),
            "score": ended.score if ended else None,
            "status": ended.status if ended else "running",
            "error": ended.error if ended else None,
            "seed": started.seed,
            "started_at": started.at,
        }


def rows_of(events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    """The rows of one run, from its events in order; every row has all `COLUMNS`."""
    rows = _Rows()
    for event in events:
        rows.add(event)
    for row in rows.whole():
        yield {name: row[name] for name in COLUMNS}


def _proposal(
    event: WorkflowProposed | None, call: tuple[ModelCallStarted, ModelCallFinished] | None
) -> dict[str, Any]:
    return {
        "round": event.round if event else None,
        "system": event.code if event else "",
        "prompts": event.prompts if event else "",
        "modification": event.modification if event else "",
        "reasoning": call[1].reasoning if call else "",
        "completion": call[1].text if call else "",
        "messages": [
            {"role": m.get("role", ""), "content": m.get("content", "")} for m in call[0].messages
        ] if call else [],
        "workflow_id": event.workflow_id if event else None,
        "strict_ok": event.strict_ok if event else None,
        "complexity": event.complexity if event else None,
        "reward": None,
        "feedback": "",
    }  # fmt: skip


def _fit(value: Any) -> Any:
    """Texts that Parquet's UTF-8 takes: lone surrogates and NUL become replacement characters."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list):
        return [{name: plain(text) for name, text in message.items()} for message in value]
    return value


def columns_table() -> str:
    """The columns as a Markdown table, for the docs."""
    lines = ["| Column | Type | |", "|---|---|---|"]
    lines += [f"| `{name}` | {kind} | {what} |" for name, (kind, what) in COLUMNS.items()]
    return "\n".join(lines) + "\n"
