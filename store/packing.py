"""Texts of any length, compressed with a dictionary that ships with the workbench.

Most texts of a run are short and much like those of other runs: alone they barely shrink, with a dictionary
to a quarter. Each compressed text names its dictionary, so that dictionaries can be added; none may be taken
away.
`python -m tests.benchmarks.bytes --train` makes one.
"""

from __future__ import annotations

import threading
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import zstandard

_DICTIONARY = 1  # the one to compress with
_LEVEL = 3
_LEAST = 48  # bytes: what is shorter stays as it is
_MAGIC = b"\x28\xb5\x2f\xfd"  # of Zstandard (RFC 8878, section 3.1.1); no UTF-8 text begins so


class UnreadableError(ValueError):
    """The compressed text is damaged, or its dictionary is not one of this version."""


class _Own(threading.local):
    """A thread's own: they may not be shared, and loading a dictionary takes longer than what it is for."""

    def __init__(self) -> None:
        import zstandard

        self.compress = zstandard.ZstdCompressor(level=_LEVEL, dict_data=_dictionary(_DICTIONARY)).compress
        self.decompressors: dict[int, zstandard.ZstdDecompressor] = {}

    def decompress(self, data: bytes, number: int) -> bytes:
        """What was compressed with this dictionary, 0 for none. Raises FileNotFoundError and ZstdError."""
        import zstandard

        if number not in self.decompressors:
            known = _dictionary(number) if number else None
            self.decompressors[number] = zstandard.ZstdDecompressor(dict_data=known)
        return self.decompressors[number].decompress(data)


@cache
def _own() -> _Own:
    return _Own()


@cache
def _dictionary(number: int) -> zstandard.ZstdCompressionDict:
    import zstandard

    data = resources.files("store").joinpath("dictionaries", f"{number}.zdict").read_bytes()
    dictionary = zstandard.ZstdCompressionDict(data, dict_type=zstandard.DICT_TYPE_FULLDICT)
    dictionary.precompute_compress(level=_LEVEL)
    return dictionary


def pack(data: bytes) -> bytes | None:
    """`data` compressed; None where that would not make it shorter."""
    if len(data) < _LEAST:
        return None
    packed = _own().compress(data)
    return packed if len(packed) < len(data) else None


def is_packed(data: bytes) -> bool:
    """Whether `data` is what `pack` returned, and no text."""
    return data.startswith(_MAGIC)


def unpack(data: bytes) -> bytes:
    """The inverse of `pack`. Raises UnreadableError."""
    import zstandard

    try:
        return _own().decompress(data, zstandard.get_frame_parameters(data).dict_id)
    except FileNotFoundError:
        raise UnreadableError("it was compressed by a newer version") from None
    except zstandard.ZstdError as error:
        raise UnreadableError(str(error)) from None
