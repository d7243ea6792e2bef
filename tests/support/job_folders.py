"""Folders of jobs as a trainer and its supervisor leave them, written line by line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from training.jobs.host.processes import boot_id, started
from training.recipes import load

BEGUN = 1_780_000_000.0


class JobFolder:
    """A job's folder under `jobs`; lines are appended to its progress as a trainer would."""

    def __init__(self, jobs: Path, id: str = "job-1", **job: Any) -> None:
        self.path = jobs / id
        self.path.mkdir(parents=True)
        self.job: dict[str, Any] = {
            "id": id, "kind": "sft", "name": f"first {id}", "argv": ["train"], "env": {}, "gpus": [],
            "grace_s": 30, "created": BEGUN, "host": "local", "parent": None, "dataset": None,
            "base": "pocket-meta", "attempt": 1,
        } | job  # fmt: skip
        self.save()
        self.at = BEGUN

    def save(self, **changes: Any) -> None:
        """Write job.json, changed."""
        self.job |= changes
        (self.path / "job.json").write_text(json.dumps(self.job), encoding="utf-8")

    def raw(self, data: bytes) -> None:
        """Append to progress.jsonl as it is."""
        with (self.path / "progress.jsonl").open("ab") as file:
            file.write(data)

    def line(self, kind: str, *, after: float = 1.0, **fields: Any) -> None:
        """Append a line of the job's attempt."""
        self.at += after
        line = {"kind": kind, "time": self.at, "attempt": self.job["attempt"], **fields}
        self.raw(json.dumps(line).encode() + b"\n")

    def start(self, total_steps: int = 10, **fields: Any) -> None:
        self.line("start", total_steps=total_steps, rows=64, tokens=8000, **fields)

    def step(self, step: int, **values: Any) -> None:
        self.line("step", step=step, values=values)

    def rollouts(self, step: int, *groups: dict[str, Any]) -> None:
        self.line("rollouts", step=step, groups=list(groups))

    def end(self, status: str = "done", error: str | None = None) -> None:
        self.line("end", status=status, error=error)

    def runs(self) -> None:
        """What the supervisor writes while the job runs; this process is the supervisor."""
        state = {"state": "running", "pid": os.getpid(), "started": started(os.getpid()), "boot": boot_id()}
        self._tell("state.json", **state)

    def ended_as(self, state: str, rc: int | None = 0) -> None:
        """What the supervisor writes once nothing of the job is left."""
        self._tell("end.json", state=state, rc=rc)

    def checkpoint(self, step: int, **metrics: float) -> None:
        """A checkpoint's folder, and the line that tells of it."""
        name = f"checkpoints/step-{step:06d}"
        (self.path / name).mkdir(parents=True)
        self.line("checkpoint", step=step, folder=name, content="ab" * 32, metrics=metrics)

    def recipe(self, preset: str, *changes: str) -> None:
        """The recipe of a preset, changed."""
        (self.path / "recipe.toml").write_text(load(preset, changes).to_toml(), encoding="utf-8")

    def _tell(self, name: str, **state: Any) -> None:
        told = {"attempt": self.job["attempt"], "since": self.at, **state}
        (self.path / name).write_text(json.dumps(told), encoding="utf-8")


def group(problem: str, *rewards: float | None, run: str = "r") -> dict[str, Any]:
    """A group of rollouts with these rewards."""
    return {
        "group": f"g-{problem}",
        "problem": problem,
        "candidates": [
            {
                "run": f"{run}-{problem}-{number}",
                "score": reward,
                "reward": reward,
                "rounds": [reward, reward],
                "advantages": [None if reward is None else reward - 0.5],
                "words": f"candidate {number} passed some of val",
            }
            for number, reward in enumerate(rewards)
        ],
    }
