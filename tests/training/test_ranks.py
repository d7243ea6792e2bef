"""Training in two processes (ranks) on the CPU: the numbers of one process, and kill -9."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import flowreasoner
import pytest

from engine.models.checkpoints import content_of
from tests.support import training as support
from tests.support.missing import needs
from tests.support.training import train
from training.trainers.run_directory import RunDirectory

needs("trl")

# The program of a trainer up to where it trains: instead, each rank writes down its environment.
PROGRAM = """
import json, os, pathlib, sys
sys.path.insert(0, sys.argv[2])
import flowreasoner
flowreasoner.bind()
from training.recipes import launch
from training.trainers.run_directory import RunDirectory
launch.argv = lambda folder: sys.orig_argv
folder = pathlib.Path(sys.argv[1])
launch.start_ranks(RunDirectory.open(folder).recipe, folder)
(folder / f"rank-{os.environ['RANK']}").write_text(json.dumps(dict(os.environ)))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return support.small_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> Path:
    return support.sft_set(tmp_path_factory.mktemp("rows"))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    return support.dpo_set(tmp_path_factory.mktemp("pairs"), [(1.0, 0.0), (1.0, 0.25), (0.75, 0.5)] * 3)


def test_torchrun_starts_the_ranks_with_what_ours_are_given_here(tmp_path, model, rows):
    folder = support.run_directory(tmp_path / "run", "sft-embedded", model, rows, "hardware.processes=2")
    command = [sys.executable, "-P", "-c", PROGRAM, str(folder), flowreasoner.HERE]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    for rank in range(2):
        told = json.loads((folder / f"rank-{rank}").read_text())
        given = support.environment_of(rank, 2, port=int(told["MASTER_PORT"]))
        names = [name for name in given if name != "MASTER_ADDR"]  # by the name of this machine
        assert {name: told[name] for name in names} == {name: given[name] for name in names}


def test_two_ranks_go_on_from_a_checkpoint_of_one_with_its_numbers(tmp_path, model, pairs):
    """Each has its half of the reference's log-probabilities from the other, and the optimizer's state."""
    changes = ("max_steps=2", "checkpoints.every=1", "checkpoints.keep=2", "optimizer.learning_rate=1e-3")
    one = support.run_directory(tmp_path / "one", "dpo-embedded", model, pairs, *changes)
    train(RunDirectory.open(one))
    both = support.run_directory(
        tmp_path / "both", "dpo-embedded", model, pairs, *changes, "hardware.processes=2"
    )
    shutil.copytree(one / "checkpoints" / "step-000001", both / "checkpoints" / "step-000001")
    support.trained_by_ranks(both)
    assert [line["step"] for line in support.progress(both, "step")] == [2]
    for name in ("loss", "grad_norm", "reward_margin"):
        assert support.values(both, name) == pytest.approx(support.values(one, name)[1:], abs=1e-6), name
    newest = [_content(folder) for folder in (one, both)]
    assert newest[0] == newest[1] != content_of(both / "checkpoints" / "step-000001")


@pytest.mark.skipif(
    not os.environ.get("FLOWREASONER_LONG"),
    reason="three starts, 17 s each: FLOWREASONER_LONG=1",
)
@pytest.mark.parametrize(
    ("preset", "changes"),
    [
        (
            "sft-embedded",
            ("lora.enabled=true", "data.held_out=0.3", "data.packing=true", "data.max_length=60"),
        ),
        ("dpo-embedded", ("lora.enabled=true",)),  # nine pairs, by four
    ],
)
def test_two_ranks_that_are_killed_go_on_as_if_nothing_had_been(
    tmp_path, model, rows, pairs, preset, changes
):
    """With dropout, so that each has its own generator to bring back."""
    data = rows if preset.startswith("sft") else pairs
    whole, broken = (
        support.run_directory(
            *(tmp_path / name, preset, model, data, "epochs=8", "checkpoints.every=1"),
            *("optimizer.learning_rate=1e-3", "lora.dropout=0.2", "hardware.processes=2", *changes),
        )
        for name in ("whole", "broken")
    )
    support.trained(whole)
    support.interrupted(broken)
    support.trained(broken)
    assert {line["attempt"] for line in support.progress(broken, "step")} == {1, 2}
    own = "val_loss" if preset.startswith("sft") else "reward_margin"
    for name in ("loss", "grad_norm", "entropy", "learning_rate", own):
        assert support.values(broken, name) == pytest.approx(support.values(whole, name), abs=1e-6), name
    assert _content(broken) == _content(whole) != content_of(model)


def _content(folder: Path) -> str:
    """The content of the newest checkpoint's weights."""
    newest = RunDirectory.open(folder).newest_checkpoint()
    assert newest is not None
    return content_of(newest)
