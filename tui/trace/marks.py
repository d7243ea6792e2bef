"""How a status is marked, wherever it is shown. Screens without a trace need this and no more."""

from __future__ import annotations

from tui.safe import one_line

# A piece of text and the name of the ink it is written in ("" is the plain one).
Piece = tuple[str, str]

# Glyph, ink and words by status. Infrastructure is amber and a wrong answer red: they are different news.
STATUS: dict[str, tuple[str, str, str]] = {
    "running": ("●", "accent", "running"),
    "waiting": ("○", "muted", "waiting"),
    "ok": ("✓", "success", "done"),
    "passed": ("✓", "success", "passed"),
    "answered": ("✓", "success", "answered"),
    "repaired": ("✓", "warning", "done, with repairs"),
    "warning": ("!", "warning", "warning"),
    "failed": ("✗", "error", "wrong answer"),
    "error": ("✗", "error", "error"),
    "timeout": ("✗", "error", "timed out"),
    "timeout-wall": ("✗", "error", "timed out"),
    "timeout-cpu": ("✗", "error", "CPU limit"),
    "oom": ("✗", "error", "out of memory"),
    "output-limit": ("✗", "error", "too much output"),
    "tampered": ("✗", "error", "tampered with its tests"),
    "budget": ("■", "warning", "over budget"),
    "infra": ("⚠", "warning", "infrastructure failed"),
    "cancelled": ("○", "muted", "cancelled"),
    "interrupted": ("○", "warning", "interrupted"),
    "info": ("·", "muted", ""),
}


def outcome_words(status: str, score: float | None) -> str:
    """What became of a run: one that failed without a score has given no answer, right or wrong."""
    return "no answer" if status == "failed" and score is None else status_mark(status)[2]


def status_mark(status: str) -> tuple[str, str, str]:
    """Glyph, ink and words for `status`, also for one this version does not know."""
    return STATUS.get(status, ("?", "warning", one_line(status, 24)))
