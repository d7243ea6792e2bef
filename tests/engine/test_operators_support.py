"""What operators read out of replies: code, fields, letters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.operators.support import chosen, extract_code, field, letter


@pytest.mark.parametrize(
    ("reply", "entry_point", "code"),
    [
        ("def f():\n    return 1", "f", "def f():\n    return 1"),
        ("Sure!\n```python\ndef f():\n    return 1\n```\nDone.", "f", "def f():\n    return 1"),
        ("```\nx = 1\n```", None, "x = 1"),
        ("```python\ndef g(): pass\n```\n```python\ndef f(): pass\n```", "f", "def f(): pass"),
        ("```python\ndef f(): pass\n```\nUsage:\n```python\nf()\n```", "f", "def f(): pass"),
        (
            "```python\nimport math\n```\nthen\n```python\ndef f(): return math.pi\n```",
            "f",
            "import math\n\ndef f(): return math.pi",
        ),
        ("```python\ndef f():\n    return 1", "f", "def f():\n    return 1"),  # cut off before the fence
        ("```json\n{}\n```", None, "```json\n{}\n```"),
    ],
)
def test_extract_code(reply: str, entry_point: str | None, code: str) -> None:
    assert extract_code(reply, entry_point) == code


@pytest.mark.parametrize(
    ("reply", "pick"),
    [
        ("<solution_letter>B</solution_letter>", 1),
        ("<solution_letter> b. </solution_letter>", 1),
        ("B.", 1),
        ("(C)", 2),
        ("**A**", 0),
        ("Solution B", 1),
        ("the best is C", 2),
        ("", None),
        ("Z", None),
        ("none of them", None),
    ],
)
def test_chosen_letter(reply: str, pick: int | None) -> None:
    assert chosen(reply, 3) == pick


def test_more_than_26_candidates() -> None:
    assert letter(25) == "Z"
    assert letter(26) == "AA"
    assert chosen("<solution_letter>AB</solution_letter>", 30) == 27


def test_field_takes_the_last_complete_one_and_survives_a_cut() -> None:
    assert field("<answer>1</answer> no: <answer>2</answer>", "answer") == "2"
    assert field("<answer>1", "answer") == "1"
    assert field("nothing", "answer") is None


@given(st.text(), st.integers(1, 40))
def test_readers_never_raise(reply: str, count: int) -> None:
    pick = chosen(reply, count)
    assert pick is None or 0 <= pick < count
    extract_code(reply, "f")
    field(reply, "answer")
