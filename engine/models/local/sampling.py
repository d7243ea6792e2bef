"""Choose the next token of every row of a batch at once, from the distribution that Transformers' `generate`
samples with the same settings. vLLM's differs where min-p and top-p meet: it applies min-p first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


_ENDLESS = 1 << 30
_LIKELIEST = 1024  # tokens that are looked at first, where top-k does not say how many
_AS_LIKELY = 64  # and further ones: logits in bfloat16 are often equal, and all that are must be seen


@dataclass(frozen=True)
class Choice:
    """How one row chooses, in the terms of Transformers' generation config. A `temperature` of 0 takes the
    likeliest token; a `top_k` of 0 is no limit.
    """

    temperature: float
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0


class Chooser:
    """The choices of a batch's rows as tensors, which hold as long as the rows stay the same."""

    def __init__(self, choices: Sequence[Choice], said: Sequence[list[int]], device: torch.device) -> None:
        """`said` are each row's tokens so far, of prompt and answer. Those chosen here are added to them."""
        import torch

        self._greedy = all(c.temperature <= 0 for c in choices)
        warm = [c for c in choices if c.temperature > 0]
        self._limited = any(c.top_p < 1 or c.top_k > 0 or c.min_p > 0 for c in warm)
        self._cold = torch.tensor([c.temperature <= 0 for c in choices], device=device)
        heat = [c.temperature if c.temperature > 0 else 1.0 for c in choices]
        self._heat = torch.tensor(heat, device=device).unsqueeze(1)
        self._top_p = torch.tensor([c.top_p for c in choices], device=device).unsqueeze(1)
        self._top_k = torch.tensor([c.top_k or _ENDLESS for c in choices], device=device).unsqueeze(1)
        self._min_p = torch.tensor([c.min_p for c in choices], device=device).unsqueeze(1)
        tops = [c.top_k for c in warm]
        self._looked = max([0 if all(tops) else _LIKELIEST, *tops]) + _AS_LIKELY
        # Logits and chances, of tens of megabytes. To ask for new memory takes as long as to compute them.
        self._room: tuple[torch.Tensor, torch.Tensor] | None = None
        self._penalty: torch.Tensor | None = None
        if any(c.repetition_penalty != 1 for c in choices):
            self._penalty = torch.tensor([c.repetition_penalty for c in choices], device=device).unsqueeze(1)
            width = max(1, *(len(tokens) for tokens in said))
            # Filled up with what is penalised anyway: a token is penalised once, however often it was said.
            filled = [tokens + (tokens[:1] or [0]) * (width - len(tokens)) for tokens in said]
            self._said = torch.tensor(filled, device=device)

    def __call__(self, logits: torch.Tensor, draws: list[float]) -> list[int]:
        """A token for each row of `logits` (rows × vocabulary).

        `draws` holds one number in [0, 1) for each row, from the row's own generator. Inverting the
        distribution at that number makes a row's choice depend on nothing but the row.
        """
        import torch

        if self._greedy and self._penalty is None:
            return logits.argmax(-1).tolist()
        if self._room is None:
            own = torch.empty_like(logits, dtype=torch.float32)
            self._room = own, torch.empty_like(own)
        own, chances = self._room
        own.copy_(logits)
        if self._penalty is not None:
            mine = own.gather(-1, self._said)
            own.scatter_(-1, self._said, torch.where(mine < 0, mine * self._penalty, mine / self._penalty))
        chosen = own.argmax(-1) if self._greedy else self._sampled(own.div_(self._heat), chances, draws)
        if self._penalty is not None:
            self._said = torch.cat([self._said, chosen.unsqueeze(1)], -1)
        return chosen.tolist()

    def _sampled(self, heated: torch.Tensor, chances: torch.Tensor, draws: list[float]) -> torch.Tensor:
        """A token for each row, with `chances` to compute in."""
        import torch

        torch.softmax(heated, -1, out=chances)
        target = torch.tensor(draws, dtype=torch.float64, device=chances.device).unsqueeze(1)
        few = self._few(chances) if self._limited else None
        if few is not None:
            drawn = few[1].gather(-1, _drawn(few[0], target))
        else:
            drawn = _drawn(chances * self._kept(chances) if self._limited else chances, target)
        drawn[self._cold] = heated[self._cold].argmax(-1, keepdim=True)
        return drawn.squeeze(1)

    def logps(self, logits: torch.Tensor, tokens: list[int]) -> list[float]:
        """The log-probability of each row's token, at the row's temperature (1 where that is 0) and over the
        whole vocabulary, without the other settings, because training recomputes it in this way.
        """
        import torch

        logps = torch.log_softmax(logits.float() / self._heat, -1)
        index = torch.tensor(tokens, device=logps.device).unsqueeze(1)
        return logps.gather(-1, index).squeeze(1).tolist()

    def _few(self, chances: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
        """The tokens among which each row draws, if those are few: their chances, 0 for those not kept, and
        their places, in the vocabulary's order. What a row that does not draw has here is of no use.

        To look at all of a large vocabulary again and again takes long beside a step of a small model.
        """
        import torch

        if self._looked >= chances.shape[-1]:
            return None
        values, places = chances.topk(self._looked)
        # Equally likely ones in the vocabulary's order, of which those that come first are kept.
        places, order = places.sort(-1)
        values, order = values.gather(-1, order).sort(dim=-1, descending=True, stable=True)
        count = self._count(values)
        last = values.gather(-1, count - 1)
        # As likely as the last one that was looked at: there may be more of them, which come first.
        if bool(((last <= values[:, -1:]) & ~self._cold.unsqueeze(1)).any()):
            return None
        kept = torch.arange(self._looked, device=values.device) < count
        kept &= values >= self._min_p * values[:, :1]
        places, by_place = places.gather(-1, order).sort(-1)
        return (values * kept).gather(-1, by_place), places

    def _kept(self, chances: torch.Tensor) -> torch.Tensor:
        """Which tokens top-k, top-p and min-p keep (rows × vocabulary): always the likeliest, and of equally
        likely ones those that come first in the vocabulary.
        """
        ordered = chances.topk(min(self._looked, chances.shape[-1])).values
        count = self._count(ordered)
        all_kept = (self._top_p >= 1) & (self._top_k >= _ENDLESS)
        if bool(((count == ordered.shape[-1]) & ~all_kept).any()):
            ordered = chances.sort(dim=-1, descending=True).values
            count = self._count(ordered)
        least = ordered.gather(-1, count - 1)
        above, equal = chances > least, chances == least
        room = count - above.sum(-1, keepdim=True)
        kept = all_kept | above | (equal & (equal.cumsum(-1) <= room))
        return kept & (chances >= self._min_p * ordered[:, :1])

    def _count(self, ordered: torch.Tensor) -> torch.Tensor:
        """How many of the likeliest tokens top-k and top-p keep of each row (rows × 1). Their chances are
        given in falling order, of more than any row's top-k.
        """
        import torch

        before = ordered.cumsum(-1) - ordered
        in_k = torch.arange(ordered.shape[-1], device=ordered.device) < self._top_k
        # Top-p is a share of what top-k leaves. A row without top-p keeps all of that: the running sum may
        # round to 1 before the end.
        left = torch.where(self._top_k < _ENDLESS, (ordered * in_k).sum(-1, keepdim=True), 1.0)
        keep = ((before < self._top_p * left) | (self._top_p >= 1)) & in_k
        return keep.sum(-1, keepdim=True).clamp(min=1)


def _drawn(chances: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The column that a number in [0, 1) falls on in each row (rows × 1). Always in the vocabulary's order,
    so that limits of one row do not change another's draw.
    """
    import torch

    heap = chances.double().cumsum(-1)
    return torch.searchsorted(heap, target * heap[:, -1:], right=True).clamp(max=heap.shape[-1] - 1)
