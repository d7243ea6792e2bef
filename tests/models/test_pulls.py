"""Pulling models from a hub on loopback, from folders and from files: whole, checked, resumed, removed."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from engine.config import Settings
from engine.models.base import ModelError
from engine.models.pulls import catalogue, hub, shelf
from engine.models.pulls.catalogue import CATALOGUE, Entry
from engine.models.pulls.manifests import manifest
from engine.models.pulls.pull import Told, pull
from engine.models.registry import available, local_source, open_model
from sandbox.errors import UnavailableError, UsageError
from tests.support.hub import REPO, REVISION, Hub

WEIGHTS = bytes(range(256)) * 800  # 200 KB
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "model.safetensors": WEIGHTS,
    "tokenizer.json": b"{}",
    "LICENSE": b"do what you like",
    "pytorch_model.bin": b"a pickle",
    "modeling_small.py": b"raise SystemExit",
    "onnx/model.safetensors": b"of something else",
}
WANTED = {"config.json", "model.safetensors", "tokenizer.json", "LICENSE"}


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Generator[Hub]:
    with Hub(FILES) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


class Heard(list[str]):
    """What a pull told."""

    @property
    def told(self) -> Told:
        return Told(self.append, lambda have, total: None)


def names(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_a_model_of_the_hub_is_brought_with_what_it_needs_and_nothing_else(
    there: Hub, tmp_path: Path
) -> None:
    heard = Heard()
    folder = pull(REPO, tmp_path, heard.told)
    assert folder == tmp_path / "small-model"
    assert names(folder) == WANTED | {shelf.MANIFEST}
    found = manifest(folder)
    assert found is not None
    assert (found.source, found.revision, found.licence) == (REPO, REVISION, "apache-2.0")
    assert found.files["model.safetensors"] == hashlib.sha256(WEIGHTS).hexdigest()
    assert found.bytes == sum(len(FILES[name]) for name in WANTED)
    assert heard[0].startswith(f"small-model: {REPO} at 01234567, licence apache-2.0, 0.00 GB, into ")
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == ["small-model"]


def test_an_interrupted_pull_is_no_model_and_goes_on_where_it_ended(there: Hub, tmp_path: Path) -> None:
    there.files["model.safetensors"] = big = WEIGHTS * 120  # the downloader writes 10 MB at a time
    there.cut = {"model.safetensors": 15_000_000}
    folder = None
    while folder is None:  # the downloader tries again by itself, up to a number of times
        try:
            folder = pull(REPO, tmp_path, Heard().told)
        except UnavailableError:
            assert shelf.pulled_names(tmp_path) == []
    assert (folder / "model.safetensors").read_bytes() == big
    assert "bytes=10485760-" in {begin for _, path, begin in there.asked if "model.safetensors" in path}


def test_files_of_an_earlier_try_are_not_brought_again(there: Hub, tmp_path: Path) -> None:
    part = tmp_path / ".small-model.part"
    part.mkdir()
    (part / "model.safetensors").write_bytes(WEIGHTS)
    (part / "tokenizer.json").write_bytes(b"[]")  # as long, and another
    folder = pull(REPO, tmp_path, Heard().told)
    brought = {path.rpartition("/")[2] for method, path, _ in there.asked if method == "GET"}
    assert "model.safetensors" not in brought
    assert (folder / "tokenizer.json").read_bytes() == b"{}"


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_file_that_is_not_what_the_hub_lists_is_never_used(there: Hub, tmp_path: Path, name: str) -> None:
    there.other = {name: FILES[name][:-1] + b"!"}
    with pytest.raises(UnavailableError, match=f"{name} arrived other than the hub lists it"):
        pull(REPO, tmp_path, Heard().told)
    assert shelf.pulled_names(tmp_path) == []
    there.other = {}
    assert (pull(REPO, tmp_path, Heard().told) / name).read_bytes() == FILES[name]


@pytest.fixture
def entry(there: Hub, monkeypatch: pytest.MonkeyPatch) -> Entry:
    made = Entry("small", REPO, REVISION, "Apache-2.0", 0.1, hashlib.sha256(WEIGHTS).hexdigest())
    monkeypatch.setitem(CATALOGUE, "small", made)
    return made


def test_a_mirror_that_lists_other_weights_than_the_catalogue_is_refused(
    there: Hub, entry: Entry, tmp_path: Path
) -> None:
    there.files["model.safetensors"] = WEIGHTS + b"more"
    with pytest.raises(UnavailableError, match="these are not the weights of small"):
        pull("small", tmp_path, Heard().told)
    assert shelf.pulled_names(tmp_path) == []
    there.files["model.safetensors"] = WEIGHTS
    assert pull("small", tmp_path, Heard().told).name == "small"


def test_the_catalogue_names_one_commit_each_and_no_name_twice() -> None:
    assert all(len(e.revision) == 40 and shelf.NAME.fullmatch(e.name) for e in CATALOGUE.values())
    assert all(hub.is_id(e.repo) and len(e.sha256) in (0, 64) for e in CATALOGUE.values())
    assert len({e.repo for e in catalogue.CATALOGUE.values()}) == len(CATALOGUE)


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (401, UsageError, "has no model 'someone/small-model', or only for those who may see it"),
        (404, UsageError, "has no model"),
        (500, UnavailableError, "answers 500 for someone/small-model: pull again later"),
        (429, UnavailableError, "answers 429"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence(
    there: Hub, tmp_path: Path, status: int, kind: type[Exception], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.status = status
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # what the downloader waits between tries
    with pytest.raises(kind, match=says):
        pull(REPO, tmp_path, Heard().told)


def test_no_network_says_what_else_can_be_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9 cannot be reached .* HF_ENDPOINT, .*--from"):
        pull(REPO, tmp_path, Heard().told)


def test_a_disk_without_room_is_said_before_anything_is_brought(
    there: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(UnavailableError, match=r"GB are needed and 0\.00 GB are free: make room"):
        pull(REPO, tmp_path, Heard().told)
    assert not any("resolve" in path for _, path, _ in there.asked)


def test_a_disk_that_fills_up_keeps_what_is_there(
    there: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    real = huggingface_hub.hf_hub_download

    def full(repo: str, path: str, **more: object) -> object:
        if path == "model.safetensors":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "model.safetensors")
        return real(repo, path, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", full)
    with pytest.raises(UnavailableError, match="the disk is full: make room and pull again"):
        pull(REPO, tmp_path, Heard().told)
    assert (tmp_path / ".small-model.part" / "config.json").exists()
    assert shelf.pulled_names(tmp_path) == []


def test_two_pulls_of_one_model_do_not_meet(there: Hub, tmp_path: Path) -> None:
    with (
        shelf.locked("small-model", tmp_path),
        pytest.raises(UnavailableError, match="another process"),
    ):
        pull(REPO, tmp_path, Heard().told)


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("qwen2.5-coder-0.5", "did you mean qwen2.5-coder-0.5b"),
        ("nothing-like-it", "in the catalogue: `flowreasoner models` lists it"),
        ("../escape", "in the catalogue"),
        ("a/b/c", "in the catalogue"),
        ("", "in the catalogue"),
    ],
)
def test_an_unknown_name_is_refused_before_anything_is_asked(
    there: Hub, tmp_path: Path, wanted: str, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        pull(wanted, tmp_path, Heard().told)
    assert there.asked == []


def test_a_repository_without_safetensors_is_refused(there: Hub, tmp_path: Path) -> None:
    del there.files["model.safetensors"]
    with pytest.raises(UsageError, match="has no model as safetensors"):
        pull(REPO, tmp_path, Heard().told)


# -- from elsewhere, and what is there ---------------------------------------------------------------


def a_folder(path: Path) -> Path:
    path.mkdir()
    for name in ("config.json", "model.safetensors", "modeling_small.py"):
        (path / name).write_bytes(FILES[name])
    return path


def test_a_folder_is_copied_without_its_code(tmp_path: Path) -> None:
    folder = pull("my-own", tmp_path / "models", Heard().told, place=str(a_folder(tmp_path / "there")))
    assert names(folder) == {"config.json", "model.safetensors", shelf.MANIFEST}


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("nowhere", "is no folder, GGUF file or URL"),
        ("empty", "holds no model"),
        ("text.gguf", "is no GGUF file"),
        ("half.gguf", "half.gguf: "),
        ("part-00002-of-00003.gguf", "is a part of a model"),
    ],
)
def test_a_place_without_a_model_is_one_sentence(tmp_path: Path, place: str, says: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.gguf").write_text("hello")
    (tmp_path / "half.gguf").write_bytes(b"GGUF\x03\0\0\0")
    (tmp_path / "part-00002-of-00003.gguf").write_bytes(b"GGUF")
    with pytest.raises((UsageError, UnavailableError), match=says):
        pull("my-own", tmp_path / "models", Heard().told, place=str(tmp_path / place))
    assert shelf.pulled_names(tmp_path / "models") == []


def test_a_pulled_model_is_a_name_everywhere_until_it_is_removed(tmp_path: Path) -> None:
    settings = Settings(store=tmp_path / "store.db")
    pull("my-own", settings.models_path(), Heard().told, place=str(a_folder(tmp_path / "there")))
    assert local_source("my-own", settings) == str(settings.models_path() / "my-own")
    assert [i.name for i in available(settings) if i.kind == "pulled"] == ["my-own"]
    freed = shelf.remove("my-own", settings.models_path())
    assert freed > len(WEIGHTS)
    assert local_source("my-own", settings) is None
    with pytest.raises(UsageError, match="there is no pulled model 'my-own'; there are: none"):
        shelf.remove("my-own", settings.models_path())


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", ".small.part", "A"])
def test_a_name_that_is_none_removes_nothing(tmp_path: Path, name: str) -> None:
    a_folder(tmp_path / "models")
    with pytest.raises(UsageError, match="there is no pulled model"):
        shelf.remove(name, tmp_path / "models")


def test_a_model_of_the_catalogue_that_is_not_here_says_how_to_get_it(tmp_path: Path) -> None:
    endpoints = {"one": {"base_url": "http://localhost:8000/v1"}}
    settings = Settings.model_validate({"store": tmp_path / "store.db", "endpoints": endpoints})
    with pytest.raises(ModelError, match=r"`flowreasoner models pull smollm2-135m` \(0\.27 GB\)"):
        open_model("smollm2-135m", settings)


def test_a_folder_without_its_manifest_is_no_model(tmp_path: Path) -> None:
    folder = pull("my-own", tmp_path / "models", Heard().told, place=str(a_folder(tmp_path / "there")))
    (folder / shelf.MANIFEST).unlink()
    assert shelf.pulled_names(tmp_path / "models") == []
    assert shelf.folder_of("my-own", tmp_path / "models") is None
