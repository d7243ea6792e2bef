"""The options of a data set. The fields of commands and forms are made from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.errors import UsageError

Kind = Literal["sft", "grpo", "dpo", "repair"]
Form = Literal["rounds", "trace"]
Keep = Literal["all", "best", "monotone"]


class DataError(UsageError):
    """No data set can be built from this; the message says why, and what to do."""


class BuildOptions(BaseModel):
    """Everything but the runs that decides which rows there are."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    form: Form = "rounds"
    """sft: a row for each round, or for each run its trace (Eq. 2)."""
    keep: Keep = "all"
    """sft: of each run all rounds, the best, or those that improve on all before (monotone)."""
    solved: bool = False
    """sft: only runs of which a round passed all of val."""
    strict: bool = False
    """Only workflows that ran as written, without repair."""
    duplicates: bool = False
    """Keep workflows that differ in names, prompts and numbers only."""
    against: tuple[str, ...] = ()
    """A benchmark to keep out, as in humaneval or mbpp:flowreasoner/test; several if repeated."""
    ngram: Annotated[int, Field(ge=3, le=100)] = 13
    """Words in a row that tell a problem of such a benchmark."""
    data: Path | None = None
    """Local data of these benchmarks."""
    pairs: Annotated[int, Field(ge=0)] = 2000
    """dpo: pairs to draw, likely as (s_w - s_l)^3; 0 is every pair once."""
    seed: Annotated[int, Field(ge=0)] = 0
    """dpo: seed of the draw."""
    tokenizer: str | None = None
    """Student to count tokens for: pocket-meta, hf:FOLDER, hf:ID, or job:ID."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Leave out rows of more tokens of the student."""


# Options that say nothing for other kinds.
_OF_KIND: dict[str, tuple[Kind, ...]] = {
    "form": ("sft",),
    "keep": ("sft",),
    "solved": ("sft",),
    "strict": ("sft", "dpo", "repair"),
    "pairs": ("dpo",),
    "seed": ("dpo",),
    "max_tokens": ("sft", "dpo", "repair"),
    "tokenizer": ("sft", "dpo", "repair"),
}


def applying(kind: Kind, options: BuildOptions) -> dict[str, Any]:
    """The options that matter for this kind, JSON-ready. Where benchmarks lie is not one of them."""
    values = options.model_dump(mode="json", exclude={"data"})
    return {name: value for name, value in values.items() if kind in _OF_KIND.get(name, (kind,))}


def checked(kind: Kind, options: BuildOptions) -> BuildOptions:
    """`options`. Raises DataError where one of them does not go with this kind, or needs another."""
    for name, kinds in _OF_KIND.items():
        default = BuildOptions.model_fields[name].default
        if kind not in kinds and getattr(options, name) != default:
            flag = f"--{name.replace('_', '-')}"
            raise DataError(f"{flag} goes with {' and '.join(kinds)}, not with {kind}; leave it out")
    if options.max_tokens is not None and options.tokenizer is None:
        raise DataError("--max-tokens counts a student's tokens; name it with --tokenizer")
    return options
