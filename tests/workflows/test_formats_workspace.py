"""AFlow workspaces imported: rounds, results and experience as runs; hostile and broken ones as notices."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from engine.event_json import from_json, to_json
from engine.events import Event, Notice, RoundFinished, RunFinished, RunStarted, WorkflowProposed
from engine.exchange.imported import events_of
from engine.formats.format import FormatError
from engine.formats.rounds import Workspace
from engine.formats.workspace import read_workspaces
from tests.support.runs import of
from tests.workflows import format_samples as samples
from tui.trace.state import RunState


def write(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data if isinstance(data, str) else json.dumps(data))


def a_round(folder: Path, number: int, **files: Any) -> None:
    place = folder / f"round_{number}"
    write(place / "graph.py", samples.AFLOW.replace("round_3", f"round_{number}"))
    write(place / "prompt.py", samples.AFLOW_PROMPTS)
    write(place / "__init__.py", "")
    for name, data in files.items():
        write(place / name.replace("__", "."), data)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Three rounds: the seed, a better one, and one that was never written."""
    workflows = tmp_path / "workspace" / "HumanEval" / "workflows"
    log = [{"question": "Sort it.", "right_answer": "SECRET", "model_output": "no", "extracted_output": "no"}]
    a_round(workflows, 1, log__json=log)
    write(
        workflows / "round_1" / "0.50000_20250101_101010.csv",
        "inputs,prediction,score,cost\na,b,1.0,0.1\nc,d,0.0,0.2\n",
    )
    experience = {
        "father node": 1,
        "modification": "Add a test.",
        "before": 0.5,
        "after": 0.75,
        "succeed": True,
    }
    a_round(workflows, 2, experience__json=experience)
    write(workflows / "round_3" / "log.json", "")
    write(
        workflows / "results.json",
        [
            {"round": 1, "score": 0.5, "avg_cost": 0.1, "total_cost": 0.2, "time": "2025-01-01T10:10:10"},
            {"round": 2, "score": 0.7, "avg_cost": 0.1, "total_cost": 0.3, "time": "2025-01-01T10:20:10"},
            {"round": 2, "score": 0.8, "avg_cost": 0.1, "total_cost": 0.3, "time": "2025-01-01T10:30:10"},
        ],
    )
    write(
        workflows / "processed_experience.json",
        {"1": {"score": 0.5, "success": {"2": {"modification": "x"}}}},
    )
    write(workflows / "template" / "operator.json", {})
    tested = tmp_path / "workspace" / "HumanEval" / "workflows_test"
    write(tested / "results.json", [{"round": 2, "score": 0.72, "total_cost": 1.0}])
    a_round(tested, 2)
    return tmp_path / "workspace"


def read(path: Path) -> tuple[Workspace, list[Event]]:
    (found,) = read_workspaces(path)
    return found, events_of(found)


def test_rounds_scores_and_experience_become_events(workspace: Path) -> None:
    _, events = read(workspace)
    assert [e.seq for e in events] == list(range(len(events)))
    started = of(events, RunStarted)[0]
    assert (started.problem["id"], started.problem["metadata"]["benchmark"]) == ("HumanEval", "humaneval")
    proposals = of(events, WorkflowProposed)
    assert [(p.round, p.modification) for p in proposals] == [(1, ""), (2, "Add a test.")]
    assert all(p.workflow_id and p.strict_ok and p.graph["nodes"] for p in proposals)
    rounds = of(events, RoundFinished)
    assert [(r.round, r.score) for r in rounds] == [(1, 0.5), (2, 0.75), (3, None)]
    assert "Made from round 1, which scored 0.5000." in rounds[1].feedback
    assert "2 problems, 1 with full score, mean score 0.5000" in rounds[0].feedback
    assert "'Sort it.' was answered 'no'" in rounds[0].feedback
    end = events[-1]
    assert isinstance(end, RunFinished)
    assert (end.status, end.score, end.val_score) == ("answered", 0.72, 0.75)
    assert end.cost_usd == pytest.approx(0.8)
    assert end.workflow_id == proposals[1].workflow_id


def test_the_screens_read_them_like_a_live_run(workspace: Path) -> None:
    _, events = read(workspace)
    state = RunState()
    for event in events:
        state.apply(event)
    titles = [str(node) for node in state.tree.nodes.values()]
    assert state.status == "answered"
    assert any("Add a test." in title for title in titles)


def test_reference_answers_are_left_out(workspace: Path) -> None:
    _, events = read(workspace)
    assert "SECRET" not in str([to_json(e) for e in events])


def test_events_survive_json(workspace: Path) -> None:
    _, events = read(workspace)
    assert [from_json(json.loads(json.dumps(to_json(e)))) for e in events] == events


@pytest.mark.parametrize("below", ["", "HumanEval", "HumanEval/workflows"])
def test_any_folder_of_it_may_be_named(workspace: Path, below: str) -> None:
    (found,) = read_workspaces(workspace / below)
    assert (found.dataset, len(found.rounds)) == ("HumanEval", 3)


def test_metagpts_layout_and_several_datasets(tmp_path: Path) -> None:
    optimized = tmp_path / "metagpt" / "ext" / "aflow" / "scripts" / "optimized"
    for dataset in ("MBPP", "GSM8K"):
        place = optimized / dataset / "workflows" / "round_1"
        write(place / "graph.py", samples.METAGPT)
        write(place / "prompt.py", samples.AFLOW_PROMPTS)
    found = read_workspaces(tmp_path)
    assert [w.dataset for w in found] == ["GSM8K", "MBPP"]
    assert len({w.id for w in found}) == 2
    assert all(of(events_of(w), WorkflowProposed)[0].workflow_id for w in found)


def test_the_id_follows_the_content_and_not_the_place(workspace: Path, tmp_path: Path) -> None:
    first, _ = read(workspace)
    moved = tmp_path / "elsewhere"
    workspace.rename(moved)
    again, _ = read(moved)
    assert again.id == first.id
    write(moved / "HumanEval" / "workflows" / "round_1" / "prompt.py", "WRITE = 'other'\n")
    changed, _ = read(moved)
    assert changed.id != first.id


def test_processed_experience_fills_in_for_a_missing_file(workspace: Path) -> None:
    (workspace / "HumanEval" / "workflows" / "round_2" / "experience.json").unlink()
    found, _ = read(workspace)
    assert (found.rounds[1].modification, found.rounds[1].parent) == ("x", 1)


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("results.json", "{broken", "results.json is not JSON"),
        ("results.json", "[" * 100_000, "nested too deeply"),
        ("results.json", '{"round": 1}', "holds no list"),
        (
            "results.json",
            '[{"round": 1, "score": NaN}, {"round": 2, "score": 9}, 3]',
            "Entry 3 of results.json",
        ),
        ("results.json", '[{"round": 9, "score": 0.5}]', "scores round 9, which has no folder"),
        ("results.json", "1" * 6000, "not JSON"),
        ("round_2/experience.json", "[1]", "experience.json of round 2 holds no object"),
        ("round_2/experience.json", '{"father node": "x", "modification": {"a": 1}, "after": "?"}', ""),
        ("round_2/experience.json", '{"modification": "\\ud800 \\u0000"}', ""),
        ("round_1/log.json", '"text"', ""),
        ("round_1/log.json", '[1, {"question": ["\\udfff"]}]', ""),
        ("round_1/0.5.csv", "score\n" + "x" * 200_000, "not a CSV file"),
        ("round_1/graph.py", "class Workflow: (", ""),
        ("round_1/graph.py", "x" * 2_000_000, "larger than"),
        ("round_1/graph.py", "a\x00b", ""),
        ("processed_experience.json", '{"1": {"success": [3]}, "x": 1, "2": {"failure": {"1": 7}}}', ""),
    ],
)
def test_broken_files_become_notices(workspace: Path, name: str, data: str, told: str) -> None:
    write(workspace / "HumanEval" / "workflows" / name, data)
    _, events = read(workspace)
    notices = " ".join(n.text for n in of(events, Notice))
    assert told in notices
    assert isinstance(events[-1], RunFinished)
    assert len(of(events, RoundFinished)) == 3
    json.dumps([to_json(e) for e in events]).encode()


def test_bytes_that_are_not_text(workspace: Path) -> None:
    place = workspace / "HumanEval" / "workflows" / "round_1"
    (place / "graph.py").write_bytes(b"class Workflow:\n    x = '\xff\xfe'\n")
    (place / "log.json").write_bytes(b"\xff" * 100)
    _, events = read(workspace)
    assert "not UTF-8 at byte 25" in " ".join(n.text for n in of(events, Notice))


def test_links_pipes_and_sparse_files_are_not_read(workspace: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.py"
    secret.write_text("SECRET = 'key'")
    outside = tmp_path / "outside"
    a_round(outside, 7)
    workflows = workspace / "HumanEval" / "workflows"
    (workflows / "round_1" / "prompt.py").unlink()
    (workflows / "round_1" / "prompt.py").symlink_to(secret)
    (workflows / "round_7").symlink_to(outside / "round_7")
    (workflows / "round_2" / "graph.py").unlink()
    os.mkfifo(workflows / "round_2" / "graph.py")
    with (workflows / "round_1" / "log.json").open("wb") as file:
        file.truncate(1 << 40)
    (workspace / "Loop").symlink_to(workspace)
    _, events = read(workspace)
    everything = str([to_json(e) for e in events])
    assert "SECRET" not in everything
    assert [r.round for r in of(events, RoundFinished)] == [1, 2, 3]
    notices = " ".join(n.text for n in of(events, Notice))
    assert "prompt.py is a link, which is not followed" in notices
    assert "round_7 cannot be read (round_7: a link, which is not followed)" in notices
    assert "log.json is not read" in notices
    assert "round_2 has no graph.py that can be read" in notices


def test_nothing_in_it_is_executed(workspace: Path, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    text = f"open({str(mark)!r}, 'w')\n"
    for name in ("graph.py", "prompt.py", "__init__.py"):
        place = workspace / "HumanEval" / "workflows" / "round_1" / name
        place.write_text(text + place.read_text())
    read(workspace)
    assert not mark.exists()


def test_names_that_are_not_text(tmp_path: Path) -> None:
    place = tmp_path / os.fsdecode(b"bad\xff\x1b[31m") / "workflows"
    try:
        a_round(place, 1)
    except OSError:
        pytest.skip("this file system takes no such names")
    _, events = read(tmp_path)
    json.dumps([to_json(e) for e in events]).encode()


@pytest.mark.parametrize("made", ["nothing", "empty", "a file"])
def test_what_is_no_workspace_is_said_in_one_sentence(tmp_path: Path, made: str) -> None:
    path = tmp_path / "it"
    if made == "empty":
        (path / "workflows" / "round_x").mkdir(parents=True)
    if made == "a file":
        path.write_text("x")
    with pytest.raises(FormatError) as told:
        read_workspaces(path)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)


def test_many_rounds_and_many_folders_are_bounded(tmp_path: Path) -> None:
    workflows = tmp_path / "X" / "workflows"
    for number in range(1, 1005):
        (workflows / f"round_{number}").mkdir(parents=True)
    (found,) = read_workspaces(tmp_path)
    assert len(found.rounds) == 1000
    assert any("There are 1004 rounds" in n for n in found.notes)
    assert len(found.notes) <= 51
