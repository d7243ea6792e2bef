"""Pruning removes what newer images replaced, and nothing that anyone else may want."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import images, labels, stale_images
from sandbox.recipes import RECIPES
from tests.sandbox.daemon import Daemon

REPOSITORY = images.REPOSITORY


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A daemon without any image; its own, since pruning is for the whole daemon."""
    why = Daemon.missing()
    if why is not None:
        pytest.skip(why)
    daemon = Daemon()
    try:
        daemon.start()
        yield daemon.client()
    finally:
        daemon.remove()


def _make(client: Any, name: str, **marks: str) -> None:
    dockerfile = f"FROM scratch\nENV NAME={name}\n"
    client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=name, labels=marks, rm=True)


def _base(client: Any, version: str) -> str:
    name = version if ":" in version else f"{REPOSITORY}:base-{version}"
    _make(client, name, **{images.BASE_LABEL: name})
    return name


def _top(client: Any, version: str, kind: str, base: str) -> str:
    name = version if ":" in version else f"{REPOSITORY}:{kind}-{version}"
    marks = {labels.LABEL: "1", images.NAME_LABEL: kind, images.BASE_LABEL: f"{base}@sha256:0"}
    _make(client, name, **marks)
    return name


def test_only_what_was_replaced_goes(client: Any) -> None:
    old_base = _base(client, "core-0000")
    old = _top(client, "old", "core", old_base)
    used_base = _base(client, "core-1111")
    used = _top(client, "used", "core", used_base)
    client.api.create_container(used, ["x"])
    others_base = _base(client, "core-2222")
    strangers = f"{REPOSITORY}:core-strangers"
    _make(client, strangers)
    science = _top(client, "old", "science", _base(client, "science-0000"))
    base = _base(client, images.base_name(RECIPES["core"]))
    current = _top(client, images.tag("core"), "core", base)
    newer = _top(client, "newer", "core", others_base)

    found = stale_images.stale(client)
    assert found[-2:] == [used_base, old_base] or found[-2:] == [old_base, used_base]
    assert set(found) == {old, used, old_base, used_base}
    removed = stale_images.prune(client)
    assert removed == [old, old_base]
    left = {name for image in client.images.list() for name in image.tags}
    assert left >= {used, used_base, others_base, strangers, science, base, current, newer}
    assert old not in left
    assert stale_images.prune(client) == []


def test_without_a_current_image_nothing_goes(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "tag", lambda name="core": f"{REPOSITORY}:{name}-not-built")
    assert stale_images.stale(client) == []
