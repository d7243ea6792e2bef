"""What a side's meta-agent replied: whether workflows came of it, whether they differ, whether it reasoned.

These are training's numbers of a policy that collapses (`training.rollouts.counters`), over all replies
together: a mean over trials would weigh a reply by how few others its trial has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from store.reader import Reader
    from store.way_reader import Proposal

TRIALS_READ = 500  # the last of a side: each workflow has to be parsed, and a comparison opens at once

SHARES = {
    "valid_share": "valid workflows",
    "as_written_share": "valid as written",
    "same_workflow_share": "same workflow again",
    "empty_thinking_share": "empty thinking",
}


class Share(NamedTuple):
    """A share in [0, 1] of `known` replies or workflows."""

    value: float
    known: int


@dataclass(frozen=True)
class Replies:
    """The replies to a meta-agent's calls: `answered` of them, `empty` without reasoning, and what came of
    those that a workflow was looked for in.
    """

    answered: int = 0
    empty: int = 0
    proposals: tuple[Proposal, ...] = ()


def read_replies(reader: Reader, run_ids: Sequence[str], search_ids: Sequence[str] = ()) -> Replies:
    """The replies in the last `TRIALS_READ` of these trials and in the attempts at a search.

    The last attempt has all its workflows: it repeats those of the attempts before it, but not their calls.
    Raises StoreError.
    """
    run_ids = run_ids[-TRIALS_READ:]
    answered, empty = reader.ways.thinking([*run_ids, *search_ids])
    return Replies(answered, empty, tuple(reader.ways.proposals([*run_ids, *search_ids[-1:]])))


def _same_share(shapes: list[str]) -> float | None:
    if not shapes:
        return None
    from engine.workflows.skeleton import same_share  # it brings the parsing of workflows with it

    return same_share(shapes)


def shares(parts: Iterable[Replies]) -> dict[str, Share]:
    """By name as in `SHARES`; one that there is nothing to take of is left out."""
    all_parts = list(parts)
    proposals = [proposal for part in all_parts for proposal in part.proposals]
    shapes = [proposal.shape for proposal in proposals if proposal.shape is not None]
    answered = sum(part.answered for part in all_parts)
    found: dict[str, Share] = {}
    if proposals:
        found["valid_share"] = Share(len(shapes) / len(proposals), len(proposals))
        as_written = sum(proposal.as_written for proposal in proposals)
        found["as_written_share"] = Share(as_written / len(proposals), len(proposals))
    if (same := _same_share(shapes)) is not None:
        found["same_workflow_share"] = Share(same, len(shapes))
    if answered:
        empty = sum(part.empty for part in all_parts)
        found["empty_thinking_share"] = Share(empty / answered, answered)
    return found
