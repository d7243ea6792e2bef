"""A finished AFlow search as data: a dataset's rounds, and what of them could not be used."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.ids import content_key

MAX_NOTES = 50


@dataclass
class Round:
    """One round. `scores` are its evaluations in order, in [0, 1]; `cost_usd` what they cost together.

    `parent` is the round it was made from. `failures` are questions it failed with what was answered;
    the reference answers that AFlow logs beside them are left out. `evaluations` describe its CSV files.
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
        """The mean of its scores; of what its CSV files measured, where nothing else has them."""
        scores = self.scores or self.measured
        return sum(scores) / len(scores) if scores else None


@dataclass
class Workspace:
    """A dataset's search. `tested` are the scores of rounds on the test split.

    `id` names the content, wherever it lies: 20 characters. `notes` say what could not be used.
    """

    dataset: str
    rounds: list[Round] = field(default_factory=list)
    tested: dict[int, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    parts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def id(self) -> str:
        key = int(content_key("aflow", self.dataset, sorted(self.parts)), 16)
        alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
        return "".join(alphabet[(key >> shift) & 31] for shift in range(0, 100, 5))

    @property
    def best(self) -> Round | None:
        """The round with the best score, the first of equals."""
        scored = [r for r in self.rounds if r.score is not None]
        return max(scored, key=lambda r: (r.score or 0.0, -r.number), default=None)

    def note(self, text: str) -> None:
        if len(self.notes) < MAX_NOTES:
            self.notes.append(text)
        elif len(self.notes) == MAX_NOTES:
            self.notes.append("There is more that could not be used.")
