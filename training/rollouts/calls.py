"""What was asked of the policy and what it replied, in tokens; and calls as training rows.

A call is trained on as it was made. One whose prompt continues the tokens of the call before joins its row,
any other opens a row, so that no template is required to keep earlier turns and nothing is tokenised twice.
(TRL's asynchronous trainer and Agent Lightning join calls by the same rule.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Turn = Literal["reply", "repair"]


@dataclass(frozen=True)
class Call:
    """One call of the policy.

    `prompt` and `completion` are token ids, the completion's with the token that ended it; `logps` the
    log-probability of each token of the completion at `temperature`, over the whole vocabulary. `turn` is
    "repair" for the reply to a diagnosis. `valid` says whether a workflow that can run came of it, None
    where the run ended before anybody looked. `thought` is whether it reasoned before it answered. `version`
    is how many optimizer steps the weights had that wrote it, where a server did.
    """

    round: int
    prompt: list[int]
    completion: list[int]
    logps: list[float]
    temperature: float
    turn: Turn = "reply"
    valid: bool | None = None
    thought: bool = False
    version: int | None = None


@dataclass
class Row:
    """One sequence to train on: the token ids `prompt`, then `completion`.

    `owners` names, for each token of the completion, the call that wrote it, by its index among the calls; it
    is None for what the policy was told in between, which is never trained on and whose `logps` are 0.
    """

    prompt: list[int]
    completion: list[int] = field(default_factory=list)
    owners: list[int | None] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)
    temperature: float = 1.0

    def of_calls(self, values: Sequence[float]) -> list[float]:
        """A value for each token of the completion, from one for each call; 0 where no call wrote it."""
        return [0.0 if owner is None else values[owner] for owner in self.owners]


def rows(calls: Sequence[Call]) -> list[Row]:
    """The calls of one rollout, in order, as rows. A call without a token of its own makes none."""
    out: list[Row] = []
    for number, call in enumerate(calls):
        if not call.completion:
            continue
        row = out[-1] if out else None
        held_tokens = row.prompt + row.completion if row else []
        if (
            row is None
            or row.temperature != call.temperature
            or call.prompt[: len(held_tokens)] != held_tokens
        ):
            out.append(row := Row(list(call.prompt), temperature=call.temperature))
            held_tokens = call.prompt
        inserted = call.prompt[len(held_tokens) :]
        row.completion += [*inserted, *call.completion]
        row.owners += [None] * len(inserted) + [number] * len(call.completion)
        row.logps += [0.0] * len(inserted) + call.logps
    return out
