"""The rows of a data set as tokens and labels. Nothing is cut: a row that is too long is refused by name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.errors import UsageError

IGNORED = -100  # a label that is not learned
Serialise = Callable[[Mapping[str, Any], Any], tuple[list[int], list[int]]]


@dataclass(frozen=True)
class Row:
    """Token ids, their labels (`IGNORED` where nothing is learned), and the problem it belongs to."""

    ids: Sequence[int]
    labels: Sequence[int]
    problem: str

    @property
    def learned(self) -> int:
        return sum(label != IGNORED for label in self.labels)


def open_data(path: str) -> Any:
    """A data set on disk. Raises UsageError: there is none."""
    from datasets import Dataset, load_from_disk

    if not path:
        raise UsageError("data.path is not set: name the folder of a data set, with --data DIR")
    folder = Path(path).expanduser()
    if not (folder / "state.json").is_file():
        raise UsageError(
            f"data.path: {folder} is no data set: build one with `flowreasoner dataset build`, or name its folder"
        )
    try:
        data = load_from_disk(str(folder))
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"data.path: {folder} cannot be read: {error}") from None
    if not isinstance(data, Dataset):
        raise UsageError(f"data.path: {folder} holds several data sets: name the folder of one")
    return data


def sft_rows(data: Any, tokenizer: Any, max_length: int) -> list[Row]:
    """The rows of a set for supervised fine-tuning, which are rounds of a teacher or are tokens already.

    Raises:
        UsageError: a row is longer than `max_length` tokens, or no row has anything to learn.
    """
    if {"input_ids", "labels"} <= set(data.column_names):
        rows = [Row(r["input_ids"], r["labels"], _problem(r, n)) for n, r in enumerate(data)]
    else:
        from training.data.serialise import tokens

        rows = [Row(*tokens(r, tokenizer), _problem(r, n)) for n, r in enumerate(data)]
    refuse_long([len(row.ids) for row in rows], max_length)
    learnable = [row for row in rows if row.learned]
    if not learnable:
        raise UsageError(f"the data set has no valid rows: of {len(rows)}, none has a token to learn")
    return learnable


def refuse_long(lengths: Sequence[int], max_length: int) -> None:
    """Raises UsageError: a row is longer than `max_length` tokens."""
    long = [n for n, length in enumerate(lengths) if length > max_length]
    if long:
        longest = max(long, key=lambda n: lengths[n])
        raise UsageError(
            f"{len(long)} of {len(lengths)} rows are longer than data.max_length ({max_length} tokens), the longest, "
            f"row {longest}, has {lengths[longest]}: set data.max_length={lengths[longest]}, or leave them out of the set"
        )


def held_out(rows: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Rows to train on, and rows of other problems to measure on: `share` of the problems, drawn by name.

    Raises UsageError: nothing is left to train on.
    """
    aside = {row.problem for row in rows if _drawn(row.problem, seed) < share}
    train = [row for row in rows if row.problem not in aside]
    if not train:
        raise UsageError(f"data.held_out ({share}) leaves no row to train on: set it lower, or to 0")
    return train, [row for row in rows if row.problem in aside]


def _drawn(name: str, seed: int) -> float:
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:7]) / (1 << 56)


def _problem(row: Mapping[str, Any], number: int) -> str:
    return str(row.get("problem") or f"row {number}")
