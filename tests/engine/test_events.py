"""Events survive JSON unchanged, and wrong JSON is refused with a sentence."""

from __future__ import annotations

import dataclasses
import json
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import events
from engine.event_json import UnknownEventError, from_json, to_json
from engine.events import EVENTS, Event

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def _values(hint: object) -> st.SearchStrategy[typing.Any]:
    """A strategy for one field's declared type."""
    if hint is typing.Any:
        return _JSON
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return st.sampled_from(args)
    if origin is tuple:
        return st.lists(_values(args[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(st.text(), _values(args[1]), max_size=3)
    if args:  # a union with None
        return st.one_of([st.none() if a is type(None) else _values(a) for a in args])
    simple = {
        str: st.text(),
        int: st.integers(-(2**53), 2**53),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
    }
    return simple[typing.cast(type, hint)]


@st.composite
def any_event(draw: st.DrawFn) -> Event:
    cls = draw(st.sampled_from(sorted(EVENTS.values(), key=lambda c: c.kind)))
    hints = typing.get_type_hints(cls)
    return cls(**{f.name: draw(_values(hints[f.name])) for f in dataclasses.fields(cls)})


@given(any_event())
def test_json_round_trip(event: Event) -> None:
    assert from_json(json.loads(json.dumps(to_json(event)))) == event


def test_every_event_class_is_registered() -> None:
    classes = {
        c for c in vars(events).values() if isinstance(c, type) and issubclass(c, Event) and c is not Event
    }
    assert classes == set(EVENTS.values())
    assert all(c.kind == kind for kind, c in EVENTS.items())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "from_the_future"}, "newer version"),
        ({"kind": None}, "unknown event kind"),
        ({"colour": "red"}, "no field 'colour'"),
        ({"text": 3}, "notice.text is a int"),
        ({"level": "loud"}, "not one of"),
        ({"seq": True}, "notice.seq is a bool"),
    ],
)
def test_wrong_json_is_refused(change: dict[str, object], says: str) -> None:
    data = to_json(events.Notice(level="info", text="hello")) | change
    with pytest.raises(UnknownEventError, match=says):
        from_json(data)


def test_missing_field_is_refused() -> None:
    data = to_json(events.Notice(level="info", text="hello"))
    del data["text"]
    with pytest.raises(UnknownEventError, match="text"):
        from_json(data)
