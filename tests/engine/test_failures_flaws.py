"""What is read out of verdicts, and who is blamed: from plain data, without a sandbox."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from engine import events as ev
from engine.failures import examine
from engine.failures.flaws import flaws

SYNTAX = "SyntaxError: '(' was never closed (solution.py, line 3)"


def verdict(*tests: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    """A verdict whose tests ended with these statuses, reasons and messages."""
    results = [
        {"index": n, "status": status, "reason": reason, "message": message}
        for n, (status, reason, message) in enumerate(tests)
    ]
    return {"status": "failed", "metric": "tests", "tests": results, **more}


@pytest.mark.parametrize(
    ("result", "wanted"),
    [
        (("failed", "load", SYNTAX), ("syntax", "SyntaxError: '(' was never closed", 3)),
        (("failed", "load", "TabError: inconsistent use of tabs (solution.py, line 2)"), ("syntax", None, 2)),
        (("failed", "load", "NameError: the solution defines no 'f'"), ("missing", None, None)),
        (("failed", "load", "ModuleNotFoundError: No module named 'x'"), ("raised", None, None)),
        (("failed", "exception", "IndexError: list index out of range"), ("raised", None, None)),
        (("failed", "exception", "my.CustomError: x"), ("raised", "my.CustomError: x", None)),
        (("timeout-cpu", "", ""), ("timeout", "timeout", None)),
        (("timeout-wall", "", "too long"), ("timeout", "timeout", None)),
        (("oom", "", ""), ("memory", "out of memory", None)),
        (("tampered", "", "touched the checker"), ("tampered", "touched the checker", None)),
        (("infra", "busy", "no container"), ("no-verdict", "no container", None)),
        (("failed", "assert", "f(1) == 2  # got 3"), ("wrong-value", "", None)),
    ],
)
def test_a_flaw_has_its_kind(
    result: tuple[str, str, str], wanted: tuple[str, str | None, int | None]
) -> None:
    (flaw,) = flaws(verdict(result))
    kind, error, line = wanted
    assert (flaw.kind, flaw.line) == (kind, line)
    assert error is None or flaw.error == error


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ("f(1) == 2  # got 3", ("f(1)", "2", "3")),
        ("f('a == b') == [1, 2]  # got []", ("f('a == b')", "[1, 2]", "[]")),
        ("f('# got x') == 1  # got 2", ("f('", "", "x') == 1  # got 2")),
        ("f(x=[1]) is None  # got 0", ("f(x=[1])", "None", "0")),
        ("not f(3)  # got True", ("not f(3)", "", "True")),
        ("abs(f(1) - 2) < 1e-6", ("abs(f(1) - 2) < 1e-6", "", "")),
        ("f( == 3", ("f( == 3", "", "")),
        ("", ("", "", "")),
    ],
)
def test_expected_and_got_are_told_apart(message: str, parts: tuple[str, str, str]) -> None:
    (flaw,) = flaws(verdict(("failed", "assert", message)))
    if "# got x" not in message:  # a marker inside a text is no marker
        assert (flaw.call, flaw.expected, flaw.got) == parts


def test_the_same_flaw_of_many_tests_is_told_once() -> None:
    same = ("failed", "load", SYNTAX)
    wrong = [("failed", "assert", f"f({n}) == {n}  # got 0") for n in (1, 2)]
    found = flaws(verdict(*wrong, ("passed", "", ""), *[same] * 5))
    assert [(f.kind, f.times, f.test) for f in found] == [
        ("syntax", 5, 3),
        ("wrong-value", 1, 0),
        ("wrong-value", 1, 1),
    ]


@pytest.mark.parametrize("broken", [{}, {"tests": None}, {"tests": 3, "status": 5}, {"tests": [None, 1]}])
def test_a_damaged_verdict_is_read_all_the_same(broken: dict[str, Any]) -> None:
    assert all(flaw.times == 1 for flaw in flaws(broken))
    assert flaws({**broken, "status": "passed", "tests": []}) == []


def test_the_line_of_an_exception_is_the_answers_own() -> None:
    stderr = 'File "checker.py", line 9\nFile "solution.py", line 4, in f\nValueError: x'
    (flaw,) = flaws(verdict(("failed", "exception", "ValueError: x"), stderr=stderr))
    assert flaw.line == 4


# -- who is blamed ---------------------------------------------------------------------------------


CODE = "def f(x):\n    return 1"


class Run:
    """Events of one run, one after the other."""

    def __init__(self, *, kind: str = "code", answer: str | None = None) -> None:
        self.events: list[ev.Event] = []
        problem = {"id": "p", "prompt": "q", "kind": kind, "answer": answer, "tests": {}}
        self.add(ev.RunStarted, problem=problem)

    def add(self, kind: type[ev.Event], **values: Any) -> Run:
        names = {field.name for field in dataclasses.fields(kind)}
        blank: dict[str, Any] = dict.fromkeys(names) | {
            "tests": (),
            "diagnostics": (),
            "notes": (),
            "verdict": {},
        }
        at = len(self.events)
        stamp = {"run_id": "r", "seq": at, "at": float(at), "mono": float(at)}
        self.events.append(kind(**{n: v for n, v in (blank | values | stamp).items() if n in names}))
        return self

    def execution(
        self,
        id: str,
        *,
        status: str = "ok",
        answer: str | None = CODE,
        error: str | None = None,
        **scored: Any,
    ) -> Run:
        self.add(ev.WorkflowStarted, execution_id=id, purpose="test", repeat=1)
        for step in scored.pop("steps", ()):
            number = f"{id}-{len(self.events)}"
            self.add(ev.StepStarted, step_id=number, execution_id=id, index=0, operator=step["by"], line=3)
            self.add(ev.StepFinished, **{"status": "ok", "step_id": number, **step})
        self.add(ev.WorkflowFinished, execution_id=id, status=status, answer=answer, error=error)
        if scored:
            known = {"execution_id": id, "split": "test", "passed": 0, "total": 1}
            self.add(ev.EvaluationFinished, **(known | scored))
        return self

    def end(self, status: str = "failed", error: str | None = None) -> tuple[str, str, set[str]]:
        self.add(ev.RunFinished, status=status, error=error, workflow_id="w")
        found = examine(self.events)
        assert found.diagnosis is not None
        return found.diagnosis.who, found.diagnosis.what, {f.label for f in found.findings}


WRONG = verdict(("failed", "assert", "f(1) == 2  # got [3]"))


def test_the_worst_execution_decides_whatever_came_last() -> None:
    run = Run()
    run.execution("bad", score=0.0, verdict=verdict(("failed", "load", SYNTAX)))
    run.execution("fair", score=0.9, verdict=WRONG)
    run.execution("good", score=1.0, verdict={"status": "passed", "tests": []})
    assert run.end() == ("worker's code", "SyntaxError: '(' was never closed", {"syntax-error"})


@pytest.mark.parametrize(
    ("execution", "who", "what", "label"),
    [
        (
            {"score": 0.0, "verdict": WRONG},
            "worker's code",
            "wrong value: list where int is expected",
            "wrong-value",
        ),
        ({"answer": " ", "score": 0.0, "verdict": {}}, "workflow", "nothing returned", "nothing-returned"),
        (
            {"status": "error", "answer": None, "error": "ValueError: no (workflow line 7)"},
            "workflow",
            "ValueError: no",
            "workflow-error",
        ),
        ({"status": "timeout", "answer": None, "error": "60 s"}, "workflow", "timeout", "timeout"),
        (
            {"status": "infra", "answer": None, "error": "container lost"},
            "sandbox",
            "container lost",
            "infra",
        ),
        (
            {
                "status": "error",
                "answer": None,
                "error": "KeyError: 'x'",
                "steps": [{"by": "Review", "status": "error", "error": "KeyError: 'x'"}],
            },
            "Review",
            "KeyError: 'x'",
            "workflow-error",
        ),
        (
            {
                "status": "timeout",
                "answer": None,
                "steps": [{"by": "Test", "status": "timeout", "error": "10 s"}],
            },
            "Test",
            "timeout",
            "timeout",
        ),
        (
            {"score": None, "verdict": {"status": "infra", "message": "daemon down"}},
            "judge",
            "daemon down",
            "infra",
        ),
    ],
)
def test_who_failed_with_what(execution: dict[str, Any], who: str, what: str, label: str) -> None:
    assert Run().execution("e", **execution).end() == (who, what, {label})


@pytest.mark.parametrize(
    ("status", "who", "label"),
    [("infra", "sandbox", "infra"), ("budget", "run", "budget"), ("interrupted", "run", "interrupted")],
)
def test_a_run_that_was_ended_is_not_the_codes_fault(status: str, who: str, label: str) -> None:
    found = Run().execution("e", score=0.0, verdict=WRONG).end(status, "why")
    assert found[:2] == (who, "why") and label in found[2]


def test_an_answer_in_words_is_the_workers() -> None:
    run = Run(kind="math", answer="42")
    run.execution("e", answer="It is 41", score=0.0, verdict={"metric": "exact", "status": "failed"})
    assert run.end() == ("worker", "wrong answer", {"wrong-value"})
    flaw = examine(run.events).diagnosis.flaw  # type: ignore[union-attr]
    assert flaw is not None and (flaw.expected, flaw.got) == ("42", "It is 41")


def test_the_step_that_wrote_the_answer_is_pointed_at() -> None:
    run = Run()
    steps = [
        {"by": "Draft", "output": {"response": "def f(): return 1"}},
        {"by": "Revise", "output": {"response": "def f(): return 2"}},
        {"by": "Test", "output": {"result": False}},
    ]
    run.execution("e", answer="def f(): return 2", steps=steps, score=0.0, verdict=WRONG)
    run.end()
    step = examine(run.events).diagnosis.step  # type: ignore[union-attr]
    assert step is not None and step.started.operator == "Revise"
