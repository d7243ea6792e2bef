"""A run as the screens see it, reduced from its events.

Live runs and stored ones go through `RunState.apply` alike. It is plain Python without a terminal and
accepts events in any order: a store may have lost the start of a run, and a screen must still open it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Self

from engine import events as ev
from tui import format as fmt
from tui.trace.nodes import (
    RUNNING,
    WAITING,
    CodeNode,
    EvaluationNode,
    NoticeNode,
    Pause,
    ProposalNode,
    Retry,
    Spent,
    StepNode,
    StopState,
)
from tui.trace.tree import TraceTree

FINAL = ("passed", "failed", "answered", "error", "budget", "cancelled", "infra", "interrupted")


class RunState:
    """Everything known about one run so far: `tree` holds what it did; `revision` grows with every event."""

    def __init__(self, run_id: str = "") -> None:
        self.tree = TraceTree()
        self.run_id = run_id
        self.problem: Mapping[str, Any] = {}
        self.variant = ""
        self.meta_agent = ""
        self.worker = ""
        self.seed: int | None = None
        self.sandbox = ""
        self.config: Mapping[str, Any] = {}
        self.origin: Mapping[str, Any] = {}
        self.status = WAITING
        self.score: float | None = None
        self.val_score: float | None = None
        self.answer: str | None = None
        self.workflow_id: str | None = None
        self.error: str | None = None
        self.wall_ms: float | None = None
        self.started_at: float | None = None
        self.last_seq = -1
        self.mono = 0.0  # seconds of the run at its latest event
        self.spent = Spent()
        self._steps_ledger: int | None = None

        self.proposal: ProposalNode | None = None
        self.evaluations: list[EvaluationNode] = []
        self.stop: StopState | None = None
        self.pauses: list[Pause] = []
        self.loading: tuple[str, float] | None = None  # the model that is being loaded, and since when

        self.revision = 0

    # -- reading ---------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        return self.status in FINAL

    @property
    def query(self) -> str:
        return _text(self.problem.get("prompt"))

    @property
    def problem_id(self) -> str:
        return _text(self.problem.get("id"))

    @property
    def tests_written_by_model(self) -> bool:
        return _mapping(self.problem.get("tests")).get("written_by") == "model"

    @property
    def rounds_planned(self) -> int | None:
        rounds = self.config.get("rounds")
        return rounds if isinstance(rounds, int) else None

    def tests(self, split: str) -> tuple[str, ...]:
        tests = _mapping(self.problem.get("tests")).get(split)
        return tuple(map(_text, tests)) if isinstance(tests, list | tuple) else ()

    @property
    def steps_total(self) -> int:
        """Steps so far, once the run has ended by its ledger."""
        return self.tree.step_count if self._steps_ledger is None else self._steps_ledger

    def elapsed_ms(self, since_last_event_s: float = 0.0) -> float:
        if self.wall_ms is not None:
            return self.wall_ms
        return (self.mono + since_last_event_s) * 1000

    def fork(self) -> Self:
        """This state as it is now, for good; nodes are shared (`TraceTree.fork`)."""
        other = copy.copy(self)
        other.tree, other.spent = self.tree.fork(), copy.copy(self.spent)
        other.evaluations, other.pauses = self.evaluations.copy(), self.pauses.copy()
        return other

    # -- writing ---------------------------------------------------------------------------------

    def apply(self, event: ev.Event) -> None:
        """Take one event in. Never raises: what cannot be placed is placed under the current round."""
        if event.run_id and not self.run_id:
            self.run_id = event.run_id
        self.revision += 1
        self.last_seq = max(self.last_seq, event.seq)
        self.mono = max(self.mono, event.mono)
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def close(self, status: str, error: str | None = None) -> None:
        """End a run whose own end never arrived: it was cancelled, or its source failed."""
        if self.finished:
            return
        self.revision += 1
        self.status, self.error = status, error
        self.wall_ms = self.mono * 1000
        self._resume(self.mono)
        self.tree.end_open(status if status != "error" else "cancelled", self.mono)

    def _run_started(self, event: ev.RunStarted) -> None:
        self.problem, self.config, self.origin = event.problem, event.config, event.origin
        self.variant, self.meta_agent, self.worker = event.variant, event.meta_agent, event.worker
        self.seed, self.sandbox, self.started_at = event.seed, event.sandbox, event.at
        if not self.finished:
            self.status = RUNNING

    def _paused(self, event: ev.RunPaused) -> None:
        self._resume(event.mono)
        self.pauses.append(Pause(event.mono, None))
        step = ("step", event.step_id) if event.step_id else None
        self.stop = StopState(event.where, event.reason, event.operator, event.line, step, event.locals)

    def _resumed(self, event: ev.RunResumed) -> None:
        self._resume(event.mono)

    def _resume(self, mono: float) -> None:
        self.stop = None
        if self.pauses and self.pauses[-1].ended is None:
            self.pauses[-1] = replace(self.pauses[-1], ended=mono)

    def _notice(self, event: ev.Notice) -> None:
        self._note(event.level, event.text, event.mono)

    def _model_loading(self, event: ev.ModelLoading) -> None:
        if event.wall_ms is None:
            self.loading = (event.model, event.mono)
        else:
            self.loading = None
            took, model = fmt.duration(event.wall_ms), event.model
            told = f"{model} was not loaded, after {took}" if event.failed else f"{model} loaded in {took}"
            self._note("warning" if event.failed else "info", told, event.mono)

    def _note(self, level: str, text: str, mono: float) -> None:
        node = NoticeNode(("notice", str(self.revision)), None, level, mono, level=level, text=text)
        self.tree.add(node, self.tree.round)

    def _round_started(self, event: ev.RoundStarted) -> None:
        self.tree.round = self.tree.round_node(event.round, event.mono)

    def _round_finished(self, event: ev.RoundFinished) -> None:
        node = self.tree.round_node(event.round, event.mono)
        node.workflow_id, node.score, node.feedback = event.workflow_id, event.score, event.feedback
        self.tree.end(node, "ok", self.mono, (event.mono - node.started) * 1000)

    def _call_started(self, event: ev.ModelCallStarted) -> None:
        node = self.tree.call_node(event.call_id, event.mono, event.role, event.step_id)
        node.model, node.messages, node.params = event.model, event.messages, event.params
        self.tree.touch(node)

    def _delta(self, event: ev.ModelDelta) -> None:
        node = self.tree.call_node(event.call_id, event.mono)
        (node.reasoning if event.channel == "reasoning" else node.text).append(event.text)

    def _retry(self, event: ev.ModelRetry) -> None:
        node = self.tree.call_node(event.call_id, event.mono)
        node.retries.append(Retry(event.attempt, event.reason, event.wait_s, event.mono))
        node.text.replace("")  # the next attempt streams from the beginning
        node.reasoning.replace("")
        self.tree.touch(node)

    def _call_finished(self, event: ev.ModelCallFinished) -> None:
        node = self.tree.call_node(event.call_id, event.mono)
        node.text.replace(event.text)
        node.reasoning.replace(event.reasoning)
        node.finish, node.flags, node.error = event.finish, event.flags, event.error
        node.ttft_ms = event.ttft_ms
        if not node.spent.calls:
            self.spent.add(event.tokens_in, event.tokens_out, event.charge_usd)
            self.tree.book(node, event.tokens_in, event.tokens_out, event.charge_usd)
        self.tree.end(node, "error" if event.error else "ok", self.mono, event.wall_ms)

    def _proposed(self, event: ev.WorkflowProposed) -> None:
        owner = self.tree.round_node(event.round, event.mono)
        node = ProposalNode(("workflow", str(self.revision)), None, "ok", event.mono)
        node.round, node.workflow_id, node.complexity = event.round, event.workflow_id, event.complexity
        node.code, node.prompts, node.modification = event.code, event.prompts, event.modification
        node.strict_ok, node.graph = event.strict_ok, event.graph
        node.diagnostics = tuple(d for d in event.diagnostics if isinstance(d, dict))
        node.repairs = tuple(r for r in event.repairs if isinstance(r, dict))
        node.status = {"valid": "ok", "repaired": "repaired", "invalid": "error"}[node.verdict]
        self.proposal = node
        self.tree.add(node, owner)

    def _workflow_started(self, event: ev.WorkflowStarted) -> None:
        node = self.tree.execution_node(event.execution_id, event.mono, event.round)
        node.workflow_id, node.round, node.repeat = event.workflow_id, event.round, event.repeat
        node.purpose, node.container_id = event.purpose, event.container_id
        self.tree.touch(node)

    def _workflow_finished(self, event: ev.WorkflowFinished) -> None:
        node = self.tree.execution_node(event.execution_id, event.mono)
        node.answer, node.error, node.stdout = event.answer, event.error, event.stdout
        node.cpu_ms = event.cpu_ms
        self.tree.end(node, event.status, self.mono, event.wall_ms)

    def _step_started(self, event: ev.StepStarted) -> None:
        node = self.tree.step_node(event.step_id, event.mono, event.execution_id)
        node.index, node.operator, node.line = event.index, event.operator, event.line
        node.call_key, node.inputs = event.key, event.inputs
        for other in map(self.tree.nodes.get, self.tree.open):
            if isinstance(other, StepNode) and other is not node and other.execution_id == node.execution_id:
                node.concurrent = True
                if not other.concurrent:
                    self.tree.own(other).concurrent = True
                    self.tree.touch(other)
        self.tree.touch(node)

    def _step_finished(self, event: ev.StepFinished) -> None:
        node = self.tree.step_node(event.step_id, event.mono)
        node.output, node.error, node.reused = event.output, event.error, event.reused
        node.cpu_ms, node.stdout, node.notes = event.cpu_ms, event.stdout, event.notes
        # The ledger's word is final; the sum of the calls seen was only a preview of it.
        node.spent = Spent(event.tokens_in, event.tokens_out, event.cost_usd, max(node.spent.calls, 0))
        self.tree.end(node, event.status, self.mono, event.wall_ms)

    def _code_executed(self, event: ev.CodeExecuted) -> None:
        owner = self.tree.step_node(event.step_id, event.mono) if event.step_id else self.tree.round
        node = CodeNode(
            ("code", str(self.revision)), None, _text(event.verdict.get("status")) or "ok", event.mono
        )
        node.wall_ms = _wall_ms(event.verdict)
        node.purpose, node.code, node.verdict = event.purpose, event.code, event.verdict
        node.files, node.ended = event.files, event.mono
        self.tree.add(node, owner)

    def _evaluated(self, event: ev.EvaluationFinished) -> None:
        owner = (
            self.tree.execution_node(event.execution_id, event.mono)
            if event.execution_id
            else self.tree.round
        )
        if event.score is None:
            status = "infra"
        else:
            status = "passed" if event.passed == event.total else "failed"
        key = ("evaluation", str(self.revision))
        node = EvaluationNode(key, None, status, event.mono, _wall_ms(event.verdict))
        node.split, node.repeat, node.score = event.split, event.repeat, event.score
        node.passed, node.total, node.strict = event.passed, event.total, event.strict
        node.written_by, node.verdict = event.tests_written_by, event.verdict
        self.evaluations.append(node)
        self.tree.add(node, owner)

    def _tests_written(self, event: ev.TestsWritten) -> None:
        tests = {**_mapping(self.problem.get("tests")), "visible": event.visible, "written_by": "model"}
        self.problem = {**self.problem, "tests": tests}

    def _edited(self, event: ev.ValueEdited) -> None:
        if event.step_id is not None:
            self.tree.edited(event.step_id, event.what, event.mono)

    def _run_finished(self, event: ev.RunFinished) -> None:
        self.status, self.error, self.answer = event.status, event.error, event.answer
        self.score, self.val_score, self.workflow_id = event.score, event.val_score, event.workflow_id
        self.spent = Spent(event.tokens_in, event.tokens_out, event.cost_usd, event.model_calls)
        self._steps_ledger, self.wall_ms = event.steps, event.wall_ms
        self._resume(event.mono)
        self.tree.end_open("cancelled" if event.status == "cancelled" else "interrupted", self.mono)
        if event.status in ("passed", "failed", "answered"):
            for key in self.tree.roots:  # an early stop may end a run within its last round
                if self.tree.nodes[key].status == "interrupted":
                    self.tree.own(self.tree.nodes[key]).status = "ok"


def _wall_ms(verdict: Mapping[str, Any]) -> float | None:
    wall = _mapping(verdict.get("usage")).get("wall_ms")
    return float(wall) if isinstance(wall, int | float) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return "" if value is None else str(value)


_HANDLERS: dict[type[ev.Event], Callable[[RunState, Any], None]] = {
    ev.RunStarted: RunState._run_started,
    ev.Notice: RunState._notice,
    ev.RoundStarted: RunState._round_started,
    ev.RoundFinished: RunState._round_finished,
    ev.ModelLoading: RunState._model_loading,
    ev.ModelCallStarted: RunState._call_started,
    ev.ModelDelta: RunState._delta,
    ev.ModelRetry: RunState._retry,
    ev.ModelCallFinished: RunState._call_finished,
    ev.WorkflowProposed: RunState._proposed,
    ev.WorkflowStarted: RunState._workflow_started,
    ev.WorkflowFinished: RunState._workflow_finished,
    ev.StepStarted: RunState._step_started,
    ev.StepFinished: RunState._step_finished,
    ev.CodeExecuted: RunState._code_executed,
    ev.EvaluationFinished: RunState._evaluated,
    ev.RunPaused: RunState._paused,
    ev.RunResumed: RunState._resumed,
    ev.TestsWritten: RunState._tests_written,
    ev.ValueEdited: RunState._edited,
    ev.RunFinished: RunState._run_finished,
}
