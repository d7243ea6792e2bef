"""What people type to find runs: words, and values such as `status:failed` or `label:undefined-name`."""

from __future__ import annotations

from dataclasses import dataclass

FIELDS = ("status", "variant", "benchmark", "experiment", "job", "label", "training-set")


@dataclass(frozen=True)
class RunFilter:
    """A search taken apart; None, and False, where it says nothing."""

    search: str | None = None
    status: str | None = None
    variant: str | None = None
    benchmark: str | None = None
    experiment: str | None = None
    job: str | None = None
    label: str | None = None
    training_set: str | None = None
    bookmark: bool = False


def parse_filter(text: str) -> RunFilter:
    """`status:failed variant:vanilla median` as a filter. Other colons are part of the words."""
    values: dict[str, str] = {}
    words: list[str] = []
    bookmark = False
    for word in text.split():
        name, colon, value = word.partition(":")
        if word == "bookmark:yes":
            bookmark = True
        elif colon and value and name in FIELDS:
            values[name.replace("-", "_")] = value
        else:
            words.append(word)
    return RunFilter(search=" ".join(words) or None, bookmark=bookmark, **values)


def with_term(text: str, field: str, value: str) -> str:
    """The search with this value of a field in place of another; without it where it had just this one."""
    term = f"{field}:{value}"
    words = text.split()
    others = [word for word in words if not word.startswith(f"{field}:")]
    return " ".join(others if term in words else [*others, term])
