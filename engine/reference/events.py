"""The reference of events for the docs, from the classes themselves."""

from __future__ import annotations

import dataclasses
import inspect
from typing import get_type_hints

from engine.events import EVENTS, Event


def reference() -> str:
    """A Markdown section for each event: its docstring, then its own fields and their types."""
    shared = {f.name for f in dataclasses.fields(Event)}
    sections = []
    for kind, cls in EVENTS.items():
        own = [f.name for f in dataclasses.fields(cls) if f.name not in shared]
        rows = [f"| `{name}` | {_type(cls, name)} |" for name in own]
        sections.append(
            "\n".join(
                [f"## {kind}", "", inspect.getdoc(cls) or "", "", "| Field | Type |", "|---|---|", *rows]
            )
        )
    return "\n\n".join(sections) + "\n"


def _type(cls: type[Event], name: str) -> str:
    hint = get_type_hints(cls)[name]
    text = hint.__name__ if isinstance(hint, type) and not getattr(hint, "__args__", ()) else str(hint)
    text = text.replace("typing.", "").replace("NoneType", "None").replace("|", "or")
    return f"`{text}`"
