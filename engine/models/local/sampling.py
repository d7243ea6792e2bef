"""Choose the next token of every row of a batch at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


_ENDLESS = 1 << 30
_LIKELIEST = 1024  # tokens that are looked at first


@dataclass(frozen=True)
class Choice:
    """How one row chooses. A `temperature` of 0 takes the likeliest token; a `top_k` of 0 is no limit."""

    temperature: float
    top_p: float = 1.0
    top_k: int = 0


class Chooser:
    """The choices of a batch's rows as tensors, which hold as long as the rows stay the same."""

    def __init__(self, choices: list[Choice], device: torch.device) -> None:
        import torch

        self._greedy = all(c.temperature <= 0 for c in choices)
        self._limited = any(c.temperature > 0 and (c.top_p < 1 or c.top_k > 0) for c in choices)
        self._cold = torch.tensor([c.temperature <= 0 for c in choices], device=device)
        heat = [c.temperature if c.temperature > 0 else 1.0 for c in choices]
        self._heat = torch.tensor(heat, device=device).unsqueeze(1)
        self._top_p = torch.tensor([c.top_p for c in choices], device=device).unsqueeze(1)
        self._top_k = torch.tensor([c.top_k or _ENDLESS for c in choices], device=device).unsqueeze(1)

    def __call__(self, logits: torch.Tensor, draws: list[float]) -> list[int]:
        """A token for each row of `logits` (rows × vocabulary).

        `draws` holds one number in [0, 1) for each row, from the row's own generator. Inverting the
        distribution at that number makes a row's choice depend on nothing but the row.
        """
        import torch

        likeliest = logits.argmax(-1)
        if self._greedy:
            return likeliest.tolist()
        chances = torch.softmax(logits.float() / self._heat, -1)
        if self._limited:
            chances = chances * self._kept(chances)
        # Always in the vocabulary's order, so that limits of one row do not change another's draw.
        heap = chances.double().cumsum(-1)
        target = torch.tensor(draws, dtype=torch.float64, device=heap.device).unsqueeze(1) * heap[:, -1:]
        drawn = torch.searchsorted(heap, target, right=True).squeeze(1).clamp(max=heap.shape[-1] - 1)
        return torch.where(self._cold, likeliest, drawn).tolist()

    def logps(self, logits: torch.Tensor, tokens: list[int]) -> list[float]:
        """The log-probability of each row's token, at the row's temperature (1 where that is 0) and over the
        whole vocabulary, without top-p and top-k, because training recomputes it in this way.
        """
        import torch

        logps = torch.log_softmax(logits.float() / self._heat, -1)
        index = torch.tensor(tokens, device=logps.device).unsqueeze(1)
        return logps.gather(-1, index).squeeze(1).tolist()

    def _kept(self, chances: torch.Tensor) -> torch.Tensor:
        """Which tokens top-p and top-k keep (rows × vocabulary): always the likeliest, and of equally likely
        ones those that come first in the vocabulary.
        """

        # To sort a large vocabulary takes as long as a step of a small model. Few tokens are kept as a rule.
        ordered = chances.topk(min(_LIKELIEST, chances.shape[-1])).values
        count = self._count(ordered)
        all_kept = (self._top_p >= 1) & (self._top_k >= _ENDLESS)
        if bool(((count == ordered.shape[-1]) & ~all_kept).any()):
            ordered = chances.sort(dim=-1, descending=True).values
            count = self._count(ordered)
        least = ordered.gather(-1, count - 1)
        above, equal = chances > least, chances == least
        room = count - above.sum(-1, keepdim=True)
        return all_kept | above | (equal & (equal.cumsum(-1) <= room))

    def _count(self, ordered: torch.Tensor) -> torch.Tensor:
        """How many of the likeliest tokens each row keeps (rows × 1), of those whose chances are given in
        falling order.
        """
        import torch

        before = ordered.cumsum(-1) - ordered
        rank = torch.arange(ordered.shape[-1], device=ordered.device)
        # A row without top-p keeps all: the running sum may round to 1 before the end.
        keep = ((before < self._top_p) | (self._top_p >= 1)) & (rank < self._top_k)
        return keep.sum(-1, keepdim=True).clamp(min=1)
