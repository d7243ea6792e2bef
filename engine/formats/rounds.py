"""A finished AFlow search as data: a dataset's rounds, and notes on what could not be used."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.ids import content_key

MAX_NOTES = 50


@dataclass
class Round:
    """One round. `scores` are its evaluations in order, in [0, 1]; `cost_usd` is what they cost together.

    `parent` is the round it was made from, and `before` that round's score. `failures` are the first
    (question, answer) pairs that failed, of `failed` in all; the reference answers that AFlow logs beside
    them are left out. `evaluations` describe its CSV files, and `measured` are the mean scores in these.
    """

    number: int
    graph: str | None = None
    prompts: str = ""
    modification: str = ""
    parent: int | None = None
    before: float | None = None
    scores: list[float] = field(default_factory=list)
    cost_usd: float | None = None
    failures: list[tuple[str, str]] = field(default_factory=list)
    failed: int = 0
    evaluations: list[str] = field(default_factory=list)
    measured: list[float] = field(default_factory=list)

    @property
    def score(self) -> float | None:
        """The mean of its scores, or of those in its CSV files where there are no others; None without
        any.
        """
        scores = self.scores or self.measured
        return sum(scores) / len(scores) if scores else None


@dataclass
class Workspace:
    """A dataset's search. `tested` are the scores of rounds on the test split.

    `notes` say what could not be used. `parts` are (name, hash) of every file that was read.
    """

    dataset: str
    rounds: list[Round] = field(default_factory=list)
    tested: dict[int, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    parts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def id(self) -> str:
        """A content address of 20 characters, the same wherever the folder lies."""
        key = int(content_key("aflow", self.dataset, sorted(self.parts)), 16)
        alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
        return "".join(alphabet[(key >> shift) & 31] for shift in range(0, 100, 5))

    @property
    def best(self) -> Round | None:
        """The round with the best score, the first of equals; None where none has a score."""
        scored = [r for r in self.rounds if r.score is not None]
        return max(scored, key=lambda r: (r.score or 0.0, -r.number), default=None)

    def note(self, text: str) -> None:
        """Keep a note, up to `MAX_NOTES`."""
        if len(self.notes) < MAX_NOTES:
            self.notes.append(text)
        elif len(self.notes) == MAX_NOTES:
            self.notes.append("There is more that could not be used.")
