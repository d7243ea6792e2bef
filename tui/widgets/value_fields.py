"""A value to edit in parts: each text in it is a field of its own, and JSON is for what is no text."""

from __future__ import annotations

import copy
import json
from typing import Any, cast

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from tui.value_parts import Part, Path, as_json, parts_of
from tui.widgets.text_field import TextField


class FieldError(ValueError):
    """A field holds something that cannot be used; the message says which and why."""


class ValueFields(VerticalScroll):
    """Fields for one value, or all of it as JSON: only there can parts be added and removed.

    A value that nobody changed comes back as it was, control codes included.
    """

    DEFAULT_CSS = """
    ValueFields {
        height: 1fr;
        TextField { height: auto; min-height: 3; max-height: 80%; }
        TextField.-only { height: 1fr; max-height: 100%; }
    }
    """

    def __init__(self, value: Any, *, title: str, id: str | None = None) -> None:
        """`title` is what the value is, for where it stands in one field."""
        super().__init__(id=id, can_focus=False)
        self._value, self._title = value, title
        self._parts = parts_of(value)
        alone = len(self._parts) == 1
        self._fields = [
            TextField(part.text, title=self._titled(part, alone=alone), json=part.is_json)
            for part in self._parts
        ]
        self._whole = TextField(as_json(value), title=f"{title} · JSON", json=True)
        self._fields[0].set_class(alone, "-only")
        self._whole.add_class("-only")
        self._as_json = False

    def _titled(self, part: Part, *, alone: bool) -> str:
        names = (self._title if alone else "", part.title, "JSON" if part.is_json else "")
        return " · ".join(filter(None, names))

    def compose(self) -> ComposeResult:
        yield from self._fields
        self._whole.display = False
        yield self._whole

    @property
    def first(self) -> TextField:
        """The field to begin with."""
        return self._whole if self._as_json else self._fields[0]

    @property
    def shown(self) -> list[TextField]:
        """The fields that can be edited now."""
        return [self._whole] if self._as_json else self._fields

    @property
    def is_changed(self) -> bool:
        """Whether anything differs from the value that was given."""
        return any(field.is_changed for field in self.shown)

    @property
    def value(self) -> Any:
        """The value as edited. Raises FieldError where a field is to hold JSON and does not."""
        if self._as_json:
            return self._read(self._whole, self._title) if self._whole.is_changed else self._value
        changed = copy.deepcopy(self._value)
        for part, field in zip(self._parts, self._fields, strict=True):
            if field.is_changed:
                new = self._read(field, part.title or self._title) if part.is_json else field.value
                changed = _put(changed, part.path, new)
        return changed

    def _read(self, field: TextField, title: str) -> Any:
        try:
            return json.loads(field.whole)
        except (ValueError, RecursionError) as error:
            self.screen.set_focus(field)
            raise FieldError(f"{title}: this is not JSON: {error}") from None

    def turn(self) -> None:
        """Show all of it as JSON, or its fields again. Raises FieldError where the fields do not fit."""
        value = self.value
        if self._as_json:
            parts = parts_of(value)
            if [(p.path, p.is_json) for p in parts] != [(p.path, p.is_json) for p in self._parts]:
                raise FieldError("Parts were added or removed, so this stays JSON.")
            for part, field in zip(parts, self._fields, strict=True):
                field.fill(part.text)
        else:
            self._whole.fill(as_json(value))
        self._show(as_json=not self._as_json)
        self.screen.set_focus(self.first)

    def _show(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._whole.display = as_json
        for field in self._fields:
            field.display = not as_json

    # -- drafts ------------------------------------------------------------------------------------

    def filled(self) -> dict[str, Any]:
        """What was changed, as JSON, for `fill`."""
        if self._as_json:
            return {"json": self._whole.whole}
        return {str(at): field.whole for at, field in enumerate(self._fields) if field.is_changed}

    def fill(self, filled: object) -> None:
        """Put back what `filled` gave; what does not fit any more is left out."""
        texts = cast("dict[str, Any]", filled) if isinstance(filled, dict) else {}
        self._show(as_json=isinstance(texts.get("json"), str))
        for name, field in [("json", self._whole), *((str(n), f) for n, f in enumerate(self._fields))]:
            text = texts.get(name)
            field.fill(text) if isinstance(text, str) else field.restore()


def _put(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = new
    return value
