"""An endpoint fails in the middle of an experiment: no trial is wrong for it; `--resume` does the rest."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import Ended, Models, Shell
from tests.cli.test_bench import check_ledger
from tests.support.openai_server import CUT, DONE, RESET, OpenAIServer, Reply, answer, chunk, failure
from tests.support.runs import DOUBLE, GENERATE, RIGHT, completion

pytestmark = pytest.mark.usefixtures("light_sandbox")
COUNT = 6
SPENT = "You exceeded your current quota, please check your plan and billing details."
FAULTS = {
    "reset": Reply([RESET]),
    "key": failure(401, "Incorrect API key provided"),
    "forbidden": failure(403, "This key may not use the model"),
    "rate": failure(429, "Too many requests"),
    "quota": failure(429, SPENT, code="insufficient_quota"),
    "payment": failure(402, "Insufficient credits"),
    "model": failure(404, "The model `worker` does not exist", code="model_not_found"),
    "method": failure(405, "Method Not Allowed"),
    "server": failure(500, "CUDA error: an illegal memory access was encountered"),
    "gateway": Reply([b"<html><title>502 Bad Gateway</title></html>"], 502, {"content-type": "text/html"}),
    "told": Reply([{"error": {"message": "The server is overloaded", "code": 503}}]),
    "page": Reply([b"<html><body>Please log in</body></html>"], 200, {"content-type": "text/html"}),
    "garbage": Reply([b"data: {]\n\n", b"data: \xff\xfe\n\n"]),
    "nothing": Reply([DONE]),
    "cut": Reply([chunk("```python\ndef f(x):\n    return "), CUT]),
    "cut-by-garbage": Reply([chunk("def f(x): return 3"), b"data: {]\n\n"]),
    "aborted": Reply([chunk("def f(x): return 3"), chunk(finish="abort"), DONE]),
}
REFUSALS = {
    "context": failure(400, "This model's maximum context length is 8192 tokens."),
    "filter": failure(400, "The prompt was filtered", code="content_filter"),
    "request": failure(400, "Bad request"),
    "withheld": Reply([chunk("def f"), chunk(finish="content_filter"), DONE]),
}


def write(shell: Shell, count: int = COUNT) -> str:
    """A file of so many problems, whose prompts begin with their number."""
    problem = DOUBLE.to_json()
    lines = (json.dumps(problem | {"id": f"p/{n}", "prompt": f"No. {n}: double x."}) for n in range(count))
    path = shell.home / "doubles.jsonl"
    path.write_text("\n".join(lines))
    return str(path)


def after(answered: int, fault: Reply) -> Callable[[dict[str, Any]], Reply]:
    """A model that answers so many calls, and then only with `fault`."""
    left = [answered]

    def reply(_: dict[str, Any]) -> Reply:
        left[0] -= 1
        return answer(RIGHT) if left[0] >= 0 else fault

    return reply


async def bench(shell: Shell, problems: str, *options: str, executions: int = 1) -> Ended:
    """An experiment e, one trial after the other, whose calls are tried once."""
    shell.env["FLOWREASONER_ENDPOINTS__LOCAL__MAX_RETRIES"] = "0"
    its = ("--name", "e", "--executions", str(executions), "--concurrency", "1", "--json")
    return await shell("bench", problems, *(options or ("--variant", "vanilla")), *its)


def last(ended: Ended) -> dict[str, Any]:
    """What the experiment's last line says, of an experiment of one variant."""
    assert "Traceback" not in ended.err
    told = json.loads(ended.out.splitlines()[-1])
    return told | told["variants"][0]


def number_in(request: dict[str, Any]) -> int:
    """Which problem a worker is asked about."""
    found = re.search(r"No\. (\d+):", request["messages"][-1]["content"])
    assert found is not None
    return int(found[1])


def statuses(shell: Shell) -> list[str]:
    """Those of all runs, in order of their beginning."""
    with sqlite3.connect(shell.store) as db:
        found = [status for (status,) in db.execute("SELECT status FROM runs ORDER BY started_at, id")]
    db.close()
    return found


async def is_finished(shell: Shell, models: Models, answered: int, count: int = COUNT) -> None:
    """Once the endpoint is well, `--resume` carries out what was not done, and nothing else."""
    models.replies["worker"] = answer(RIGHT)
    asked = len(models.server.requests)
    again = await shell("bench", "--resume", "e", "--json")
    assert again.code == 0, again.err
    told = last(again)
    assert (told["done"], told["passed"], told["infra"], told["end"]) == (count, count, 0, "done")
    assert len(models.server.requests) - asked == count - answered
    check_ledger(shell, count)


async def test_a_fault_of_the_endpoint_is_no_verdict_and_is_tried_again(shell: Shell, models: Models) -> None:
    """A trial for each fault and each refusal, and an answered one after each."""
    replies = [*(FAULTS | REFUSALS).values()]
    models.replies["worker"] = lambda r: (
        answer(RIGHT) if (number := number_in(r)) % 2 else replies[number // 2]
    )
    count = 2 * len(replies)
    ended = await bench(shell, write(shell, count))
    assert ended.code == 3, ended.err
    found, told, done = statuses(shell), last(ended), count - len(FAULTS)
    assert found[1::2] == ["passed"] * len(replies)
    by_fault = dict(zip(FAULTS | REFUSALS, found[::2], strict=True))
    assert by_fault == dict.fromkeys(FAULTS, "infra") | dict.fromkeys(REFUSALS, "error")
    assert (told["done"], told["passed"], told["errors"]) == (done, len(replies), len(REFUSALS))
    assert told["pass_rate"] == told["score"] == pytest.approx(len(replies) / done)
    assert (told["infra"], told["end"], told["stopped"]) == (len(FAULTS), "incomplete", "")
    assert told["resume"] == "flowreasoner bench --resume e"

    models.replies["worker"] = answer(RIGHT)
    again = await shell("bench", "--resume", "e", "--json")
    assert again.code == 0, again.err
    assert (last(again)["passed"], last(again)["infra"]) == (count - len(REFUSALS), 0)
    assert len(models.server.requests) == count + len(FAULTS)
    check_ledger(shell, count)


async def test_an_endpoint_that_is_switched_off_and_on_again(shell: Shell, models: Models) -> None:
    def off(_: dict[str, Any]) -> Reply:
        models.server._server.close()  # nobody listens any more
        return Reply([RESET])

    models.replies["worker"] = lambda r: off(r) if number_in(r) == 2 else answer(RIGHT)
    ended = await bench(shell, write(shell))
    assert ended.code == 3
    told = last(ended)
    assert (told["done"], told["passed"], told["infra"]) == (2, 2, COUNT - 2)
    async with OpenAIServer(lambda _: answer(RIGHT)) as server:
        shell.env["FLOWREASONER_ENDPOINTS__LOCAL__BASE_URL"] = server.url
        again = await shell("bench", "--resume", "e", "--json")
        assert (again.code, last(again)["passed"], len(server.requests)) == (0, COUNT, COUNT - 2), again.err
    check_ledger(shell, COUNT)


async def test_a_fault_is_in_no_comparison_and_told_as_the_endpoints(shell: Shell, models: Models) -> None:
    """Two variants; the endpoint fails in two trials of each."""
    models.replies["worker"] = lambda r: FAULTS["server"] if number_in(r) in (1, 4) else answer(RIGHT)
    variants = ("--variant", "vanilla", "--variant", "flowreasoner,rounds=1")
    assert (await bench(shell, write(shell), *variants)).code == 3
    compared = json.loads((await shell("compare", "e", "--json")).out)
    for side in compared["sides"]:
        counts = side["counts"]
        assert (counts["done"], counts["passed"], counts["failed"], counts["errors"]) == (4, 4, 0, 0)
        assert counts["no_verdict"] == 2
        assert side["means"]["pass_rate"]["value"] == 1.0
    (pair,) = compared["pairs"]
    assert (pair["gained"], pair["lost"], pair["ties"]) == (0, 0, 4)
    told = (await shell("failures", "--json")).out.splitlines()
    clusters = [(one["key"].partition(":")[0], one["runs"]) for one in map(json.loads, told)]
    assert clusters == [("endpoint", 4)]


@pytest.mark.parametrize("answered", [0, 1], ids=["from the first", "later"])
async def test_an_endpoint_that_is_gone_stops_the_experiment(
    shell: Shell, models: Models, answered: int
) -> None:
    models.replies["worker"] = after(answered, FAULTS["key"])
    ended = await bench(shell, write(shell, 20))
    assert ended.code == 3
    told, tried = last(ended), 10 if answered else 5
    assert (told["done"], told["infra"], told["end"]) == (answered, tried, "error")
    assert "Incorrect API key" in told["stopped"] and "sandbox" not in told["stopped"]
    assert told["stopped"].startswith(
        "10 trials in a row had no answer of local/worker: "
        if answered
        else "the first 5 trials ended in the same error: "
    )
    await is_finished(shell, models, answered, 20)


@pytest.mark.parametrize("executions", [1, 3])
async def test_an_endpoint_that_fails_now_and_then_stops_nothing(
    shell: Shell, models: Models, executions: int
) -> None:
    """Every third call fails; with three executions, that is one of nearly every trial's."""
    asked = [0]

    def reply(_: dict[str, Any]) -> Reply:
        asked[0] += 1
        return FAULTS["key"] if asked[0] % 3 == 0 else answer(RIGHT)

    models.replies["worker"] = reply
    ended = await bench(shell, write(shell, 15), executions=executions)
    told = last(ended)
    assert (told["done"] + told["infra"], told["stopped"]) == (15, "")
    assert (told["passed"], told["errors"], told["end"]) == (told["done"], 0, "incomplete")


async def test_a_workflow_that_is_wrong_by_itself_is_a_failure(shell: Shell, models: Models) -> None:
    """One raises an error, and for another problem the meta-agent never writes one."""
    models.replies["meta"] = lambda r: answer(
        completion('raise ValueError("no luck")')
        if "No. 3:" in str(r["messages"])
        else "I cannot write a workflow."
        if "No. 4:" in str(r["messages"])
        else GENERATE
    )
    ended = await bench(shell, write(shell), "--variant", "flowreasoner,rounds=1")
    assert ended.code == 0, ended.err
    told = last(ended)
    assert (told["done"], told["passed"], told["infra"]) == (COUNT, COUNT - 2, 0)
    assert told["pass_rate"] == pytest.approx(4 / 6)


async def test_worker_processes_tell_it_as_well(shell: Shell, models: Models) -> None:
    models.replies["worker"] = after(2, FAULTS["quota"])
    ended = await bench(shell, write(shell), "--variant", "vanilla", "--processes", "1")
    assert ended.code == 3
    told = last(ended)
    assert (told["done"], told["passed"], told["infra"]) == (2, 2, COUNT - 2)
    await is_finished(shell, models, 2)


async def test_a_search_whose_first_candidate_had_no_endpoint_goes_on_when_there_is_one(
    shell: Shell, models: Models
) -> None:
    models.replies["worker"] = FAULTS["server"]
    ended = await bench(shell, write(shell), "--variant", "aflow,rounds=1", "--split", "aflow-1:4")
    assert ended.code == 3
    assert "came to a verdict" in str(last(ended)["failed_searches"]), ended.out
    models.replies["worker"] = answer(RIGHT)
    again = await shell("bench", "--resume", "e", "--json")
    assert again.code == 0, again.out + again.err
    assert last(again)["passed"] == last(again)["total"] > 0
