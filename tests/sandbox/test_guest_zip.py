"""What runners without an image import: bytecode where their Python can take it, else sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from zipimport import zipimporter

import pytest

from sandbox import guest_zip, images


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Path]:
    guest_zip.guest_zip.cache_clear()
    yield tmp_path / "guest.zip"
    guest_zip.guest_zip.cache_clear()


def written(archive: Path) -> zipimporter:
    archive.write_bytes(guest_zip.guest_zip(str(archive)))
    return zipimporter(f"{archive}/guest")


def places(code: CodeType) -> set[str]:
    inner = (places(one) for one in code.co_consts if isinstance(one, CodeType))
    return {code.co_filename}.union(*inner)


def test_every_module_is_compiled_and_knows_where_it_is(archive: Path) -> None:
    found = written(archive)
    for name, source in images.guest_files().items():
        module = name.removesuffix(".py")
        assert found.get_filename(module) == f"{archive}/guest/{name}c"
        assert places(found.get_code(module)) == {f"{archive}/guest/{name}"}
        assert found.get_source(module) == source.decode()  # for tracebacks


def test_a_python_of_another_version_takes_the_sources(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest_zip, "MAGIC_NUMBER", b"\x00\x00\r\n")
    found = written(archive)
    assert found.get_filename("runner") == f"{archive}/guest/runner.py"
    assert places(found.get_code("runner")) == {f"{archive}/guest/runner.py"}
