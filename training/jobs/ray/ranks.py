"""`training.jobs.ray.ranks RUN_DIR COMMAND…`: have a Ray cluster run a job's ranks, each as COMMAND.

It runs on the head node, under the job's supervisor. Ray Train places a worker for each rank, and starts all
of them again when one is lost; the trainer then continues from its newest checkpoint.
"""

from __future__ import annotations

import logging
import secrets
import signal
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.errors import ExpectedError, UnavailableError
from training.jobs.directory import description
from training.jobs.host.processes import MARK
from training.jobs.host.status import write
from training.jobs.ray import rank
from training.jobs.ray.rank import HEAD

RESTARTS = 5
"""So often a lost worker is replaced in one attempt."""
_WITH_STORE = ("grpo", "maas")  # kinds of jobs with rollouts
_ASK_S = 2.0  # between looks at what is free


def main(run_dir: Path, argv: list[str]) -> int:
    """The program; returns its exit code."""
    job = description(run_dir)
    try:
        return _train(run_dir, job, argv)
    except ExpectedError as error:
        sys.stderr.write(f"{error}\n")
        rank.tell(run_dir, job["attempt"], "end", status="failed", error=str(error))
        return error.exit_code


def _train(run_dir: Path, job: Mapping[str, Any], argv: list[str]) -> int:
    """Raises UnavailableError: the cluster cannot do it, or did not."""
    import ray
    from ray import cloudpickle

    warnings.filterwarnings("ignore", module=r"ray\.")
    ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not Ray's handler: nothing is under way yet
    cloudpickle.register_pickle_by_value(rank)
    each = {"CPU": 1.0, **({"GPU": 1.0} if job["on_gpus"] else {}), **_where(ray, run_dir, job)}
    _wait_for(ray, run_dir, job, each)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the ranks look for the file `stop` themselves
    code = _fit(run_dir, job, argv, each)
    for left in run_dir.glob(".failed-*"):
        left.unlink(missing_ok=True)
    return code


def _fit(run_dir: Path, job: Mapping[str, Any], argv: list[str], each: dict[str, float]) -> int:
    """The exit code of the training. Raises UnavailableError: it was lost too often."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    trainer = TorchTrainer(
        rank.carry,
        train_loop_config={
            "run_dir": str(run_dir),
            "argv": argv,
            "mark": MARK,
            "id": job["id"],
            "attempt": job["attempt"],
            "grace_s": job["grace_s"],
        },
        # Ray's workers only meet; the trainers make a group of their own, over NCCL where they have GPUs.
        torch_config=TorchConfig(backend="gloo"),
        scaling_config=ScalingConfig(
            num_workers=job["ranks"], use_gpu=job["on_gpus"], resources_per_worker=each
        ),
        run_config=RunConfig(
            name=f"attempt-{job['attempt']}",
            storage_path=str(run_dir / ".ray"),
            failure_config=FailureConfig(max_failures=RESTARTS),
        ),
    )
    try:
        result = trainer.fit()
    except Exception as error:  # noqa: BLE001  the edge to a library that raises a dozen kinds
        if (run_dir / "stop").exists():
            return 0
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise UnavailableError(
            f"the cluster's workers were lost {RESTARTS + 1} times, or did not start "
            f"({(lines or [type(error).__name__])[-1][:200]}); the checkpoints so far are whole: resume once "
            "the cluster is well"
        ) from None
    return int(result.return_value or 0)


def _where(ray: Any, run_dir: Path, job: Mapping[str, Any]) -> dict[str, float]:
    """What keeps the ranks on nodes where they can work: nothing where they can on all.

    Raises UnavailableError: those nodes have too little for them.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nonce = secrets.token_hex(8)
    (run_dir / ".nonce").write_text(nonce, "ascii")
    nodes = [node for node in ray.nodes() if node["Alive"]]
    look = ray.remote(num_cpus=0)(rank.sees)
    places = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in nodes]
    asked = [look.options(scheduling_strategy=place).remote(str(run_dir), nonce) for place in places]
    blind = [name for name, same in ray.get(asked) if not same]
    why = ""
    if blind:
        why = f"{', '.join(blind[:4])} cannot see the job's directory; set workdir to a folder that all share"
    elif job["kind"] in _WITH_STORE:
        why = "rollouts are recorded in a file of SQLite, which one machine alone may use"
    return allowed(job["ranks"], job["on_gpus"], [node["Resources"] for node in nodes], why)


def allowed(
    ranks: int, on_gpus: bool, nodes: Sequence[Mapping[str, float]], why_head: str
) -> dict[str, float]:
    """The resources, besides a CPU or a GPU, that a rank asks for, given those of all nodes.

    `why_head` is why ranks must be on the head node, "" where any node will do.

    Raises UnavailableError: there is too little for them.
    """
    name = "GPU" if on_gpus else "CPU"
    everywhere = sum(node.get(name, 0) for node in nodes)
    if ranks > everywhere:
        raise UnavailableError(
            f"the recipe has hardware.processes={ranks}, a {name} for each, and the cluster has "
            f"{everywhere:.0f}: set fewer, or add nodes"
        )
    on_head = sum(node.get(name, 0) for node in nodes if HEAD in node)
    if why_head and ranks > on_head:
        raise UnavailableError(
            f"the head node has {counted(on_head, name)} for hardware.processes={ranks}, and no other node "
            f"will do: {why_head}"
        )
    return {HEAD: 0.001} if why_head else {}


def _wait_for(ray: Any, run_dir: Path, job: Mapping[str, Any], each: Mapping[str, float]) -> None:
    """Wait until the ranks have room. Meanwhile the job's state says what it waits for."""
    said, file = "", run_dir / "waits.json"
    while True:
        free = ray.available_resources()
        lacking = {
            name: (share * job["ranks"], free.get(name, 0))
            for name, share in each.items()
            if name != HEAD and free.get(name, 0) < share * job["ranks"]
        }
        if not lacking:
            file.unlink(missing_ok=True)
            return
        name, (wanted, there) = next(iter(lacking.items()))
        text = f"{counted(wanted, name)} of the cluster, which has {there:.0f} free"
        if text != said:
            write(file, {"attempt": job["attempt"], "for": text})
            said = text
        time.sleep(_ASK_S)


def counted(number: float, noun: str) -> str:
    """A number and what is counted, which takes an s."""
    return f"{number:.0f} {noun}{'s' * (number != 1)}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute(), sys.argv[2:]))
