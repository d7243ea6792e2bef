"""What was searched for before, and the filters that were given a name; both outlive the workbench."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from store.facets import Facets
    from tui.memory import Memory

MOST_KEPT = 100
IN_SEARCH = ", in the search: taken out"
HISTORY, SAVED = "runs:history", "runs:filters"


class RunsFilter(NamedTuple):
    """What the list of runs is narrowed by: the search, and whether only runs that went wrong are shown."""

    search: str = ""
    failed: bool = False

    @property
    def words(self) -> str:
        return " ".join(filter(None, ("failed only" if self.failed else "", self.search))) or "all runs"


class Filters:
    """Reads and writes both in the memory of the screens."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._at: int | None = None  # in the history, while somebody walks through it
        self._typed = ""  # what stood in the field before that

    # -- history -----------------------------------------------------------------------------------

    @property
    def history(self) -> list[str]:
        """What was searched for, the oldest first."""
        found = self._memory.get(HISTORY)
        return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []

    def note(self, search: str) -> None:
        """Remember a search; the walk through the history begins anew."""
        self._at = None
        if search:
            kept = [*(text for text in self.history if text != search), search]
            self._memory.put(HISTORY, kept[-MOST_KEPT:])

    def walk(self, by: int, typed: str) -> str:
        """The search before (-1) or after (1) the one in the field; after the last, what was typed there."""
        history = self.history
        if self._at is None:
            self._typed = typed
        at = max((len(history) if self._at is None else self._at) + by, 0)
        self._at = at if at < len(history) else None
        return self._typed if self._at is None else history[at]

    # -- saved -------------------------------------------------------------------------------------

    @property
    def saved(self) -> dict[str, RunsFilter]:
        """The filters by name."""
        found = self._memory.get(SAVED)
        return dict(_read(found)) if isinstance(found, dict) else {}

    def save(self, name: str, current: RunsFilter) -> str:
        """Keep a filter under a name, or forget the name where it has just this; says what was done."""
        saved = self.saved
        if saved.get(name) == current:
            del saved[name]
            told = f"{name} is forgotten."
        else:
            told = f"{name} is saved{', in place of what it was' if name in saved else ''}."
            saved = dict([*saved.items(), (name, current)][-MOST_KEPT:])
        self._memory.put(SAVED, {key: one._asdict() for key, one in saved.items()})
        return self._memory.problem or told


def _read(found: dict[Any, Any]) -> Iterator[tuple[str, RunsFilter]]:
    for name, one in found.items():
        if isinstance(one, dict) and isinstance(one.get("search"), str):
            yield str(name), RunsFilter(one["search"], one.get("failed") is True)


def facet_choices(found: Facets, search: str) -> list[tuple[str, str]]:
    """The terms of all facets to pick from, with how many runs each has; those that are in the search say so.

    A value with a space in it cannot be written in a search, and is left out.
    """
    terms, more = search.split(), "+" if found.is_part else ""
    counted = [
        (f"{facet}:{value}", number) for facet, values in found.values.items() for value, number in values
    ]
    return [
        (term, f"{number:,}{more} {'run' if number == 1 else 'runs'}{IN_SEARCH if term in terms else ''}")
        for term, number in counted
        if term.split() == [term] and not term.endswith(":")
    ]
