"""Many runs at once against an endpoint that takes its time: throughput beside the ideal, and memory.

    python -m tests.benchmarks.experiment [--runs 1000] [--concurrency 128] [--latency 0.2]

`flowreasoner bench` runs vanilla (one worker call, one execution, one evaluation: everything a trial
needs) as a user runs it, in a process of its own; the endpoint is another. The ideal throughput is the
smaller of what the latency allows (concurrency / latency) and what this machine can compute at all. The
latter is measured in the same experiment: the endpoint answers with the latency for some seconds, without
any for as many, and so on in turn, so that whatever else the machine does meets both alike.

Then the same with 5 % of the calls failing in every way an API can. Absolute numbers depend on the
machine and on what else it does; the shares of the ideal are what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.openai_server import CUT, HANG, RESET, OpenAIServer, Reply, answer, chunk, failure
from tests.support.runs import DOUBLE, RIGHT

COMMAND = Path(sys.executable).with_name("flowreasoner")
WINDOW_S = 3.0  # with latency, then as long without
SETTLING_S = 1.0  # at the start of each, when what waited before ends
TIMEOUT_S = 2.0  # of the client, so that a silent server costs seconds
FAILURES: dict[str, Reply] = {
    "429": failure(429, "slow down"),
    "429, Retry-After": failure(429, "slow down", headers={"retry-after": "1"}),
    "500": failure(500, "broken"),
    "503": failure(503, "overloaded"),
    "silence": Reply([chunk("", role="assistant"), HANG]),
    "stream cut": Reply([chunk("def f", role="assistant"), CUT]),
    "bad JSON": Reply([b"data: {not json\n\n"]),
    "reset": Reply([RESET]),
    "empty": answer(""),
}


def window(now: float) -> tuple[int, bool]:
    """Number of the window that this moment of the monotonic clock is in, and whether it has settled."""
    number, part = divmod(now, WINDOW_S)
    return int(number), part >= SETTLING_S


async def serve(latency_s: float, share: float, *, in_turn: bool) -> None:
    """The endpoint: prints its URL, and how it failed when it is told to end."""
    rng, failed, calls = random.Random(0), Counter[str](), [0]

    def handle(_: dict[str, Any]) -> Reply:
        calls[0] += 1
        server.requests.clear()
        server.headers.clear()
        if rng.random() < share:
            kind = list(FAILURES)[sum(failed.values()) % len(FAILURES)]
            failed[kind] += 1
            return FAILURES[kind]
        is_late = not in_turn or window(time.monotonic())[0] % 2
        return answer(RIGHT, size=20, latency_s=latency_s if is_late else 0.0)

    async with OpenAIServer(handle) as server:
        print(server.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        print(json.dumps({"calls": calls[0], "failed": failed, "most_busy": server.most_busy}), flush=True)
        os._exit(0)  # silent connections would be waited for


@asynccontextmanager
async def endpoint(
    latency_s: float, share: float, *, in_turn: bool
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Its URL, and a dictionary that has its counts afterwards."""
    args = (
        "-m",
        "tests.benchmarks.experiment",
        "--serve",
        "--latency",
        str(latency_s),
        "--failing",
        str(share),
    )
    args += ("--in-turn",) if in_turn else ()
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, *args, stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    counts: dict[str, Any] = {}
    yield (await process.stdout.readline()).decode().strip(), counts
    process.stdin.close()
    counts.update(json.loads(await process.stdout.readline()))
    await process.wait()


@dataclass
class Measured:
    """One experiment. Memory in MiB by share of its runs done; CPU seconds are the command's own."""

    runs_per_s: float = 0.0
    cpu_ms: float = 0.0
    memory: dict[int, int] = field(default_factory=dict)
    peak: int = 0
    summary: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)
    windows: Counter[int] = field(default_factory=Counter)  # trials that ended, settled windows only


async def measure(
    runs: int, concurrency: int, latency_s: float, share: float = 0.0, *, in_turn: bool = False
) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        problems = Path(folder) / "problems.jsonl"
        lines = (
            json.dumps(DOUBLE.to_json() | {"id": f"p{n}", "prompt": f"{n}: {DOUBLE.prompt}"})
            for n in range(runs)
        )
        problems.write_text("\n".join(lines))
        async with endpoint(latency_s, share, in_turn=in_turn) as (url, counts):
            measured = await _bench(folder, problems, runs, concurrency, url)
        measured.counts = counts
    return measured


async def _bench(folder: str, problems: Path, runs: int, concurrency: int, url: str) -> Measured:
    prefix = "FLOWREASONER_ENDPOINTS__LOCAL__"
    env = os.environ | {
        "HOME": folder,
        "FLOWREASONER_STORE": str(Path(folder) / "store.db"),
        f"{prefix}BASE_URL": url,
        f"{prefix}MAX_CONCURRENCY": str(concurrency),
        f"{prefix}TIMEOUT_S": str(TIMEOUT_S),
    }
    process = await asyncio.create_subprocess_exec(
        *(COMMAND, "bench", str(problems), "--variant", "vanilla,worker=local/m,meta_agent=local/m"),
        *("--executions", "1", "--concurrency", str(concurrency), "--json", "--name", "b"),
        stdout=asyncio.subprocess.PIPE,
        env=env,
        limit=1 << 24,
    )
    assert process.stdout is not None
    measured = Measured()
    warm = max(runs // 10, min(2 * concurrency, runs // 4))  # containers are made, connections opened
    started = cpu = 0.0
    number = 0
    async for line in process.stdout:
        data = json.loads(line)
        if data["kind"] != "trial":
            measured.summary = data
            continue
        number += 1
        at, is_settled = window(time.monotonic())
        if number > warm:
            measured.windows[at] += is_settled
        if number == warm:
            started, cpu = time.perf_counter(), _cpu_s(process.pid)
        for percent in (25, 50, 100):
            if number == runs * percent // 100:
                measured.memory[percent] = _memory(process.pid, "VmRSS")
        if number == runs:
            took = time.perf_counter() - started
            measured.runs_per_s = (runs - warm) / took
            measured.cpu_ms = (_cpu_s(process.pid) - cpu) / (runs - warm) * 1e3
            measured.peak = _memory(process.pid, "VmHWM")
    assert await process.wait() == 0, measured.summary
    return measured


def _memory(pid: int, key: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(key))) // 1024


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rates(measured: Measured) -> tuple[float, float]:
    """Trials per second in whole settled windows with latency, and without."""
    whole = range(min(measured.windows) + 1, max(measured.windows))  # the first and the last are cut off
    late = [measured.windows[n] for n in whole if n % 2]
    prompt = [measured.windows[n] for n in whole if not n % 2]
    if len(late) < 3 or len(prompt) < 3:
        raise SystemExit(f"too few runs for windows of {WINDOW_S:g} s: give more --runs")
    length = WINDOW_S - SETTLING_S
    return sum(late) / len(late) / length, sum(prompt) / len(prompt) / length


def show(name: str, measured: Measured) -> None:
    (state,) = measured.summary["variants"]
    memory = ", ".join(f"{percent} %: {mib} MiB" for percent, mib in measured.memory.items())
    print(name)
    print(f"  {measured.runs_per_s:.1f} runs/s")
    print(
        f"  {measured.cpu_ms:.1f} ms of the command's CPU a run; memory at {memory}, peak {measured.peak} MiB"
    )
    print(f"  {state['done']} done, {state['passed']} passed, {state['errors']} errors; {measured.counts}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--concurrency", type=int, default=128)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--failing", type=float, default=0.05)
    parser.add_argument("--in-turn", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        await serve(args.latency, args.failing, in_turn=args.in_turn)
        return
    turns = await measure(3 * args.runs, args.concurrency, args.latency, in_turn=True)
    whole = await measure(args.runs, args.concurrency, args.latency)
    failing = await measure(args.runs, args.concurrency, args.latency, args.failing)
    late, prompt = rates(turns)
    by_latency = args.concurrency / args.latency
    ideal = min(prompt, by_latency)
    bound = "what this machine can compute" if prompt < by_latency else "the latency"
    print(f"{args.latency * 1e3:.0f} ms a call and none in turn, {args.concurrency} at once:")
    print(f"  {late:.1f} runs/s with latency, {prompt:.1f} without; by latency alone {by_latency:.0f}")
    print(f"  {100 * late / ideal:.0f} % of the ideal, which is {bound}; {len(turns.windows) - 2} windows")
    show(f"{args.runs} runs, {args.concurrency} at once, {args.latency * 1e3:.0f} ms a call", whole)
    show(f"the same with {args.failing:.0%} of the calls failing", failing)


if __name__ == "__main__":
    asyncio.run(main())
