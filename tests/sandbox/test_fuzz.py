"""Whatever a process sends, it ends its own request at most: not the channel, not the host's loop.

300 examples each by default; FLOWREASONER_LONG=1 makes it a thousand, and
`python -m tests.benchmarks.sandbox_fuzz` sends a hundred thousand.
"""

from __future__ import annotations

import json
import os
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.guest import codec, values
from tests.sandbox import fuzzing

_EXAMPLES = 1000 if os.environ.get("FLOWREASONER_LONG") else 300
_MANY = settings(max_examples=_EXAMPLES)


@_MANY
@given(fuzzing.sequences)
def test_frames_end_no_more_than_their_request(sent: list[bytes]) -> None:
    fuzzing.run(sent)


def test_what_is_well_formed_reaches_the_host() -> None:
    sent = [_frame({**_CALL, "call": n}, b'{"d":[["key",1]]}') for n in range(3)]
    assert fuzzing.run(sent)[1] == 3
    assert fuzzing.run([sent[0], sent[0]])[1] == 1
    assert fuzzing.run([_frame({"op": "value"}, b"1"), *sent])[1] == 0


@_MANY
@given(fuzzing.trees, st.lists(st.binary(max_size=80), max_size=2))
def test_trees_are_values_or_malformed(tree: object, texts: list[bytes]) -> None:
    try:
        value = values.loads(fuzzing.told(tree, *texts))
    except codec.MalformedError:
        return
    try:
        values.dumps(value, max_bytes=4 << 20)
    except codec.NotPlainError:
        return  # deeper as a value than as it was written


def _frame(head: dict[str, object], tree: bytes) -> bytes:
    encoded = json.dumps(head).encode()
    body = struct.pack(">I", len(tree)) + tree
    return struct.pack(">II", len(encoded), len(body)) + encoded + body


_CALL: dict[str, object] = {"op": "callback", "call": 0, "method": "m"}
HEAVY = {
    "lists": b"[" + b"[]," * 300_000 + b"[]]",
    "lists under the cap": b'{"d":[["k",[' + b"[]," * 2_400 + b"[]]]]}",
    "numbers": b"[" + b"1," * 500_000 + b"1]",
    "one text": b'"' + b"x" * 1_000_000 + b'"',
    "one text of escapes": b'"' + b"\\n" * 500_000 + b'"',
    "nested": b"[" * 500_000 + b"]" * 500_000,
    "digits": b"9" * 1_000_000,
    "an integer": b'{"i":"0x' + b"f" * 1_000_000 + b'"}',
    "keys that share a hash": json.dumps(
        {"m": [{"t": [{"i": hex(n * ((1 << 61) - 1))}, 1]} for n in range(1, 20_000)]}
    ).encode(),
    "few keys that share a hash": json.dumps(
        {"d": [[{"i": hex(n * ((1 << 61) - 1))}, 1] for n in range(1, 900)]}
    ).encode(),
}


@pytest.mark.parametrize("name", HEAVY)
def test_no_frame_holds_up_the_loop(name: str) -> None:
    sent = [_frame(_CALL, HEAVY[name]), _frame({"op": "value"}, b"1")]
    assert min(fuzzing.run(sent)[0] for _ in range(5)) < fuzzing.SLOWEST_S
