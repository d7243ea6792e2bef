"""Two ends of a line, without processes: what is one object at one end is one at the other."""

from __future__ import annotations

import json
import re
import uuid
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from ipaddress import ip_address, ip_network
from pathlib import PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.guest import codec
from sandbox.guest.graph import Graph
from sandbox.guest.line_messages import MAX_BYTES


class Ends:
    """Two ends that know nothing yet; the second forgets, as the checker does."""

    def __init__(self) -> None:
        self.there, self.here = Graph(1), Graph(-1, forgets=True)

    def come(self, *values: Any) -> Any:
        """What arrives here of what is there."""
        return _alone(self.here.read(_as_json(self.there.write(*values))))

    def go(self, *values: Any) -> Any:
        """What arrives there of what is here."""
        return _alone(self.there.read(_as_json(self.here.write(*values))))


def _as_json(message: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(message))


def _alone(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


KINDS = {
    "date": date(2024, 2, 29),
    "datetime": datetime(2024, 2, 29, 1, 2, 3, 4, UTC, fold=1),
    "a zone with a name": datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=-3), "there")),
    "time": time(1, 2, 3, 4),
    "timedelta": timedelta(days=-3, microseconds=5),
    "decimal": Decimal("1.100"),
    "decimal NaN": Decimal("-Infinity"),
    "fraction": Fraction(-3, 7),
    "complex": complex(-0.0, float("inf")),
    "uuid": uuid.UUID(int=7),
    "path": PurePosixPath("a/../b"),
    "windows path": PureWindowsPath("C:\\a"),
    "address": ip_address("10.0.0.1"),
    "network": ip_network("2001:db8::/32"),
    "slice": slice(1, None, -2),
    "range": range(5, -5, -3),
    "pattern": re.compile("a+", re.IGNORECASE | re.VERBOSE),
    "bytes": b"\x00\xff",
    "array": array("d", [0.5, -1.0]),
    "ellipsis": ...,
    "not implemented": NotImplemented,
    "huge": 10**5000,
    "text": "lone \ud800, NUL \0 and \U0001f600",
    "a class": OSError,
    "a class of a module": datetime,
    "nothing's class": type(None),
    "tuple": (1, (2, (3,)), ()),
    "frozenset": frozenset({1, (2, "x")}),
    "proxy": MappingProxyType({"a": 1}),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_value_arrives_as_what_it_is(name: str) -> None:
    for arrived in (Ends().come(KINDS[name]), Ends().go(KINDS[name])):
        assert type(arrived) is type(KINDS[name])
        assert arrived == KINDS[name] or repr(arrived) == repr(KINDS[name])


def test_a_match_is_the_match() -> None:
    for pattern, text in (("(?P<n>\\d+)", "ab12"), ("", "x"), ("^a|b", "ab"), ("(a)|(b)", "b")):
        for match in re.finditer(pattern, text):
            arrived = Ends().come(match)
            assert (arrived.group(), arrived.groups(), arrived.span()) == (
                match.group(),
                match.groups(),
                match.span(),
            )
    assert Ends().come(re.fullmatch("a|ab", "ab")).group() == "ab"


def test_a_match_that_its_pattern_does_not_make_is_refused() -> None:
    message = Graph(1).write(re.match("a", "a"))
    row = next(row for row in message["n"] if row[1:3] == ["k", "re.Match"])
    row[3][1] = "b"
    with pytest.raises(codec.MalformedError):
        Graph(-1).read(_as_json(message))


@pytest.mark.parametrize(
    "value",
    [[1], {"a": 1}, {1, 2}, bytearray(b"x"), deque([1], 3), Counter("aab"), OrderedDict(a=1, b=2)],
    ids=lambda value: type(value).__name__,
)
def test_a_container_comes_back_as_itself(value: Any) -> None:
    ends = Ends()
    there = ends.go(value)
    assert type(there) is type(value)
    assert there == value
    assert ends.come(there) is value


def test_what_one_end_changes_changes_at_the_other() -> None:
    ends = Ends()
    mine = {"list": [1, 2], "set": {1}, "bytes": bytearray(b"a"), "deque": deque([1]), "inner": {"x": []}}
    there = ends.go(mine)
    there["list"][:] = [3]
    there["set"].add(9)
    there["bytes"] += b"b"
    there["deque"].appendleft(0)
    there["inner"]["x"].append(there)
    held = mine["inner"]["x"]
    ends.come(None)
    assert (mine["list"], mine["set"], bytes(mine["bytes"]), list(mine["deque"])) == (
        [3],
        {1, 9},
        b"ab",
        [0, 1],
    )
    assert held == [mine]
    assert held[0] is mine
    mine["list"].append("back")
    ends.go(None)
    assert there["list"] == [3, "back"]


def test_an_order_is_part_of_an_ordered_dict() -> None:
    ends = Ends()
    mine = ends.come(OrderedDict(a=1, b=2))
    mine.move_to_end("a")
    assert list(ends.go(mine)) == ["b", "a"]


def test_rows_that_are_one_row_stay_one_row() -> None:
    row = [0, 0]
    grid, other = Ends().come([row, row], [list(row), list(row)])
    grid[0][0] = other[0][0] = 1
    assert (grid, other) == ([[1, 0], [1, 0]], [[1, 0], [0, 0]])


def test_cycles_and_depth_are_no_error() -> None:
    cycle: list[Any] = []
    cycle.append({"self": cycle})
    arrived = Ends().come(cycle)
    assert arrived[0]["self"] is arrived
    deep: Any = 0
    for _ in range(50_000):
        deep = [deep]
    arrived, depth = Ends().come(deep), 0
    while arrived != 0 and isinstance(arrived, list):
        arrived, depth = arrived[0], depth + 1
    assert depth == 50_000
    while isinstance(deep, list):  # or it would be freed recursively
        deep = deep.pop()


def test_missing_keys_are_made_as_there() -> None:
    arrived = Ends().come(defaultdict(list, a=[1]))
    arrived["b"].append(2)
    assert arrived == {"a": [1], "b": [2]}
    assert Ends().come(Counter("ab"))["z"] == 0


def test_what_is_held_by_nobody_is_forgotten() -> None:
    ends = Ends()
    for number in range(200):
        ends.come(ends.go([number, [number]]))
    assert len(ends.here.objects) <= 4
    assert len(ends.there.objects) <= 4


def test_what_was_changed_and_let_go_is_told_first() -> None:
    ends = Ends()
    kept = [[]]
    ends.come(kept)[0].append(5)
    ends.go(None)
    assert kept == [[5]]


def test_a_message_that_cannot_be_written_changes_nothing() -> None:
    ends = Ends()
    mine = [1]
    there = ends.go(mine)
    mine.append(2)
    with pytest.raises(codec.NotPlainError):
        ends.here.write(mine, [[3], object()])
    assert ends.go(None) is None
    assert there == [1, 2]


def test_what_is_too_big() -> None:
    for value in ("x" * (MAX_BYTES + 1), b"x" * MAX_BYTES, 1 << (8 * MAX_BYTES), [0] * MAX_BYTES):
        with pytest.raises(codec.TooBigError):
            Graph(1).write([value])


@pytest.mark.parametrize("value", [object(), print, lambda: 0, iter([1]), [object()], {"a": {1: open}}])
def test_what_is_no_data_is_for_the_ends_to_say(value: Any) -> None:
    with pytest.raises(codec.NotPlainError):
        Graph(1).write(value)


_tags = st.sampled_from(sorted("ldsqatzvnkxyehiCE"))
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-4, 4)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(sorted(KINDS)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)
_rows = st.lists(
    st.tuples(st.integers(-4, 4), _tags).flatmap(
        lambda head: st.lists(_json).map(lambda rest: [*head, *rest])
    )
)


@given(st.lists(_json | st.integers(-4, 4).map(lambda number: [number])), _rows)
def test_any_rows_are_read_or_refused(refs: Any, rows: Any) -> None:
    graph = Graph(-1)
    graph.write([1], {"a": [2]})
    try:
        graph.read({"v": refs, "n": rows})
    except codec.MalformedError:
        return
