"""Values in parts: each text a field of its own, JSON for what is none, and nothing lost on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.app import App, ComposeResult

from tui.highlight import is_code
from tui.value_parts import MOST_PARTS, parts_of
from tui.widgets.line_view import INKS
from tui.widgets.text_field import MAX_EDITED, TextField
from tui.widgets.value_fields import FieldError, ValueFields

CODE = 'def double(x):\n    """Twice\n    as much."""\n    return 2 * x'
INPUTS = {"problem": "Write `double`.\n\nIt doubles.", "solutions": [CODE, "x = 1\n"], "loop": 3, "meta": {}}


class Fields(App[None]):
    """Nothing but the fields of one value."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self._value = value

    def compose(self) -> ComposeResult:
        yield ValueFields(self._value, title="Inputs")

    @property
    def fields(self) -> ValueFields:
        return self.query_one(ValueFields)


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("x", [("", "x", False)]),
        (None, [("", "null", True)]),
        ({}, [("", "{}", True)]),
        ([], [("", "[]", True)]),
        ({"result": True}, [("result", "true", True)]),
        ({"a": "one\ntwo", "b": 2}, [("a", "one\ntwo", False), ("b", "2", True)]),
        ({"codes": ["x", "y"]}, [("codes.0", "x", False), ("codes.1", "y", False)]),
        ({"sizes": [1, 2]}, [("sizes", "[\n  1,\n  2\n]", True)]),
        ([{"role": "user", "content": "hi"}], [("0.user", "hi", False)]),
        ([{"role": "user", "content": None}], [("0.role", "user", False), ("0.content", "null", True)]),
        ({"a": {"b": ["x", None]}}, [("a.b.0", "x", False), ("a.b.1", "null", True)]),
    ],
)
def test_what_a_value_is_edited_as(value: Any, parts: list[tuple[str, str, bool]]) -> None:
    assert [(p.title, p.text, p.is_json) for p in parts_of(value)] == parts


def test_more_parts_than_anybody_edits_are_json() -> None:
    many = ["x"] * (MOST_PARTS + 1)
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    for value in (many, deep, {"a": many}):
        (part,) = parts_of(value)
        assert part.is_json


@pytest.mark.parametrize(
    "text",
    [
        CODE, "async def f():", "class A:", "import os, sys", "from a.b import c", "# why\n\nx = 1",
        "@wraps(f)", "return x + f(1)", "assert f(2) == 4", "a[0] += 1",
    ],
)  # fmt: skip
def test_code_is_told_from_prose(text: str) -> None:
    assert is_code(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "Write a function.\n\ndef f(): ...", "import the data first", "class of problems", "from here on",
        "return the sum of both", "# only a heading", "assert yourself", "define f", '{"a": 1}', "x == y?",
    ],
)  # fmt: skip
def test_prose_is_no_code(text: str) -> None:
    assert not is_code(text)


async def test_only_what_was_touched_changes() -> None:
    hidden = "left \x1b[31m right \u202e"
    value = {**INPUTS, "hidden": hidden}
    app = Fields(value)
    async with app.run_test(size=(100, 60)) as pilot:
        fields = app.fields
        titles = [field.border_title for field in fields.shown]
        assert titles == ["problem", "solutions.0", "solutions.1", "loop · JSON", "meta · JSON", "hidden"]
        assert not fields.is_changed and fields.value == value
        assert "\x1b" not in fields.shown[-1].text
        fields.shown[1].focus()
        await pilot.press(*"# ok ")
        fields.shown[3].fill("4")
        assert fields.value == {**value, "solutions": [f"# ok {CODE}", "x = 1\n"], "loop": 4}
        fields.shown[3].fill("four")
        with pytest.raises(FieldError, match="loop: this is not JSON"):
            _ = fields.value
        await pilot.pause()
        assert app.focused is fields.shown[3]


async def test_parts_are_added_as_json_and_fields_come_back_only_where_they_fit() -> None:
    app = Fields(INPUTS)
    async with app.run_test(size=(100, 60)) as pilot:
        fields = app.fields
        fields.shown[0].fill("Other.")
        fields.turn()
        (whole,) = fields.shown
        assert '"problem": "Other."' in whole.text and fields.value["problem"] == "Other."
        whole.fill(whole.text.replace("Other.", "Another."))
        fields.turn()
        assert fields.shown[0].text == "Another."
        assert fields.value == {**INPUTS, "problem": "Another."}
        fields.turn()
        fields.first.fill('{"problem": "Another.", "more": "x"}')
        with pytest.raises(FieldError, match="stays JSON"):
            fields.turn()
        assert fields.value == {"problem": "Another.", "more": "x"}
        await pilot.pause()


async def test_a_draft_has_what_was_changed_and_bad_ones_are_left_out() -> None:
    app = Fields(INPUTS)
    async with app.run_test(size=(100, 60)):
        fields = app.fields
        assert fields.filled() == {}
        fields.shown[0].fill("Other.")
        draft = fields.filled()
        fields.fill({})
        assert fields.value == INPUTS
        fields.fill(draft)
        assert fields.value == {**INPUTS, "problem": "Other."}
        for broken in (None, 7, {"0": 1, "99": "x", "json": 3}):
            fields.fill(broken)
            assert fields.value == INPUTS
        fields.fill({"json": "[]"})
        assert fields.value == []


@pytest.mark.drawn
async def test_code_is_coloured_as_it_is_typed() -> None:
    app = Fields({"code": CODE, "prose": "def is a word."})
    async with app.run_test(size=(100, 60)) as pilot:
        code, prose = app.fields.shown

        def inks(field: TextField, line: int) -> set[str]:
            names = {str(field._ink(name)): name for name in INKS}
            return {names[str(span.style)] for span in field.get_line(line).spans}

        await pilot.pause()
        assert inks(code, 0) == {"keyword", "call"} and inks(code, 2) == {"string"}
        assert not inks(prose, 0)
        code.fill(CODE.replace('"""', "", 1).replace('"""', ""))
        await pilot.pause()
        assert "string" not in inks(code, 2)


async def test_the_editor_opens_the_field_by_its_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "editor"
    script.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/named\nprintf "y = 2\\n" > "$1"\n')
    script.chmod(0o700)
    monkeypatch.setenv("EDITOR", str(script))
    app = Fields(INPUTS)
    async with app.run_test(size=(100, 60)):
        monkeypatch.setattr(type(app._driver), "can_suspend", True)
        for name in ("suspend_application_mode", "resume_application_mode"):
            monkeypatch.setattr(type(app._driver), name, lambda self: None)
        await app.fields.shown[1].open_editor()
        assert (tmp_path / "named").read_text().endswith(".py\n")
        await app.fields.shown[2].open_editor()  # its last line was ended before
        assert app.fields.value["solutions"] == ["y = 2", "y = 2\n"]


async def test_a_text_too_long_for_an_area_is_kept_and_edited_outside() -> None:
    long = "word " * MAX_EDITED
    app = Fields({"text": long})
    async with app.run_test(size=(100, 60)):
        (field,) = app.fields.shown
        assert field.read_only and "$EDITOR" in str(field.border_title)
        assert len(field.text) < MAX_EDITED + 10 and app.fields.value == {"text": long}
        field.fill("short")
        assert not field.read_only and app.fields.value == {"text": "short"}
