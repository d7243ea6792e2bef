"""What released operators are known to get wrong is not wrong here."""

from __future__ import annotations

import ast
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

import pytest

from engine.guest_modules import guest_modules
from engine.operators import maas as maas_operators
from engine.operators import md_ensemble, metaflow, revise, sc_ensemble, scoreflow
from engine.operators import programmer as programmer_operator
from engine.operators import test as test_operator

RIGHT = "def f(x):\n    return x * 2"


class Host:
    """The other side: replies in turn, the last one for ever, and whether tests pass."""

    def __init__(
        self, *replies: str, passes: Callable[[str], bool] = lambda _: False, total: int = 2
    ) -> None:
        self._replies = list(replies)
        self._passes = passes
        self._total = total
        self.asked: list[str] = []
        self.tested: list[str] = []

    async def call(self, method: str, **kwargs: Any) -> Any:
        if method == "note":
            return None
        if method == "model":
            self.asked.append(kwargs["messages"][0]["content"])
            return {"text": self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]}
        if method == "tests":
            self.tested.append(kwargs["solution"])
            good = self._total > 0 and self._passes(kwargs["solution"])
            passed = self._total if good else 0
            return {"result": good, "feedback": "it fails", "passed": passed, "total": self._total}
        assert method == "program"
        return {"ok": "boom" not in kwargs["code"], "output": "42"}


@pytest.mark.parametrize("reply", ["B", "B.", " b ", "(B)", "**B**", "Solution B", "<solution_letter>B."])
@pytest.mark.asyncio
async def test_a_letter_is_read_however_it_is_written(reply: str) -> None:
    assert await sc_ensemble.run(Host(reply), solutions=["x", "y"]) == {"response": "y"}


@pytest.mark.parametrize("reply", ["", "Z", "none", "<solution_letter></solution_letter>", "?!"])
@pytest.mark.parametrize("run", [sc_ensemble.run, md_ensemble.run])
@pytest.mark.asyncio
async def test_without_a_letter_the_most_frequent_candidate_is_taken(
    run: Callable[..., Awaitable[dict[str, Any]]], reply: str
) -> None:
    (chosen,) = (await run(Host(reply), solutions=["x", "y", "y"])).values()
    assert chosen == "y"


@pytest.mark.asyncio
async def test_more_candidates_than_letters() -> None:
    solutions = [f"s{i}" for i in range(60)]
    assert await sc_ensemble.run(Host("BH"), solutions=solutions) == {"response": "s59"}
    assert (await md_ensemble.run(Host("BH"), solutions=solutions))["solution"] in solutions


@pytest.mark.parametrize("run", [sc_ensemble.run, md_ensemble.run])
@pytest.mark.parametrize("solutions", [[], "one text"])
@pytest.mark.asyncio
async def test_nothing_to_choose_from_is_said(
    run: Callable[..., Awaitable[dict[str, Any]]], solutions: Any
) -> None:
    with pytest.raises(ValueError, match="at least one solution"):
        await run(Host("A"), solutions=solutions)


class Voter(Host):
    """Votes for one candidate by its text, wherever it is listed."""

    def __init__(self, *wanted: str) -> None:
        super().__init__("")
        self._wanted = list(wanted)

    async def call(self, method: str, **kwargs: Any) -> Any:
        text = kwargs["messages"][0]["content"]
        self.asked.append(text)
        letter = text.split(f":\n{self._wanted.pop(0)}")[0][-1]
        return {"text": f"<solution_letter>{letter}</solution_letter>"}


@pytest.mark.asyncio
async def test_votes_over_shuffled_candidates_count_for_what_they_meant() -> None:
    voter = Voter("two", "one", "two", "three", "two")
    assert await md_ensemble.run(voter, solutions=["one", "two", "three"]) == {"solution": "two"}
    assert len(set(voter.asked)) > 1  # other orders
    again = Voter("two", "one", "two", "three", "two")
    await md_ensemble.run(again, solutions=["one", "two", "three"])
    assert again.asked == voter.asked  # the same step asks the same


@pytest.mark.asyncio
async def test_votes_for_equal_candidates_count_together() -> None:
    # Equal candidates share their votes, so three for "same" beat two for "other".
    voter = Voter("other", "same", "same", "other", "same")
    assert await md_ensemble.run(voter, solutions=["other", "same", "same"]) == {"solution": "same"}


@pytest.mark.asyncio
async def test_without_tests_nothing_passes_and_nothing_is_mended() -> None:
    host = Host(RIGHT, passes=lambda _: True, total=0)
    result = await test_operator.run(host, problem="p", solution="x", entry_point="add")
    assert (result["result"], result["solution"], host.asked) == (False, "x", [])
    assert await scoreflow.test(host, problem="p", solution="x") == "x"
    assert host.asked == []


@pytest.mark.parametrize("name", ["add", "triangle_area", "solve", "sum_squares", "remove_odd", "Split"])
@pytest.mark.asyncio
async def test_no_name_passes_unrun(name: str) -> None:
    result = await test_operator.run(Host(""), problem="p", solution="x", entry_point=name, test_loop=0)
    assert result["result"] is False


@pytest.mark.asyncio
async def test_repairs_end() -> None:
    host = Host("no code")
    result = await test_operator.run(host, problem="p", solution="x", entry_point="f", test_loop=3)
    assert (result["result"], len(host.asked), len(host.tested)) == (False, 3, 4)
    host = Host("no code")
    await scoreflow.test(host, problem="p", solution="x", entry_point="f")
    assert (len(host.asked), len(host.tested)) == (11, 11)  # ten repairs, then anew


@pytest.mark.asyncio
async def test_an_empty_reply_does_not_empty_the_solution() -> None:
    assert await revise.run(Host(" "), problem="p", solution=RIGHT) == {"solution": RIGHT}
    result = await test_operator.run(Host(""), problem="p", solution=RIGHT, entry_point="f")
    assert (result["result"], result["solution"]) == (False, RIGHT)


@pytest.mark.asyncio
async def test_programmer_returns_what_it_ran() -> None:
    host = Host("```python\nimport os\ndef solve():\n    return 42  # position, system\n```")
    made = await programmer_operator.run(host, problem="p")
    assert made["output"] == "42"
    assert "def solve" in made["code"]
    told = await scoreflow.programmer(host, problem="p")
    assert "def solve" in told
    assert "42" in told


@pytest.mark.asyncio
async def test_programmer_feeds_errors_back_and_says_when_all_failed() -> None:
    host = Host("```python\ndef solve():\n    boom\n```", "```python\ndef solve():\n    return 42\n```")
    assert (await programmer_operator.run(host, problem="p"))["output"] == "42"
    assert "boom" in host.asked[1]
    made = await programmer_operator.run(Host("no code"), problem="p")
    assert made["output"].startswith("Error: the reply does not define solve()")


@pytest.mark.parametrize("reply", ["", "It is fine.", "```python\n)(\n```"])
@pytest.mark.asyncio
async def test_a_review_without_code_leaves_the_code_as_it_was(reply: str) -> None:
    host = Host(reply)
    assert await scoreflow.review(host, problem="p", pre_solution=RIGHT, entry_point="f") == RIGHT


@pytest.mark.asyncio
async def test_refining_keeps_answers_answers_and_code_code() -> None:
    refine = maas_operators.self_refine
    assert await refine(Host(f"```python\n{RIGHT}\n```"), problem="p", solution="def f(): 0") == {
        "response": RIGHT
    }
    reply = "By `x = 6 * 7` it is 42:\n```python\nx = 6 * 7\n```\nSo 42."
    assert await refine(Host(reply), problem="p", solution="41") == {"response": reply}
    assert await refine(Host("  "), problem="p", solution="41") == {"response": "41"}


@pytest.mark.parametrize(
    ("reply", "parts"),
    [
        (
            '<subproblems>[{"id": "a", "description": "Read.", "dependencies": ""},'
            ' {"id": "b", "description": "Double.", "dependencies": ["a"]}]</subproblems>',
            [("a", "Read.", ""), ("b", "Double.", "a")],
        ),
        ('["Read.", "Double."]', [("1", "Read.", ""), ("2", "Double.", "")]),
        ('```json\n[{"description": "Read."}]\n```', [("1", "Read.", "")]),
        ("1. Read.\n2. Double.", [("1", "1. Read.\n2. Double.", "")]),
        ("[" * 5000, [("1", "[" * 5000, "")]),
        ("", [("1", "", "")]),
    ],
)
@pytest.mark.asyncio
async def test_decompose_is_always_a_list(reply: str, parts: list[tuple[str, str, str]]) -> None:
    given = await metaflow.decompose(Host(reply), problem="p", instruction="i")
    assert [(p["id"], p["description"], p["dependencies"]) for p in given] == parts


@pytest.mark.parametrize(
    ("verdict", "left"),
    [
        ("<verdict>correct</verdict><findings>[]</findings>", "draft"),
        ("<verdict>incorrect</verdict><findings>[ ]</findings>", "draft"),
        ("I find nothing wrong.", "draft"),
        ('<findings>[{"location": "1", "description": "off by one"}]</findings>', "mended"),
        ("<findings>The last line is wrong.</findings>", "mended"),
    ],
)
@pytest.mark.asyncio
async def test_what_a_grader_finds_right_comes_back_unchanged(verdict: str, left: str) -> None:
    host = Host(verdict, "<refined_solution>mended</refined_solution>")
    assert await metaflow.verify_and_refine(host, problem="p", instruction="i", context="draft") == left


@pytest.mark.asyncio
async def test_a_refiner_that_says_nothing_leaves_the_context() -> None:
    host = Host("<findings>wrong</findings>", "sorry")
    assert await metaflow.verify_and_refine(host, problem="p", instruction="i", context="draft") == "draft"


@pytest.mark.asyncio
async def test_an_ensemble_may_be_a_synthesis_and_needs_candidates() -> None:
    host = Host("<think>both</think><result>a and b</result>")
    assert await metaflow.ensemble(host, problem="p", instruction="i", contexts=["a", "b"]) == "a and b"
    with pytest.raises(ValueError, match="at least one"):
        await metaflow.ensemble(Host("x"), problem="p", instruction="i", contexts=[])


@pytest.mark.asyncio
async def test_a_program_that_never_runs_is_a_text_about_it() -> None:
    text = await metaflow.programmer(Host("no code"), problem="p", instruction="i", max_retries=2)
    assert text.startswith("The program failed 2 times.") and "does not define solve()" in text


def test_operators_need_nothing_that_the_sandbox_lacks() -> None:
    shipped = guest_modules()
    operators = [name for name in shipped if name.startswith("engine.operators.")]
    assert "engine.operators.scoreflow" in operators
    assert not {"engine.operators.sets", "engine.operators.specs", "engine.operators.own"} & set(operators)
    for name in operators:
        assert import_module(name)
        for node in ast.walk(ast.parse(shipped[name])):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            for wanted in names:
                there = wanted.split(".")[0] in sys.stdlib_module_names or wanted in shipped
                assert there, f"{name} imports {wanted}"
