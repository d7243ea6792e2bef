"""The reducer: what it makes of a run, and that nothing it is given makes it raise."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine import events as ev
from tests.tui.scripted import Script, failing_run, mid_stream_run, passing_run, verdict
from tui.trace import detail
from tui.trace.nodes import (
    CallNode,
    EvaluationNode,
    ExecutionNode,
    NoticeNode,
    ProposalNode,
    RoundNode,
    StepNode,
)
from tui.trace.outline import cells, visible_rows
from tui.trace.state import RunState
from tui.trace.subject import node_marks, subject_of
from tui.trace.waiting import waiting_on


def reduced(events: list[ev.Event]) -> RunState:
    state = RunState()
    for event in events:
        state.apply(event)
    return state


def test_a_passing_run_has_its_tree_totals_and_verdict() -> None:
    state = reduced(passing_run())
    assert (state.status, state.score, state.finished) == ("passed", 1.0, True)
    assert [state.tree.nodes[k] for k in state.tree.roots if isinstance(state.tree.nodes[k], RoundNode)]
    assert state.spent.tokens == 9840
    assert not state.tree.open
    first = state.tree.nodes[("round", "1")]
    kinds = [type(state.tree.nodes[k]) for k in first.children]
    assert kinds == [CallNode, ProposalNode, ExecutionNode, ExecutionNode]
    execution = state.tree.nodes[first.children[2]]
    assert [type(state.tree.nodes[k]) for k in execution.children] == [StepNode] * 4 + [EvaluationNode]
    step = state.tree.nodes[execution.children[0]]
    assert isinstance(step, StepNode)
    call = state.tree.nodes[step.children[0]]
    assert isinstance(call, CallNode) and [r.reason for r in call.retries] == ["429 Too Many Requests"]


def test_totals_add_up_while_a_run_goes_on() -> None:
    state = reduced(mid_stream_run())
    assert not state.finished
    assert state.spent.calls == 7
    assert state.spent.tokens == 7 * 492
    assert waiting_on(state).text == "meta-agent writing a workflow"
    assert next(reversed(state.tree.open)) == ("call", "call-8")


def test_one_unknown_cost_makes_the_sum_unknown_not_zero() -> None:
    script = Script()
    script.start()
    script.add(ev.RoundStarted(round=1))
    script.call("meta", "x")
    finished = script.events[-1]
    assert isinstance(finished, ev.ModelCallFinished)
    script.events[-1] = dataclasses.replace(finished, cost_usd=None)
    state = reduced(script.events)
    assert state.spent.cost_usd is None
    assert cells(state, state.tree.nodes[("round", "1")]).cost == "?"


def test_a_retry_voids_what_had_streamed() -> None:
    script = Script()
    script.call("worker", "half an ans", finish=False)
    script.add(ev.ModelRetry(call_id="call-1", attempt=2, reason="cut", wait_s=1.0))
    script.add(ev.ModelDelta(call_id="call-1", channel="text", text="whole"))
    call = reduced(script.events).tree.nodes[("call", "call-1")]
    assert isinstance(call, CallNode) and call.text.text == "whole"


def test_steps_that_overlap_are_marked_concurrent() -> None:
    script = Script()
    script.execution("e", 1)
    script.step("e", 0, "A", 3, finish=False)
    script.step("e", 1, "B", 4, finish=False)
    state = reduced(script.events)
    steps = [n for n in state.tree.nodes.values() if isinstance(n, StepNode)]
    assert [s.concurrent for s in steps] == [True, True]


def test_infrastructure_is_told_from_a_wrong_answer() -> None:
    state = reduced(failing_run())
    statuses = [e.status for e in state.evaluations]
    assert statuses == ["infra", "failed"]
    labels = ["".join(t for t, _ in cells(state, e).label) for e in state.evaluations]
    assert "infra" in labels[0] and "infra" not in labels[1]


def test_model_written_tests_are_marked_on_run_tests_and_scores() -> None:
    script = Script()
    script.start()
    started = script.events[0]
    assert isinstance(started, ev.RunStarted)
    problem = {**started.problem, "tests": {**started.problem["tests"], "written_by": "model"}}
    script.events[0] = dataclasses.replace(started, problem=problem)
    script.execution("e", 1)
    script.step("e", 0, "Test", 10, code=verdict("passed", "passed"))
    state = reduced(script.events)
    assert state.tests_written_by_model
    code = next(n for n in state.tree.nodes.values() if n.key[0] == "code")
    assert ("  model-written", "warning") in cells(state, code).label
    assert "model-written" in detail.sections(state, code.key)["Overview"].text
    assert "model-written" in detail.sections(state, None)["Overview"].text


def test_a_repaired_workflow_shows_both_readings() -> None:
    state = reduced(passing_run())
    proposal = next(n for n in state.tree.nodes.values() if isinstance(n, ProposalNode))
    assert proposal.verdict == "repaired"
    text = detail.sections(state, proposal.key)["Overview"].text
    assert "strict reading scores it 0" in text
    assert "line 8: added the missing await" in text
    assert "missing-await" in text


def test_a_run_whose_end_never_came_is_closed() -> None:
    state = reduced(mid_stream_run())
    state.close("cancelled")
    assert state.status == "cancelled" and not state.tree.open
    assert state.tree.nodes[("call", "call-8")].status == "cancelled"
    state.close("error", "too late")
    assert state.status == "cancelled"


def test_the_subject_is_the_round_of_the_selection() -> None:
    state = reduced(passing_run())
    assert subject_of(state, None).round == 2
    first = subject_of(state, ("step", "r1e0-0"))
    assert first.round == 1 and first.heading == "repaired"
    assert first.proposal is not None
    marks = node_marks(state, first, first.proposal.graph)
    assert marks["n0"] == ("✓", "success") and "n4" not in marks


def test_the_subject_of_a_run_in_progress_is_what_streams() -> None:
    state = reduced(mid_stream_run())
    subject = subject_of(state, None)
    assert subject.writing and subject.code.startswith("class Workflow")
    assert "ensemble" in subject.reasoning and "<graph>" not in subject.reasoning


# -- arbitrary events ----------------------------------------------------------------------------

IDS = st.sampled_from(["a", "b", "c", ""])
TEXT = st.text(max_size=20)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["tests", "nodes", "edges", "id", "source", "target", "usage", "wall_ms", "rounds", "x"]
)
DATA = st.dictionaries(KEYS, PLAIN, max_size=4)
BY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "str": TEXT,
    "int": st.integers(-2, 5),
    "float": st.floats(0, 1e6),
    "bool": st.booleans(),
    "Any": PLAIN,
    "str | None": st.none() | TEXT,
    "int | None": st.none() | st.integers(-2, 20),
    "float | None": st.none() | st.floats(0, 1e6),
    "dict[str, Any]": DATA,
    "dict[str, str]": st.dictionaries(TEXT, TEXT, max_size=2),
    "tuple[str, ...]": st.lists(TEXT, max_size=2).map(tuple),
    "tuple[dict[str, str], ...]": st.lists(st.dictionaries(TEXT, TEXT, max_size=2), max_size=2).map(tuple),
    "tuple[dict[str, Any], ...]": st.lists(DATA, max_size=2).map(tuple),
    "Role": st.sampled_from(["meta", "worker"]),
    "Channel": st.sampled_from(["reasoning", "text"]),
    "Split": st.sampled_from(["visible", "val", "test"]),
}


def arbitrary(cls: type[ev.Event]) -> st.SearchStrategy[ev.Event]:
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for f in dataclasses.fields(cls):
        hint = str(f.type)
        if f.name.endswith("_id") and f.name != "run_id":
            fields[f.name] = (st.none() | IDS) if "None" in hint else IDS
        elif hint.startswith("Literal"):
            words, _, rest = hint.removeprefix("Literal").partition(" | ")
            chosen = st.sampled_from(eval(words))
            fields[f.name] = chosen | st.none() if rest else chosen
        else:
            fields[f.name] = BY_TYPE[hint]
    return st.builds(cls, **fields)


EVENTS = st.one_of(*(arbitrary(cls) for cls in ev.EVENTS.values()))


@settings(max_examples=150)
@given(st.lists(EVENTS, max_size=25))
def test_no_order_of_events_makes_the_screens_raise(events: list[ev.Event]) -> None:
    state = reduced(events)
    rows = visible_rows(state, set(state.tree.nodes))
    assert len({key for key, _ in rows}) == len(rows)
    for key, node in state.tree.nodes.items():
        cells(state, node)
        detail.sections(state, key)
        detail.title(state, key)
        subject = subject_of(state, key)
        node_marks(state, subject, subject.proposal.graph if subject.proposal else {})
    detail.sections(state, None)
    assert waiting_on(state).text is not None
    for split in ("visible", "val", "test"):
        state.tests(split)
    state.close("cancelled")
    assert state.finished


@settings(max_examples=40)
@given(st.randoms(use_true_random=False), st.integers(0, 60))
def test_a_stored_run_may_have_lost_its_start(random: Any, lost: int) -> None:
    events = passing_run()[lost:]
    if lost % 2:
        random.shuffle(events)
    state = reduced(events)
    assert state.status == "passed"


def test_a_test_step_says_how_many_tests_its_solution_passed() -> None:
    events: list[ev.Event] = [
        ev.StepStarted(
            step_id="s", execution_id="x", index=0, operator="test", line=4, key="k", inputs={}, mono=1.0
        ),
        ev.StepFinished(
            step_id="s",
            status="ok",
            output={"result": False, "passed": 1, "total": 3, "feedback": ""},
            error=None,
            reused=False,
            wall_ms=5.0,
            cpu_ms=1.0,
            tokens_in=0,
            tokens_out=0,
            cost_usd=0.0,
        ),
    ]
    state = reduced(events)
    (step,) = [n for n in state.tree.nodes.values() if isinstance(n, StepNode)]
    assert "1/3 tests" in "".join(text for text, _ in cells(state, step).label)


def test_a_model_that_is_loaded_is_what_the_run_waits_for_and_then_a_line_of_its_own() -> None:
    script = Script()
    script.start()
    script.add(ev.ModelLoading(model="hf:large", wall_ms=None))
    wait = waiting_on(reduced(script.events))
    assert (wait.text, wait.name) == ("loading hf:large into memory", "hf:large")
    script.add(ev.ModelLoading(model="hf:large", wall_ms=31_400.0))
    state = reduced(script.events)
    assert "loading" not in waiting_on(state).text
    (line,) = (n for n in state.tree.nodes.values() if isinstance(n, NoticeNode))
    assert line.text == "hf:large loaded in 31.4s"
    script.add(ev.ModelLoading(model="hf:other", wall_ms=2_000.0, failed=True))
    *_, line = (n for n in reduced(script.events).tree.nodes.values() if isinstance(n, NoticeNode))
    assert line.text == "hf:other was not loaded, after 2.0s"
