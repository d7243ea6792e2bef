"""Keeping the problems of named benchmarks out of a data set: by their ids, their words and their tests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.benchmarks import load_benchmark
from engine.benchmarks.splits import split
from engine.problems import SPLITS, Problem, ProblemError
from training.data.hidden_tests import Assertions, of_splits, tokenised
from training.data.options import DataError

_WORD = re.compile(r"\w+")
# A problem with fewer words than `ngram` is identified by all of them, if there are at least this many.
_FEWEST_WORDS = 6


class Contamination:
    """The problems that a data set must not touch."""

    def __init__(self, ngram: int) -> None:
        """So many words in a row (`ngram`) identify a problem's text."""
        self._ngram = ngram
        self._ids: set[tuple[str, str]] = set()
        self._grams: dict[int, set[int]] = {}
        self._tests = Assertions()
        self._none = True

    def add(self, problems: Iterable[Problem]) -> int:
        """Keep these problems out; returns how many they are."""
        count = 0
        for problem in problems:
            count += 1
            self._ids.add((str(problem.metadata.get("benchmark", "")), problem.id))
            words = _words(problem.prompt)
            size = min(self._ngram, len(words))
            if size >= min(_FEWEST_WORDS, self._ngram):
                self._grams.setdefault(size, set()).update(_grams(words, size))
            self._tests.add(of_splits(problem.to_json(), SPLITS))
        self._none = self._none and not count
        return count

    def found_in(self, problem: Mapping[str, Any], texts: Sequence[str]) -> str:
        """Why a row touches one of the problems, as a report names it; "" where it does not.

        `problem` is what the row is about, `texts` what it holds.
        """
        if self._none:
            return ""
        metadata = problem.get("metadata")
        benchmark = str(metadata.get("benchmark", "")) if isinstance(metadata, dict) else ""
        if (benchmark, str(problem.get("id", ""))) in self._ids:
            return "contaminated-id"
        for text in texts:
            words = _words(text)
            for size, grams in self._grams.items():
                if any(gram in grams for gram in _grams(words, size)):
                    return "contaminated-words"
        if any(self._tests.first_in(tokenised(text)) for text in texts):
            return "contaminated-test"
        return ""


def contamination(
    names: Sequence[str], ngram: int, data: Path | None
) -> tuple[Contamination, dict[str, int]]:
    """The problems that `names` (`humaneval`, `mbpp:flowreasoner/test`) stand for, and how many each has.

    Raises DataError where one of the benchmarks is not available.
    """
    kept_out, counts = Contamination(ngram), {}
    for name in names:
        benchmark, _, division = name.partition(":")
        try:
            problems = load_benchmark(benchmark, data)
            counts[name] = kept_out.add(split(problems, division) if division else problems)
        except ProblemError as error:
            raise DataError(f"--against {name}: {error}") from None
    return kept_out, counts


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _grams(words: Sequence[str], size: int) -> Iterable[int]:
    return (hash(tuple(words[i : i + size])) for i in range(len(words) - size + 1))
