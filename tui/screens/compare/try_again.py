"""Trying the flips of a comparison again: how many seeds, then an experiment of its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sandbox.errors import ExpectedError
from tui.format import plural
from tui.safe import one_line
from tui.service.requests import DEFAULT_TRIES, Placement, TryFlips

if TYPE_CHECKING:
    from store.compare.comparison import Comparison
    from store.compare.pairs import Pair
    from store.compare.sides import Part
    from tui.screens.base import WorkbenchScreen

MOST_TRIES = 1000


def why_not(comparison: Comparison, pair: Pair) -> str:
    """Why the pair's flips cannot be tried again; "" where they can."""
    parts = _parts(comparison, pair)
    if len(parts) != 2 or parts[0].is_run or parts[0].name != parts[1].name:
        return "Flips can be tried again between two variants of one experiment."
    return "" if pair.flips else "No problem flipped: there is nothing to try again."


def try_again(screen: WorkbenchScreen[None], comparison: Comparison, pair: Pair) -> None:
    """Ask how often the pair's flips are to be tried, and start that in the background."""
    from tui.screens.ask.ask import AskScreen

    if problem := why_not(comparison, pair):
        screen.notify(problem)
        return
    parts = _parts(comparison, pair)

    def answered(text: str | None) -> None:
        if text is None:
            return
        if not text.isdecimal() or not 1 <= int(text) <= MOST_TRIES:
            screen.notify(f"{one_line(text, 40)!r} is not a number from 1 to {MOST_TRIES:,}.")
            return
        labels = tuple(part.label for part in parts)
        request = TryFlips(of=parts[0].name, variants=labels, repeats=int(text))
        screen.run_worker(partial(_start, screen, request), group="again", exit_on_error=False)

    flips = plural(len(pair.flips), "flip")
    question = f"Try the {flips} of {pair.other} against {pair.baseline} again: with how many seeds each?"
    hint = f"Each seed is {plural(2 * len(pair.flips), 'run')}: every flip on both sides."
    screen.app.push_screen(AskScreen(question, hint=hint, value=str(DEFAULT_TRIES)), answered)


def _parts(comparison: Comparison, pair: Pair) -> list[Part]:
    sides = {side.letter: side for side in comparison.sides}
    return [part for letter in (pair.baseline, pair.other) for part in sides[letter].parts]


async def _start(screen: WorkbenchScreen[None], request: TryFlips) -> None:
    try:
        name = await screen.navigation.workbench.start_experiment(request, Placement())
    except ExpectedError as error:
        screen.notify(one_line(str(error), 300), severity="warning", timeout=10)
        return
    screen.notify(f"{name} has begun; 5 shows it. When you come back here, its results are beside the flips.")
