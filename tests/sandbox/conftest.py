"""One real sandbox of each kind for the whole run; a kind that is absent is skipped, with the reason.

A test marked `either_backend` is about guest code, which is the same everywhere: each of its cases has its
turn on one backend, by its name. FLOWREASONER_LONG=1 tries all on both.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox import Limits, Pool
from tests.support.missing import open_or_skip

REPOSITORY = Path(__file__).resolve().parents[2]
BACKENDS = ("docker", "bwrap")
POOLS = ("sandbox", "pool")  # fixtures that are of one backend or the other

GUEST_MODULES = {
    "steps": """
import asyncio, os, time

async def echo(host, args):
    return args

async def ask(host, args):
    return await host.call(args["method"], **args["kwargs"])

async def gather(host, args):
    return await asyncio.gather(*(host.call("double", n=n) for n in range(args["n"])))

async def crowd(host, args):
    text = "x" * args["size"]
    return await asyncio.gather(*(host.call("hold", text=text) for _ in range(args["n"])))

async def refused(host, args):
    try:
        await host.call("budget")
    except host.Error as error:
        return [error.kind, str(error)]

async def forever(host, args):
    await host.call("started", pid=os.getpid())
    while True:
        time.sleep(0.01)

async def wait_for_host(host, args):
    await host.call("never")

async def raises(host, args):
    print("before")
    raise KeyError("missing")
""",
    "package.inner": "async def name(host, args):\n    return __name__\n",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("FLOWREASONER_LONG"):
        return
    others = [item for item in items if isinstance(item, pytest.Function) and not _has_its_turn(item)]
    if others:
        config.hook.pytest_deselected(items=others)
        left_out = set(others)
        items[:] = [item for item in items if item not in left_out]


def _has_its_turn(item: pytest.Function) -> bool:
    if item.get_closest_marker("either_backend") is None or not hasattr(item, "callspec"):
        return True
    backend = next((item.callspec.params[name] for name in POOLS if name in item.callspec.params), None)
    if backend is None:
        return True
    case = item.nodeid.replace(f"[{backend}-", "[").removesuffix(f"[{backend}]")
    return BACKENDS[zlib.crc32(case.encode()) % len(BACKENDS)] == backend


@pytest_asyncio.fixture(params=BACKENDS, scope="session", loop_scope="session")
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Pool]:
    """A pool of one backend, with `GUEST_MODULES` preloaded."""
    async with open_or_skip(request.param, GUEST_MODULES, size=2) as pool:
        yield pool


@pytest.fixture
def quick() -> Limits:
    """Limits for programs that are meant to hit them."""
    return Limits(wall_s=2.0, cpu_s=1.0, processes=24, memory_mb=128)


@pytest.fixture
def human_eval() -> Path:
    """The HumanEval problems, where this machine has them."""
    folder = Path(os.environ.get("FLOWREASONER_DATA", REPOSITORY.parent / "shared" / "data"))
    path = folder / "HumanEval.jsonl"
    if not path.exists():
        pytest.skip("HumanEval.jsonl is not here; set FLOWREASONER_DATA to the folder that has it")
    return path
