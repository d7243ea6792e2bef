"""Exit codes, and what is written to standard error."""

from __future__ import annotations

import sys
import traceback

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

    Raises OSError where the log cannot be written.
    """
    from platformdirs import user_log_path

    from engine.secrets import hide

    path = user_log_path("flowreasoner", ensure_exists=True) / "errors.log"
    with path.open("a", encoding="utf-8") as log:
        log.write(hide("".join(traceback.format_exception(error))) + "\n")
    return f"internal error ({type(error).__name__}); this is a bug of ours, details are in {path}"


def say(sentence: str) -> None:
    """Write one line to standard error, safe to print whatever it quotes: no keys, no control codes."""
    from engine.secrets import hide
    from tui.safe import one_line

    text = one_line(hide(sentence), 2000)
    sys.stderr.write(f"flowreasoner: {text}\n")
