"""Runs as rows to train on: one row for each workflow that was proposed, whatever became of it.

A run that proposed none is one row without a workflow, so that failures are in the data too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.events import Event
from store.texts import plain
from store.trajectories import Call, Proposal, Trajectory, trajectory_of

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


def rows_of(events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    """The rows of one run, from its events in order; every row has all `COLUMNS`."""
    trajectory = trajectory_of(events)
    if trajectory is None:
        return
    of_run = _of_run(trajectory)
    for row in map(_of_proposal, trajectory.proposals) if trajectory.proposals else [_of_none(trajectory)]:
        full_row = row | of_run
        yield {name: _fit(full_row[name]) for name in COLUMNS}


def _of_run(trajectory: Trajectory) -> dict[str, Any]:
    started, ended = trajectory.started, trajectory.ended
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


def _of_proposal(proposal: Proposal) -> dict[str, Any]:
    event = proposal.event
    return _of_call(proposal.call) | {
        "round": event.round,
        "system": event.code,
        "prompts": event.prompts,
        "modification": event.modification,
        "workflow_id": event.workflow_id,
        "strict_ok": event.strict_ok,
        "complexity": event.complexity,
        "reward": proposal.score,
        "feedback": proposal.feedback,
    }


def _of_none(trajectory: Trajectory) -> dict[str, Any]:
    """A run that proposed nothing."""
    texts = dict.fromkeys(("system", "prompts", "modification", "feedback"), "")
    nothing = dict.fromkeys(("round", "workflow_id", "strict_ok", "complexity", "reward"))
    return _of_call(trajectory.unused) | texts | nothing


def _of_call(call: Call | None) -> dict[str, Any]:
    messages = call.asked.messages if call else ()
    return {
        "reasoning": call.answered.reasoning if call else "",
        "completion": call.answered.text if call else "",
        "messages": [{"role": m.get("role", ""), "content": m.get("content", "")} for m in messages],
    }


def _fit(value: Any) -> Any:
    """Texts that Parquet's UTF-8 takes: lone surrogates and NUL become replacement characters."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list):
        return [{name: plain(text) for name, text in message.items()} for message in value]
    return value


def columns_table(columns: Mapping[str, tuple[str, str]] = COLUMNS) -> str:
    """The columns as a Markdown table, for the docs."""
    lines = ["| Column | Type | |", "|---|---|---|"]
    lines += [f"| `{name}` | {kind} | {description} |" for name, (kind, description) in columns.items()]
    return "\n".join(lines) + "\n"
