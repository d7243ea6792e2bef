"""The operator graph: order, loops, branches, concurrency; and that of source still streaming."""

from __future__ import annotations

import ast

import pytest

from engine.operators.sets import PAPER
from engine.workflows import WorkflowGraph, partial_graph
from engine.workflows.graph_walk import MAX_NODES, operator_graph
from tests.workflows.workflow_samples import GOOD

HEAD = "class Workflow:\n    async def __call__(self, problem):\n"


def graph(body: str, *, helpers: str = "") -> WorkflowGraph:
    code = HEAD + "\n".join("        " + line for line in body.split("\n")) + "\n" + helpers
    return operator_graph(ast.parse(code), PAPER)


def edges(found: WorkflowGraph) -> set[tuple[str, str, str]]:
    """Edges by the nodes' operators, numbered where an operator occurs twice."""
    return {(e.source, e.target, e.kind) for e in found.edges}


A, B, C = (
    "await self.custom(input='')",
    "await self.review(problem='', solution='')",
    "await self.programmer('')",
)


def test_sequence() -> None:
    found = graph(f"a = {A}\nb = {B}\nreturn f'{{a}}{{b}}'")
    assert [(n.id, n.attribute, n.operator, n.line) for n in found.nodes] == [
        ("n1", "custom", "Custom", 3),
        ("n2", "review", "Review", 4),
    ]
    assert edges(found) == {("n1", "n2", "next")}


def test_arguments_run_before_the_call_that_takes_them() -> None:
    found = graph("return await self.custom(input=(await self.programmer(problem=''))['code'])")
    assert [n.attribute for n in found.nodes] == ["programmer", "custom"]


def test_branches_meet_again() -> None:
    found = graph(f"{A}\nif problem:\n    {B}\n{C}")
    assert edges(found) == {("n1", "n2", "branch"), ("n2", "n3", "next"), ("n1", "n3", "next")}
    assert [n.conditional for n in found.nodes] == [False, True, False]


def test_a_branch_that_returns_leads_nowhere() -> None:
    found = graph(f"{A}\nif problem:\n    return {B}\nelse:\n    x = 1\n{C}")
    assert edges(found) == {("n1", "n2", "branch"), ("n1", "n3", "branch")}


def test_loop() -> None:
    found = graph(f"{A}\nfor _ in problem:\n    {B}\n    if problem:\n        break\n    {C}\nreturn {A}")
    assert [n.in_loop for n in found.nodes] == [False, True, True, False]
    assert edges(found) == {
        ("n1", "n2", "next"),
        ("n2", "n3", "next"),
        ("n3", "n2", "loop"),
        ("n1", "n4", "next"),  # no turn at all
        ("n2", "n4", "branch"),  # out by break
        ("n3", "n4", "next"),
    }


def test_handlers_follow_any_call_of_the_body() -> None:
    found = graph(f"try:\n    {A}\n    {B}\nexcept ValueError:\n    {C}\nfinally:\n    pass")
    assert edges(found) == {("n1", "n2", "next"), ("n1", "n3", "branch"), ("n2", "n3", "branch")}


def test_gathered_calls_run_side_by_side() -> None:
    both = "self.custom(input=''), self.review(problem='', solution='')"
    found = graph(f"{A}\nx = await asyncio.gather({both})\nreturn {C}")
    assert [n.concurrent for n in found.nodes] == [False, True, True, False]
    assert edges(found) == {
        ("n1", "n2", "next"),
        ("n1", "n3", "next"),
        ("n2", "n4", "next"),
        ("n3", "n4", "next"),
    }


def test_helpers_are_walked_where_they_are_called() -> None:
    helper = f"    async def once(self):\n        {B}\n        return {C}\n"
    found = graph(f"{A}\nawait self.once()\nawait self.once()", helpers=helper)
    assert [n.attribute for n in found.nodes] == ["custom", "review", "programmer"]
    assert edges(found) == {("n1", "n2", "next"), ("n2", "n3", "next"), ("n3", "n2", "next")}


def test_gathered_helpers_are_concurrent() -> None:
    found = graph(
        f"async def attempt(i):\n    {A}\n    return {B}\n"
        f"x = await asyncio.gather(*[attempt(i) for i in range(3)])\nreturn {C}"
    )
    assert [n.concurrent for n in found.nodes] == [True, True, False]
    assert edges(found) == {("n1", "n2", "next"), ("n2", "n3", "next")}


def test_recursion_and_size_are_bounded() -> None:
    helper = (
        "    async def again(self):\n        await self.again()\n        return await self.custom(input='')\n"
    )
    assert len(graph("return await self.again()", helpers=helper).nodes) == 1
    big = graph("\n".join(f"if problem:\n    {A}" for _ in range(300)))
    assert len(big.nodes) == MAX_NODES
    assert big.truncated


CHOOSING = {
    "a collection": "pair = [self.custom, self.review]\nreturn await pair[0](input=problem)",
    "a loop": "for each in (self.custom, self.review):\n    x = await each(input=problem)",
    "getattr": "return await getattr(self, problem)(input=problem)",
    "getattr in a name": "each = getattr(self, problem)\nreturn await each(input=problem)",
    "a table": "table = {'a': self.custom}\nreturn await table.get(problem)(input=problem)",
    "an attribute": "return await self.instances[problem](input=problem)",
    "a name of a name": "run = self.instances[problem]\nagain = run\nreturn await again(input=problem)",
    "a condition": "each = self.custom if problem else self.review\nreturn await each(input=problem)",
    "gathered": "x = await asyncio.gather(*[each(input=problem) for each in [self.custom, self.review]])",
    "counted": "for n, each in enumerate([self.custom]):\n    x = await each(input=problem)",
}
NAMING = {
    "plain": A,
    "a result": "made = await self.custom(input=problem)\nreturn made['response']",
    "a loop of results": "for one in await asyncio.gather(self.custom(input=problem)):\n    x = one",
    "a function": "pick = max\nx = pick([1])\nreturn await self.custom(input=str(x))",
    "a helper": "async def one(i):\n    return await self.custom(input=i)\nreturn await one(problem)",
    "a count": "times = self.times\nreturn await self.custom(input=problem * times)",
    "a method of a list": "self.tries.append(problem)\nlast = self.tries[-1]\nreturn last.strip()",
}


@pytest.mark.parametrize("body", CHOOSING.values(), ids=CHOOSING.keys())
def test_operators_that_are_chosen_as_it_runs_are_said_to_be(body: str) -> None:
    assert graph(body).chooses


@pytest.mark.parametrize("body", NAMING.values(), ids=NAMING.keys())
def test_a_workflow_that_names_its_operators_chooses_none(body: str) -> None:
    assert not graph(body).chooses


def test_json() -> None:
    data = graph(f"for _ in problem:\n    {A}").to_json()
    assert data["edges"] == [{"source": "n1", "target": "n1", "kind": "loop"}]
    (node,) = data["nodes"]
    assert node == {
        "id": "n1", "attribute": "custom", "operator": "Custom", "line": 4, "end_line": 4,
        "in_loop": True, "conditional": False, "concurrent": False,
    }  # fmt: skip


@pytest.mark.parametrize("code", GOOD.values(), ids=GOOD.keys())
def test_the_graph_grows_while_code_streams(code: str) -> None:
    whole = partial_graph(code, PAPER)
    best = 0
    for end in range(0, len(code), 3):
        count = len(partial_graph(code[:end], PAPER).nodes)
        assert count <= len(whole.nodes)
        # A helper defined after its use, or a call whose last argument is half a word, may be missing
        # for a moment; but nothing more than the statement being written is lost.
        assert count >= best - 2
        best = max(best, count)
    assert partial_graph(code + "\n        x = (", PAPER) == whole
    assert partial_graph(code.rstrip(), PAPER) == whole  # a last line is whole without its newline


@pytest.mark.parametrize(
    "end",
    [
        "await self.review(problem=problem",
        "await self.review(problem, f'''a {problem",
        "await self.review(problem, ",
    ],
)
def test_a_call_shows_before_it_is_finished(end: str) -> None:
    for start in ("x = ", "if x:\n            y = ", "try:\n            y = ", "y = [z for z in "):
        code = HEAD + f"        x = {A}\n        {start}{end}"
        assert [n.attribute for n in partial_graph(code, PAPER).nodes] == ["custom", "review"], code
