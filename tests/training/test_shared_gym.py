"""One process that carries out the rollouts of all trainers of a machine: the same results, and one end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from engine.config import load
from engine.models.base import ModelError, Sampling
from engine.run.context import Origin, RunConfig
from sandbox.errors import ExpectedError, UnavailableError
from store.reader import Reader
from tests.support.runs import DOUBLE, GENERATE
from tests.training.policies import Script, chat, generated
from training.jobs.host.processes import started
from training.rollouts.generators import Generated
from training.rollouts.gym_process import gym_of
from training.rollouts.meter import Meter
from training.rollouts.policy import Desk, PolicyModel, Source
from training.rollouts.rollouts import GymThread, Rollout, RolloutRequest
from training.rollouts.shared_gym import SharedGym

WORKER = "pocket-worker"
LONG = 240.0  # seconds; only a test that fails takes them


def requests(source: Source, *candidates: int, job: str = "j") -> list[RolloutRequest]:
    def of(candidate: int) -> RolloutRequest:
        config = RunConfig(rounds=2, repeats=1, seed=candidate, worker_seed=3)
        origin = Origin(job=job, step=0, group="0.0", candidate=candidate)
        return RolloutRequest(DOUBLE, PolicyModel("p", chat(), source), config, origin)

    return [of(candidate) for candidate in candidates]


def alone(store: Path, worker: str = WORKER) -> SharedGym:
    return SharedGym(worker, store, chat(), "auto", lambda mine: [mine], {})


def plain(rollouts: list[Rollout]) -> list[Rollout]:
    """Without what differs from run to run."""
    return [
        replace(r, run_id="", rounds=tuple(replace(x, workflow_id="") for x in r.rounds)) for r in rollouts
    ]


def answer_all(desk: Desk) -> None:
    while asks := desk.next_batch():
        desk.answer(asks, [generated(GENERATE) for _ in asks])


def pid_of(gym: SharedGym) -> int:
    assert gym._process is not None
    return gym._process.pid


def wait_for(holds: Callable[[], object]) -> None:
    end = time.monotonic() + LONG
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_two_trainers_have_one_gym_and_the_rollouts_of_one(tmp_path: Path) -> None:
    """Each answers its own policies, at its own desk."""
    with GymThread(gym_of(WORKER, tmp_path / "thread.db", "auto", load())) as gym:
        desk = Desk()
        done = gym.start(requests(desk, 0, 1, 2, 3))
        answer_all(desk)
        expected = done.result(LONG)
    told: dict[int, Any] = {}
    met = Barrier(2)

    def gather(rank: int, mine: Any) -> list[Any]:
        told[rank] = mine
        met.wait(LONG)
        return [told[0], told[1]]

    def trainer(rank: int) -> tuple[list[Rollout], int | None]:
        ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": "2"}
        own = lambda mine: gather(rank, mine)  # noqa: E731
        with SharedGym(WORKER, tmp_path / "store.db", chat(), "auto", own, ranks) as gym:
            desk, pid = Desk(), pid_of(gym) if rank == 0 else None
            done = gym.start(requests(desk, 2 * rank, 2 * rank + 1), 1)
            answer_all(desk)
            found = done.result(LONG)
            met.wait(LONG)  # the first leaves last
            assert (gym.elsewhere() is not None) == (rank == 0)
        return found, pid

    with ThreadPoolExecutor(2) as trainers:
        (first, pid), (second, none) = trainers.map(trainer, (0, 1))
    assert none is None and pid is not None and started(pid) is None
    assert told[1] is None, "the second trainer started no process"
    assert plain(first + second) == plain(expected)
    assert [len(r.calls) for r in expected] == [len(r.rounds) for r in expected]
    with Reader(tmp_path / "store.db") as reader:
        assert {row.id for row in reader.runs(job="j").rows} == {r.run_id for r in first + second}


class Refusing:
    async def ask(self, prompt: list[int], sampling: Sampling) -> Generated:
        raise ModelError("server", "out of memory: halve the batch")


def test_calls_go_to_the_source_of_their_policy_and_its_refusal_and_its_end_come_back(tmp_path: Path) -> None:
    script, gone = Script(GENERATE), Desk()
    with alone(tmp_path / "store.db") as gym, Meter(gym) as meter:
        (found,) = gym.start(requests(script, 5)).result(LONG)
        spent, quiet = meter.take(), meter.take()  # what the process used is part of it
        assert spent.engine > 0 and spent.recorder > 0 and spent.worker > 0
        assert quiet.engine < spent.engine and gym.containers() == set()
        assert script.prompts[0] == found.calls[0].prompt
        (refused,) = gym.start(requests(Refusing(), 6)).result(LONG)
        assert (refused.status, refused.error) == ("infra", "out of memory: halve the batch")
        given_up = gym.start(requests(gone, 7, 8))
        assert len(gone.next_batch()) == 2
        assert given_up.cancel()
        wait_for(lambda: gone._lanes == 0)  # its lanes leave the desk
        assert gone.next_batch() == []
        (again,) = gym.start(requests(script, 5)).result(LONG)
        assert plain([again]) == plain([found])
        ends = ["cancelled", "cancelled", "infra", found.status, found.status]
        wait_for(lambda: statuses(tmp_path / "store.db") == sorted(ends))
        check_killed(gym, requests(Desk(), 0, 1, job="killed"), asked=True)


def statuses(store: Path) -> list[str]:
    with Reader(store) as reader:
        return sorted(row.status for row in reader.runs(job="j").rows)


def check_killed(gym: SharedGym, wanted: list[RolloutRequest], *, asked: bool) -> None:
    """Nobody waits for rollouts of a process that is killed, before it begins them or when it has `asked`."""
    desk = wanted[0].policy.source
    assert isinstance(desk, Desk)
    if not asked:
        os.kill(pid_of(gym), signal.SIGSTOP)  # it will not begin
    done = gym.start(wanted)
    asks = desk.next_batch() if asked else []
    os.kill(pid_of(gym), signal.SIGKILL)
    desk.answer(asks, [generated(GENERATE) for _ in asks])
    while desk.next_batch():
        pass
    with pytest.raises(UnavailableError, match="process that carries out rollouts has ended"):
        done.result(LONG)
    with pytest.raises(UnavailableError, match="resume the job"):
        gym.start(requests(desk, 2))
    assert gym.elsewhere() is None


def test_a_process_that_is_killed_before_it_begins_is_said(tmp_path: Path) -> None:
    with alone(tmp_path / "store.db") as gym:
        check_killed(gym, requests(Desk(), 0, 1), asked=False)


@pytest.mark.parametrize(
    ("worker", "words"), [("nowhere/model", "nowhere"), ("hf:/no/such/folder", "does not exist")]
)
def test_a_gym_that_cannot_be_opened_is_one_sentence(tmp_path: Path, worker: str, words: str) -> None:
    gym = alone(tmp_path / "store.db", worker)
    with pytest.raises(ExpectedError) as caught, gym:
        pass
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert started(pid_of(gym)) is None


@contextlib.contextmanager
def trainer_of(store: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A trainer that waits at its desk, in a process of its own; and its gym's process."""
    code = (
        "import sys, pathlib\n"
        "from tests.training.test_shared_gym import Desk, alone, pid_of, requests\n"
        "with alone(pathlib.Path(sys.argv[1])) as gym:\n"
        "    desk = Desk()\n"
        "    gym.start(requests(desk, 0))\n"
        "    desk.next_batch()\n"
        "    print(pid_of(gym), flush=True)\n"
        "    sys.stdin.read()\n"
    )
    root = Path(__file__).parents[2]
    paths = os.pathsep.join([str(root), str(root / "sandbox" / "command")])
    command = [sys.executable, "-c", code, str(store)]
    environment = {**os.environ, "PYTHONPATH": paths}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as trainer:
        try:
            assert trainer.stdout is not None
            yield trainer, int(trainer.stdout.readline())
        finally:
            trainer.kill()


def test_the_process_ends_with_its_trainer_and_ends_what_it_began(tmp_path: Path) -> None:
    with trainer_of(tmp_path / "store.db") as (trainer, pid):
        os.kill(pid, signal.SIGTERM)  # told to the trainers, who stop after their step
        assert started(pid) is not None
        trainer.kill()
        trainer.wait(LONG)
        wait_for(lambda: started(pid) is None)
    with Reader(tmp_path / "store.db") as reader:
        assert [row.status for row in reader.runs(job="j").rows] == ["cancelled"]
