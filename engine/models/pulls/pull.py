"""Pulling a model: from the hub, a mirror of it, a folder or a GGUF file, checked before it has its name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from engine.models.pulls import hub, offline, shelf
from engine.models.pulls.catalogue import CATALOGUE, Entry
from engine.models.pulls.manifests import Pulled
from engine.models.pulls.shelf import NAME
from sandbox.errors import UnavailableError, UsageError


@dataclass(frozen=True)
class Told:
    """Who is told how a pull goes: sentences, and (bytes that are there, bytes in all, 0 for unknown)."""

    say: Callable[[str], None]
    progress: Callable[[int, int], None]


def pull(wanted: str, models: Path, told: Told, *, place: str | None = None) -> Path:
    """Get the model `wanted` and give it its name in the folder of all models; returns its folder.

    `wanted` is a name of the catalogue or, as in `Qwen/Qwen3-0.6B`, one of the hub. With `place`, a folder,
    a GGUF file or the URL of one, it is a name of your own, or one of the catalogue, whose weights these must
    then be. A pull that was interrupted goes on where it ended.

    Raises:
        UsageError: there is no such model, or none at `place`.
        UnavailableError: the hub cannot be reached, the disk is full, or a file is not what it should be.
    """
    entry = CATALOGUE.get(wanted)
    name = entry.name if entry else _own_name(wanted, place)
    bring = (
        partial(_from_place, place) if place is not None else _from_hub(wanted, entry, models / name, told)
    )
    with shelf.draft(name, models) as part:
        try:
            found = bring(part, told)
            if entry is not None:
                _check(entry, found, part)
            shelf.tidy(part, found)
            folder = shelf.put_in_place(part, name, models, found)
        except OSError as error:
            raise UnavailableError(
                f"{error.filename or part}: {error.strerror or error}: make room or mend it, and pull again"
            ) from None
    if not _samples(folder):
        told.say(
            f"nothing with it says how to sample, so {name} gives the same answer each time: its makers' "
            f"generation_config.json, copied into {folder}, changes that"
        )
    return folder


def _from_hub(wanted: str, entry: Entry | None, folder: Path, told: Told) -> Callable[[Path, Told], Pulled]:
    """Find the model on the hub and tell what it is; what is returned brings it."""
    there = hub.look(entry.repo if entry else wanted, entry.revision if entry else None)
    told.say(
        f"{folder.name}: {there.repo} at {there.revision[:8]}, licence {there.licence or 'not told'}, "
        f"{there.size / 1e9:.2f} GB, into {folder}"
    )

    def bring(part: Path, told: Told) -> Pulled:
        files = hub.fetch(there, part, told.say)
        return Pulled(
            source=there.repo,
            revision=there.revision,
            licence=there.licence,
            bytes=there.size,
            files=files,
        )

    return bring


def _from_place(place: str, part: Path, told: Told) -> Pulled:
    offline.bring(place, part, told.say, told.progress)
    files = offline.hashes(part)
    size = sum((part / name).stat().st_size for name in files)
    return Pulled(source=offline.shown(place), bytes=size, files=files)


def _check(entry: Entry, found: Pulled, part: Path) -> None:
    """Raises UnavailableError where these are not the weights of the catalogue; they are removed."""
    weights = {name: value for name, value in found.files.items() if name.endswith(".safetensors")}
    if not entry.sha256 or set(weights.values()) == {entry.sha256}:
        return
    for name in weights:
        (part / name).unlink()
    raise UnavailableError(
        f"{found.source}: these are not the weights of {entry.name} ({entry.repo} at {entry.revision[:8]}), "
        "and were removed: pull another, or give a name of your own"
    )


def _samples(folder: Path) -> bool:
    """Whether the model's own settings have it draw its tokens."""
    try:
        return bool(json.loads((folder / "generation_config.json").read_bytes()).get("do_sample"))
    except (OSError, ValueError, AttributeError):
        return False


def _own_name(wanted: str, place: str | None) -> str:
    """The name that a model gets which is not of the catalogue. Raises UsageError."""
    if place is None and not hub.is_id(wanted):
        import difflib

        near = difflib.get_close_matches(wanted, CATALOGUE, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(
            f"there is no model {wanted!r} in the catalogue: {hint}`flowreasoner models` lists it; a model "
            "of the hub is named as in Qwen/Qwen3-0.6B"
        )
    name = re.sub(r"[^a-z0-9._-]+", "-", wanted.rpartition("/")[2].lower()) if place is None else wanted
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be a model's name: use small letters, digits, '.', '_' and '-'")
    return name
