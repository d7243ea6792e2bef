"""Keys, home paths and the environment leave in no format."""

from __future__ import annotations

import base64
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from engine.config import Settings
from store.exports.redaction import Redactor, redactor
from tests.sharing.conftest import KEY, SHAPED, VALUE, Place
from tests.sharing.otlp_server import OtlpServer
from tui.sharing.export_runs import FORMATS, Format, Wanted, export_runs


def texts(path: Path) -> str:
    """Everything a reader of the export can see, decoded: members, columns, the bytes themselves."""
    if path.is_dir():
        return "\n".join(texts(file) for file in path.rglob("*") if file.is_file()) + rows_of_dataset(path)
    found = path.name + path.read_bytes().decode("utf-8", "replace")
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            found += "".join(name + archive.read(name).decode() for name in archive.namelist())
    if path.suffix == ".parquet":
        import pyarrow.parquet as parquet

        found += json.dumps(parquet.read_table(path).to_pylist()) + str(parquet.read_schema(path).metadata)
    return found


def rows_of_dataset(path: Path) -> str:
    import datasets

    return json.dumps(datasets.load_from_disk(str(path)).to_list())


def leaks(found: str, home: Path) -> list[str]:
    return [word for word in ("canary", str(home), VALUE, KEY, SHAPED) if word.lower() in found.lower()]


@pytest.mark.parametrize("format", [f for f in FORMATS if f != "otlp"])
def test_nothing_leaves_in_a_file(place: Place, format: Format, tmp_path: Path) -> None:
    exported = export_runs(place.settings, Wanted(("told", "good")), format, out=tmp_path / "out")
    found = texts(Path(exported.where)) if format != "bundle" else texts(_renamed(exported.where, ".zip"))
    if format == "parquet":
        found += texts(_renamed(exported.where, ".parquet"))
    assert exported.runs == 2
    assert "eratosthenes" in found or format == "hf", "the export has the run's content"
    assert not leaks(found, place.home)


def _renamed(where: str, suffix: str) -> Path:
    return Path(where).rename(where + suffix)


def test_nothing_leaves_in_spans(place: Place) -> None:
    with OtlpServer() as server:
        export_runs(place.settings, Wanted(("told",)), "otlp", endpoint=server.url)
        sent = str(list(server.spans())) + str(server.resources())
    assert "eratosthenes" in sent
    assert not leaks(sent, place.home)


def test_files_of_programs_are_looked_into(place: Place, tmp_path: Path) -> None:
    export_runs(place.settings, Wanted(("told",)), "jsonl", out=tmp_path / "out.jsonl")
    events = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    (file,) = next(e["files"] for e in events if e["kind"] == "code_executed")
    assert "canary" not in base64.b64decode(file["base64"]).decode()
    assert "Traceback" in base64.b64decode(file["base64"]).decode()


def test_a_key_cut_in_two_by_streaming_is_found(place: Place, tmp_path: Path) -> None:
    export_runs(place.settings, Wanted(("told",)), "jsonl", out=tmp_path / "out.jsonl")
    events = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [e["text"] for e in events if e["kind"] == "model_delta"] == ["<key>", ""]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("see /home/alice/x.py:3", "see ~/x.py:3"),
        ("in /Users/bob", "in ~"),
        (r"C:\Users\eve\x", r"~\x"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "<key>"),
        ("key AKIAIOSFODNN7EXAMPLE.", "key <key>."),
        ("DB_PASSWORD='hunter22'", "DB_PASSWORD='<key>'"),
        ("Bearer abcdefghijk", "Bearer <key>"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----!", "<key>!"),
        ("password = get_password()", "password = get_password()"),
        ("def home(): return '/homework/x'", "def home(): return '/homework/x'"),
        ("tasks-and-masks-everywhere-for-all", "tasks-and-masks-everywhere-for-all"),
    ],
)
def test_forms_of_keys_and_homes(text: str, left: str) -> None:
    assert Redactor().text(text) == left


def test_harmless_values_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWREASONER_WORKER", "cloud/model-7b-instruct")
    monkeypatch.setenv("STAGE", "production")
    monkeypatch.setenv("NUMBER", "1234567890")
    text = "worker cloud/model-7b-instruct in production 1234567890"
    assert redactor(Settings()).text(text) == text


def test_data_of_any_shape(place: Place) -> None:
    value: Any = {KEY: [KEY, {"a": (KEY, 1, None, True, 2.5)}], "base64": "not base64 " + KEY}
    redacted = redactor(place.settings).data(value)
    assert redacted == {
        "<key>": ["<key>", {"a": ("<key>", 1, None, True, 2.5)}],
        "base64": "not base64 <key>",
    }
