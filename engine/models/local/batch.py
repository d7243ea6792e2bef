"""Rows decoded together; they join and leave between steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from engine.models.base import Delta
from engine.models.local.attention import seats
from engine.models.local.cache import Chosen, RoomyCache, Rows, beginnings, join, with_room
from engine.models.local.prefixes import LEAST, Kept, Prefixes, common
from engine.models.local.row import DecodingRow
from engine.models.local.sampling import Choice, Chooser

if TYPE_CHECKING:
    from engine.models.local.weights import Weights

_PREFILL = 8192  # prompt tokens, padding included, that go through the model at once: more costs memory
_PASS = 64  # tokens of padding, from which on another pass through the model costs less
_SLACK = 128  # columns that nobody needs any more, from which on a cache is made anew without them


@dataclass(frozen=True)
class _Begun:
    """A row whose prompt begins with `shared` tokens that are `kept`."""

    row: DecodingRow
    prompt: np.ndarray
    kept: Kept | None
    shared: int

    @property
    def left(self) -> int:
        """How many tokens are to be read."""
        return len(self.prompt) - self.shared

    def part(self) -> Rows | None:
        """What is known of it."""
        return Rows(self.kept.cache, 0, 0, self.shared) if self.kept is not None else None


class Batch:
    """The rows under way. A row that is done keeps its place until another takes it, or until a quarter of
    them are done, because repacking copies the whole cache.
    """

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._rows: list[DecodingRow | None] = []  # None: done or cancelled
        self._cache: RoomyCache = RoomyCache(weights.layers)
        self._prefixes = Prefixes(weights.memory_left)
        self._columns = 0
        self._column_bytes = 0.0  # of a row's column, once there has been one
        self._starts = torch.zeros(0, dtype=torch.long)  # first column of each row; before it is padding
        self._chooser: Chooser | None = None

    @property
    def live(self) -> list[DecodingRow]:
        """The rows still being written."""
        return [row for row in self._rows if row is not None]

    def has_room(self, rows: Sequence[DecodingRow]) -> bool:
        """Whether `rows` may join: what their keys and values take besides those of the rows under way is at
        most half of the memory that is left. The other half is for those to grow. One row alone always may.
        """
        live = self.live
        number = len(live) + len(rows)
        columns = with_room(max([self._columns if live else 0, *(len(row.prompt) for row in rows)]))
        more = number * columns * self._column_bytes - (self._cache.nbytes if live else 0)
        return number == 1 or more <= 0 or more <= self._weights.memory_left() / 2

    @torch.inference_mode()
    def admit(self, rows: list[DecodingRow]) -> list[tuple[DecodingRow, list[Delta]]]:
        """Read the rows' prompts, choose their first tokens and let them join. Returns each row with its
        deltas.
        """
        out: list[tuple[DecodingRow, list[Delta]]] = []
        for wave in self._waves(rows):
            # Looked up only now: those of the wave before may be what those of this one begin with.
            begun = sorted((self._begun(row) for row in wave), key=lambda one: one.left)
            while begun:
                size = _together([one.left for one in begun])
                out += self._prefill(begun[:size])
                begun = begun[size:]
        return out

    def _waves(self, rows: list[DecodingRow]) -> list[list[DecodingRow]]:
        """The rows in two parts: those of the second begin as one of the first does."""
        first: list[DecodingRow] = []
        second: list[DecodingRow] = []
        before: np.ndarray | None = None
        for row in sorted(rows, key=lambda row: row.prompt):  # neighbours have most in common
            prompt = np.asarray(row.prompt)
            shared = 0 if before is None else common(before, prompt)
            known = self._prefixes.longest(prompt)[1] if shared >= LEAST else 0
            (second if shared - known >= LEAST else first).append(row)
            before = prompt
        return [wave for wave in (first, second) if wave]

    def _begun(self, row: DecodingRow) -> _Begun:
        prompt = np.asarray(row.prompt)
        return _Begun(row, prompt, *self._prefixes.longest(prompt))

    def _prefill(self, begun: list[_Begun]) -> list[tuple[DecodingRow, list[Delta]]]:
        """Read what is left of the prompts. In the cache, each row's known beginning ends at column `known`,
        and what is left of it ends at the last column; what may lie between is padding and is closed.
        """
        rows, device = [one.row for one in begun], self._weights.device
        known, width = max(one.shared for one in begun), max(one.left for one in begun)
        pad = [self._weights.pad]
        left = [pad * (width - one.left) + one.row.prompt[one.shared :] for one in begun]
        gaps = torch.tensor([width - one.left for one in begun], device=device)
        lengths = torch.tensor([len(row.prompt) for row in rows], device=device)
        cache = RoomyCache(self._weights.layers)
        if known:
            cache = beginnings([one.part() for one in begun], self._weights.layers, known)
        columns = torch.arange(known + width, device=device)
        from_left = (columns >= (known - lengths + width - gaps).unsqueeze(1)) & (columns < known)
        mask = from_left | (columns >= (known + gaps).unsqueeze(1))
        positions = (columns[known:] - (known + width - lengths).unsqueeze(1)).clamp(min=0)
        logits = self._logits(torch.tensor(left, device=device), cache, mask, positions)
        starts = known + width - lengths
        for place, one in enumerate(begun):
            if (gap := width - one.left) and one.shared:
                cache.close_gap(place, known - one.shared, one.shared, gap)
            if one.left >= LEAST:
                self._prefixes.keep(one.prompt, cache, place, int(starts[place]))
        chooser = Chooser([r.choice for r in rows], [r.prompt for r in rows], device)
        chosen = chooser(logits, [r.draw() for r in rows])
        _keep_logps(rows, chooser, logits, chosen)
        out = [(row, row.accept(token, self._weights.ends)) for row, token in zip(rows, chosen, strict=True)]
        if not self._seat(rows, cache, starts.tolist(), known + width):
            self._repack((rows, cache, starts, known + width))
        return out

    @torch.inference_mode()
    def step(self) -> list[tuple[DecodingRow, list[Delta]]]:
        """Decode one more token for every live row. Returns each row with its deltas."""
        dead = sum(row is None for row in self._rows)
        if 4 * dead >= len(self._rows):
            self._repack()
        device = self._weights.device
        last = [self._weights.pad if row is None else row.tokens[-1] for row in self._rows]
        mask = torch.arange(self._columns + 1, device=device) >= self._starts.unsqueeze(1)
        positions = (self._columns - self._starts).unsqueeze(1)
        logits = self._logits(torch.tensor(last, device=device).unsqueeze(1), self._cache, mask, positions)
        self._columns += 1
        if self._chooser is None:
            choices = [Choice(0.0) if row is None else row.choice for row in self._rows]
            said = [[] if row is None else row.prompt + row.tokens for row in self._rows]
            self._chooser = Chooser(choices, said, device)
        chosen = self._chooser(logits, [0.0 if row is None else row.draw() for row in self._rows])
        _keep_logps(self._rows, self._chooser, logits, chosen)
        ends = self._weights.ends
        return [(r, r.accept(t, ends)) for r, t in zip(self._rows, chosen, strict=True) if r is not None]

    def drop(self, row: DecodingRow) -> None:
        """Take out a row that is done or cancelled."""
        self._rows[self._rows.index(row)] = None

    def _logits(
        self, tokens: torch.Tensor, cache: RoomyCache, mask: torch.Tensor, positions: torch.Tensor
    ) -> torch.Tensor:
        """The logits after the last token of each row (rows × vocabulary). `mask` says which columns of the
        cache, those of `tokens` included, are none of padding.
        """
        result = self._weights.model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return result.logits[:, -1]

    def _seat(self, new: list[DecodingRow], cache: RoomyCache, starts: list[int], columns: int) -> bool:
        """Give `new` rows the places of those that are done, if that keeps rows of like length together and
        the cache has not become too wide; whether it was done.
        """
        lengths = (self._columns - self._starts).tolist()
        live = [length for length, row in zip(lengths, self._rows, strict=True) if row is not None]
        needed = [columns - start for start in starts]
        if self._columns - _SLACK > max(live, default=0) or max(needed) > self._columns:
            return False
        free = [place for place, row in enumerate(self._rows) if row is None]
        if (places := seats(lengths, free, needed)) is None:
            return False
        for at, (place, row) in enumerate(zip(places, new, strict=True)):
            part = Rows(cache, at, starts[at], needed[at])
            self._cache.set_row(place, part)
            self._rows[place] = row
            self._starts[place] = self._columns - part.length
        self._chooser = None
        return True

    def _repack(self, new: tuple[list[DecodingRow], RoomyCache, torch.Tensor, int] | None = None) -> None:
        """Keep only live rows and the columns they use, and let `new` ones join."""
        groups = [(self._rows, self._cache, self._starts, self._columns), *([new] if new else [])]
        chosen: list[tuple[RoomyCache, torch.Tensor]] = []
        lengths: list[torch.Tensor] = []
        rows: list[DecodingRow | None] = []
        for members, cache, starts, columns in groups:
            keep = [i for i, row in enumerate(members) if row is not None]
            if keep:
                index = torch.tensor(keep, device=self._weights.device)
                chosen.append((cache, index))
                lengths.append(columns - starts[index])
                rows += [members[i] for i in keep]
        self._chooser = None
        if not chosen:
            self._rows, self._cache, self._columns = [], RoomyCache(self._weights.layers), 0
            return
        # The longest first: rows of like length are neighbours (`engine.models.local.attention`).
        length, order = torch.cat(lengths).sort(descending=True, stable=True)
        self._rows = [rows[place] for place in order.tolist()]
        self._columns = int(length[0])
        self._starts = self._columns - length
        places = order.argsort().split([len(index) for _, index in chosen])
        parts = [Chosen(*part, into) for part, into in zip(chosen, places, strict=True)]
        self._cache = join(parts, self._columns)
        self._column_bytes = self._cache.nbytes / (len(rows) * with_room(self._columns))


def _together(lengths: Sequence[int]) -> int:
    """How many of the first of these lengths, which ascend, are best read in one pass: each further one makes
    all before it as long as it is.
    """
    size = 1
    while size < len(lengths) and lengths[size] * (size + 1) <= _PREFILL:
        if (lengths[size] - lengths[size - 1]) * size > _PASS:
            break
        size += 1
    return size


def _keep_logps(
    rows: Sequence[DecodingRow | None], chooser: Chooser, logits: torch.Tensor, chosen: list[int]
) -> None:
    """Give the rows that keep them the log-probabilities of their next tokens."""
    if not any(row is not None and row.keeps_logps for row in rows):
        return
    for row, logp in zip(rows, chooser.logps(logits, chosen), strict=True):
        if row is not None and row.keeps_logps:
            row.logps.append(logp)
