"""What people type to find runs: words, and `status:`, `variant:`, `benchmark:`, `experiment:` values."""

from __future__ import annotations

from dataclasses import dataclass

FIELDS = ("status", "variant", "benchmark", "experiment")


@dataclass(frozen=True)
class RunFilter:
    """A search taken apart; None where it says nothing."""

    search: str | None = None
    status: str | None = None
    variant: str | None = None
    benchmark: str | None = None
    experiment: str | None = None


def parse_filter(text: str) -> RunFilter:
    """`status:failed variant:vanilla median` as a filter. Other colons are part of the words."""
    values: dict[str, str] = {}
    words = []
    for word in text.split():
        name, colon, value = word.partition(":")
        if colon and value and name in FIELDS:
            values[name] = value
        else:
            words.append(word)
    return RunFilter(search=" ".join(words) or None, **values)
