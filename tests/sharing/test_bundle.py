"""Bundles: everything comes in, once; nothing in one is believed."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.config import Settings
from engine.event_json import to_json
from engine.experiments.plan import Plan
from store.errors import StoreError
from store.experiment_log import create
from store.exports.bundle import MANIFEST
from store.exports.files import ExportError
from store.reader import Reader
from tests.sharing.conftest import Place
from tests.store.samples import store, whole_run
from tui.sharing.export_runs import Wanted, export_runs, imported

PLAN = Plan(
    name="trial-1", benchmark="pocket", split=None, data="/home/canary/x", seed=0, repeats=1, executions=1,
    meta_agent="m", worker="w", variants={"v": "v"}, problems=("HumanEval/0",), search_problems=(),
    digest="d",
)  # fmt: skip


def elsewhere(place: Place, name: str = "other") -> Settings:
    return place.settings.model_copy(update={"store": place.home.parent / f"{name}.db"})


def bundle_of(place: Place, *runs: str, **wanted: Any) -> Path:
    done = export_runs(place.settings, Wanted(runs, **wanted), "bundle", folder=place.home.parent, force=True)
    return Path(done.where)


def tables(path: Path, *without: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that says something of runs, but for who recorded them."""
    db = sqlite3.connect(path)
    found = {}
    for table in (
        "runs",
        "events",
        "steps",
        "model_calls",
        "rounds",
        "origins",
        "annotations",
        "experiments",
        "journal",
    ):
        columns = [c for _, c, *_ in db.execute(f"PRAGMA table_info({table})") if not c.startswith("owner")]
        columns = [c for c in columns if not (table == "events" and c == "id")]
        found[table] = sorted(db.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall(), key=repr)
    db.close()
    return {name: rows for name, rows in found.items() if name not in without}


def in_experiment(place: Place) -> None:
    create(place.store, PLAN)
    events = whole_run("tried", at=5000.0)
    origin = {"experiment": "trial-1", "trial": '["v", "HumanEval/0", 1]', "stage": "final"}
    object.__setattr__(events[0], "origin", origin)
    store(place.store, events)
    db = sqlite3.connect(place.store)
    with db:
        db.execute('INSERT INTO journal VALUES (\'trial-1\', \'["v", "found"]\', \'{"a": "b"}\', 1.0)')
        for run, kind, value in (
            ("tried", "training-set", "keep"),
            ("tried", "note", "n\u00e4h"),
            ("good", "bookmark", ""),
        ):
            row = (run, kind, value, "user", 1.0)
            db.execute("INSERT INTO annotations(run_id, kind, value, source, at) VALUES (?, ?, ?, ?, ?)", row)
    db.close()


def test_everything_comes_in_and_only_once(place: Place) -> None:
    in_experiment(place)
    path = bundle_of(place, experiment="trial-1")
    other = elsewhere(place)
    done = imported(other, path)
    assert (done.new, done.known, done.experiments, done.annotations) == (["tried"], [], ["trial-1"], 2)
    there, here = tables(other.store_path()), tables(place.store)
    for name in ("origins", "journal"):
        assert there[name] == here[name]
    assert [row for row in here["runs"] if row[0] == "tried"] == there["runs"]
    assert [row for row in here["events"] if row[0] == "tried"] == there["events"]
    with Reader(other.store_path()) as reader:
        assert reader.experiments.named("trial-1").done == 1
        assert reader.experiments.named("trial-1").plan["data"] == "~/x"
        assert [to_json(e) for e in reader.events("tried")][1:] == [
            to_json(e) for e in whole_run("tried", at=5000.0)
        ][1:]
    again = imported(other, path)
    assert (again.new, again.known, again.annotations) == ([], ["tried"], 0)
    assert tables(other.store_path()) == there
    assert imported(place.settings, path).known == ["tried"], "it is what it came from"


def test_a_redacted_run_is_still_the_run_it_came_from(place: Place) -> None:
    before = tables(place.store)
    done = imported(place.settings, bundle_of(place, "told", "good"))
    assert sorted(done.known) == ["good", "told"] and not done.new
    assert tables(place.store) == before


def test_a_training_set_is_exported_by_name(place: Place) -> None:
    in_experiment(place)
    done = export_runs(place.settings, Wanted(training_set="keep"), "jsonl")
    assert (done.runs, Path(done.where).name) == (1, "keep.jsonl")


def test_another_run_of_the_id_is_refused_and_nothing_changes(place: Place) -> None:
    path = bundle_of(place, "good", "told")
    other = elsewhere(place)
    store(other.store_path(), whole_run("good", answer="another"))
    before = tables(other.store_path())
    with pytest.raises(
        ExportError, match=r"run good is in the store .* with other content; nothing was imported"
    ):
        imported(other, path)
    assert tables(other.store_path()) == before


def test_another_experiment_of_the_name_is_refused(place: Place) -> None:
    in_experiment(place)
    path = bundle_of(place, experiment="trial-1")
    other = elsewhere(place)
    data = PLAN.to_json() | {"seed": 9}
    create(other.store_path(), Plan.from_json(data))
    with pytest.raises(ExportError, match="another experiment 'trial-1'; nothing was imported"):
        imported(other, path)
    assert not tables(other.store_path())["runs"]


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(
    path: Path, change: Callable[[dict[str, bytes], dict[str, Any]], None], *, honest: bool = True
) -> None:
    """The bundle with other members; `honest` makes the manifest fit them."""
    content = members(path)
    manifest = json.loads(content.pop(MANIFEST))
    change(content, manifest)
    if honest:
        for name, data in content.items():
            if name in manifest["members"]:
                digest = hashlib.sha256(data).hexdigest()
                manifest["members"][name] = {"bytes": len(data), "sha256": digest}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
        archive.writestr(MANIFEST, json.dumps(manifest))


def refused(place: Place, path: Path, match: str) -> None:
    other = elsewhere(place)
    with pytest.raises(ExportError, match=match) as told:
        imported(other, path)
    assert str(path) in str(told.value) and "\n" not in str(told.value)
    if other.store_path().exists():
        assert not tables(other.store_path())["runs"]


RUN = "runs/0.jsonl"


def first_line(data: bytes, change: Callable[[dict[str, Any]], None], at: int = 0) -> bytes:
    lines = data.split(b"\n")
    event = json.loads(lines[at])
    change(event)
    lines[at] = json.dumps(event).encode()
    return b"\n".join(lines)


def edit(line: int, /, **values: Any) -> Callable[[dict[str, bytes], dict[str, Any]], None]:
    def change(content: dict[str, bytes], _: dict[str, Any]) -> None:
        content[RUN] = first_line(content[RUN], lambda event: event.update(values), line)

    return change


def put(name: str, data: bytes) -> Callable[[dict[str, bytes], dict[str, Any]], None]:
    def change(content: dict[str, bytes], manifest: dict[str, Any]) -> None:
        content[name] = data
        manifest["members"].setdefault(name, {"bytes": 0, "sha256": ""})

    return change


def manifest_with(**values: Any) -> Callable[[dict[str, bytes], dict[str, Any]], None]:
    return lambda _, manifest: manifest.update(values)


NOTE = b'{"run_id": "x", "kind": "note", "value": "v", "source": "user", "at": 1}\n'
DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (manifest_with(version=2), "version 2.*upgrade"),
        (manifest_with(version="x"), "no version"),
        (manifest_with(format="zip"), "not a bundle"),
        (manifest_with(runs="x"), "manifest is damaged"),
        (manifest_with(members={"../../etc/passwd": {"bytes": 1, "sha256": ""}}), "manifest is damaged"),
        (manifest_with(members={"/abs.jsonl": {"bytes": 1, "sha256": ""}}), "manifest is damaged"),
        (manifest_with(runs=[{"id": "../x", "member": RUN}]), "manifest is damaged"),
        (manifest_with(runs=[{"id": "good", "member": "runs/9.jsonl"}]), "lacks the events"),
        (manifest_with(runs=[{"id": "good", "member": RUN}] * 2), "a run twice"),
        (manifest_with(runs=[{"id": "other", "member": RUN}]), "another run"),
        (put(RUN, b""), "has no end"),
        (put(RUN, b"{}\n"), "unknown event kind"),
        (put(RUN, b"[]\n"), "not an event"),
        (put(RUN, b"\xff\xfe\n"), "not JSON"),
        (put(RUN, DEEP + b"\n"), "nested too deeply"),
        (put(RUN, b'{"kind": NaN}\n'), "no number"),
        (put(RUN, b'{"kind": 1e999}\n'), "no finite number"),
        (put(RUN, b"1" * 10_000 + b"\n"), "not JSON"),
        (edit(0, kind="run_paused"), "run_paused"),
        (edit(0, seq=10**30), "out of order|out of range"),
        (edit(1, seq=0), "out of order"),
        (edit(0, at=1e300), "a time that no clock shows"),
        (edit(0, problem={"prompt": 3}), "the problem is not one"),
        (edit(0, problem={"tests": {"visible": [1]}}), "the problem is not one"),
        (edit(2, messages=[{"role": 1}]), "a message is not"),
        (edit(0, seed=10**30), "cannot be stored"),
        (edit(14, status="<b>"), "there is no status"),
        (put("annotations.jsonl", NOTE), "not of its runs"),
        (put("annotations.jsonl", b'{"run_id": "good"}\n'), "a row of annotations has"),
        (put("experiments.jsonl", b'{"name": "x", "benchmark": "b", "plan": {}, "started_at": 1}\n'),
         "written by another version"),
    ],
)  # fmt: skip
def test_hostile_bundles_are_refused(place: Place, change: Any, told: str) -> None:
    path = bundle_of(place, "good")
    rewrite(path, change)
    refused(place, path, told)


def test_a_wrong_checksum_is_refused(place: Place) -> None:
    path = bundle_of(place, "good")
    rewrite(path, edit(0, seed=2), honest=False)
    refused(place, path, "not what the manifest says")


def test_a_bomb_is_refused_before_it_unpacks(place: Place) -> None:
    path = bundle_of(place, "good")
    big = {"bytes": 1 << 40, "sha256": "0" * 64}
    rewrite(path, lambda _, m: m["members"].update({RUN: big}), honest=False)
    refused(place, path, "would unpack to 1,099,511,627,776 bytes")
    # One that lies about its size is read no further than it says.
    path = bundle_of(place, "good")
    rewrite(path, lambda c, m: c.update({RUN: b" " * (64 << 20)}), honest=False)
    refused(place, path, "not what the manifest says")


def test_a_member_of_twice_the_name_is_refused(place: Place) -> None:
    path = bundle_of(place, "good")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr(RUN, b"")
    refused(place, path, "two members have one name")


def test_what_is_no_bundle_is_told(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    refused(place, path, "No such file")
    path.write_bytes(b"text")
    refused(place, path, "not a bundle")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")
    refused(place, path, "no manifest.json")
    refused(place, tmp_path, "Is a directory")


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1), flip=st.integers(1, 255))
def test_truncated_and_flipped_files_are_told_or_harmless(place: Place, cut: float, flip: int) -> None:
    path = bundle_of(place, "good")
    whole = path.read_bytes()
    at = min(int(cut * len(whole)), len(whole) - 1)
    other = elsewhere(place)
    for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :]):
        path.write_bytes(damaged)
        try:
            imported(other, path)
        except (ExportError, StoreError):
            continue
        with Reader(other.store_path()) as reader:  # a byte that means nothing
            assert [to_json(e) for e in reader.events("good")] == [to_json(e) for e in whole_run("good")]


def test_the_same_runs_make_the_same_bytes(place: Place) -> None:
    assert bundle_of(place, "good").read_bytes() == bundle_of(place, "good").read_bytes()
