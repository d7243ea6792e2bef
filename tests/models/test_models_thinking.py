"""The think splitter and the stop scanner: where the text is cut into pieces never matters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.models.base import Delta
from engine.models.stops import StopScanner
from engine.models.thinking import ThinkSplitter

PARTS = st.lists(
    st.sampled_from(
        [
            "<think>",
            "</think>",
            "[THINK]",
            "[/THI",
            "<thi",
            "nk>",
            "</",
            "```",
            "\n",
            " ",
            "a",
            "code <think>",
            "b\n",
        ]
    ),
    max_size=12,
).map("".join)


def split(pieces: list[str], *, inside: bool = False) -> tuple[str, str, list[Delta]]:
    splitter = ThinkSplitter(inside=inside)
    deltas = [delta for piece in pieces for delta in splitter.feed(piece)] + splitter.close()
    return splitter.reasoning, splitter.text, deltas


@pytest.mark.parametrize(
    ("text", "inside", "reasoning", "answer"),
    [
        ("plain", False, "", "plain"),
        ("<think>\nA.\n</think>\n\nB", False, "A.\n", "B"),
        ("\n <think>A</think>B", False, "A", "B"),
        ("<think>A</think> <think>B</think>C", False, "AB", "C"),
        ("<think>never closed", False, "never closed", ""),
        ("A</think>B", True, "A", "B"),
        ("A\n</think>\nB", False, "A\n", "B"),  # the opening tag was in the prompt
        ("</think>\n\nB", False, "", "B"),
        ("<think></think>B", False, "", "B"),
        ("say <think> aloud", False, "", "say <think> aloud"),
        ("```\ns.split('</think>')\n```", False, "", "```\ns.split('</think>')\n```"),
        ("<think>A</think>B</think>C", False, "A", "B</think>C"),
        ("<thin", False, "", "<thin"),
        ("  \n", False, "", "  \n"),
        ("A</thin", True, "A</thin", ""),
        ("[THINK]A </think>[/THINK]B", False, "A </think>", "B"),
        ("<seed:think>A</seed:think>B", False, "A", "B"),
        ("\u25c1think\u25b7A\u25c1/think\u25b7B", False, "A", "B"),
        (
            "<|channel|>analysis<|message|>A<|end|><|start|>assistant<|channel|>final<|message|>B",
            False,
            "A",
            "B",
        ),
        ("<thought>A</thought>B", False, "", "<thought>A</thought>B"),  # as a prompt may ask for
        ("[THIN]B", False, "", "[THIN]B"),
    ],
)
def test_examples(text: str, inside: bool, reasoning: str, answer: str) -> None:
    assert split([text], inside=inside)[:2] == (reasoning, answer)
    assert split(list(text), inside=inside)[:2] == (reasoning, answer)


@given(st.data(), PARTS, st.booleans())
def test_cuts_do_not_matter(data: st.DataObject, text: str, inside: bool) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert split(pieces, inside=inside)[:2] == split([text], inside=inside)[:2]


def bare(text: str) -> str:
    """`text` without marks and blanks."""
    for mark in ("<think>", "</think>", "[THINK]"):
        text = text.replace(mark, "")
    return "".join(text.split())


@given(PARTS, st.booleans())
def test_nothing_is_lost_but_tags_and_the_space_around_them(text: str, inside: bool) -> None:
    reasoning, answer, deltas = split(list(text), inside=inside)
    assert bare(reasoning + answer) == bare(text)
    assert "".join(d.text for d in deltas) == reasoning + answer


@given(PARTS)
def test_deltas_add_up_where_the_block_is_opened(text: str) -> None:
    reasoning, answer, deltas = split(list(f"<think>{text}"))
    assert "".join(d.text for d in deltas if d.channel == "reasoning") == reasoning
    assert "".join(d.text for d in deltas if d.channel == "text") == answer


@given(st.data(), st.text("abc", max_size=30), st.lists(st.text("abc", min_size=1, max_size=4), max_size=3))
def test_stops_cut_at_the_earliest_wherever_pieces_end(
    data: st.DataObject, text: str, stops: list[str]
) -> None:
    scanner = StopScanner(stops)
    size = data.draw(st.integers(1, 5))
    out = "".join(scanner.feed(text[i : i + size]) for i in range(0, len(text), size)) + scanner.close()
    found = [text.find(stop) for stop in stops if stop in text]
    if not found:
        assert (out, scanner.hit) == (text, False)
    else:
        assert scanner.hit
        # A shorter stop may complete before an earlier but longer one.
        assert text.startswith(out)
        assert any(text[len(out) :].startswith(stop) for stop in stops)
