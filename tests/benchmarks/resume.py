"""What interruptions of an experiment cost in model calls: `python -m tests.benchmarks.resume`.

    python -m tests.benchmarks.resume [--trials 200] [--kills 5] [--variant self-refine] [--latency 0.02]

`flowreasoner bench` is killed (SIGKILL) so many times, at even distances, and resumed each time. Printed are
the calls that the endpoint got, beside those that the trials needed, which is the limit; the calls that were
in progress at the kills and had no answer to use; and what it would have taken if every trial began again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from engine.events import ModelCallFinished
from store.reader import Reader
from tests.support.openai_server import OpenAIServer, Reply, answer
from tests.support.runs import DOUBLE, RIGHT

COMMAND = Path(sys.executable).with_name("flowreasoner")


class Endpoint:
    """Answers after `latency_s`; `reached` is set at the call after which the client is to be killed."""

    def __init__(self, latency_s: float) -> None:
        self.latency_s, self.calls, self.at = latency_s, 0, 0
        self.reached = asyncio.Event()

    def handle(self, _: dict[str, Any]) -> Reply:
        self.calls += 1
        if self.calls == self.at:
            self.reached.set()
        return answer(RIGHT, latency_s=self.latency_s)


async def interrupted(folder: Path, args: argparse.Namespace) -> tuple[int, int]:
    """Carry the experiment out with its interruptions; the calls the endpoint got, and how often it was
    killed.
    """
    problems = folder / "problems.jsonl"
    lines = (
        json.dumps(DOUBLE.to_json() | {"id": f"p{n}", "prompt": f"{n}: {DOUBLE.prompt}"})
        for n in range(args.trials)
    )
    problems.write_text("\n".join(lines))
    endpoint, killed = Endpoint(args.latency), 0
    async with OpenAIServer(endpoint.handle) as server:
        prefix = "FLOWREASONER_ENDPOINTS__LOCAL__"
        env = os.environ | {
            "HOME": str(folder),
            "FLOWREASONER_STORE": str(folder / "store.db"),
            f"{prefix}BASE_URL": server.url,
            f"{prefix}MAX_CONCURRENCY": str(args.concurrency),
        }
        variant = f"{args.variant},worker=local/m,meta_agent=local/m"
        first = (str(problems), "--variant", variant, "--executions", "1", "--name", "b")
        for kill in range(args.kills + 1):
            what = first if kill == 0 else ("--resume", "b")
            endpoint.at = args.every * (kill + 1) if kill < args.kills else 0
            endpoint.reached.clear()
            process = await asyncio.create_subprocess_exec(
                *(COMMAND, "bench", *what, "--concurrency", str(args.concurrency), "--json"),
                stdout=asyncio.subprocess.DEVNULL,
                env=env,
            )
            ended = asyncio.ensure_future(process.wait())
            reached = asyncio.ensure_future(endpoint.reached.wait())
            await asyncio.wait({ended, reached}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                process.kill()
                killed += 1
            await ended
            reached.cancel()
            if process.returncode == 0:
                break
    return endpoint.calls, killed


def main() -> None:
    parser = argparse.ArgumentParser(description="What interruptions of an experiment cost in model calls.")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--every", type=int, default=250, help="calls between two kills")
    parser.add_argument("--variant", default="self-refine")
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--latency", type=float, default=0.02, help="seconds of each call")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        asked, killed = asyncio.run(interrupted(Path(name), args))
        with Reader(Path(name) / "store.db") as reader:
            trials = reader.experiments.trials("b")
            replayed = sum(
                "replayed" in event.flags
                for row in reader.runs(limit=10 * args.trials).rows
                if row.parent
                for event in reader.events_of_kind(row.id, ModelCallFinished.kind)
                if isinstance(event, ModelCallFinished)
            )
    needed = sum(trial.meta.calls + trial.worker.calls for trial in trials)
    print(f"{sum(t.is_done for t in trials)} of {args.trials} trials done, killed {killed} times")
    print(f"calls: {asked} asked, {needed} needed: {asked / needed - 1:+.1%}")
    print(f"  {asked - needed} were in progress at a kill; at most {killed * args.concurrency} can be")
    print(f"  {replayed} were answered from the record; without it: {(asked + replayed) / needed - 1:+.1%}")


if __name__ == "__main__":
    main()
