"""Untrusted text, highlighting, the split of completions, numbers, and the graph: all plain functions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.tui.scripted import CODE, GRAPH, completion
from tui import format as fmt
from tui.highlight import paint
from tui.safe import MAX_LINE, clean, one_line, shown
from tui.trace.completion import split_completion
from tui.trace.graph import draw
from tui.trace.partial import partial_graph


@pytest.mark.parametrize(
    ("dirty", "text"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]52;c;ZXZpbA==\x07copied", "copied"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP+q544e\x1b\\x", "x"),
        ("\x9b31mred", "red"),
        ("a\x00b\x07c\x7fd", "abcd"),
        ("user = 'admin\u202e \u2066# check\u2069'", "user = 'admin # check'"),
        ("a\u200bb\ufeffc\u00add", "abcd"),
        ("50%\r60%\r\ndone", "50%\n60%\ndone"),
        ("a\tb", "a   b"),
        ("\ud800x", "x"),
        ("[bold]x[/bold] [@click=app.quit]y[/]", "[bold]x[/bold] [@click=app.quit]y[/]"),
        ("héllo 中文 👩‍👩", "héllo 中文 👩👩"),
    ],
)
def test_what_a_terminal_would_act_on_is_gone(dirty: str, text: str) -> None:
    assert clean(dirty) == text


@given(st.text())
def test_clean_text_is_printable_and_stays_clean(text: str) -> None:
    once = clean(text)
    assert not {c for c in once if ord(c) < 32 and c != "\n"}
    assert clean(once) == once


def test_long_text_is_cut_and_says_by_how_much() -> None:
    text, hidden = shown("x" * 10_000_000, 1000)
    assert len(text) == 1000 and hidden == 9_999_000
    line, hidden = shown("y" * 10_000, 100_000)
    assert len(line) == MAX_LINE + 2 and hidden == 10_000 - MAX_LINE
    assert shown("short") == ("short", 0)


@given(st.integers(100, 5000), st.integers(0, 40))
def test_the_tail_of_growing_text_moves_in_steps(length: int, more: int) -> None:
    text = "".join(chr(97 + i % 26) for i in range(length + more))
    before, after = shown(text[:length], 100, "tail"), shown(text, 100, "tail")
    assert text.endswith(after.text) and len(after.text) <= 100
    if before.hidden == after.hidden:
        assert after.text.startswith(before.text)


def test_one_line_fits() -> None:
    assert one_line("a\nb\x1b[1m  c", 20) == "a b c"
    assert one_line("abcdef", 4) == "abc…"


@given(st.integers(0, len(completion())))
def test_a_completion_cut_anywhere_is_split(at: int) -> None:
    parts = split_completion(completion()[:at])
    assert CODE.strip("\n").startswith(parts.code)
    assert "<" not in parts.code + parts.reasoning + parts.modification


def test_thinking_tags_in_the_text_are_reasoning() -> None:
    parts = split_completion("<think>why</think>so<graph>```python\nx = 1\n```</graph>")
    assert (parts.reasoning, parts.prose, parts.code) == ("why", "so", "x = 1")
    assert split_completion("<think>not yet").reasoning == "not yet"
    assert split_completion("opened by the template</think>x").reasoning == "opened by the template"


@given(st.lists(st.text(max_size=60), max_size=6))
def test_painting_never_raises_and_stays_in_the_line(lines: list[str]) -> None:
    quote = ""
    for line in lines:
        spans, quote = paint(line, quote)
        assert all(0 <= a <= b <= len(line) for a, b, _ in spans)


def test_a_string_may_stay_open_over_lines() -> None:
    spans, quote = paint('x = """one')
    assert quote == '"""' and spans[-1] == (4, 10, "string")
    assert paint("two", quote) == ([(0, 3, "string")], '"""')
    assert paint('end""" + y', quote).quote == ""


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, ""),
        (0.2, "0ms"),
        (999.4, "999ms"),
        (999.9, "1.0s"),
        (61_000, "61.0s"),
        (125_000, "2m05s"),
        (7.6e6, "2h06m"),
    ],
)
def test_durations_fit_their_column(ms: float | None, text: str) -> None:
    assert fmt.duration(ms) == text


@given(st.integers(0, 999_000_000))
def test_counts_fit_their_column(number: int) -> None:
    assert len(fmt.count(number)) <= 5


def test_unknown_money_is_not_zero() -> None:
    assert [fmt.cost(v) for v in (None, 0, 0.00001, 0.0123, 12.5)] == [
        "?",
        "$0",
        "<$.0001",
        "$0.0123",
        "$12.50",
    ]


def lines_of(graph: dict[str, object]) -> list[str]:
    return ["".join(text for text, _ in line) for line in draw(graph)]


def test_the_graph_is_drawn_in_layers_with_its_marks() -> None:
    text = "\n".join(lines_of(GRAPH))
    assert text.count("CustomCodeGenerate ∥") == 2
    assert "Test ↻" in text and "Review ↻ ?" in text
    rows = [i for i, line in enumerate(lines_of(GRAPH)) if "▐" in line]
    assert rows == [0, 2, 4, 6, 8]
    assert "┬" in lines_of(GRAPH)[1]


ID = st.sampled_from("abcdefgh")
NODES = st.lists(st.fixed_dictionaries({"id": ID, "operator": st.text(max_size=12)}), max_size=8)
EDGES = st.lists(st.fixed_dictionaries({"source": ID, "target": ID, "kind": st.just("next")}), max_size=14)


@settings(max_examples=200)
@given(NODES, EDGES)
def test_any_graph_can_be_drawn(nodes: list[dict[str, str]], edges: list[dict[str, str]]) -> None:
    lines = lines_of({"nodes": nodes, "edges": edges})
    assert sum(line.count("▐") for line in lines) == len({n["id"] for n in nodes})


@pytest.mark.parametrize(
    "graph", [{}, {"nodes": None}, {"nodes": [1, {}], "edges": "x"}, {"nodes": [{"id": None}]}]
)
def test_a_damaged_graph_is_drawn_as_far_as_it_goes(graph: dict[str, object]) -> None:
    assert all(cell_len(line) < 80 for line in lines_of(graph))


def test_the_graph_grows_while_the_code_is_written() -> None:
    sizes = [len(partial_graph(CODE[:at], {})["nodes"]) for at in range(0, len(CODE), 40)]
    assert sizes[0] == 0
    assert len(partial_graph(CODE, {})["nodes"]) == 6


def test_lines_are_capped_too() -> None:
    lines = [str(n) for n in range(20_000)]
    text, hidden = shown("\n".join(lines))
    assert text.split("\n") == lines[:5000] and hidden == len("\n".join(lines)) - len(text)
    tail, _ = shown("\n".join(lines), keep="tail")
    assert tail.split("\n")[-1] == "19999" and len(tail.split("\n")) <= 5000
