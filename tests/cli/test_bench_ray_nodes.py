"""`bench --on ray://…` on a cluster of three nodes, one of which is lost: a rehearsal on one machine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Models, Shell
from tests.cli.test_bench import check_ledger, ended, until
from tests.cli.test_bench_ray import Gate
from tests.support.missing import needs
from tests.support.ray_cluster import TOKEN, RayCluster
from tests.support.runs import DOUBLE

needs("ray")

NODES = 3
COUNT = 9

pytestmark = pytest.mark.skipif(
    not os.environ.get("FLOWREASONER_LONG"), reason="three nodes take a minute to start: FLOWREASONER_LONG=1"
)


@pytest.fixture
def cluster(shell: Shell, models: Models) -> Iterator[RayCluster]:
    settings = {name: value for name, value in shell.env.items() if name.startswith("FLOWREASONER_")}
    cluster = RayCluster(1, settings | {"HOME": str(shell.home)})
    try:
        for _ in range(NODES - 1):
            cluster.join(1)
        shell.env |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
        yield cluster
    finally:
        cluster.clean()


async def test_a_lost_node_costs_its_trials_an_attempt_and_nothing_else(
    shell: Shell, models: Models, cluster: RayCluster
) -> None:
    problems = shell.home / "doubles.jsonl"
    problems.write_text("\n".join(json.dumps(DOUBLE.to_json() | {"id": f"p/{n}"}) for n in range(COUNT)))
    on = f"ray://127.0.0.1:{cluster.client}"
    options = ("--name", "e", "--executions", "1", "--variant", "vanilla", "--concurrency", str(NODES))

    # Two trials are done, and each node is stuck with another.
    gate = Gate(models, 2, waiting=NODES)
    process = await shell.start("bench", str(problems), *options, "--on", on, "--json")
    await until(gate.reached, process)
    assert [len(workers) for workers in cluster.workers()] == [1] * NODES
    cluster.lose()
    gate.open()

    code, out, err = await ended(process)
    assert code == 0, err
    statuses = check_ledger(shell, COUNT)
    assert statuses == {"passed": COUNT, "interrupted": 1}
    # The call that was in progress there is made again, and nothing else.
    assert len(models.server.requests) == COUNT + 1
    *trials, summary = [json.loads(line) for line in out.splitlines()]
    assert (len(trials), summary["end"], summary["done"]) == (COUNT, "done", COUNT)
    assert [len(workers) for workers in cluster.workers()][-1] == 0
