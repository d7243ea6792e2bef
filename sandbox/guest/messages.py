"""What a less trusted side may send: a process of a request to the runner, the runner to the host."""

from __future__ import annotations

from collections.abc import Mapping

from .frames import MAX_FRAME, Caps, Frame
from .schema import Flag, Items, Maybe, Number, OneOf, Record, Schema, SchemaError, Text, Whole

MAX_CALLS = 20_000  # of the host, by one request
OPEN_CALLS = 256  # not answered yet
OPEN_BYTES = 8 << 20  # of their arguments
MAX_ARGUMENTS = 1 << 20  # bytes of one call, and of how many parts they consist
MAX_ARGUMENT_PARTS = 5_000
_HEAD = 64 << 10
MAX_MESSAGE = 16 << 10  # characters of one that a person reads
_MAX_TEST = MAX_FRAME  # more than the frame of a request could hold
_MESSAGE = Text(MAX_MESSAGE)

_STATUS = OneOf("passed", "failed", "timeout-wall", "timeout-cpu", "oom", "output-limit", "tampered", "infra")
_FAILED = ("assert", "exception", "load", "not-plain-data", "too-big", "no-verdict")
_REASON = OneOf(None, *_FAILED, "signal", "busy", "protocol")
_MODE = OneOf("split", "objects", "in-process")
_TEST = {
    "index": Whole(0, _MAX_TEST),
    "status": OneOf("passed", "failed", "oom", "tampered"),
    "reason": OneOf(None, *_FAILED),
    "message": _MESSAGE,
}


class Messages:
    """The kinds of message on a line, told apart by the field `tag`, and how long a body each may have."""

    def __init__(
        self, tag: str, kinds: Mapping[str, Mapping[str, Schema]], bodies: Mapping[str, int] | None = None
    ) -> None:
        self._tag = tag
        self._kinds = {name: Record({tag: OneOf(name), **fields}) for name, fields in kinds.items()}
        self._bodies = bodies or {}

    def check(self, frame: Frame) -> str:
        """Which kind `frame` is.

        Raises:
            SchemaError: it is none of this line's.
        """
        kind = frame.head.get(self._tag)
        schema = self._kinds.get(kind) if type(kind) is str else None
        if schema is None or type(kind) is not str:
            raise SchemaError(f"there is no message of that kind ({ascii(kind)[:40]})")
        schema.check(frame.head, kind)
        most = self._bodies.get(kind, 0)
        if len(frame.body) > most:
            raise SchemaError(f"{kind} has a body of {len(frame.body)} bytes: at most {most} are allowed")
        return kind


_UP: dict[str, Mapping[str, Schema]] = {"up": {}}
_ENDED = {"reason": OneOf("exception", "load", "too-big", "not-plain-data"), "message": _MESSAGE}

# From the process of a request, by its role.
FROM_ROLE = {
    "call": Messages(
        "op",
        {
            **_UP,
            "callback": {"call": Whole(0, MAX_CALLS - 1), "method": Text(64)},
            "value": {},
            "failed": _ENDED,
            "oom": _ENDED,
        },
        {"callback": MAX_ARGUMENTS, "value": MAX_FRAME},
    ),
    "program": Messages("op", {**_UP, "value": {}, "failed": _ENDED, "oom": _ENDED}, {"value": MAX_FRAME}),
    "checker": Messages(
        "op",
        {
            **_UP,
            "mode": {"mode": _MODE},
            "refused": {"why": _MESSAGE},
            "apart": {},
            "test": _TEST,
            "tampered": {"why": _MESSAGE},
            "end": {},
        },
    ),
    "solution": Messages("op", _UP),
}

_ID = {"id": Text(64)}
_USAGE = Record(
    {"wall_ms": Number(0), "cpu_ms": Number(0), "max_rss_kb": Whole(0, 1 << 40)}
    | {"output_bytes": Whole(0, 1 << 60)}
)
_DONE = {
    **_ID,
    "status": _STATUS,
    "reason": _REASON,
    "message": _MESSAGE,
    "usage": Maybe(_USAGE),
    "stdout": Text(MAX_FRAME),
    "stderr": Text(MAX_FRAME),
    "clean": Flag(),
    "by_kernel": Flag(),  # out of memory: the kernel chose it, perhaps for what others hold
    "mode": _MODE,
    "tests": Items(Record(_TEST | {"status": _STATUS, "reason": _REASON}), _MAX_TEST),
}

# From the runner to the host.
FROM_RUNNER = Messages(
    "t",
    {
        "ready": {"python": Text(64), "problem": Maybe(_MESSAGE)},
        "callback": {**_ID, "call": Whole(0, MAX_CALLS - 1), "method": Text(64)},
        "file": {**_ID, "name": Text(4096), "refused": Maybe(Text(1000))},
        "done": _DONE,
        "probed": {**_ID, "problem": Maybe(_MESSAGE)},
        "dirty": {},
    },
    {"callback": MAX_ARGUMENTS, "file": MAX_FRAME, "done": MAX_FRAME},
)


def caps(result_bytes: int) -> Caps:
    """What a request's process may send in one frame."""
    return Caps(_HEAD, min(result_bytes, MAX_FRAME))
