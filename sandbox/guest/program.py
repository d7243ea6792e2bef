"""Role `program`: run a source, and call one function of it where asked."""

from __future__ import annotations

from typing import Any

from . import call, child, frames


def run(payload: dict[str, Any], control: frames.Wire) -> None:
    entry = payload["entry"]
    result = _run(payload["code"], entry, int(payload["result_bytes"]))
    child.flush()
    control.send(*result)
    child.linger(control)


def _run(code: str, entry: str | None, max_bytes: int) -> frames.Frame:
    stage = "load"
    try:
        compile(code, "program.py", "exec", dont_inherit=True)
        stage = "exception" if entry is None else "load"
        # A whole program is the main module; one that is only called into must not run its main part.
        module = child.load(code, "__main__" if entry is None else "program", "program.py")
        if entry is None:
            return call.encoded(None, max_bytes)
        if not callable(getattr(module, entry, None)):
            return call.failed("load", f"the program defines no function {entry!r}")
        stage = "exception"
        return call.encoded(getattr(module, entry)(), max_bytes)
    except SystemExit as error:
        if entry is None and error.code in (None, 0):
            return call.encoded(None, max_bytes)
        return call.failure(error, stage)
    except BaseException as error:  # the edge of the process: every end of the program is reported
        child.print_traceback(error)
        return call.failure(error, stage)
