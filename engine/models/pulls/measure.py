"""What a model does on this machine, measured once, in a process of its own.

A process of its own, so that its memory is its own and a model that takes too much ends it alone.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import flowreasoner

from engine.models.base import Completion, ModelError, Sampling
from engine.models.faults import clip
from engine.models.pulls.manifests import SPEED, Speed

if TYPE_CHECKING:
    from engine.models.local import LocalModel

_TOKENS = 32
_ASK = "Write a Python function that returns the n-th Fibonacci number, and explain how it works."
_PATIENCE_S = 600.0


def measure(folder: Path) -> Speed | str:
    """Measure the model in `folder` and keep the result there; a string says why it could not be measured."""
    command = flowreasoner.command("engine.models.pulls.measure", str(folder))
    try:
        ended = subprocess.run(
            command, check=False, capture_output=True, text=True, errors="replace", timeout=_PATIENCE_S
        )
    except subprocess.TimeoutExpired:
        return f"it took more than {_PATIENCE_S:.0f} s"
    if ended.returncode < 0:
        return f"its process was ended by signal {-ended.returncode}, most likely for want of memory"
    if ended.returncode:
        return clip((ended.stderr.strip().splitlines() or ["its process ended without a word"])[-1])
    found = Speed.model_validate_json(ended.stdout.splitlines()[-1])
    (folder / SPEED).write_text(found.model_dump_json(), "utf-8")
    return found


async def _measured(folder: Path) -> Speed:
    from engine.models.local import LocalModel

    model = LocalModel(folder.name, str(folder))
    try:
        began = time.monotonic()
        await _answer(model, 1)
        loaded = time.monotonic()
        alone = await _rate(model, 1)
        eight = await _rate(model, 8)
        threads = model.threads
    finally:
        await model.aclose()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Speed(load_s=loaded - began, alone=alone, eight=eight, memory=memory, threads=threads)


async def _rate(model: LocalModel, answers: int) -> float:
    """Tokens a second of so many answers at once."""
    began = time.monotonic()
    tokens = sum(await asyncio.gather(*(_answer(model, _TOKENS) for _ in range(answers))))
    return tokens / (time.monotonic() - began)


async def _answer(model: LocalModel, tokens: int) -> int:
    async for item in model.stream([{"role": "user", "content": _ASK}], Sampling(max_tokens=tokens)):
        if isinstance(item, Completion):
            return item.tokens_out
    return 0


def _main(folder: str) -> int:
    try:
        sys.stdout.write(asyncio.run(_measured(Path(folder))).model_dump_json() + "\n")
    except ModelError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
