"""Role `solution`: the untrusted half of a split check.

It loads the solution and answers calls from the checker. It never sees a test, an expected value,
or the socket a verdict travels on; all it can send is a value, which the checker decodes.
"""

from __future__ import annotations

import contextlib
from typing import Any

from . import child, codec, frames, judge


def run(payload: dict[str, Any], control: frames.Wire, data: int) -> None:
    """Load, then serve. `control` stays silent: a split verdict has no word of this process in it."""
    wire = frames.Wire(data)
    max_bytes = int(payload["result_bytes"])
    try:
        module = child.load(payload["code"], "solution", "solution.py", lambda: _provided(payload))
        function = getattr(module, payload["entry_point"])
        if not callable(function):
            raise TypeError(f"{payload['entry_point']!r} is not a function")
    except AttributeError:
        _refuse(wire, f"the solution defines no {payload['entry_point']!r}")
        return
    except BaseException as error:  # whatever loading raised is the answer
        child.print_traceback(error)
        _refuse(wire, child.describe(error), oom=isinstance(error, MemoryError))
        return
    wire.send({"loaded": True})
    with contextlib.suppress(EOFError, OSError):  # the checker is done
        while True:
            wire.send(answer(function, wire.receive(), max_bytes))


def _provided(payload: dict[str, Any]) -> dict[str, Any]:
    """What a solution finds there: the problem's imports and helpers, not the head of its own function."""
    names = judge.provided(payload["prelude"]) if payload["prelude"] else {}
    names.pop(payload["entry_point"], None)
    return {name: value for name, value in names.items() if not name.startswith("__")}


def _refuse(wire: frames.Wire, message: str, *, oom: bool = False) -> None:
    child.flush()
    wire.send({"loaded": False, "message": message, "oom": oom})


def answer(function: Any, request: dict[str, Any], max_bytes: int) -> dict[str, Any]:
    """What to send for a call of `function`: its value, or why there is none, and changed arguments."""
    args, kwargs = codec.decode(request["args"]), codec.decode(request["kwargs"])
    try:
        value = function(*args, **kwargs)
        answer = {"value": codec.encode(value, max_bytes=max_bytes)}
    except codec.TooBigError as error:
        answer = {"bad": "too-big", "message": str(error)}
    except codec.NotPlainError as error:
        answer = {"bad": "not-plain-data", "message": str(error)}
    except BaseException as error:  # crosses as a name and a message
        answer = {"raised": _names(error), "message": child.describe(error).partition(": ")[2]}
    try:
        after = codec.encode([args, kwargs], max_bytes=max_bytes)
    except (codec.TooBigError, codec.NotPlainError):
        return answer  # arguments turned into something that cannot cross stay as they were
    if after != [request["args"], request["kwargs"]]:
        answer["after"] = after
    return answer


def _names(error: BaseException) -> list[str]:
    """The exception's type and its bases, so that the checker can pick the nearest builtin one."""
    return [kind.__name__ for kind in type(error).__mro__]
