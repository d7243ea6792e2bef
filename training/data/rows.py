"""The rows of a data set as tokens and labels. Nothing is cut: a row that is too long is refused by name."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.paths import expanded
from engine.problems import Problem, ProblemError, parse_problem
from sandbox.errors import UsageError
from training.data.serialise import IGNORED, RowError, tokens


@dataclass(frozen=True)
class Row:
    """Token ids, their labels (`IGNORED` where nothing is learned), and the problem it belongs to."""

    ids: Sequence[int]
    labels: Sequence[int]
    problem: str

    @property
    def learned(self) -> int:
        """How many tokens have a label."""
        return sum(label != IGNORED for label in self.labels)


def data_folder(path: str) -> Path:
    """The folder of a data set, by a look that takes no time. Raises UsageError where there is none."""
    if not path:
        raise UsageError("data.path is not set: name the folder of a data set, with --data DIR")
    folder = expanded(path)
    if not (folder / "state.json").is_file():
        raise UsageError(
            f"data.path: {folder} is no data set: "
            "build one with `flowreasoner dataset build`, or name its folder"
        )
    return folder


def open_data(path: str) -> Any:
    """The `datasets.Dataset` in a folder. Raises UsageError where there is none, or none that can be used."""
    folder = data_folder(path)
    from datasets import Dataset, load_from_disk  # takes most of a second: not for a folder that is none

    empty = UsageError(f"data.path: {folder} holds no rows: build it again, from other runs")
    try:
        data = load_from_disk(str(folder))
    except IndexError:  # what the library raises where no file of rows is named
        raise empty from None
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"data.path: {folder} cannot be read: {error}") from None
    if not isinstance(data, Dataset):
        raise UsageError(f"data.path: {folder} holds several data sets: name the folder of one")
    if not len(data):
        raise empty
    return data


def problems_of(data: Any) -> list[Problem]:
    """The problems of a set for GRPO. Raises UsageError: it is no such set, or a problem in it is broken."""
    if "problem" not in data.column_names or "id" not in data.column_names:
        raise UsageError(
            f"the data set has columns {', '.join(data.column_names)[:200]}: it is no set of problems; "
            "build one with `flowreasoner dataset build grpo`"
        )
    found = []
    for number, text in enumerate(data["problem"]):
        try:
            found.append(parse_problem(json.loads(text), f"row {number}"))
        except (ProblemError, ValueError, TypeError) as error:
            raise UsageError(f"the data set cannot be used: {error}: build it again") from None
    return found


def sft_rows(data: Any, tokenizer: Any, max_length: int) -> list[Row]:
    """The rows of a set for supervised fine-tuning: a teacher's rounds, or rows that are tokens already.

    Rows that have nothing to learn are left out, with a line on standard error.

    Raises:
        UsageError: a row is longer than `max_length` tokens, or no row has anything to learn.
        TokenizerError: the tokenizer has no chat template, or no token that ends an answer.
    """
    if not (
        {"input_ids", "labels"} <= set(data.column_names) or {"prompt", "reply"} <= set(data.column_names)
    ):
        raise UsageError(
            f"the data set has columns {', '.join(data.column_names)[:200]}: it is no set for supervised "
            "fine-tuning; build one with `flowreasoner dataset build sft`"
        )
    rows = list(_tokenised(data, tokenizer))
    refuse_long([len(row.ids) for row in rows], max_length)
    learnable = [row for row in rows if row.learned]
    if not learnable:
        raise UsageError(f"the data set has no valid rows: none of its {len(data)} has a token to learn")
    if left_out := len(data) - len(learnable):
        sys.stderr.write(f"{left_out} of {len(data)} rows are left out: there is nothing to learn in them\n")
    return learnable


def _tokenised(data: Any, tokenizer: Any) -> Iterator[Row]:
    ready = {"input_ids", "labels"} <= set(data.column_names)
    for number, row in enumerate(data):
        try:
            ids, labels = (row["input_ids"], row["labels"]) if ready else tokens(row, tokenizer)
        except RowError as error:
            sys.stderr.write(f"row {number} is left out: {error}\n")
            continue
        yield Row(ids, labels, str(row.get("problem") or f"row {number}"))


def pairs(data: Any, tokenizer: Any, max_length: int) -> list[dict[str, Any]]:
    """Preference pairs as tokens: prompt_ids, chosen_ids and rejected_ids, lists of ids.

    `score_chosen`, `score_rejected` and `weight` come with them, None where the set has none.

    Raises:
        UsageError: the set is not of pairs, a row is longer than `max_length` tokens, or there is no pair.
        TokenizerError: the tokenizer has no chat template, or no token that ends an answer.
    """
    if missing := {"prompt", "chosen", "rejected"} - set(data.column_names):
        raise UsageError(
            f"the data set has no {', '.join(sorted(missing))}: it is no set of preference pairs; "
            "build one with `flowreasoner dataset build dpo`"
        )
    token_pairs = []
    for number, row in enumerate(data):
        try:
            chosen, labels = tokens(row | row["chosen"], tokenizer)
            rejected, _ = tokens(row | row["rejected"], tokenizer)
        except RowError as error:
            sys.stderr.write(f"row {number} is left out: {error}\n")
            continue
        start = labels.count(IGNORED)
        pair = {"prompt_ids": chosen[:start], "chosen_ids": chosen[start:], "rejected_ids": rejected[start:]}
        token_pairs.append(
            pair | {name: row.get(name) for name in ("score_chosen", "score_rejected", "weight")}
        )
    longer = [
        len(one["prompt_ids"]) + max(len(one["chosen_ids"]), len(one["rejected_ids"])) for one in token_pairs
    ]
    refuse_long(longer, max_length)
    if not token_pairs:
        raise UsageError(f"the data set has no valid rows: none of its {len(data)} pairs can be used")
    return token_pairs


def refuse_long(lengths: Sequence[int], max_length: int) -> None:
    """Raises UsageError where one of the rows, given by their lengths, is longer than `max_length` tokens."""
    long = [number for number, length in enumerate(lengths) if length > max_length]
    if long:
        longest = max(long, key=lambda number: lengths[number])
        raise UsageError(
            f"{len(long)} of {len(lengths)} rows are longer than data.max_length ({max_length} tokens); the "
            f"longest, row {longest}, has {lengths[longest]}: set data.max_length={lengths[longest]}, "
            "or leave them out of the set"
        )


def held_out(rows: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """(rows to train on, rows of other problems to measure on): `share` of the problems, from 0 to 1.

    The draw depends on the problem's name and the seed alone. Raises UsageError where nothing is left to
    train on.
    """
    aside = {row.problem for row in rows if _drawn(row.problem, seed) < share}
    train = [row for row in rows if row.problem not in aside]
    if not train:
        raise UsageError(f"data.held_out ({share}) leaves no row to train on: set it lower, or to 0")
    return train, [row for row in rows if row.problem in aside]


def _drawn(name: str, seed: int) -> float:
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:7]) / (1 << 56)
