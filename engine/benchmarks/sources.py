"""Where a benchmark's records come from: its own files, or a hub by name."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from engine.records import NEEDS_PYARROW, ProblemError, Record, plain_row, read_records

_HUB = "https://huggingface.co"
_OFFLINE = "its name does not resolve, or HF_HUB_OFFLINE is set"


@dataclass(frozen=True)
class Hub:
    """A data set on the Hugging Face hub: its name, its configurations (None is the only one) and its
    split.
    """

    name: str
    configurations: tuple[str | None, ...] = (None,)
    split: str = "test"


def from_path(
    path: Path,
    names: Iterable[str],
    benchmark: str,
    read: Callable[[Path], list[Record]] = read_records,
) -> list[Record]:
    """The records of a file, or of the files in a folder that match one of the official `names` (globs).

    The first name that matches counts, with every file it matches, in the order of their paths. A record
    comes with its place, for messages. `read` gives those of one file.

    Raises:
        ProblemError: there is no such file, or it cannot be read.
    """
    if not path.is_dir():
        return read(path)
    for name in names:
        files = sorted(file for file in path.glob(name) if file.is_file())
        if files:
            return [record for file in files for record in read(file)]
    raise ProblemError(
        f"{path} holds no data of {benchmark}: it should be {', '.join(names)}, or name the file itself"
    )


def has_data(path: Path, names: Iterable[str]) -> bool:
    """Whether `path` is a file, or a folder with one of the official names."""
    return path.is_file() or (path.is_dir() and any(next(path.glob(name), None) for name in names))


def from_hub(hub: Hub, benchmark: str, names: Iterable[str]) -> list[Record]:
    """The records of a data set on the hub, or of its copy in the hub's own cache.

    Raises:
        ProblemError: neither is available; the message says what to download and where to put it.
    """
    hint = (
        f"{benchmark} is not on this machine: download {hub.name} ({', '.join(names)}), pass --data PATH "
        "or set FLOWREASONER_DATA to its folder"
    )
    online = not _is_set("HF_HUB_OFFLINE") and _answers(os.environ.get("HF_ENDPOINT", _HUB))
    if not online:
        os.environ["HF_HUB_OFFLINE"] = "1"  # so that the client asks its cache only, and fails at once
    try:
        import datasets
    except ImportError:
        raise ProblemError(f"{hint}; to have it loaded by name: {NEEDS_PYARROW}") from None
    datasets.disable_progress_bars()
    for name in ("datasets", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)
    records: list[Record] = []
    for configuration in hub.configurations:
        try:
            table = datasets.load_dataset(hub.name, configuration, split=hub.split)
        except (OSError, ValueError) as error:  # offline, unknown name or split, damaged files
            reason = str(error).strip().partition("\n")[0][:200] if online else _OFFLINE
            raise ProblemError(f"{hint} (the hub: {reason})") from None
        place = f"{hub.name}{f'/{configuration}' if configuration else ''}"
        records += [(plain_row(row), f"{place}, row {n}") for n, row in enumerate(table, 1)]
    return records


def text(record: object, name: str, where: str) -> str:
    """A field that must be text, and not blank. Raises ProblemError, which names the place and the field."""
    value = fields(record, where).get(name)
    if isinstance(value, str) and value.strip():
        return value
    fault = "is missing" if value is None else f"is {'empty' if value == '' else f'a {type(value).__name__}'}"
    raise ProblemError(f'{where}: the field "{name}" {fault}; it should be text')


def texts(record: object, name: str, where: str) -> list[str]:
    """A field that is a list of texts, without blank ones; [] where it is missing. Raises ProblemError where
    it is anything else.
    """
    value = fields(record, where).get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ProblemError(f'{where}: the field "{name}" should be a list of texts')
    return [item for item in value if item.strip()]


def identifier(record: object, where: str, *names: str, default: str) -> str:
    """The first of the fields `names` that the record has, as text, or `default`. Raises ProblemError where
    the record is not an object.
    """
    data = fields(record, where)
    return str(next((data[name] for name in names if data.get(name) is not None), default))


def fields(record: object, where: str) -> dict[str, Any]:
    """The record as an object. Raises ProblemError where it is not one."""
    if not isinstance(record, dict):
        raise ProblemError(f"{where}: a record is a JSON object, this is a {type(record).__name__}")
    return record


def _is_set(name: str) -> bool:
    """Whether a switch of the hub's client is on, as it reads it."""
    return os.environ.get(name, "").upper() in ("1", "ON", "TRUE", "YES")


def _answers(endpoint: str) -> bool:
    """Whether the hub's name resolves: without a network the hub's client would retry for half a minute."""
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True
    try:
        socket.getaddrinfo(urlparse(endpoint).hostname, 443)
    except OSError:
        return False
    return True
