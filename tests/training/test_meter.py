"""The breakdown of a step's CPU time: what is whose, and that it adds up."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from engine.run.context import RunConfig
from sandbox.cpu import container_cpu_s
from tests.support.runs import DOUBLE, GENERATE, RIGHT
from tests.support.scripted import ScriptedModel
from tests.training.policies import policy
from training.rollouts.meter import Breakdown, Meter
from training.rollouts.rollouts import Gym, GymThread, RolloutRequest


def burn(seconds: float) -> None:
    begun = time.thread_time()
    while time.thread_time() - begun < seconds:
        pass


def test_each_part_is_measured_where_it_is_used(tmp_path: Path) -> None:
    gym = Gym(ScriptedModel("worker", RIGHT), tmp_path / "store.db", size=1)
    with GymThread(gym) as open_gym, Meter(open_gym) as meter:
        burn(0.05)
        with meter.policy():
            burn(0.15)
        model = threading.Thread(target=burn, args=(0.1,), name="model pocket-worker")
        model.start()
        requests = [RolloutRequest(DOUBLE, policy(GENERATE), RunConfig(repeats=1, worker_seed=1))]
        open_gym.start(requests).result()
        first = meter.take()
        model.join()
        second = meter.take()
        quiet = meter.take()
        has_groups = all(container_cpu_s(i) is not None for i in open_gym.containers())
    assert first.policy == pytest.approx(0.15, abs=0.05)
    assert 0.05 <= first.train < 5.0
    assert first.engine > 0.0
    assert first.recorder > 0.0
    assert first.worker + second.worker <= 0.15
    assert (first.containers > 0.0) == has_groups
    assert second.policy == quiet.policy == 0.0  # each step has its own
    assert quiet.total < first.total


def test_the_overhead_is_a_share_of_everything() -> None:
    one = Breakdown(4.0, 3.0, 1.0, 0.5, 0.25, 1.25, 0.0, wall=99.0)
    assert one.total == 10.0
    assert one.overhead == 0.2
    assert one.values() == {
        "cpu_policy": 4.0,
        "cpu_train": 3.0,
        "cpu_worker": 1.0,
        "cpu_engine": 0.5,
        "cpu_recorder": 0.25,
        "cpu_containers": 1.25,
    }


def test_a_container_that_is_none_has_no_time() -> None:
    for name in ("", "../../etc", "0" * 64, "bwrap-17"):
        assert container_cpu_s(name) is None
