"""A sign outside of the terminal's window that something long has ended, where the settings ask for one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Literal

from tui.safe import one_line

Notices = Literal["off", "bell", "desktop"]

LONG_S = 30.0  # a run that took less was waited for
_TEXT_CHARS = 200
# These know OSC 777 and show nothing for OSC 9; all others that notify know OSC 9.
_ONLY_777 = ("rxvt", "foot")
BELL = "\a"


class Notifier:
    """Writes notices to the terminal by `write`, as the setting says at that time."""

    def __init__(self, setting: Callable[[], Notices], write: Callable[[str], None]) -> None:
        self._setting, self._write = setting, write

    def ended(self, text: str, seconds: float = LONG_S) -> None:
        """Say that something which took this long has ended."""
        setting = self._setting()
        if setting == "off" or seconds < LONG_S:
            return
        self._write(BELL if setting == "bell" else desktop(text, os.environ))


def desktop(text: str, environ: Mapping[str, str]) -> str:
    """What makes the terminal show a desktop notification, for the terminal that `environ` describes."""
    text = one_line(text, _TEXT_CHARS).replace(";", ",")  # which separates the parts of an OSC
    is_777 = environ.get("TERM", "").startswith(_ONLY_777) or "VTE_VERSION" in environ
    sequence = f"\x1b]777;notify;FlowReasoner;{text}\a" if is_777 else f"\x1b]9;FlowReasoner: {text}\a"
    if "TMUX" in environ:  # it passes on what is wrapped so, if `allow-passthrough` is on
        escaped = sequence.replace("\x1b", "\x1b\x1b")
        return f"\x1bPtmux;{escaped}\x1b\\"
    return sequence
