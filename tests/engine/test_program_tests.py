"""Problems that a whole program solves: their files, how outputs are compared, how answers are judged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.experiments.selection import Selection, task_of
from engine.judging import judge
from engine.operators.sets import PAPER
from engine.problems import Problem, ProblemError, parse_problem
from engine.program_tests import MAX_OUTPUT_BYTES, difference, same_output, shown_test
from engine.prompts import propose_messages
from engine.run.context import RunConfig
from engine.run.step_requests import feedback_text
from engine.scores.scoring import score_answer
from sandbox.files import MAX_INPUT_BYTES
from tests.support.runs import TEST_AND_REVISE, end, run_events

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADD = {
    "id": "add",
    "prompt": "Read two whole numbers and print their sum.",
    "tests": {
        "visible": [{"stdin": "1 2\n", "stdout": "3\n"}],
        "val": [{"stdin": "5 5\n", "stdout": "10\n"}],
        "test": [{"stdin": "2 2\n", "stdout": "4\n"}, {"stdin": "-1 1\n", "stdout": "0\n"}],
    },
    "metadata": {"cpu_s": 2},
}
RIGHT = "a, b = map(int, input().split())\nprint(a + b)"


def _problem(**changes: Any) -> Problem:
    return parse_problem({**ADD, **changes}, "here")


# (printed, expected, whether they are the same, with which tolerance)
PAIRS = [
    ("3", "3\n", True, 0),
    ("3\n\n\n", "3", True, 0),
    ("  3  \r\n", "3\n", True, 0),
    ("\n\n1\n2", "1\n2\n", True, 0),
    ("1\n\n2", "1\n2", True, 0),
    ("1  2", "1 2", True, 0),
    ("1 2", "1\n2", False, 0),  # lines are lines
    ("1\n2", "2\n1", False, 0),  # and have an order
    ("2 1", "1 2", False, 0),
    ("1 2", "1 1 2", False, 0),
    ("", "", True, 0),
    ("\n", "", True, 0),
    ("", "0", False, 0),
    ("0", "", False, 0),
    ("Yes", "yes", False, 0),
    ("yes.", "yes", False, 0),
    ("3.0", "3", True, 0),
    ("+3", "3", True, 0),
    ("1e3", "1000", True, 0),
    ("-0", "0", True, 0),
    ("007", "7", True, 0),
    ("50000000000000001", "50000000000000000", False, 0),  # floats would not tell them apart
    ("0.1", "0.10000000000000001", False, 0),
    ("0.3333", "0.33333333", False, 0),
    ("0.333333", "0.33333333", True, 1e-5),
    ("0.3333", "0.33333333", False, 1e-5),
    ("1000001", "1000000", True, 1e-5),  # relative to what is expected
    ("0.0000001", "0", True, 1e-5),
    ("nan", "1", False, 1e-5),
    ("nan", "nan", True, 1e-5),
    ("inf", "1", False, 1e-5),
    ("1", "1e9999", False, 1e-5),
    ("1_000", "1000", False, 0),
    ("１", "1", False, 0),
    ("0x10", "16", False, 0),
    ("Case 1: 2.50", "Case 1: 2.5", True, 0),
    ("1e99999999", "1e99999998", False, 0),
    ("9" * 100_000, "9" * 99_999 + "8", False, 0),
]


@pytest.mark.parametrize(("printed", "expected", "same", "tolerance"), PAIRS)
async def test_outputs_are_compared_line_by_line_and_word_by_word(
    printed: str, expected: str, same: bool, tolerance: float
) -> None:
    assert same_output(printed, expected, tolerance) is same


async def test_the_difference_is_named_and_long_lines_are_cut() -> None:
    assert difference("1\n5", "1\n2") == 'line 2 is "5", expected "2"'
    assert difference("1", "1\n2\n3") == 'it printed 1 of 3 lines; the next is "2"'
    assert difference("1\n2", "1") == "it printed 2 lines, expected 1"
    assert len(difference("x" * 10_000, "y" * 10_000)) < 700


async def test_a_problem_of_a_program_is_read_and_written_back() -> None:
    problem = _problem()
    assert (problem.kind, problem.entry_point, problem.is_program, problem.cpu_s) == ("code", None, True, 2.0)
    assert parse_problem(json.loads(json.dumps(problem.to_json())), "again") == problem


BAD = [
    ({"tests": {"test": [{"stdin": "1"}]}}, "a test of a program is"),
    ({"tests": {"test": [{"stdin": "1", "stdout": "2", "x": 1}]}}, "a test of a program is"),
    ({"tests": {"test": [{"stdin": 1, "stdout": "2"}]}}, '"stdin" is a int, not a text'),
    ({"tests": {"test": [{"stdin": "1", "stdout": None}]}}, '"stdout" is a NoneType, not a text'),
    ({"tests": {"test": [{"stdin": "\ud800", "stdout": ""}]}}, "half of a character"),
    ({"tests": {"test": [{"stdin": "x" * (MAX_INPUT_BYTES + 1), "stdout": ""}]}}, "leave the test out"),
    ({"tests": {"test": [{"stdin": "", "stdout": "x" * (MAX_OUTPUT_BYTES + 1)}]}}, "leave the test out"),
    ({"tests": {"test": [*ADD["tests"]["test"], "assert f(1) == 1"]}}, "use one form for all"),
    ({"entry_point": "f"}, "its tests run a whole program; leave it out"),
    ({"metadata": {"cpu_s": 0}}, "metadata.cpu_s is 0; give seconds, at most 600"),
    ({"metadata": {"cpu_s": True}}, "metadata.cpu_s is True"),
    ({"metadata": {"cpu_s": "1"}}, "metadata.cpu_s is '1'"),
    ({"tests": {"test": [[1, 2]]}}, "tests.test is not a list of test sources"),
]


@pytest.mark.parametrize(("changes", "message"), BAD)
async def test_a_malformed_test_is_one_sentence(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ProblemError) as error:
        _problem(**changes)
    assert message in str(error.value) and str(error.value).startswith("here: ")


ANSWERS = [
    (RIGHT, "passed", 2),
    ("print(4)", "failed", 1),
    ("print(int(input()))", "failed", 0),
    ("print('", "failed", 0),
    ("while True:\n    pass", "timeout-cpu", 0),
    (f"{RIGHT}\nif a < 0:\n    while True:\n        pass", "timeout-cpu", 1),
    (f"{RIGHT}\nraise ValueError", "failed", 0),
    (f"import sys\n{RIGHT}\nsys.exit()", "passed", 2),
    # What the program says of itself, or does to what judges, decides nothing.
    ("import os\nos._exit(0)", "failed", 0),
    ("import sys\nclass Same(str):\n    __eq__ = lambda *_: True\nsys.stdout.write(Same('5'))", "failed", 0),
    (
        "import gc\nfor d in [o for o in gc.get_objects() if isinstance(o, dict) and 'stdin' in o]:\n"
        "    print(d.get('stdout', ''), d.get('expected', ''))",
        "failed",
        0,
    ),
    (
        "import sys\nfrom sandbox.guest import call\ncall.encoded = lambda *_: print('4')\nprint('nothing')",
        "failed",
        0,
    ),
]


@pytest.mark.parametrize(("code", "status", "passed"), ANSWERS)
async def test_an_answer_is_judged_by_what_it_prints(
    sandbox: Any, code: str, status: str, passed: int
) -> None:
    problem = _problem()
    verdict = await judge(sandbox, problem, code, problem.tests.test)
    assert (verdict.status, verdict.passed, verdict.mode) == (status, passed, "split")
    assert [t.index for t in verdict.tests] == [0, 1]


async def test_an_answer_s_score_counts_tests_and_never_quotes_them(sandbox: Any) -> None:
    async def opened(image: str) -> Any:
        return sandbox

    score = await score_answer(_problem(), "print(4)", "test", opened)
    assert (score.value, score.passed, score.total, score.reason) == (0.5, 1, 2, "wrong result")


async def test_feedback_shows_input_and_difference(sandbox: Any) -> None:
    problem = _problem()
    tests = list(problem.tests.visible)
    verdict = await judge(sandbox, problem, "print(4)", tests)
    told = 'line 1 is "4", expected "3" (with the input "1 2")'
    assert feedback_text(verdict, tests) == f"1 of 1 tests failed:\n{told}"


async def test_a_meta_agent_reads_visible_tests_as_texts() -> None:
    problem = _problem()
    assert shown_test(problem.tests.visible[0]) == "Input:\n1 2\nOutput:\n3"
    request = propose_messages(problem, PAPER, [])[-1]["content"]
    assert "Visible tests:\nInput:\n1 2\nOutput:\n3" in request


async def test_tests_of_functions_have_their_time_each_where_a_problem_says_so(sandbox: Any) -> None:
    code = (
        "import time\ndef f(x):\n    until = time.process_time() + 0.5\n"
        "    while time.process_time() < until:\n        pass\n    return x"
    )
    tests = {"test": [f"assert f({n}) == {n}" for n in range(3)]}
    problem = _problem(tests=tests, entry_point="f", metadata={"cpu_s": 1})
    verdict = await judge(sandbox, problem, code, problem.tests.test)
    assert (verdict.status, verdict.passed) == ("passed", 3)
    assert verdict.usage.cpu_ms > 1_400


async def test_runs_solve_problems_of_programs(sandbox: Any) -> None:
    wrong = "```python\nprint(3)\n```"

    def worker(messages: Any, _: Any) -> str:
        return f"```python\n{RIGHT}\n```" if "expected" in messages[-1]["content"] else wrong

    events = await run_events(sandbox, meta=TEST_AND_REVISE, worker=worker, problem=_problem())
    assert (end(events).status, end(events).score) == ("failed", 0.0)  # `print(3)` passes the visible test
    harder = _problem(tests={**ADD["tests"], "visible": [{"stdin": "5 6\n", "stdout": "11\n"}]})
    events = await run_events(sandbox, meta=TEST_AND_REVISE, worker=worker, problem=harder)
    assert (end(events).status, end(events).score, end(events).answer) == ("passed", 1.0, RIGHT)
    plain = RunConfig(variant="vanilla", repeats=1)
    events = await run_events(sandbox, worker=f"So:\n```python\n{RIGHT}\n```", problem=harder, config=plain)
    assert (end(events).score, end(events).answer) == (1.0, RIGHT)


async def test_a_search_is_told_that_programs_are_asked_for() -> None:
    told = task_of("mine.jsonl", Selection((_problem(),), ())).description
    assert "a whole Python program, which reads standard input" in told
    function = parse_problem({"id": "f", "prompt": "f", "entry_point": "f"}, "here")
    assert "program, which reads" not in task_of("mine.jsonl", Selection((function,), ())).description
