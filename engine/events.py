"""Every fact about a run is one of these events (invariant I4).

The screens, the store, the JSON output, rewards and replay read the same events, so a replayed run
cannot be told from a live one. An event is a frozen dataclass of plain data; `engine.event_json` writes
and reads them.

Times: `at` is wall time in Unix seconds, `mono` is monotonic seconds since the run started, both to the
microsecond. Durations end in `_ms` (milliseconds), money in `_usd`; `None` for money means "unknown", never
zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

Role = Literal["meta", "worker"]
Channel = Literal["reasoning", "text"]
Split = Literal["visible", "val", "test"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """What all events share; the emitter fills these four in."""

    kind: ClassVar[str] = ""
    # A milestone is in the store before anyone is shown it (invariant I5); other events may be
    # up to one flush interval younger than the store.
    milestone: ClassVar[bool] = True

    run_id: str = ""
    seq: int = -1
    at: float = 0.0
    mono: float = 0.0


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """A run begins. `problem` is `Problem.to_json()`, `config` is `RunConfig.to_json()`.

    `origin` is the JSON form of `engine.run.context.Origin`: the experiment and trial, or the run that this
    one was forked from; otherwise empty. `weights` has the SHA-256 of the weights of the models in this
    process, by "meta_agent" and "worker", as far as it is known.
    """

    kind: ClassVar[str] = "run_started"
    problem: dict[str, Any]
    variant: str
    meta_agent: str
    worker: str
    seed: int
    sandbox: str
    config: dict[str, Any]
    origin: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Notice(Event):
    """One sentence the user should see: a weaker sandbox, a skipped round, model-written tests."""

    kind: ClassVar[str] = "notice"
    level: Literal["info", "warning", "error"]
    text: str


@dataclass(frozen=True, kw_only=True)
class TestsWritten(Event):
    """A worker wrote visible tests for a query that had none; they replace the problem's (empty) ones.

    `doubtful` are those that solutions contradict (`engine.scores.made_tests`); they are not used.
    """

    __test__: ClassVar[bool] = False  # not a pytest class
    kind: ClassVar[str] = "tests_written"
    model: str
    visible: tuple[str, ...]
    doubtful: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RoundStarted(Event):
    """Round `round` (from 1) of propose → check → run → feedback."""

    kind: ClassVar[str] = "round_started"
    round: int


@dataclass(frozen=True, kw_only=True)
class RoundFinished(Event):
    """Round `round` ended. `score` in [0, 1] is the mean score on `val` over the repeats, None where nothing
    could be scored; `feedback` is what the meta-agent reads about it.
    """

    kind: ClassVar[str] = "round_finished"
    round: int
    workflow_id: str | None
    score: float | None
    feedback: str


@dataclass(frozen=True, kw_only=True)
class ModelLoading(Event):
    """A model is read into memory. Its beginning has no `wall_ms`; its end has, and says if it `failed`."""

    kind: ClassVar[str] = "model_loading"
    model: str
    wall_ms: float | None
    failed: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelCallStarted(Event):
    """A call to a model begins. `messages` are {role, content}; `params` hold no key and no URL."""

    kind: ClassVar[str] = "model_call_started"
    call_id: str
    role: Role
    model: str
    step_id: str | None
    messages: tuple[dict[str, str], ...]
    params: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ModelDelta(Event):
    """Text as it streams, coalesced by the emitter to at most about twenty a second per call."""

    kind: ClassVar[str] = "model_delta"
    milestone: ClassVar[bool] = False
    call_id: str
    channel: Channel
    text: str


@dataclass(frozen=True, kw_only=True)
class ModelRetry(Event):
    """The endpoint failed (`reason`); attempt `attempt` starts after `wait_s` seconds."""

    kind: ClassVar[str] = "model_retry"
    call_id: str
    attempt: int
    reason: str
    wait_s: float


@dataclass(frozen=True, kw_only=True)
class ModelCallFinished(Event):
    """A call ended. `finish` is the endpoint's word for how (stop, length, …), "cut" or "unsaid" where it
    gave none, or "error". Tokens and cost cover all attempts, also those of failed calls. `ttft_ms` is the
    time to the first delta of the last attempt.

    `flags` name what makes the text suspect: "empty", "only-reasoning", "truncated", "default-limit",
    "repetition", "unknown-finish", "estimated-tokens", "replayed". `sampled` says how the text was sampled,
    with the model's own defaults; empty where that is not known. `error_kind` is a ModelError's, or None.
    """

    kind: ClassVar[str] = "model_call_finished"
    call_id: str
    text: str
    reasoning: str
    finish: str
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    ttft_ms: float | None
    wall_ms: float
    flags: tuple[str, ...] = ()
    error: str | None = None
    sampled: dict[str, Any] = field(default_factory=dict)
    error_kind: str | None = None

    @property
    def charge_usd(self) -> float | None:
        """What the call adds to a run's cost; None is unknown. One that failed without a part of an answer
        cost nothing.
        """
        is_free = self.error is not None and not (self.tokens_in or self.tokens_out)
        return 0.0 if is_free else self.cost_usd


@dataclass(frozen=True, kw_only=True)
class WorkflowProposed(Event):
    """A workflow was read and checked. `diagnostics`, `repairs` and `graph` are the JSON forms of
    `engine.workflows`; `workflow_id` is None where it cannot run.

    `call_id` is the model call whose reply it is; `turn` says whether that was the round's first reply or the
    repair of one that cannot run. Both are None where no call was made for it.
    """

    kind: ClassVar[str] = "workflow_proposed"
    round: int
    workflow_id: str | None
    code: str
    prompts: str
    modification: str
    strict_ok: bool
    diagnostics: tuple[dict[str, Any], ...]
    repairs: tuple[dict[str, Any], ...]
    graph: dict[str, Any]
    complexity: int
    call_id: str | None = None
    turn: Literal["reply", "repair"] | None = None


@dataclass(frozen=True, kw_only=True)
class WorkflowStarted(Event):
    """One execution of a workflow in its container. `purpose` is "val" while searching, "test" for
    the reported score, and "answer" where there is nothing to score against. `repeat` counts
    from 1.
    """

    kind: ClassVar[str] = "workflow_started"
    execution_id: str
    workflow_id: str
    round: int
    repeat: int
    purpose: Literal["val", "test", "answer"]
    container_id: str


@dataclass(frozen=True, kw_only=True)
class WorkflowFinished(Event):
    """One execution ended. `status` is "ok", "error", "budget", "timeout", "cancelled" or "infra"; `error` is
    one sentence.
    """

    kind: ClassVar[str] = "workflow_finished"
    execution_id: str
    status: str
    answer: str | None
    error: str | None
    stdout: str
    wall_ms: float
    cpu_ms: float


@dataclass(frozen=True, kw_only=True)
class StepStarted(Event):
    """An operator is called. `index` counts the steps of one execution from 0; `line` is the line of the
    workflow's source that made the call; `key` is the content address of (operator, inputs, seed, occurrence,
    worker, sampling), by which replay and forks find the step again.
    """

    kind: ClassVar[str] = "step_started"
    step_id: str
    execution_id: str
    index: int
    operator: str
    line: int | None
    key: str
    inputs: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class StepFinished(Event):
    """A step ended. `status` is "ok", "error", "budget", "timeout", "cancelled" or "infra"; `reused` says
    that the result was served from a record.

    `notes` are {code, text}: what the operator had to do to a reply, or could not understand in it. The
    built-in operators use the codes "asked-again", "not-understood", "not-a-list" and "repaired".
    """

    kind: ClassVar[str] = "step_finished"
    step_id: str
    status: str
    output: Any
    error: str | None
    reused: bool
    wall_ms: float
    cpu_ms: float
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    stdout: str = ""
    notes: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class CodeExecuted(Event):
    """Code ran in the sandbox on behalf of a step: tests of a solution, or a program.

    `verdict` is the JSON form of `sandbox.types.Verdict` or `Outcome`. `files` are what a program wrote
    to its directory: {name, base64}, names checked by the sandbox.
    """

    kind: ClassVar[str] = "code_executed"
    step_id: str | None
    purpose: Literal["visible-tests", "program"]
    code: str
    verdict: dict[str, Any]
    files: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class EvaluationFinished(Event):
    """An answer was scored in a fresh sandbox on tests its workflow never saw (invariant I6).

    `score` is in [0, 1]: passed/total of that split, or another metric that `verdict.metric` names, such as
    F1; None where the sandbox failed, and not the answer. `strict` is False where the scored workflow was
    repaired, or the answer itself.
    """

    kind: ClassVar[str] = "evaluation_finished"
    execution_id: str | None
    workflow_id: str | None
    split: Split
    repeat: int
    score: float | None
    passed: int
    total: int
    strict: bool
    tests_written_by: Literal["author", "model"]
    verdict: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class RunPaused(Event):
    """The run is paused, and its clock stands still. `where` is the kind of crossing
    (`engine.run.control.crossing`), `reason` is "pause", "step" or the breakpoint. `locals` are the
    workflow's variables as JSON, shortened, or None where they were not read.
    """

    kind: ClassVar[str] = "run_paused"
    reason: str
    where: str
    execution_id: str | None
    step_id: str | None
    operator: str | None
    line: int | None
    locals: Any = None


@dataclass(frozen=True, kw_only=True)
class RunResumed(Event):
    """The run continues: `action` is "continue", "step …", "skip" or "finish"."""

    kind: ClassVar[str] = "run_resumed"
    action: str
    step_id: str | None


@dataclass(frozen=True, kw_only=True)
class ValueEdited(Event):
    """A person changed a pending value: a step's `inputs` or `output`, or the `messages` of its next call."""

    kind: ClassVar[str] = "value_edited"
    step_id: str | None
    what: Literal["inputs", "messages", "output"]
    value: Any


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """The run ended; this is its last event. `status` is "passed", "failed", "answered" (nothing to score),
    "error", "budget", "cancelled", "infra" or "interrupted". Totals are the host's own count, never the
    workflow's.
    """

    kind: ClassVar[str] = "run_finished"
    status: str
    score: float | None
    val_score: float | None
    answer: str | None
    workflow_id: str | None
    error: str | None
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    model_calls: int
    steps: int
    wall_ms: float


EVENTS: dict[str, type[Event]] = {
    c.kind: c
    for c in (
        RunStarted,
        Notice,
        TestsWritten,
        RoundStarted,
        RoundFinished,
        ModelLoading,
        ModelCallStarted,
        ModelDelta,
        ModelRetry,
        ModelCallFinished,
        WorkflowProposed,
        WorkflowStarted,
        WorkflowFinished,
        StepStarted,
        StepFinished,
        CodeExecuted,
        EvaluationFinished,
        RunPaused,
        RunResumed,
        ValueEdited,
        RunFinished,
    )
}
