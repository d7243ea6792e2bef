"""Verdicts of models: what is understood, what is asked for again, and what is never guessed."""

from __future__ import annotations

from typing import Any

import pytest

from engine.operators import md_ensemble, review, sc_ensemble
from engine.operators.support import accepted, chosen


@pytest.mark.parametrize(
    ("reply", "pick"),
    [
        ("<solution_letter>B</solution_letter>", 1),
        ("<solution_letter> **b** </solution_letter>", 1),
        ("<Solution_Letter>\n(C)\n</Solution_Letter>", 2),
        ("<solution_letter>Solution C</solution_letter>", 2),
        ("<solution_letter>B because A fails on 0</solution_letter>", 1),
        ("<solution_letter>A: it is the shortest</solution_letter>", 0),
        ("<solution_letter>The one that agrees is B</solution_letter>", 1),
        ("A wins? No. <solution_letter>C</solution_letter>", 2),
        ('{"solution_letter": "C"}', 2),
        ('```json\n{"reason": "A is odd", "solution_letter": "b"}\n```', 1),
        ("solution_letter: B", 1),
        ("**Solution letter**: C", 2),
        ("C", 2),
        ("option b.", 1),
        ("`A`", 0),
        ("They differ in one case.\n\nB", 1),
        ("C\n\nIt handles the empty list.", 2),
        ("A closer look shows that C is right.", 2),
        ("Having compared A with C, I choose B.", 1),
        ("Solution A is better than solution B.", 0),
        ("A and C agree, so A.", 0),
        ("My final answer: **C**", 2),
        ("I would not pick A; B is the most consistent.", 1),
        ("B is not correct. C is correct.", 2),
        ("The best solution is therefore B!", 1),
        ("I'd go with option C here.", 2),
        ("The answer is \\boxed{B}.", 1),
        ("It's A.", 0),
    ],
)
def test_a_choice_is_understood(reply: str, pick: int) -> None:
    assert chosen(reply, 3) == pick


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "I am not able to decide.",
        "A good question with no clear answer.",
        "Both A and B are correct.",
        "A is best at speed, and B is best at clarity.",
        "Neither A nor B is right.",
        "I choose A solution of my own.",
        "A or B",
        "<solution_letter></solution_letter>",
        "<solution_letter>Z</solution_letter>",
        "<solution_letter>none of them</solution_letter>",
        "I think a list is returned by all of them.",
        "B is not the best.",
        "1",
    ],
)
def test_no_choice_is_made_up(reply: str) -> None:
    assert chosen(reply, 9) is None


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("<review_result>true</review_result><feedback>fine</feedback>", True),
        ("<review_result>\n**True**.\n</review_result>", True),
        ('<review_result>"false"</review_result>', False),
        ("<Review_Result>FALSE</Review_Result>", False),
        ("<review_result>wrong</review_result>", False),
        ("<review_result>Failed</review_result>", False),
        ("<review_result>Pass</review_result>", True),
        ("<review_result>not correct</review_result>", False),
        ("<review_result>not incorrect</review_result>", True),
        ("<review_result>no errors found</review_result>", True),
        ("<review_result>There are no issues with it.</review_result>", True),
        ("<review_result>There is an error in line 2.</review_result>", False),
        ("<review_result>No problems: true</review_result>", True),
        ("<review_result>false: it returns 1 where 0 is right</review_result>", False),
        ("<review_result>It doesn't work for 0.</review_result>", False),
        ('{"review_result": true, "feedback": "it is wrong to call it wrong"}', True),
        ('```json\n{"review_result": "False"}\n```', False),
        ("**Review result**: false\n**Feedback**: true for 0", False),
        ("review_result = True", True),
        ("| review_result | false |", False),
        ("Verdict: incorrect", False),
        ("True", True),
        ("no. It misses 0.", False),
        ("False\n\nIt misses 0, which is right there.", False),
        ("I went through it.\n\nTrue", True),
    ],
)
def test_a_review_is_understood(reply: str, verdict: bool) -> None:
    assert accepted(reply) is verdict


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "<review_result></review_result>",
        "<review_result>I cannot tell.</review_result>",
        "<review_result>true or false</review_result>",
        "<review_result>partially correct</review_result>",
        "<review_result>It depends on whether 0 is valid.</review_result>",
        "<review_result>mostly right</review_result>",
        "<review_result>?</review_result>",
        "It is a function of one argument.\nIt adds one.",
        "True\n\nNo, wait:\n\nFalse",
        "The result is false, where the true one is 3.",
    ],
)
def test_no_verdict_is_made_up(reply: str) -> None:
    assert accepted(reply) is None


class Host:
    """Replies in turn, the last one for ever; what was asked, and what was noted."""

    def __init__(self, *replies: str) -> None:
        self._replies = list(replies)
        self.asked: list[str] = []
        self.notes: list[str] = []

    async def call(self, method: str, **kwargs: Any) -> Any:
        if method == "note":
            self.notes.append(kwargs["code"])
            return None
        self.asked.append(kwargs["messages"][-1]["content"])
        return {"text": self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]}


@pytest.mark.asyncio
async def test_what_is_not_understood_is_asked_for_once_more() -> None:
    host = Host("Hard to say.", "<review_result>false</review_result>")
    result = await review.run(host, problem="p", solution="s")
    assert result == {"review_result": False, "feedback": "Hard to say."}
    assert host.notes == ["asked-again"]
    assert host.asked[1].startswith(host.asked[0])
    assert host.asked[1].endswith("and nothing else.")


@pytest.mark.asyncio
async def test_a_review_that_stays_unclear_is_neither() -> None:
    host = Host("Hard to say.")
    result = await review.run(host, problem="p", solution="s")
    assert result == {"review_result": None, "feedback": "Hard to say."}
    assert (len(host.asked), host.notes) == (2, ["asked-again", "not-understood"])


@pytest.mark.asyncio
async def test_an_ensemble_that_stays_unclear_says_so() -> None:
    host = Host("They are all nice.")
    assert await sc_ensemble.run(host, solutions=["x", "y", "y"]) == {"response": "y"}
    assert (len(host.asked), host.notes) == (2, ["asked-again", "not-understood"])
    votes = Host("They are all nice.")
    assert await md_ensemble.run(votes, solutions=["x", "y", "y"]) == {"solution": "y"}
    assert (len(votes.asked), votes.notes.count("not-understood")) == (10, 5)


@pytest.mark.parametrize(
    "solutions",
    [
        ["x", "y"],
        [1, 2],
        [None, 0.5],
        [{"response": "x"}, {"response": "y"}],
        [{"code": "x", "output": "1"}, {"code": "y", "output": "2"}],
        [["x"], ["y"]],
        [("x", 1), ("y", 2)],
        [True, False],
        ["x", {"response": "y"}],
        [b"x", b"y"],
    ],
)
@pytest.mark.asyncio
async def test_ensembles_return_the_candidate_itself(solutions: list[Any]) -> None:
    picked = await sc_ensemble.run(Host("B"), solutions=solutions)
    assert picked["response"] is solutions[1]
    voted = await md_ensemble.run(Host("B"), solutions=solutions)
    assert any(voted["solution"] is s for s in solutions)
    same = await sc_ensemble.run(Host("B"), solutions=[solutions[0], solutions[0]])
    assert same["response"] is solutions[0]


@pytest.mark.asyncio
async def test_a_worker_reads_the_text_of_a_result_and_not_its_dictionary() -> None:
    host = Host("A")
    await sc_ensemble.run(host, solutions=[{"response": "first"}, {"response": "second"}])
    assert "A:\nfirst\n\nB:\nsecond" in host.asked[0]
