"""A process of its own for the fault tests: `python -m tests.store.child TASK STORE RUN_ID [COUNT]`."""

from __future__ import annotations

import asyncio
import json
import random
import resource
import signal
import sys
from pathlib import Path

from engine.events import ModelDelta, Notice
from store.errors import StoreError
from store.recorder import Recorder
from tests.store.samples import started, whole_run


async def forever(path: Path, run_id: str) -> None:
    """Record milestones and streamed text without end; print the number of each stored milestone."""
    async with Recorder(path) as recorder:
        await recorder.record(started(run_id))
        seq = 1
        while True:
            delta = ModelDelta(
                run_id=run_id, seq=seq, at=1000.0 + seq, call_id="c", channel="text", text="tok "
            )
            await recorder.record(delta)
            text = f"{seq} " * (seq % 1000)
            await recorder.record(
                Notice(run_id=run_id, seq=seq + 1, at=1000.5 + seq, level="info", text=text)
            )
            print(json.dumps({"seq": seq + 1}), flush=True)
            seq += 2


async def runs(path: Path, prefix: str, count: int) -> None:
    """Record `count` whole runs."""
    async with Recorder(path) as recorder:
        for number in range(count):
            for event in whole_run(f"{prefix}-{number}", at=1000.0 + number):
                await recorder.record(event)


async def until_full(path: Path, run_id: str) -> None:
    """Record until no file may grow any more; print how far it got and what the errors were."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    errors: list[str] = []
    stored = 1
    try:
        async with Recorder(path) as recorder:
            await recorder.record(started(run_id))
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
            while not errors:
                text = random.Random(stored).randbytes(2000).hex()
                try:
                    await recorder.record(Notice(run_id=run_id, seq=stored, level="info", text=text))
                    stored += 1
                except StoreError as error:
                    errors.append(str(error))
            await recorder.record(Notice(run_id=run_id, seq=stored, level="info", text="small"))
    except StoreError as error:
        errors.append(str(error))
    print(json.dumps({"stored": stored, "error": errors[0], "second_error": errors[1]}))


if __name__ == "__main__":
    task, store, run_id, *rest = sys.argv[1:]
    if task == "forever":
        asyncio.run(forever(Path(store), run_id))
    elif task == "runs":
        asyncio.run(runs(Path(store), run_id, int(rest[0])))
    elif task == "until-full":
        asyncio.run(until_full(Path(store), run_id))
