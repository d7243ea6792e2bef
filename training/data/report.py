"""What became of the runs a data set was built from: `report.json`."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from training.data.candidates import Row
from training.data.options import BuildOptions, Kind, applying

# Why something is not in a data set. Proposals, unless it says otherwise.
REASONS = {
    "running": "runs that have no end yet",
    "no-reply": "no model wrote it in this run: it was given, or found by a search",
    "failed-call": "the model's reply broke off with an error",
    "truncated-reply": "the reply was cut off at its limit",
    "empty-reply": "there was no reply, or only reasoning",
    "replayed-reply": "the reply is that of the run it was forked from",
    "other-reply": "the workflow is not in the reply",
    "cannot-run": "no workflow that can run came of it",
    "unfinished-round": "a budget or its user ended the run before the round had a score",
    "repaired": "it ran only after repairs, and --strict",
    "for-a-task": "it is for a task, and a trace is of the rounds on one problem",
    "not-solved": "no round of its run passed all of `val`, and --solved",
    "not-best": "another round of its run scored higher, or as high and earlier",
    "not-monotone": "an earlier round of its run scored as high",
    "not-scored": "it has no score",
    "nothing-to-mend": "the reply that cannot run is empty, cut off or broken off",
    "never-mended": "nothing on its problem can run",
    "no-reward": "problems without `val`, visible tests or answer",
    "duplicate": "rows that repeat another but for names, prompts and numbers",
    "contaminated-id": "rows about a problem of a benchmark that is kept out",
    "contaminated-words": "rows with so many words in a row of such a problem",
    "contaminated-test": "rows with a test of such a problem",
    "hidden-test": "rows with an assertion of a hidden split",
    "too-long": "rows of more than --max-tokens",
    "not-serialisable": "rows that the student's template cannot write",
}


@dataclass
class Report:
    """Counts; `dropped` is by the names in `REASONS`. Lengths are in characters and a student's tokens."""

    kind: Kind
    wanted: str
    options: BuildOptions
    matched: int = 0
    read: int = 0
    partial_search: bool = False
    replies: int = 0
    truncated: int = 0
    candidates: int = 0
    rows: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    kept_out: dict[str, int] = field(default_factory=dict)
    without_reasoning: int = 0
    by: dict[str, Counter[str]] = field(default_factory=lambda: {n: Counter() for n in _COUNTED})
    problems: set[int] = field(default_factory=set)
    rewards: array[float] = field(default_factory=lambda: array("d"))
    characters: array[int] = field(default_factory=lambda: array("q"))
    tokens: array[int] = field(default_factory=lambda: array("q"))
    trained: int = 0

    def add(self, row: Row, texts: list[str], lengths: tuple[int, int] | None) -> None:
        """Count a row that is written. `lengths` are its tokens and how many of them are trained on."""
        self.rows += 1
        self.problems.add(hash((row.get("benchmark"), row.get("problem") or row.get("id"))))
        self.characters.append(sum(map(len, texts)))
        self.without_reasoning += "reasoning" in row and not row["reasoning"].strip()
        for name, counts in self.by.items():
            if row.get(name) is not None:
                counts[str(row[name])] += 1
        if row.get("reward") is not None:
            self.rewards.append(row["reward"])
        if lengths is not None:
            self.tokens.append(lengths[0])
            self.trained += lengths[1]

    def to_json(self) -> dict[str, Any]:
        """The content of `report.json`. Nothing in it depends on when and where it was built."""
        tokens = _lengths(self.tokens)
        if tokens is not None:
            tokens |= {"student": self.options.tokenizer, "trained": self.trained}
        return {
            "kind": self.kind,
            "from": self.wanted,
            "options": applying(self.kind, self.options),
            "runs": {"matched": self.matched, "read": self.read, "partial_search": self.partial_search},
            "candidates": self.candidates,
            "rows": self.rows,
            "problems": len(self.problems),
            "dropped": dict(sorted(self.dropped.items())),
            "kept_out": self.kept_out,
            "replies": {
                "all": self.replies,
                "truncated": self.truncated,
                "share_truncated": round(self.truncated / self.replies, 6) if self.replies else 0.0,
            },
            "without_reasoning": self.without_reasoning,
            "reward": _mean(self.rewards),
            "characters": _lengths(self.characters),
            "tokens": tokens,
            **{f"by_{name}": dict(sorted(counts.items())) for name, counts in self.by.items() if counts},
        }


_COUNTED = ("benchmark", "meta_agent", "mended_by", "reward_by")


def _lengths(values: array[int]) -> dict[str, Any] | None:
    """Of the rows in their order; `longest_row` counts from 0."""
    if not values:
        return None
    ordered = sorted(values)
    longest = ordered[-1]
    return {
        "total": sum(ordered),
        "mean": round(sum(ordered) / len(ordered), 2),
        "median": ordered[len(ordered) // 2],
        "p95": ordered[min(len(ordered) - 1, (95 * len(ordered)) // 100)],
        "longest": longest,
        "longest_row": values.index(longest),
    }


def _mean(values: array[float]) -> dict[str, Any] | None:
    if not values:
        return None
    mean = round(sum(values) / len(values), 6)
    return {"rows": len(values), "mean": mean, "lowest": min(values), "highest": max(values)}


def reasons_table() -> str:
    """`REASONS` as a Markdown table, for the docs."""
    lines = [
        "| Name | What it counts |",
        "|---|---|",
        *(f"| `{name}` | {meaning} |" for name, meaning in REASONS.items()),
    ]
    return "\n".join(lines) + "\n"
