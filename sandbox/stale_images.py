"""Images of ours that an earlier version made and nothing needs any more.

Several checkouts share a daemon, each with its own current images. One that is newer than this checkout's
is another's, and stays; so does what a container uses, and a base that something kept was built on.
"""

from __future__ import annotations

import contextlib
from typing import Any

from sandbox import images
from sandbox.recipes import RECIPES


def stale(client: Any) -> list[str]:
    """Names of stale images, or ids of nameless ones: the finished images first, then the bases below them.

    Only images that carry our label, of a kind whose current image exists and is newer. Raises
    DockerException and RequestException.
    """
    ours = client.images.list(filters={"label": [images.BASE_LABEL]})
    kinds = {image.id: _kind(image) for image in ours}
    current = {name: found for name in RECIPES if (found := _current(ours, images.tag(name)))}
    older = [image for image in ours if _older(image, current.get(kinds[image.id] or ""))]
    kept_bases = {images.base_name(recipe) for recipe in RECIPES.values()}
    kept_bases |= {_below(image) for image in ours if image not in older}
    tops = [name for image in older if not _is_base(image) for name in image.tags or [image.id]]
    bases = [name for image in older if _is_base(image) for name in image.tags if name not in kept_bases]
    return tops + bases


def prune(client: Any) -> list[str]:
    """Remove the stale images that nothing uses; returns their names. Raises as `stale` does."""
    from docker.errors import APIError

    removed: list[str] = []
    for name in stale(client):
        if ":base-" in name and name in _needed(client):
            continue  # by one that could not be removed
        with contextlib.suppress(APIError):  # in use by a container, or under another image
            client.images.remove(name)
            removed.append(name)
    return removed


def _needed(client: Any) -> set[str]:
    """The bases that finished images were built on."""
    ours = client.images.list(filters={"label": [images.BASE_LABEL]})
    return {_below(image) for image in ours if not _is_base(image)}


def _current(ours: list[Any], name: str) -> Any:
    return next((image for image in ours if name in image.tags), None)


def _older(image: Any, current: Any) -> bool:
    """Whether `image` was made before the current one of its kind, which exists."""
    return (
        current is not None and image.id != current.id and image.attrs["Created"] < current.attrs["Created"]
    )


def _is_base(image: Any) -> bool:
    return any(":base-" in name for name in image.tags)


def _kind(image: Any) -> str | None:
    """The recipe it was made by: a finished image says it in a label, a base in its name."""
    for name in image.tags:
        version = name.partition(":")[2]
        if version.startswith("base-"):
            return version.removeprefix("base-").rpartition("-")[0]
    return (image.labels or {}).get(images.NAME_LABEL)


def _below(image: Any) -> str:
    """The name of what it was built on."""
    return (image.labels or {}).get(images.BASE_LABEL, "").partition("@")[0]
