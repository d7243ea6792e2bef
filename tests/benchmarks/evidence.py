"""Verdicts of experiments as a file that is kept with the docs, and the tables made of it.

    python -m tests.benchmarks.evidence EXPERIMENT ... --store STORE [--every 4] [--seed 2] [--with TEXT]

Adds the trials of these experiments that came to an end to docs/evidence.csv, and replaces those of the same
variant, repeat and problem. What is already there stays: seeds can be added on other days and machines. With
`--every`, only problems whose number is divisible by it. An experiment with another seed adds repeats: those
of `--seed` 2 are counted from 2. `--with` says what was different, and becomes part of the variant's name.
docs/evidence.md has the tables (`table`), which `make docs` writes anew.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any, NamedTuple, cast

from store.compare.comparison import Comparison, compare_sides
from store.compare.sides import Part, Side
from store.reader import Reader
from store.trial_columns import columns_of, joined
from store.trial_rows import TrialRow
from tui.compare.cells import NONE, number, p_cell, signed

FILE = Path(__file__).parents[2] / "docs" / "evidence.csv"
_HEAD = ("Variant", "Trials", "Pass rate", "Difference", "p", "Calls", "Tokens")


class Verdict(NamedTuple):
    """One trial. Calls and tokens are those of the run, by the role of the model."""

    variant: str
    repeat: int
    problem: str
    passed: int
    meta_calls: int
    worker_calls: int
    meta_tokens: int
    worker_tokens: int

    @property
    def number(self) -> int:
        """Of the problem, in HumanEval."""
        return int(self.problem.rpartition("/")[2])

    @property
    def row(self) -> TrialRow:
        """The trial as the store has it, as far as it is known."""
        unknown = dict.fromkeys(TrialRow._fields)
        known = {
            "problem_id": self.problem,
            "repeat": self.repeat,
            "run_id": f"{self.variant} {self.repeat} {self.problem}",
            "status": "passed" if self.passed else "failed",
            "score": float(self.passed),
            "steps": "{}",
        }
        used = {"meta_calls": self.meta_calls, "worker_calls": self.worker_calls}
        tokens = {"meta_tokens_in": self.meta_tokens, "worker_tokens_in": self.worker_tokens}
        none = {"meta_tokens_out": 0, "worker_tokens_out": 0}
        return TrialRow(**cast(Any, {**unknown, **known, **used, **tokens, **none}))


def read(file: Path = FILE) -> list[Verdict]:
    """What is kept, in its order."""
    with file.open(encoding="utf-8", newline="") as lines:
        return [
            Verdict(*(value if name in ("variant", "problem") else int(value) for name, value in row.items()))  # type: ignore[arg-type]
            for row in csv.DictReader(lines)
        ]


def add(verdicts: Iterable[Verdict], file: Path = FILE) -> None:
    """Keep these as well. Problems stay in the order of the benchmark."""
    kept = {v[:3]: v for v in read(file)} if file.exists() else {}
    kept |= {v[:3]: v for v in verdicts}
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(Verdict._fields)
        writer.writerows(kept.values())


def of_experiment(reader: Reader, name: str, *, seed: int = 1, note: str = "") -> Iterator[Verdict]:
    """The trials of an experiment that came to an end. One that a budget ended did not: on a slow machine
    that is the machine's fault. Repeats are counted from `seed`; the `note` is added to variants' names.
    """
    for trial in reader.experiments.trials(name):
        if trial.is_done and trial.status != "budget":
            meta, worker = trial.meta, trial.worker
            tokens = meta.tokens_in + meta.tokens_out, worker.tokens_in + worker.tokens_out
            passed = int(trial.status == "passed")
            calls = trial.meta_calls, trial.worker_calls
            variant = f"{trial.label}, {note}" if note else trial.label
            yield Verdict(variant, trial.repeat + seed - 1, trial.problem_id, passed, *calls, *tokens)


def compared(verdicts: Sequence[Verdict], variants: Sequence[str]) -> Comparison:
    """The variants side by side, the first being what the others are compared with."""
    sides = []
    for letter, variant in zip(ascii_uppercase, variants, strict=False):
        seeds = defaultdict(list)
        for verdict in verdicts:
            if verdict.variant == variant:
                seeds[verdict.repeat].append(columns_of(verdict.row))
        parts = (Part(variant, variant, "humaneval", False, joined(of), len(of)) for of in seeds.values())
        sides.append(Side(letter, variant, tuple(parts)))
    return compare_sides(cast(Reader, None), sides)  # which reads the traces of single runs only


def table(variants: Sequence[str], file: Path = FILE) -> str:
    """Some variants in Markdown, on the problems that all of them have; the first is the baseline of
    the differences, which are paired. Repeats that have not all of these problems are left out.
    """
    verdicts = read(file)
    of_each = [{v.problem for v in verdicts if v.variant == variant} for variant in variants]
    common = set[str].intersection(*of_each)
    verdicts = [v for v in verdicts if v.problem in common]
    problems = Counter((v.variant, v.repeat) for v in verdicts)
    whole = [v for v in verdicts if problems[v.variant, v.repeat] == len(common)]
    found = compared(whole, variants)
    lines = [_HEAD, *(_row(found, place) for place in range(len(found.sides)))]
    head, *rows = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([head, "|---" + "|--:" * (len(_HEAD) - 1) + "|", *rows])


def pass_at(variant: str, file: Path = FILE) -> str:
    """The share of problems that at least one of k draws of a variant solves, for each k, in Markdown."""
    found = compared([v for v in read(file) if v.variant == variant], [variant])
    columns = [("k", "pass@k")]
    columns += [(str(k), number("share", rate)) for k, rate in sorted(found.summaries[0].pass_at.items())]
    head, rates = (f"| {' | '.join(line)} |" for line in zip(*columns, strict=True))
    return "\n".join([head, "|---" + "|--:" * (len(columns) - 1) + "|", rates])


def _row(found: Comparison, place: int) -> tuple[str, ...]:
    side, summary = found.sides[place], found.summaries[place]
    rate, difference, p_value = summary.means["pass_rate"], NONE, NONE
    if place and (delta := found.pairs[place - 1].deltas.get("pass_rate")):
        difference = _ends(
            signed("share", delta.value), (signed("share", end) for end in delta.interval or ())
        )
        p_value = p_cell(cast(float, found.pairs[place - 1].p_value))
    shown = [number("count", summary.means[key].value) for key in ("model_calls", "tokens")]
    rate_text = _ends(
        number("share", rate.value),
        (number("share", end).removesuffix(" %") for end in summary.interval or ()),
    )
    return (f"`{side.name}`", str(rate.known), rate_text, difference, p_value, *shown)


def _ends(text: str, interval: Iterable[str]) -> str:
    ends = ", ".join(interval)
    return f"{text} [{ends}]" if ends else text


def main() -> None:
    """Keep the verdicts of experiments, and say what is there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiment", nargs="+")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--with", dest="note", default="")
    options = parser.parse_args()
    with Reader(options.store) as reader:
        for name in options.experiment:
            found = of_experiment(reader, name, seed=options.seed, note=options.note)
            add(v for v in found if v.number % options.every == 0)
    kept = read()
    for variant in dict.fromkeys(v.variant for v in kept):
        of_variant = [v for v in kept if v.variant == variant]
        print(f"{variant}: {sum(v.passed for v in of_variant)} of {len(of_variant)} passed")


if __name__ == "__main__":
    main()
