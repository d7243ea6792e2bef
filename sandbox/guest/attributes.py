"""The attributes of values that cross as data: of anything else, only a program's own object has one."""

from __future__ import annotations

import asyncio
import collections
import datetime
import decimal
import enum
import fractions
import re
import types

# Those of paths and of what functions and caches have; `pathlib` would be loaded for them alone.
_OTHERS = """
    name value cache_info cache_clear hits misses maxsize currsize func keywords exception
    _fields _asdict _replace
    parent parents parts stem suffix suffixes anchor drive root joinpath relative_to is_relative_to as_posix
    with_name with_stem with_suffix is_absolute
"""
_KINDS: tuple[type, ...] = (
    *(list, dict, set, frozenset, tuple, str, bytes, bytearray, int, float, complex, range, slice),
    *(collections.deque, collections.Counter, collections.OrderedDict, collections.defaultdict),
    *(datetime.datetime, datetime.timedelta, datetime.timezone, decimal.Decimal, fractions.Fraction),
    *(re.Match, re.Pattern, types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType),
    *(types.FunctionType, asyncio.AbstractEventLoop, enum.Enum, OSError, StopIteration, SystemExit),
    *(UnicodeDecodeError, SyntaxError, ImportError, BaseExceptionGroup),
)
_plain: set[str] = set()


def plain_attributes() -> set[str]:
    """Their names, those of functions, generators and exceptions included."""
    if not _plain:
        _plain.update(_OTHERS.split(), *map(dir, _KINDS))
    return _plain
