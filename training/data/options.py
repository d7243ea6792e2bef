"""What a data set is built with. Commands and forms are made from these fields."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.errors import UsageError

Kind = Literal["sft", "grpo", "dpo", "repair"]
Form = Literal["rounds", "trace"]
Keep = Literal["all", "best", "monotone"]


class DataError(UsageError):
    """No data set can be built of this; the message says why, and what to do."""


class BuildOptions(BaseModel):
    """Everything but the runs that decides which rows there are: the same options and store, the same bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Form = Field("rounds", description="sft: a row for each round, or for each run its trace (Eq. 2).")
    keep: Keep = Field(
        "all",
        description="sft: of each run all rounds, the best one, or those that improve on all before (monotone).",
    )
    solved: bool = Field(False, description="sft: only runs of which a round passed all of val.")
    strict: bool = Field(False, description="Only workflows that ran as written, without repair.")
    duplicates: bool = Field(
        False, description="Keep workflows that differ in names, prompts and numbers only."
    )
    against: tuple[str, ...] = Field(
        (), description="Benchmarks to keep out, as in humaneval or mbpp:flowreasoner/test."
    )
    ngram: int = Field(13, ge=3, le=100, description="Words in a row that tell a problem of theirs.")
    data: Path | None = Field(None, description="Local data of these benchmarks.")
    pairs: int = Field(
        2000, ge=0, description="dpo: pairs to draw, likely as (s_w - s_l)^3; 0 is every pair once."
    )
    seed: int = Field(0, ge=0, description="dpo: seed of the draw.")
    tokenizer: str | None = Field(
        None, description="Student to count tokens for: pocket-meta, a folder, or a hub ID."
    )
    max_tokens: int | None = Field(None, ge=1, description="Longest row in tokens of the student.")


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


def checked(kind: Kind, options: BuildOptions) -> BuildOptions:
    """The options. Raises DataError where one of them says nothing for this kind, or lacks another."""
    for name, kinds in _OF_KIND.items():
        default = BuildOptions.model_fields[name].default
        if kind not in kinds and getattr(options, name) != default:
            flag = f"--{name.replace('_', '-')}"
            raise DataError(f"{flag} goes with {' and '.join(kinds)}, not with {kind}; leave it out")
    if options.max_tokens is not None and options.tokenizer is None:
        raise DataError("--max-tokens counts a student's tokens; name it with --tokenizer")
    return options
