"""What each format holds, and how files appear."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from engine.event_json import to_json
from engine.events import Event, Notice, StepFinished
from store.errors import StoreError
from store.exports.files import ExportError, new_file, new_folder
from store.exports.training_rows import COLUMNS
from tests.sharing.conftest import Place
from tests.sharing.otlp_server import OtlpServer, attributes
from tests.store.samples import store, whole_run
from tui.sharing.export_runs import Wanted, export_runs, sentence

HOSTILE = "</pre><script>alert(1)</script>\x1b[31m\u202e```\n# h\n[x](javascript:1) <img src=x onerror=a>\x00"


def export(place: Place, format: Any, *runs: str, **options: Any) -> Path:
    return Path(export_runs(place.settings, Wanted(runs or ("good",)), format, **options).where)


def test_jsonl_is_the_events(place: Place) -> None:
    path = export(place, "jsonl")
    assert path == Path("good.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [json.loads(json.dumps(to_json(event))) for event in whole_run("good")]
    assert path.stat().st_mode & 0o777 == 0o600


def hostile_run(run_id: str) -> list[Event]:
    events = [
        dataclasses.replace(e, output={"response": HOSTILE + "z" * 5000}, stdout=HOSTILE)
        if isinstance(e, StepFinished)
        else e
        for e in whole_run(run_id)
    ]
    return [*events, Notice(run_id=run_id, seq=900, at=2000.0, level="warning", text=HOSTILE)]


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_is_one_safe_file(place: Place) -> None:
    store(place.store, hostile_run("hostile"))
    text = export(place, "html", "hostile", "told").read_text()
    page = Page()
    page.feed(text)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "img", "link", "iframe", "a", "object"}
    assert not any(
        name.startswith("on") or name in ("src", "href") for _, attrs in page.tags for name in attrs
    )
    assert "\x1b" not in text and "\x00" not in text and "\u202e" not in text
    assert "<script>alert(1)</script>" in page.text, "it is there to be read"
    assert "z" * 5000 in page.text, "a long output is there whole"
    assert "All 5,0" in page.text
    for word in ("eratosthenes", "class Workflow", "Step 0 Custom", "Verdict on the test tests", "Result"):
        assert word in page.text


def test_markdown_cannot_leave_its_block(place: Place) -> None:
    store(place.store, hostile_run("hostile"))
    text = export(place, "markdown", "hostile").read_text()
    import markdown_it

    html = markdown_it.MarkdownIt("commonmark").render(text)
    page = Page()
    page.feed(html)
    assert not {tag for tag, _ in page.tags} & {"script", "img", "a"}
    assert "more characters; export as html or jsonl for the whole text" in page.text
    assert [tag for tag, _ in page.tags].count("h1") == 1


def test_parquet_has_a_row_for_each_workflow(place: Place) -> None:
    import pyarrow.parquet as parquet

    store(
        place.store,
        [e for e in whole_run("early", status="error", score=None) if e.kind != "workflow_proposed"],
    )
    rows = parquet.read_table(export(place, "parquet", "good", "told", "early")).to_pylist()
    assert [row["run_id"] for row in rows] == ["good", "told", "early"]
    assert list(rows[0]) == list(COLUMNS)
    good, told, early = rows
    assert good["messages"][1] == {"role": "user", "content": "hint good"}
    assert good["reasoning"].startswith("eratosthenes") and good["completion"] == "answer of good"
    assert (good["reward"], good["score"], good["round"]) == (0.5, 1.0, 1)
    assert good["system"].startswith("class Workflow")
    assert (told["status"], told["score"]) == ("failed", 0.0)
    assert (early["system"], early["workflow_id"], early["status"]) == ("", None, "error")


def test_hf_is_what_datasets_loads(place: Place) -> None:
    import datasets

    folder = export(place, "hf", "good", "told")
    rows = datasets.load_from_disk(str(folder))
    assert list(rows["run_id"]) == ["good", "told"]
    assert list(rows.column_names) == list(COLUMNS)
    assert not [p for p in Path().iterdir() if "part" in p.name or "rows" in p.name]
    with pytest.raises(ExportError, match="exists already"):
        export(place, "hf", "good", "told")
    again = export(place, "hf", "good", "told", force=True)
    assert len(datasets.load_from_disk(str(again))) == 2


def test_spans_are_the_run(place: Place) -> None:
    with OtlpServer() as server:
        done = export_runs(place.settings, Wanted(("good",)), "otlp", endpoint=server.url)
        spans = {span.name: span for span in server.spans()}
        assert {path for path, _ in server.requests} == {"/v1/traces"}
        (resource,) = server.resources()
    assert done.count == len(spans) and sentence(done).startswith("sent 1 run (")
    assert attributes(resource) == {"service.name": "flowreasoner"}
    run, step = spans["invoke_agent flowreasoner"], spans["execute_tool Custom"]
    round_, execution, call = spans["round 1"], spans["invoke_workflow wf1"], spans["chat m"]
    assert len({span.trace_id for span in spans.values()}) == 1
    assert run.parent_span_id == b""
    assert round_.parent_span_id == run.span_id
    assert execution.parent_span_id == call.parent_span_id == round_.span_id
    assert step.parent_span_id == execution.span_id
    events = {e.kind: e for e in whole_run("good")}
    assert step.start_time_unix_nano == int(events["step_started"].at * 1e9)
    assert step.end_time_unix_nano == int(events["step_finished"].at * 1e9)
    told = attributes(call)
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.request.model"] == "m"
    assert told["gen_ai.request.temperature"] == 0.5
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (7, 3)
    assert told["gen_ai.response.finish_reasons"] == ["stop"]
    assert told["gen_ai.response.time_to_first_chunk"] == 0.005
    (answer,) = json.loads(told["gen_ai.output.messages"])
    assert answer["parts"][1] == {"type": "text", "content": "answer of good"}
    assert attributes(step)["gen_ai.tool.name"] == "Custom"
    evaluation = next(e for e in round_.events if e.name == "gen_ai.evaluation.result")
    assert attributes(evaluation)["gen_ai.evaluation.score.value"] == 1.0
    assert run.status.code == 0


def test_the_same_run_gives_the_same_spans(place: Place) -> None:
    def ids() -> set[bytes]:
        with OtlpServer() as server:
            export_runs(place.settings, Wanted(("good",)), "otlp", endpoint=f"{server.url}/v1/traces")
            return {span.span_id for span in server.spans()}

    assert ids() == ids()


def test_spans_of_failures_say_so(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "host=canary")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    with OtlpServer() as server:
        export_runs(place.settings, Wanted(("told",)), "otlp", endpoint=server.url)
        spans = {span.name: span for span in server.spans()}
    step = spans["execute_tool Custom"]
    assert step.status.code == 2 and "Traceback" in step.status.message
    assert attributes(step)["error.type"] == "error"


@pytest.mark.parametrize(
    "endpoint", ["ftp://x", "localhost:4318", "http://", "http://u:p@h/", "http://h:99999"]
)
def test_endpoints_that_are_none(place: Place, endpoint: str) -> None:
    with pytest.raises(ExportError, match="endpoint"):
        export_runs(place.settings, Wanted(("good",)), "otlp", endpoint=endpoint)


def test_an_endpoint_that_refuses_is_told(place: Place) -> None:
    with OtlpServer(400) as server, pytest.raises(ExportError, match=r"did not take the spans .*400"):
        export_runs(place.settings, Wanted(("good",)), "otlp", endpoint=server.url)


def test_an_endpoint_goes_with_otlp_only(place: Place) -> None:
    for format, endpoint in (("html", "http://h"), ("otlp", None)):
        with pytest.raises(ExportError, match="--endpoint URL goes with --format otlp"):
            export_runs(place.settings, Wanted(("good",)), format, endpoint=endpoint)  # type: ignore[arg-type]


def test_which_runs(place: Place, tmp_path: Path) -> None:
    def names(wanted: Wanted) -> set[str]:
        done = export_runs(place.settings, wanted, "jsonl", out=tmp_path / "o", force=True)
        assert done.where == str(tmp_path / "o")
        return {json.loads(line)["run_id"] for line in (tmp_path / "o").read_text().splitlines()}

    assert names(Wanted(search="status:failed")) == {"told"}
    assert names(Wanted(("good", "good", "last"))) == {"good", "told"}
    for wrong in (Wanted(), Wanted(("good",), search="x")):
        with pytest.raises(ExportError, match="say which runs"):
            names(wrong)
    with pytest.raises(ExportError, match="no run that has ended"):
        names(Wanted(search="status:budget"))
    with pytest.raises(StoreError, match="training set"):
        names(Wanted(training_set="none"))
    with pytest.raises(StoreError, match="no experiment"):
        names(Wanted(experiment="none"))


def test_runs_in_progress_are_left_out(place: Place, tmp_path: Path) -> None:
    store(place.store, whole_run("running", end=False))
    with pytest.raises(ExportError, match="still in progress"):
        export(place, "jsonl", "running")
    done = export_runs(place.settings, Wanted(search="variant:flowreasoner"), "jsonl", out=tmp_path / "o")
    assert (done.runs, done.left_out) == (2, 1)
    assert sentence(done).endswith("1 still in progress left out")


def test_nothing_is_replaced_unasked(place: Place, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    with pytest.raises(ExportError, match="exists already"):
        export(place, "jsonl", out=taken)
    assert taken.read_text() == "mine"
    export(place, "jsonl", out=taken, force=True)
    assert taken.read_text() != "mine"
    for format in ("jsonl", "hf"):
        with pytest.raises(ExportError, match="is a folder"):
            export(place, format, out=place.home, force=True)
    with pytest.raises(ExportError, match="name a place you may write to"):
        export(place, "jsonl", out=taken / "below")


def test_a_failed_export_leaves_nothing(tmp_path: Path) -> None:
    for kind in (new_file, new_folder):
        with pytest.raises(RuntimeError), kind(tmp_path / "out"):
            raise RuntimeError
    assert not list(tmp_path.iterdir())


def _dataset(folder: Path) -> None:
    for name in ("dataset_info.json", "state.json"):
        (folder / name).write_text("{}")


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
def test_a_folder_that_cannot_be_replaced_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    rename, out = Path.rename, tmp_path / "out"
    with new_folder(out) as folder:
        _dataset(folder)
        (folder / "rows").write_text("of the old one")

    def failing(self: Path, target: Path) -> Path:
        if self.suffix == ".part":
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises((ExportError, KeyboardInterrupt)), new_folder(out, force=True):
        pass
    assert (out / "rows").read_text() == "of the old one"
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_replaces_a_dataset_a_file_or_a_link_and_leaves_nothing_beside(tmp_path: Path) -> None:
    kept, out = tmp_path / "kept", tmp_path / "below" / "out"
    with new_folder(kept) as folder:
        _dataset(folder)
    out.parent.mkdir()
    for before in (
        lambda: out.write_text("a file"),
        lambda: None,  # the dataset of the round before
        lambda: (shutil.rmtree(out), out.symlink_to(kept)),
        lambda: (shutil.rmtree(out), out.symlink_to("nowhere")),
    ):
        before()
        with new_folder(out, force=True) as folder:
            _dataset(folder)
        assert out.is_dir() and not out.is_symlink()
        assert list(out.parent.iterdir()) == [out]
    assert (kept / "state.json").exists()


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_where_there_are_no_hard_links_a_file_is_still_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def link(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", link)
    with new_file(tmp_path / "out") as file:
        file.write(b"whole")
    assert [f.read_bytes() for f in tmp_path.iterdir()] == [b"whole"]
    with pytest.raises(ExportError, match="exists already"), new_file(tmp_path / "out"):
        pass


def test_kill_leaves_no_half_file(place: Place, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom store.exports.files import new_file\n"
        "with new_file(Path(sys.argv[1])) as f:\n"
        "    f.write(b'x' * 1000000); f.flush()\n    print('half', flush=True)\n    sys.stdin.read()\n"
    )
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "out.zip")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"half\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "out.zip").exists()
    with new_file(tmp_path / "out.zip") as file:
        file.write(b"whole")
    assert (tmp_path / "out.zip").read_bytes() == b"whole"
