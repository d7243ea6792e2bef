"""`bench` as a process: killed, resumed, retried, refused, and what its store says afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.experiments.keys import DONE
from store.reader import Reader
from tests.cli.conftest import Models, Shell
from tests.support.openai_server import HANG, Reply, answer, chunk, failure
from tests.support.runs import DOUBLE, RIGHT, WRONG

STUCK = Reply([chunk("", role="assistant"), HANG])
COUNT = 6

SEARCHING = """
from engine.variants import Options, Variant
from engine.variants.found import found_workflow, solve_found
from engine.variants.proposal import ask_meta_agent
from engine.variants.trials import tried
from engine.workflows import build_workflow

SOURCE = (
    "class Workflow:\\n    async def __call__(self, problem, entry_point):\\n"
    "        made = await self.custom_code_generate(problem=problem, entry_point=entry_point)\\n"
    "        return made['response']\\n"
)

async def search(context):
    workflow = build_workflow(SOURCE, "", context.run.config.operators)
    for number in range(3):
        messages = [{"role": "user", "content": f"step {number}"}]
        await context.journal.once(f"ask-{number}", lambda: ask_meta_agent(context.run, messages, number))
        await tried(context, f"candidate-{number}", workflow)
    return found_workflow(workflow, round_number=1, val_score=1.0)

VARIANT = Variant(solve_found, Options, search)
"""


@pytest.fixture
def problems(shell: Shell) -> Path:
    path = shell.home / "doubles.jsonl"
    lines = []
    for number in range(COUNT):
        # Ids that would break a shell, a screen or a key that is put together from parts.
        problem = DOUBLE.to_json() | {
            "id": f'p/{number} "],["[red]\x1b[31m',
            "prompt": f"Problem {number}: double x.",
        }
        lines.append(json.dumps(problem))
    path.write_text("\n".join(lines))
    return path


def gate(models: Models, free: int, text: str = RIGHT, hanging: int = 1) -> asyncio.Event:
    """The worker answers `free` calls, then hangs; the event is set when it does, in so many calls."""
    reached = asyncio.Event()
    left = [free]

    def worker(_: dict[str, Any]) -> Reply:
        left[0] -= 1
        if left[0] >= 0:
            return answer(text)
        if left[0] <= -hanging:
            reached.set()
        return STUCK

    models.replies["worker"] = worker
    return reached


async def until(reached: asyncio.Event, process: asyncio.subprocess.Process) -> None:
    """Wait for the event; a process that ends before it is a failure that says what it said."""
    waiting = {asyncio.ensure_future(reached.wait()), asyncio.ensure_future(process.wait())}
    done, left = await asyncio.wait(waiting, timeout=600, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    if not reached.is_set():
        raise AssertionError(await process.communicate() if done else "nothing happened in ten minutes")


async def start(shell: Shell, problems: Path, *args: str) -> asyncio.subprocess.Process:
    options = ("--name", "e", "--executions", "1", "--concurrency", "2")
    return await shell.start("bench", str(problems), *options, *args)


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    out, err = await asyncio.wait_for(process.communicate(), 600)
    assert process.returncode is not None
    assert b"Traceback" not in err
    return process.returncode, out.decode(), err.decode()


def check_ledger(shell: Shell, trials: int) -> Counter[str]:
    """Every trial has exactly one run that counts, and the books add up; the statuses of all runs."""
    db = sqlite3.connect(shell.store)
    rows = db.execute(
        "SELECT o.trial, o.stage, r.status FROM origins o JOIN runs r ON r.id = o.run_id"
    ).fetchall()
    counting = Counter(trial for trial, stage, status in rows if stage == "final" and status in DONE)
    assert len(counting) == trials
    assert set(counting.values()) == {1}, "a trial was done twice"
    for run_id, *told in db.execute("SELECT id, tokens_in, tokens_out, model_calls FROM runs").fetchall():
        calls = "SELECT total(tokens_in), total(tokens_out), count(*) FROM model_calls WHERE run_id = ?"
        assert told[:2] == list(db.execute(calls, (run_id,)).fetchone()[:2])
    assert db.execute("SELECT owner_pid FROM experiments").fetchall() == [(None,)]
    db.close()
    with Reader(shell.store) as reader:
        experiment = reader.experiments.named("e")
        assert (experiment.done, experiment.total, len(reader.experiments.trials("e"))) == (
            trials,
            trials,
            trials,
        )
    return Counter(status for _, _, status in rows)


light = pytest.mark.usefixtures("light_sandbox")  # without it: Docker, which most people have
in_long = pytest.mark.skipif(
    not os.environ.get("FLOWREASONER_LONG"), reason="much as in the middle: FLOWREASONER_LONG=1"
)


@pytest.mark.parametrize(
    "free",
    [
        pytest.param(0, id="at once", marks=in_long),
        pytest.param(3, id="in the middle"),
        pytest.param(2 * COUNT - 1, id="at the last", marks=in_long),
    ],
)
async def test_kill_9_and_resume_does_the_rest_and_nothing_twice(
    shell: Shell, models: Models, problems: Path, free: int
) -> None:
    reached = gate(models, free)
    process = await start(
        shell, problems, "--variant", "vanilla", "--variant", "flowreasoner,rounds=1,executions=1"
    )
    await until(reached, process)
    process.kill()
    await process.wait()
    listed = (await shell("experiments")).out
    assert "e: " in listed
    assert "in progress" not in listed  # nobody holds it any more
    models.replies["worker"] = answer(RIGHT)
    code, out, err = await ended(await shell.start("bench", "--resume", "e", "--json"))
    assert code == 0, err
    statuses = check_ledger(shell, 2 * COUNT)
    assert statuses["passed"] == 2 * COUNT
    assert 1 <= statuses["interrupted"] <= 2  # what ran when it was killed
    assert sum(statuses.values()) == 2 * COUNT + statuses["interrupted"]
    *trials, summary = [json.loads(line) for line in out.splitlines()]
    assert len(trials) == 2 * COUNT - (sum(statuses.values()) - len(trials) - statuses["interrupted"])
    assert (summary["end"], summary["done"]) == ("done", 2 * COUNT)
    # Vanilla makes one call; flowreasoner one of the meta-agent's, and one each on val and on test. Only what
    # was in progress when it was killed is asked again: at most one call of a trial.
    assert len(models.server.requests) <= 4 * COUNT + statuses["interrupted"]
    again = await shell("bench", "--resume", "e", "--json")
    assert again.code == 0
    assert len(again.out.splitlines()) == 1  # nothing was left to do
    assert check_ledger(shell, 2 * COUNT) == statuses


@light
async def test_a_killed_search_goes_on_where_it_stopped(shell: Shell, models: Models, problems: Path) -> None:
    (shell.home / "mine.py").write_text(SEARCHING)
    reached = gate(models, 1)  # the first candidate is tried on one of two problems
    variant = str(shell.home / "mine.py")
    process = await start(shell, problems, "--variant", variant, "--split", "aflow-1:4", "--concurrency", "1")
    await until(reached, process)
    process.kill()
    await process.wait()
    models.replies["worker"] = answer(RIGHT)
    code, out, err = await ended(await shell.start("bench", "--resume", "e"))
    assert code == 0, out + err
    assert "done" in out
    asked = [r["messages"][-1]["content"] for r in models.server.requests if r["model"] == "meta"]
    assert asked == ["step 0", "step 1", "step 2"]  # none of them twice
    trials = 4  # a fifth, rounded up, of the six problems is what the search may see
    check_ledger(shell, trials)
    db = sqlite3.connect(shell.store)
    tried = Counter(
        trial
        for trial, status in db.execute(
            "SELECT o.trial, r.status FROM origins o JOIN runs r ON r.id = o.run_id"
            " WHERE o.stage = 'search' AND r.status = 'passed'"
        )
    )
    assert len(tried) == 3 * 2 and set(tried.values()) == {1}
    seen = {json.loads(t)[3] for t in tried}
    reported = {json.loads(t)[1] for (t,) in db.execute("SELECT trial FROM origins WHERE stage = 'final'")}
    db.close()
    assert not seen & reported  # a search never sees what is reported on
    # Another experiment uses what was found: nothing is searched for again.
    again = await shell(
        "bench", str(problems), "--variant", variant, "--found", "e", "--name", "f", "--limit", "1"
    )
    assert again.code == 0, again.err
    assert sum(r["model"] == "meta" for r in models.server.requests) == 3
    one = json.dumps(DOUBLE.to_json())
    (shell.home / "one.json").write_text(one)
    single = await shell("run", "one.json", "--variant", variant, "--found", "e", "--repeats", "1")
    assert single.code == 0, single.err
    unfound = await shell("run", "one.json", "--variant", "aflow", "--found", "e")
    assert (unfound.code, len(unfound.err.splitlines())) == (2, 1)
    assert "e has no search result for aflow" in unfound.err


@light
async def test_ctrl_c_says_how_to_go_on(shell: Shell, models: Models, problems: Path) -> None:
    reached = gate(models, 2, hanging=2)  # of two trials at once, both: the two before them have ended
    process = await start(shell, problems, "--variant", "vanilla")
    await until(reached, process)
    process.send_signal(signal.SIGINT)
    code, _, err = await ended(process)
    assert code == 130
    assert "flowreasoner bench --resume e" in err
    models.replies["worker"] = answer(WRONG)
    code, _, _ = await ended(await shell.start("bench", "--resume", "e"))
    assert code == 0
    statuses = check_ledger(shell, COUNT)
    assert (statuses["passed"], statuses["failed"]) == (2, 4)
    assert statuses["cancelled"] == 2


@light
async def test_a_second_process_is_told_who_holds_the_experiment(
    shell: Shell, models: Models, problems: Path
) -> None:
    reached = gate(models, 0)
    process = await start(shell, problems, "--variant", "vanilla")
    await until(reached, process)
    second = await shell("bench", "--resume", "e")
    assert second.code == 3
    assert f"Process {process.pid} is carrying out the experiment e" in second.err
    assert f"in progress in process {process.pid}" in (await shell("experiments")).out
    process.terminate()
    assert (await ended(process))[0] == 130


@light
async def test_errors_are_in_the_denominator_and_chosen_trials_are_retried(
    shell: Shell, models: Models, problems: Path
) -> None:
    models.replies["worker"] = lambda r: (
        failure(400, "no") if "Problem 3" in r["messages"][-1]["content"] else answer(RIGHT)
    )
    code, out, err = await ended(await start(shell, problems, "--variant", "vanilla", "--json"))
    assert code == 0, err
    (state,) = json.loads(out.splitlines()[-1])["variants"]
    assert (state["done"], state["passed"], state["errors"]) == (6, 5, 1)
    assert state["score"] == pytest.approx(5 / 6)
    models.replies["worker"] = answer(RIGHT)
    before = len(models.server.requests)
    again = await shell("bench", "--resume", "e", "--retry", "error", "--json")
    assert again.code == 0, again.err
    assert len(models.server.requests) - before == 1
    (state,) = json.loads(again.out.splitlines()[-1])["variants"]
    assert (state["passed"], state["errors"]) == (6, 0)
    listed = (await shell("runs", "--search", "experiment:e", "--json")).out.splitlines()
    assert len(listed) == COUNT + 1  # the attempt that was superseded stays, with what it cost
    (row,) = [json.loads(line) for line in (await shell("experiments", "--json")).out.splitlines()]
    assert (row["name"], row["done"], row["runs"]) == ("e", 6, 7)
    plain = (await shell("experiments")).out
    assert "vanilla" in plain and "100%" in plain and "\x1b" not in plain


@light
async def test_a_dry_run_tells_bounds_first_and_means_later(
    shell: Shell, models: Models, problems: Path
) -> None:
    command = ("bench", str(problems), "--variant", "vanilla", "--executions", "1", "--dry-run")
    first = await shell(*command, "--json")
    assert first.code == 0, first.err
    (row,) = json.loads(first.out)["variants"]
    assert (row["runs"], row["meta_calls"], row["worker_calls"], row["is_bound"]) == (6, 0, 6, True)
    assert row["cost_usd"] is None
    assert " ?  " in (await shell(*command)).out
    assert models.server.requests == []
    assert not shell.store.exists()
    assert (await ended(await start(shell, problems, "--variant", "vanilla", "--limit", "2")))[0] == 0
    (row,) = json.loads((await shell(*command, "--json")).out)["variants"]
    assert (row["runs"], row["worker_calls"], row["worker_tokens_in"], row["is_bound"]) == (6, 6, 60, False)
    assert row["cost_usd"] is None  # a local endpoint has no known price, which is not the same as free
    (row,) = json.loads((await shell("bench", "--resume", "e", "--dry-run", "--json")).out)["variants"]
    assert row["runs"] == 0


@light
async def test_an_unknown_price_is_said_once_where_there_is_a_budget(
    shell: Shell, models: Models, problems: Path
) -> None:
    code, _, err = await ended(await start(shell, problems, "--variant", "vanilla", "--budget", "1"))
    assert code == 0
    assert err.count("unknown price") == 1
    assert len(err.splitlines()) == 1


async def test_wrong_use_is_one_sentence(shell: Shell, models: Models, problems: Path) -> None:
    (shell.home / "one.json").write_text(json.dumps(DOUBLE.to_json()))
    file = str(problems)
    for args, told in (
        ((), "name a benchmark"),
        (("nowhere",), "there is no benchmark 'nowhere'"),
        ((file, "--name", "../x"), "an experiment cannot be called '../x'"),
        ((file, "--variant", "vanila"), "did you mean vanilla"),
        ((file, "--split", "thirds"), "there is no split 'thirds'"),
        ((file, "--split", "aflow-1:4/nothing"), "there is no part 'nothing'"),
        (("one.json", "--split", "aflow-1:4"), "leaves no problem"),
        ((file, "--retry", "infra"), "name it with --resume"),
        (("--resume", "no\x1b[31m"), "There is no experiment"),
        ((file, "--variant", "aflow", "--found", "x"), "There is no experiment 'x'"),
    ):
        await _is_refused(shell, args, told)


@light
async def test_what_an_experiment_consists_of_stays(shell: Shell, models: Models, problems: Path) -> None:
    one = ("--limit", "1", "--executions", "1")
    made = await shell("bench", str(problems), "--name", "e", "--variant", "vanilla", *one)
    assert made.code == 0, made.err
    for args, told in (
        (("--resume", "e", "--seed", "3"), "--seed cannot change what e consists of"),
        (("--resume", "e", "--variant", "vanilla"), "--variant cannot change"),
        ((str(problems), "--name", "e"), "There is an experiment e already"),
    ):
        await _is_refused(shell, args, told)
    problems.write_text(problems.read_text().replace("Problem 0", "Another"))  # noqa: ASYNC240
    await _is_refused(shell, ("--resume", "e"), "are not those e was started with")


async def _is_refused(shell: Shell, args: tuple[str, ...], told: str) -> None:
    result = await shell("bench", *args)
    assert result.code in (2, 3), args
    assert told in result.err, args
    assert len(result.err.splitlines()) == 1
    assert "\x1b" not in result.err
