"""What the reader returns: frozen rows of plain data, without long texts unless the name says so.

Times of day are Unix seconds; durations end in `_ms`. A cost of None is unknown, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

# Statuses of runs that went wrong by themselves. The index runs_failed repeats these words.
FAILED = ("failed", "error", "budget", "infra", "interrupted")
PROMPT_CHARS = 200


class Cursor(NamedTuple):
    """Where a page of runs ended; the next one begins behind it."""

    started_at: float
    id: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run. While it is "running", totals are those so far. `parent` is the run it was forked from."""

    id: str
    problem_id: str
    benchmark: str | None
    prompt: str
    variant: str
    variant_id: str
    meta_agent: str
    worker: str
    seed: int
    sandbox: str
    status: str
    score: float | None
    val_score: float | None
    strict: bool | None
    started_at: float
    ended_at: float | None
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    wall_ms: float | None
    model_calls: int
    steps: int
    workflow_id: str | None
    error: str | None
    error_sig: str | None
    tests_written_by: str | None
    owner_pid: int
    config: dict[str, Any]
    parent: str | None


class Forked(NamedTuple):
    """A run, and another that was forked from it, or is it done again."""

    run: RunRow
    fork: RunRow


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a run was made with, without what came of it."""

    meta_agent: str
    worker: str
    seed: int
    sandbox: str
    tests_written_by: str | None
    benchmark: str | None
    config: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some runs, newest first. `is_partial` when the search looked at its newest hits only."""

    rows: tuple[RunRow, ...]
    next_cursor: Cursor | None
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class StepRow:
    """An operator call without its inputs and output, which the events at the two `seq` hold."""

    id: str
    execution_id: str
    idx: int
    operator: str
    line: int | None
    key: str
    status: str
    error: str | None
    reused: bool | None
    started_at: float
    wall_ms: float | None
    cpu_ms: float | None
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: float | None
    started_seq: int
    finished_seq: int | None


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A call with its texts. `finish` is None while it runs and "interrupted" if it never ended."""

    id: str
    step_id: str | None
    role: str
    model: str
    messages: tuple[dict[str, str], ...]
    params: dict[str, Any]
    text: str
    reasoning: str
    finish: str | None
    flags: tuple[str, ...]
    error: str | None
    retries: int
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: float | None
    ttft_ms: float | None
    wall_ms: float | None


@dataclass(frozen=True, slots=True)
class StoredWorkflow:
    """A generated workflow. `graph` is its static operator graph as JSON data."""

    id: str
    code: str
    prompts: str
    graph: dict[str, Any]
    complexity: int
    first_seen: float


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A text that matched. `kind` is query, prompt, response or reasoning."""

    run_id: str
    step_id: str | None
    call_id: str | None
    kind: str
    snippet: str


@dataclass(frozen=True, slots=True)
class Stats:
    """How much the store holds. `file_bytes` includes the write-ahead log."""

    runs: int
    model_calls: int
    workflows: int
    blobs: int
    file_bytes: int
