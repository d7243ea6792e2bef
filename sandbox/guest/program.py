"""Role `program`: run a source, and call one function of it where asked."""

from __future__ import annotations

import atexit
import base64
import os
import sys
from typing import Any

from . import call, child, frames, judge

_STDIN = ".stdin"  # the file behind it, for as long as nothing of the program runs


def run(payload: dict[str, Any], control: frames.Wire) -> None:
    entry = payload["entry"]
    if payload["stdin"] is not None:
        _feed(base64.b64decode(payload["stdin"], validate=True))
    result = _run(payload["code"], entry, payload["prelude"], int(payload["result_bytes"]))
    child.flush()
    control.send(*result)
    child.linger(control)


def _feed(data: bytes) -> None:
    """Make `data` the standard input, and standard output as it is for programs that nobody watches."""
    with open(_STDIN, "xb") as file:
        file.write(data)
    source = os.open(_STDIN, os.O_RDONLY)
    os.unlink(_STDIN)
    os.dup2(source, 0)
    os.close(source)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    sys.stdout.reconfigure(line_buffering=False)  # type: ignore[union-attr]  # as `_open_streams` made it


def _run(code: str, entry: str | None, prelude: str, max_bytes: int) -> frames.Frame:
    stage = "load"
    try:
        compile(code, "program.py", "exec", dont_inherit=True)
        provided = judge.namespace(prelude, "program") if prelude else None
        stage = "exception" if entry is None else "load"
        # A whole program is the main module; one that is only called into must not run its main part.
        module = child.load(code, "__main__" if entry is None else "program", "program.py", provided)
        if entry is None:
            return _ended(max_bytes)
        if not callable(getattr(module, entry, None)):
            return call.failed("load", f"the program defines no function {entry!r}")
        stage = "exception"
        return call.encoded(getattr(module, entry)(), max_bytes)
    except SystemExit as error:
        if entry is None and error.code in (None, 0):
            return _ended(max_bytes)
        return call.failure(error, stage)
    except BaseException as error:  # the edge of the process: every end of the program is reported
        child.print_traceback(error)
        return call.failure(error, stage)


def _ended(max_bytes: int) -> frames.Frame:
    """A whole program reached its end: as in an interpreter of its own, its threads are waited for, and what
    it registered for its exit runs."""
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    return call.encoded(None, max_bytes)
