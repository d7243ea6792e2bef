"""Exit codes, and what is written to standard error."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from sandbox.errors import UnavailableError, UsageError

PASSED = 0  # passed, or answered where there was nothing to score
FAILED = 1  # ended with a verdict that is not a pass
USAGE = UsageError.exit_code
UNAVAILABLE = UnavailableError.exit_code  # also for a run whose budget was spent before a verdict
INTERNAL = 70  # a bug of ours
INTERRUPTED = 130

EXIT_BY_STATUS = {
    "passed": PASSED,
    "answered": PASSED,
    "failed": FAILED,
    "cancelled": INTERRUPTED,
    "interrupted": INTERRUPTED,
}


def internal(error: BaseException) -> str:
    """Write a bug of ours, with its traceback, to the log file; returns the sentence for the user.

    Where the log cannot be written, the sentence says so and what went wrong.
    """
    from platformdirs import user_log_path

    from engine.secrets import hide

    bug = f"internal error ({type(error).__name__}); this is a bug of ours"
    path = user_log_path("flowreasoner") / "errors.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(hide("".join(traceback.format_exception(error))) + "\n")
    except OSError as fault:
        return hide(f"{bug}, and {path} cannot be written ({fault.strerror}): {_first_line(error)}")
    return f"{bug}, details are in {path}"


def _first_line(error: BaseException) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = "".join(f" ({Path(frame.filename).name}, line {frame.lineno})" for frame in place)
    return f"{str(error).partition(chr(10))[0][:300]}{where}"


def say(sentence: str) -> None:
    """Write one line to standard error, safe to print whatever it quotes: no keys, no control codes."""
    from engine.secrets import hide
    from tui.safe import one_line

    text = one_line(hide(sentence), 2000)
    sys.stderr.write(f"flowreasoner: {text}\n")
