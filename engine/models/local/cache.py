"""The attention cache of a batch whose rows come and go.

Rows are padded on the left, so that all end in the same column. Room for further columns is made in
blocks: growing the tensors by one column a step, as the stock cache does, copies all of it every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

_BLOCK = 64  # columns


C = TypeVar("C")


class Chosen(NamedTuple, Generic[C]):
    """Rows of a cache, or of a layer of one, and the places they get in another."""

    cache: C
    rows: torch.Tensor
    places: torch.Tensor


class RoomyLayer(CacheLayerMixin):
    """Keys and values of one layer, rows × heads × columns × size, with room to the right."""

    def __init__(self) -> None:
        super().__init__()
        self.used = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Take type and sizes from the first states."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys = _room(key_states, key_states.shape[-2])
        self.values = _room(value_states, value_states.shape[-2])
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append states (rows × heads × new columns × size) and return (keys, values) of all columns in
        use.
        """
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start, self.used = self.used, self.used + key_states.shape[-2]
        keys, values = self.filled()
        if self.used > keys.shape[-2]:
            keys, values = _grown(keys, start, self.used), _grown(values, start, self.used)
            self.keys, self.values = keys, values
        keys[:, :, start : self.used] = key_states
        values[:, :, start : self.used] = value_states
        return keys[:, :, : self.used], values[:, :, : self.used]

    def filled(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(keys, values), with the room to the right. Raises RuntimeError where there are none yet."""
        if self.keys is None or self.values is None:
            raise RuntimeError("the layer has no states yet")
        return self.keys, self.values

    def fill(self, sources: Sequence[Chosen[RoomyLayer]], columns: int) -> None:
        """Take chosen rows of other layers, aligned on the right in `columns` columns."""
        keys, values = sources[0].cache.filled()
        total = sum(len(source.rows) for source in sources)
        self.dtype, self.device = keys.dtype, keys.device
        new_keys = _room(keys[:1].expand(total, -1, -1, -1), columns)
        new_values = _room(values[:1].expand(total, -1, -1, -1), columns)
        for layer, rows, places in sources:
            width = min(layer.used, columns)
            for new, old in zip((new_keys, new_values), layer.filled(), strict=True):
                new[places, :, columns - width : columns] = old[:, :, layer.used - width : layer.used][rows]
        self.keys, self.values, self.used, self.is_initialized = new_keys, new_values, columns, True

    def free(self) -> None:
        """Let go of the memory; the layer is of no use afterwards."""
        self.keys = self.values = None

    def make_room(self, like: torch.Tensor, columns: int) -> None:
        """Have `columns` columns in use, all 0, for as many rows as `like` has."""
        self.dtype, self.device = like.dtype, like.device
        self.keys, self.values = _room(like, columns), _room(like, columns)
        self.used, self.is_initialized = columns, True

    def set_row(self, place: int, source: RoomyLayer, part: Rows) -> None:
        """Copy a part of a row of another layer into the last columns of row `place`."""
        columns = slice(self.used - part.length, self.used)
        for mine, other in zip(self.filled(), source.filled(), strict=True):
            mine[place, :, columns] = other[part.row, :, part.start : part.start + part.length]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """(length, offset) of the columns that the attention mask covers."""
        return self.used + query_length, 0

    def get_seq_length(self) -> int:
        """Columns in use."""
        return self.used

    def get_max_length(self) -> int:
        """-1: the cache has no limit of its own."""
        return -1

    def get_max_cache_shape(self) -> int:
        """As `get_max_length`, whose name this is in earlier releases of Transformers."""
        return -1


def with_room(columns: int) -> int:
    """How many columns a cache has room for that needs so many."""
    return -(-columns // _BLOCK) * _BLOCK


def _room(like: torch.Tensor, columns: int) -> torch.Tensor:
    rows, heads, _, size = like.shape
    return like.new_zeros((rows, heads, with_room(columns), size))


def _grown(old: torch.Tensor, used: int, columns: int) -> torch.Tensor:
    new = _room(old, columns)
    new[:, :, :used] = old[:, :, :used]
    return new


class RoomyCache(Cache):
    """The cache of a whole model, a `RoomyLayer` for each of its layers."""

    def __init__(self, layers: int) -> None:
        self.roomy = [RoomyLayer() for _ in range(layers)]
        super().__init__(layers=[*self.roomy])

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return sum(tensor.nbytes for layer in self.roomy for tensor in layer.filled())

    def set_row(self, place: int, part: Rows) -> None:
        """Copy a part of a row of another cache into the last columns of row `place`."""
        for mine, other in zip(self.roomy, part.cache.roomy, strict=True):
            mine.set_row(place, other, part)

    def close_gap(self, row: int, start: int, length: int, gap: int) -> None:
        """Move `length` columns of a row, from `start` on, to the right by `gap`."""
        for layer in self.roomy:
            for tensor in layer.filled():
                moved = tensor[row, :, start : start + length].clone()
                tensor[row, :, start + gap : start + gap + length] = moved


@dataclass(frozen=True)
class Rows:
    """The part of a row that is of use: `length` columns from `start` on."""

    cache: RoomyCache
    row: int
    start: int
    length: int

    def copied(self) -> RoomyCache:
        """A cache of this part alone."""
        return beginnings([self], len(self.cache.roomy), self.length)


def beginnings(rows: Sequence[Rows | None], layers: int, columns: int) -> RoomyCache:
    """A cache of copies of `rows`, aligned to end at column `columns`; None is a row of padding."""
    made = RoomyCache(layers)
    example = next(part.cache for part in rows if part is not None)
    for layer, other in zip(made.roomy, example.roomy, strict=True):
        layer.make_room(other.filled()[0][:1].expand(len(rows), -1, -1, -1), columns)
    for place, part in enumerate(rows):
        if part is not None:
            made.set_row(place, part)
    return made


def join(parts: Sequence[Chosen[RoomyCache]], columns: int) -> RoomyCache:
    """A cache of chosen rows of others, all aligned to end at column `columns`. The others are used up.

    Columns before the last `columns` of a part are dropped: they are padding for every row that is kept.
    """
    joined = RoomyCache(len(parts[0].cache.roomy))
    for number, layer in enumerate(joined.roomy):
        sources = [Chosen(part.cache.roomy[number], part.rows, part.places) for part in parts]
        layer.fill(sources, columns)
        for source in sources:  # before the next layer: all of both would be a batch's largest need of memory
            source.cache.free()
    return joined
