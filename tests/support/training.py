"""Small data sets and run directories for trainers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from flowreasoner import command

from tests.support.tiny_llama import make_tiny_llama
from training import recipes
from training.jobs.host.processes import MARK, living, variable
from training.trainers.progress import Progress
from training.trainers.run_directory import RunDirectory

END = "<|end|>"


def small_model(folder: Path) -> Path:
    """A tiny model whose tokenizer pads with its end."""
    make_tiny_llama(folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "pad_token": END}))
    return folder


def sft_set(folder: Path, rows: int = 12) -> Path:
    """Rounds that a byte-level model can learn; every other prompt holds an earlier reply and feedback."""
    from datasets import Dataset

    def prompt(n: int) -> list[dict[str, str]]:
        asked = [{"role": "user", "content": f"task {n}"}]
        later = [{"role": "assistant", "content": "bad"}, {"role": "user", "content": "it failed"}]
        return asked + (later if n % 2 else [])

    values = [
        {"prompt": prompt(n), "reasoning": "", "reply": "ab" * (1 + n % 4), "problem": f"p{n // 2}"}
        for n in range(rows)
    ]
    Dataset.from_list(values).save_to_disk(str(folder))
    return folder


def dpo_set(folder: Path, scores: Sequence[tuple[float, float]]) -> Path:
    """Pairs of replies with (s_w, s_l)."""
    from datasets import Dataset

    values = [
        {
            "prompt": [{"role": "user", "content": f"task {n}"}],
            "chosen": {"reasoning": "", "reply": "good" * (1 + n % 2)},
            "rejected": {"reasoning": "", "reply": "bad"},
            "score_chosen": s_w,
            "score_rejected": s_l,
            "weight": (s_w - s_l) ** 3,
        }
        for n, (s_w, s_l) in enumerate(scores)
    ]
    Dataset.from_list(values).save_to_disk(str(folder))
    return folder


def run_directory(path: Path, preset: str, model: Path, data: Path, *overrides: str) -> Path:
    """A run directory for a small model, one core, steps of four rows."""
    small = ("data.max_length=200", "model.attention=sdpa", "alerts.entropy_max=10", "alerts.disk_free=0")
    rows = ("batch.rows=4", "batch.rows_at_once=2") if not preset.startswith("grpo") else ()
    base = (f"model.base=hf:{model}", f"data.path={data}")
    path.mkdir(parents=True, exist_ok=True)
    recipe = recipes.load(preset, [*base, *small, *rows, *overrides])
    (path / "recipe.toml").write_text(recipe.to_toml(), "utf-8")
    return path


def train(folder: RunDirectory) -> None:
    """As `training.trainers.train.train`, which is imported when it is needed: with it comes Transformers."""
    from training.trainers.train import train

    train(folder)


def progress(path: Path, kind: str) -> list[dict[str, Any]]:
    """The lines of a kind; of steps that were repeated, those of the last attempt."""
    lines = [json.loads(line) for line in (path / "progress.jsonl").read_text("utf-8").splitlines()]
    found = [line for line in lines if line["kind"] == kind]
    return list({line.get("step", n): line for n, line in enumerate(found)}.values())


def values(path: Path, name: str) -> list[float]:
    """A number of every step."""
    return [line["values"][name] for line in progress(path, "step")]


def killed_after(folder: Path, kind: str, step: int, *, method: str = "forkserver") -> int | None:
    """Train in a process of its own that is killed (-9) once it has written a line; its return code.

    By `method` "spawn" the process imports for itself what it needs, which is better where that is little.
    """
    process = _trainer(method, folder, {}, (kind, step))
    process.join(400)
    return process.exitcode


def trained_by_ranks(folder: Path, count: int = 2) -> Path:
    """The folder, once so many ranks have trained in it; the part of torchrun, its store, is done here."""
    from torch.distributed import TCPStore

    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    ranks = [
        _trainer("forkserver", folder, environment_of(rank, count, port=store.port)) for rank in range(count)
    ]
    left = {rank.sentinel: rank for rank in ranks}
    while left:  # none waits for another that is gone
        for sentinel in wait(left, 600) or list(left):
            if left.pop(sentinel).exitcode != 0:
                for rank in ranks:
                    rank.kill()
                raise AssertionError((folder / "log").read_text()[-3000:])
    return folder


def environment_of(rank: int, count: int, *, port: int) -> dict[str, str]:
    """What a rank is told by torchrun, whose store is at this port, and by whoever starts that."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "ACCELERATE_TORCH_DEVICE": "cpu",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }


def _trainer(
    method: str, folder: Path, environment: Mapping[str, str], until: tuple[str, int] | None = None
) -> BaseProcess:
    """A process that trains; forked from one that has imported what that takes seconds to import."""
    context = get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["training.trainers.grpo", "training.trainers.sft", "trl"])
    process = context.Process(target=_train, args=(folder, {**os.environ, **environment}, until))
    process.start()
    return process


def _train(folder: Path, environment: dict[str, str], until: tuple[str, int] | None) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with (folder / "log").open("ab") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    write = Progress.write

    def written(self: Progress, kind: str, **values: Any) -> None:
        write(self, kind, **values)
        if (kind, values.get("step")) == until:
            os.kill(os.getpid(), signal.SIGKILL)

    Progress.write = written
    train(RunDirectory.open(folder))


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Train in as many processes as the recipe says; what they print is in `log`."""
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command("training.trainers", str(folder)),
            env={**os.environ, MARK: str(folder)},
            stdout=log,
            stderr=log,
        )


def trained(folder: Path) -> Path:
    """The folder, once its training has ended well."""
    assert start(folder).wait(600) == 0, (folder / "log").read_text()[-3000:]
    return folder


def interrupted(folder: Path) -> list[str]:
    """Train, kill (-9) all its processes once there is a checkpoint, and leave it ready for attempt 2.

    Returns which of our programs they were.
    """
    first, file = start(folder), folder / "progress.jsonl"
    while not (file.exists() and '"checkpoint"' in file.read_text()):
        assert first.poll() is None, (folder / "log").read_text()[-3000:]
        time.sleep(0.01)
    # torchrun starts its ranks in sessions of their own.
    pids = [pid for pid in living() if variable(pid, MARK) == str(folder)]
    programs = [name for pid in pids if (name := _program(pid))]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert first.wait(60) == -signal.SIGKILL
    (folder / "job.json").write_text(json.dumps({"attempt": 2}))
    return programs


def _program(pid: int) -> str:
    """The module of ours that a process runs; "" for another program."""
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return words[3] if words[:2] == [sys.executable, "-P"] and words[2].endswith("flowreasoner.py") else ""
