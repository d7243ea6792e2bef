"""What `bench --processes` gives beside one process, with a model that answers at once.

    python -m tests.benchmarks.processes [--trials 200] [--processes 2] [--rounds 2] [--concurrency 16]
                                         [--chunks 0]

The same experiment (vanilla: one call, one execution, one evaluation) in turn with one process and several.
With `--chunks`, so many pieces of reasoning come before the answer, all at once, for the engine to read. The
rate is that of all trials but the first fifth, so without starting. Beside it stand the cores that the engine
(the command and its workers) and the containers used meanwhile, and by that the most that this machine can do
when nothing else uses it: a process uses one core at most, and all together no more than there are. On a busy
machine, only these bounds say something.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sandbox.cpu import process_cpu_s
from sandbox.labels import LABEL
from store.reader import Reader
from tests.benchmarks.processor_time import Containers
from tests.support.openai_server import OpenAIServer, Reply, answer
from tests.support.runs import DOUBLE, RIGHT

COMMAND = Path(sys.executable).with_name("flowreasoner")
LOOK_EVERY_S = 0.1


class Used(NamedTuple):
    """CPU seconds used until a time, of the command with its workers and of their containers."""

    at: float
    engine: float
    containers: float


@dataclass(frozen=True)
class Measured:
    """Trials a second, and how many cores were used meanwhile."""

    rate: float
    engine: float
    containers: float
    processes: int

    @property
    def at_most(self) -> float:
        """Trials a second on this machine, if it does nothing else."""
        cores = os.cpu_count() or 1
        own = min(
            1 if self.processes == 1 else self.processes + 1, cores
        )  # of several, the command is one more
        return self.rate * min(own / self.engine, cores / (self.engine + self.containers))


async def carry_out(command: list[str], env: dict[str, str]) -> list[Used]:
    """What the command used, every moment."""
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.DEVNULL)
    ended = asyncio.create_task(process.wait())
    used: list[Used] = []
    engine: dict[int, float] = {}
    with Containers(lambda labels: int(labels.get(f"{LABEL}.pid", 0)) in engine) as containers:
        while not ended.done():
            for pid in (process.pid, *_children(process.pid)):
                engine[pid] = max(engine.get(pid, 0.0), process_cpu_s(pid) or 0.0)
            used.append(Used(time.time(), sum(engine.values()), containers.cpu_s))
            await asyncio.wait({ended}, timeout=LOOK_EVERY_S)
    assert process.returncode == 0
    return used


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # it, or one of its threads, has just ended
        return []


def streamed(chunks: int) -> Reply:
    """The right answer after so many pieces of reasoning, sent at once."""
    script = answer(RIGHT, reasoning="hmm, " * chunks).script
    pieces = (p if isinstance(p, bytes) else f"data: {json.dumps(p)}\n\n".encode() for p in script)
    return Reply([b"".join(pieces)])


async def measure(args: argparse.Namespace, processes: int) -> Measured:
    reply = streamed(args.chunks)
    with tempfile.TemporaryDirectory() as folder:
        problems = Path(folder) / "problems.jsonl"
        lines = (
            json.dumps(DOUBLE.to_json() | {"id": f"p{n}", "prompt": f"{n}: {DOUBLE.prompt}"})
            for n in range(args.trials)
        )
        problems.write_text("\n".join(lines))
        async with OpenAIServer(lambda _: reply) as server:
            prefix = "FLOWREASONER_ENDPOINTS__LOCAL__"
            env = os.environ | {
                "HOME": folder,
                "FLOWREASONER_STORE": str(Path(folder) / "store.db"),
                f"{prefix}BASE_URL": server.url,
                f"{prefix}MAX_CONCURRENCY": str(args.concurrency),
            }
            options = ("--variant", "vanilla,worker=local/m,meta_agent=local/m", "--executions", "1")
            options += ("--concurrency", str(args.concurrency), "--processes", str(processes), "--name", "b")
            used = await carry_out([str(COMMAND), "bench", str(problems), *options], env)
        with Reader(Path(folder) / "store.db") as reader:
            ends = sorted(row.ended_at or 0.0 for row in reader.runs(limit=args.trials).rows)
    first = args.trials // 5
    begin, end = (used[min(bisect.bisect(used, (at,)), len(used) - 1)] for at in (ends[first - 1], ends[-1]))
    wall = end.at - begin.at
    return Measured(
        (args.trials - first) / (ends[-1] - ends[first - 1]),
        (end.engine - begin.engine) / wall,
        (end.containers - begin.containers) / wall,
        processes,
    )


async def compare(args: argparse.Namespace) -> None:
    found: dict[int, list[Measured]] = {1: [], args.processes: []}
    for number in range(args.rounds):
        for processes in found:
            one = await measure(args, processes)
            found[processes].append(one)
            each = f"{one.engine / one.rate * 1e3:.0f} + {one.containers / one.rate * 1e3:.0f} ms of CPU each"
            print(
                f"round {number + 1}, {processes} process{'es' * (processes > 1)}: {one.rate:.1f} trials/s,"
                f" {each}; {one.engine:.2f} cores for the engine, {one.containers:.2f} for containers;"
                f" at most {one.at_most:.1f} trials/s",
                flush=True,
            )
    alone, together = found[1], found[args.processes]
    ratio = statistics.median(m.rate for m in together) / statistics.median(m.rate for m in alone)
    bound = statistics.median(m.at_most for m in together) / statistics.median(m.at_most for m in alone)
    print(f"{args.processes} processes on {os.cpu_count()} cores: {ratio:.2f} x one; bounds: {bound:.2f} x")


def main() -> None:
    parser = argparse.ArgumentParser(description="What `bench --processes` gives beside one process.")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--chunks", type=int, default=0, help="pieces of reasoning before the answer")
    asyncio.run(compare(parser.parse_args()))


if __name__ == "__main__":
    main()
