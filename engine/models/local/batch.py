"""Rows decoded together; they join and leave between steps."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import torch

from engine.models.base import Completion, Delta
from engine.models.local.cache import RoomyCache, join
from engine.models.local.chat import completion_of
from engine.models.local.sampling import Choice, Chooser
from engine.models.local.text import TextStream

if TYPE_CHECKING:
    from engine.models.local.weights import Weights

_PREFILL = 8192  # prompt tokens, padding included, that go through the model at once: more costs memory


class DecodingRow:
    """One answer being decoded. `finish` is None until the answer is complete."""

    def __init__(
        self,
        prompt: list[int],
        room: int,
        choice: Choice,
        seed: int | None,
        text: TextStream,
        *,
        default_room: bool = False,
        keeps_logps: bool = False,
    ) -> None:
        """`room` is how many tokens the answer may have; `default_room` says that nobody chose it. Without a
        `seed` every call draws other numbers. `keeps_logps` records the log-probability of each token.
        """
        self.keeps_logps = keeps_logps
        self.tokens: list[int] = []  # with the one that ends the answer
        self.logps: list[float] = []  # of each token, where they are kept
        self._default_room = default_room
        self.prompt, self.choice, self._room, self._text = prompt, choice, room, text
        self._seed, self._random = seed, random.Random(seed)
        self.finish: str | None = None

    @property
    def made(self) -> int:
        """How many tokens the answer has."""
        return len(self.tokens)

    def draw(self) -> float:
        """The row's next random number: a seeded row draws the same ones whoever shares its batch."""
        return self._random.random()

    def accept(self, token: int, ends: frozenset[int]) -> list[Delta]:
        """Take the chosen token and return the deltas it makes certain. Sets `finish` where the answer is
        complete: at a token in `ends`, a stop string, or the last token there is room for.
        """
        self.tokens.append(token)
        out: list[Delta] = []
        if token in ends:
            self.finish = "stop"
        else:
            out = self._text.feed(token)
            self.finish = "stop" if self._text.stopped else "length" if self.made >= self._room else None
        return out + self._text.close() if self.finish else out

    def completion(self) -> Completion:
        """The finished answer."""
        return completion_of(
            self._text,
            self.finish or "stop",
            len(self.prompt),
            self.made,
            {**asdict(self.choice), "max_tokens": self._room, "seed": self._seed},
            default_room=self._default_room,
        )


class Batch:
    """The rows under way. A row that is done keeps its place until a quarter of them are, because repacking
    copies the whole cache.
    """

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._rows: list[DecodingRow | None] = []  # None: done or cancelled
        self._cache: RoomyCache = RoomyCache(weights.layers)
        self._columns = 0
        self._starts = torch.zeros(0, dtype=torch.long)  # first column of each row; before it is padding
        self._chooser: Chooser | None = None

    @property
    def live(self) -> list[DecodingRow]:
        """The rows still being written."""
        return [row for row in self._rows if row is not None]

    @torch.inference_mode()
    def admit(self, rows: list[DecodingRow]) -> list[tuple[DecodingRow, list[Delta]]]:
        """Read the rows' prompts, choose their first tokens and let them join. Returns each row with its
        deltas.
        """
        out: list[tuple[DecodingRow, list[Delta]]] = []
        rows = sorted(rows, key=lambda row: len(row.prompt))
        while rows:
            width = len(rows[0].prompt)
            size = 1
            while size < len(rows) and len(rows[size].prompt) * (size + 1) <= _PREFILL:
                width = len(rows[size].prompt)
                size += 1
            out += self._prefill(rows[:size], width)
            rows = rows[size:]
        return out

    def _prefill(self, rows: list[DecodingRow], width: int) -> list[tuple[DecodingRow, list[Delta]]]:
        device = self._weights.device
        pad = [self._weights.pad]
        tokens = torch.tensor([pad * (width - len(r.prompt)) + r.prompt for r in rows], device=device)
        starts = torch.tensor([width - len(r.prompt) for r in rows], device=device)
        cache = RoomyCache(self._weights.layers)
        logits = self._forward(tokens, cache, starts, width)
        chooser = Chooser([r.choice for r in rows], device)
        chosen = chooser(logits, [r.draw() for r in rows])
        _keep_logps(rows, chooser, logits, chosen)
        out = [(row, row.accept(token, self._weights.ends)) for row, token in zip(rows, chosen, strict=True)]
        self._repack((rows, cache, starts, width))
        return out

    @torch.inference_mode()
    def step(self) -> list[tuple[DecodingRow, list[Delta]]]:
        """Decode one more token for every live row. Returns each row with its deltas."""
        dead = sum(row is None for row in self._rows)
        if 4 * dead >= len(self._rows):
            self._repack()
        device = self._weights.device
        last = [self._weights.pad if row is None else row.tokens[-1] for row in self._rows]
        logits = self._forward(torch.tensor(last, device=device).unsqueeze(1), self._cache, self._starts, 1)
        self._columns += 1
        if self._chooser is None:
            greedy = Choice(0.0)
            self._chooser = Chooser([greedy if row is None else row.choice for row in self._rows], device)
        chosen = self._chooser(logits, [0.0 if row is None else row.draw() for row in self._rows])
        _keep_logps(self._rows, self._chooser, logits, chosen)
        ends = self._weights.ends
        return [(r, r.accept(t, ends)) for r, t in zip(self._rows, chosen, strict=True) if r is not None]

    def drop(self, row: DecodingRow) -> None:
        """Take out a row that is done or cancelled."""
        self._rows[self._rows.index(row)] = None

    def _forward(
        self, tokens: torch.Tensor, cache: RoomyCache, starts: torch.Tensor, width: int
    ) -> torch.Tensor:
        """The logits after the last token of each row (rows × vocabulary)."""
        before = cache.get_seq_length()
        columns = torch.arange(before + width, device=tokens.device)
        mask = columns >= starts.unsqueeze(1)
        positions = (columns[before:] - starts.unsqueeze(1)).clamp(min=0)
        result = self._weights.model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return result.logits[:, -1]

    def _repack(self, new: tuple[list[DecodingRow], RoomyCache, torch.Tensor, int] | None = None) -> None:
        """Keep only live rows and the columns they use, and let `new` ones join."""
        groups = [(self._rows, self._cache, self._starts, self._columns), *([new] if new else [])]
        parts: list[tuple[RoomyCache, torch.Tensor]] = []
        lengths: list[torch.Tensor] = []
        rows: list[DecodingRow | None] = []
        for members, cache, starts, columns in groups:
            keep = [i for i, row in enumerate(members) if row is not None]
            if keep:
                index = torch.tensor(keep, device=self._weights.device)
                parts.append((cache, index))
                lengths.append(columns - starts[index])
                rows += [members[i] for i in keep]
        self._rows, self._chooser = rows, None
        if not parts:
            self._cache, self._columns = RoomyCache(self._weights.layers), 0
            return
        length = torch.cat(lengths)
        self._columns = int(length.max())
        self._starts = self._columns - length
        self._cache = join(parts, self._columns)


def _keep_logps(
    rows: Sequence[DecodingRow | None], chooser: Chooser, logits: torch.Tensor, chosen: list[int]
) -> None:
    """Give the rows that keep them the log-probabilities of their next tokens."""
    if not any(row is not None and row.keeps_logps for row in rows):
        return
    for row, logp in zip(rows, chooser.logps(logits, chosen), strict=True):
        if row is not None and row.keeps_logps:
            row.logps.append(logp)
