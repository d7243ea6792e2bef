r"""MATH's rule against its official scorer (`is_equiv`), on pairs of written answers whose value is known."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Mapping
from itertools import product
from typing import Any, cast

import pytest
import pytest_asyncio

from engine.guest_modules import guest_modules
from engine.scores.math_answers import compare
from sandbox.sandboxes import Sandboxes
from sandbox.types import Limits, Outcome, Sandbox, SandboxError
from tests.support import official_scorers as official
from tests.support.missing import skip_where_missing

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What is meant → how it is written.
WRITTEN = {
    "half": [r"\frac{1}{2}", r"\frac12", r"\dfrac{1}{2}", r"\tfrac{2}{4}", "1/2", "0.5", ".5", "0.50", "½"],
    "five halves": [r"\frac{5}{2}", "5/2", "2.5", r"2\frac{1}{2}", "2 1/2"],
    "21 halves": [r"\frac{21}{2}", "21/2", "10.5"],
    "12": ["12", "12.0", "12.", r"\frac{24}{2}", "x = 12", r"12\text{ cm}", r"12^\circ", r"\$12", r"12\%"],
    "1 and 2": ["1 2"],
    "-12": ["-12", "−12", "-12.0"],
    "1200": ["1200", "1,200", "1{,}200", r"1,\!200", r"1\,200"],
    "root": [r"\sqrt{3}", r"\sqrt3", r"\sqrt 3", r"\frac{\sqrt{12}}{2}"],
    "two roots": [r"2\sqrt{3}", r"2\sqrt3", r"\sqrt{12}"],
    "point": ["(1,2)", "(1, 2)", r"\left(1,2\right)"],
    "other point": ["(2,1)", r"\left(2,1\right)"],
    "interval": ["[0,1)", r"\left[0,1\right)"],
    "open interval": ["(0,1)", r"\left(0,1\right)"],
    "sum": ["x+1", "x + 1", "1+x"],
    "other sum": ["x+2"],
    "Friday": [r"\text{Friday}", "Friday"],
    "Monday": [r"\text{Monday}", "Monday"],
    "third": [r"\frac{1}{3}", r"\frac13", "1/3", "0.3333333"],
    "less than a third": ["0.33"],
}
FORMS = [(text, means) for means, texts in WRITTEN.items() for text in texts]
Form = tuple[str, str]


def drawn() -> list[tuple[Form, Form]]:
    """Every two forms of one meaning, what the official scorer may take for one, and some of the others."""
    pairs = list(product(FORMS, FORMS))
    confused = (
        {"12", "1 and 2"},
        {"five halves", "21 halves"},
        {"point", "other point"},
        {"third", "less than a third"},
    )
    near = [(a, b) for a, b in pairs if a[1] == b[1] or {a[1], b[1]} in confused]
    far = random.Random(0).sample([pair for pair in pairs if pair not in near], 400)
    return near + far


JUDGE = """
import json
from engine.guest.math_verify import equal

def main():
    with open("pairs.json") as file:
        return [equal(*pair) for pair in json.load(file)]
"""


class Judged:
    """The sandbox of `compare`, with the verdicts of one program instead of a process for each pair."""

    def __init__(self, verdicts: Mapping[tuple[str, str], bool]) -> None:
        self._verdicts = verdicts

    async def run_program(self, code: str, *, files: Mapping[str, bytes], **_options: Any) -> Outcome:
        (pair,) = map(json.loads, files.values())
        return Outcome("passed", value={"equal": self._verdicts[pair["answer"], pair["reference"]]})


def box(text: str) -> str:
    """As `compare` gives it to math-verify."""
    return f"\\boxed{{{text.rstrip('.')}}}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def judged() -> AsyncIterator[Judged]:
    pairs = [(box(said), box(wanted)) for (said, _), (wanted, _) in drawn()]
    async with Sandboxes("docker", guest_modules(), size=1) as sandboxes:
        try:
            sandbox = await sandboxes.open("math")
        except SandboxError as error:
            skip_where_missing(error)
        files = {"pairs.json": json.dumps(pairs).encode()}
        limits = Limits(cpu_s=120.0, result_bytes=1 << 20)
        outcome = await sandbox.run_program(JUDGE, entry="main", limits=limits, files=files)
    assert outcome.status == "passed", outcome.message
    yield Judged(dict(zip(pairs, outcome.value, strict=True)))


async def test_equal_is_what_means_the_same_and_official_differences_are_known(judged: Judged) -> None:
    async def open_sandbox(image: str) -> Sandbox:
        return cast(Sandbox, judged)

    taken_for_one: set[tuple[str, str]] = set()
    told_apart = 0
    pairs = drawn()
    assert len(pairs) >= 500
    for (said, means), (wanted, meant) in pairs:
        found = await compare(f"So it is $\\boxed{{{said}}}$.", wanted, open_sandbox)
        assert found.equal is (means == meant), (said, wanted)
        if official.math(said, wanted) and means != meant:
            taken_for_one.add((means, meant))
        told_apart += means == meant and not official.math(said, wanted)
    # `is_equiv` removes blanks, and knows neither another form of a number nor of a sum.
    assert taken_for_one == {
        ("five halves", "21 halves"),
        ("21 halves", "five halves"),
        ("12", "1 and 2"),
        ("1 and 2", "12"),
    }
    assert told_apart > 100
