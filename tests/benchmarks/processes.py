"""What `bench --processes` gives beside one process, with a model that answers at once.

    python -m tests.benchmarks.processes [--trials 200] [--processes 2] [--rounds 2] [--concurrency 16]

The same experiment (vanilla: one call, one execution, one evaluation) in turn with one process and several.
The rate is that of all trials but the first fifth, so without starting. Beside it stand the processor time of
a trial outside the containers, and how many cores' worth was used: one process cannot use more than one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from store.reader import Reader
from tests.support.openai_server import OpenAIServer, answer
from tests.support.runs import DOUBLE, RIGHT

COMMAND = Path(sys.executable).with_name("flowreasoner")


@dataclass(frozen=True)
class Measured:
    """Trials a second, and milliseconds of processor time for each, of the command and its workers."""

    rate: float
    cpu_ms: float


def carry_out(command: list[str], env: dict[str, str]) -> resource.struct_rusage:
    """What the command and its workers used."""
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawn(command[0], command, env, file_actions=silent)
    _, status, used = os.wait4(pid, 0)
    assert status == 0
    return used


async def measure(trials: int, processes: int, concurrency: int) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        problems = Path(folder) / "problems.jsonl"
        lines = (
            json.dumps(DOUBLE.to_json() | {"id": f"p{n}", "prompt": f"{n}: {DOUBLE.prompt}"})
            for n in range(trials)
        )
        problems.write_text("\n".join(lines))
        async with OpenAIServer(lambda _: answer(RIGHT)) as server:
            prefix = "FLOWREASONER_ENDPOINTS__LOCAL__"
            env = os.environ | {
                "HOME": folder,
                "FLOWREASONER_STORE": str(Path(folder) / "store.db"),
                f"{prefix}BASE_URL": server.url,
                f"{prefix}MAX_CONCURRENCY": str(concurrency),
            }
            args = ("--variant", "vanilla,worker=local/m,meta_agent=local/m", "--executions", "1")
            args += ("--concurrency", str(concurrency), "--processes", str(processes), "--name", "b")
            command = [str(COMMAND), "bench", str(problems), *args]
            used = await asyncio.to_thread(carry_out, command, env)
        with Reader(Path(folder) / "store.db") as reader:
            ends = sorted(row.ended_at or 0.0 for row in reader.runs(limit=trials).rows)
    first = trials // 5
    rate = (trials - first) / (ends[-1] - ends[first - 1])
    return Measured(rate, (used.ru_utime + used.ru_stime) / trials * 1e3)


async def compare(args: argparse.Namespace) -> None:
    rates: dict[int, list[float]] = {1: [], args.processes: []}
    for number in range(args.rounds):
        for processes in rates:
            one = await measure(args.trials, processes, args.concurrency)
            rates[processes].append(one.rate)
            print(
                f"round {number + 1}, {processes} process{'es' * (processes > 1)}: {one.rate:.1f} trials/s,"
                f" {one.cpu_ms:.0f} ms of CPU each, {one.rate * one.cpu_ms / 1e3:.2f} cores",
                flush=True,
            )
    ratio = statistics.median(rates[args.processes]) / statistics.median(rates[1])
    print(f"{args.processes} processes: {ratio:.2f} x one")


def main() -> None:
    parser = argparse.ArgumentParser(description="What `bench --processes` gives beside one process.")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--concurrency", type=int, default=16)
    asyncio.run(compare(parser.parse_args()))


if __name__ == "__main__":
    main()
