"""Runs watched and controlled from another process, and engines that outlive whoever started them."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.benchmarks import find_problem
from engine.benchmarks.pocket import EXAMPLE_ID
from engine.events import Event, RunFinished, RunPaused, RunResumed, StepFinished, StepStarted, ValueEdited
from store.reader import Reader
from tui.service.engine_process.client import Client, live_runs
from tui.service.engine_process.sockets import EngineError, engines, folder, listen
from tui.service.engine_process.spawn import spawn
from tui.service.records import Records
from tui.service.requests import NewRun


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("remote") / "store.db"


@pytest.fixture(scope="module", autouse=True)
def runtime(store: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(store.parent))
        patch.delenv("FLOWREASONER_STORE", raising=False)
        yield


@pytest.fixture(scope="module")
def engine(store: Path, runtime: None) -> Iterator[Path]:
    """The socket of an engine in a process of its own."""
    path = spawn(store)
    yield path
    asyncio.run(stop(path))
    assert not path.exists()


@pytest.fixture
def records(store: Path) -> Records:
    return Records(store)


def request(**more: Any) -> NewRun:
    values: dict[str, Any] = {
        "variant": "flowreasoner",
        "meta_agent": "pocket-meta",
        "worker": "pocket-worker",
    }
    values |= {"problem": find_problem("pocket", EXAMPLE_ID), "rounds": 1, "seed": 0, "repeats": 1}
    return NewRun(**(values | more))


async def stop(path: Path) -> None:
    """End an engine and wait until it is gone; it may have been idle for a minute, and be gone already."""
    try:
        handle = os.pidfd_open(int(path.stem))
    except ProcessLookupError:
        return
    os.kill(int(path.stem), signal.SIGTERM)
    await asyncio.to_thread(select.select, [handle], [], [])
    os.close(handle)


class Watched:
    """A run that is followed to each of its stops in turn."""

    def __init__(self, path: Path, run_id: str, records: Records) -> None:
        self._path, self._run_id, self._records, self._seen = path, run_id, records, -1

    async def stop(self) -> dict[str, Any]:
        """Where the run stands next."""
        async with Client(self._path) as client:
            async for event in client.events(self._run_id, self._records, self._seen):
                self._seen = event.seq
                if isinstance(event, RunPaused):
                    break
        async with Client(self._path) as client:
            return (await client.ask("state", run=self._run_id))["stop"]


async def test_a_run_goes_on_without_whoever_started_it_and_can_be_followed(
    engine: Path, records: Records, store: Path
) -> None:
    async with Client(engine) as client:
        run_id = await client.start(request())
    ((found, state),) = await live_runs(store)
    assert (found, state["run"]) == (engine, run_id)

    async with Client(engine) as client:
        events = [event async for event in client.events(run_id, records)]
    assert [e.seq for e in events] == list(range(len(events)))
    assert isinstance(events[-1], RunFinished)
    with Reader(store) as reader:
        assert list(reader.events(run_id)) == events
    assert await live_runs(store) == []


async def test_stop_look_change_go_on(engine: Path, records: Records) -> None:
    async with Client(engine) as client:
        stops = ("before custom_code_generate", "after *")
        run_id = await client.start(request(breakpoints=stops))
        watched = Watched(engine, run_id, records)
        stop = await watched.stop()
        assert (stop["where"], stop["operator"]) == ("before", "custom_code_generate")
        assert stop["locals"]["entry_point"] == stop["value"]["entry_point"]

        await client.ask("skip", run=run_id, output={"response": "def tidy_values(xs):\n    return 7"})
        await watched.stop()
        await client.ask("break", run=run_id, breakpoints=[])
        await client.ask("finish", run=run_id)
        events = [event async for event in client.events(run_id, records)]

    kinds: list[type[Event]] = [RunPaused, ValueEdited, RunResumed, RunPaused, RunResumed]
    assert [type(e) for e in events if isinstance(e, tuple(set(kinds)))][:5] == kinds
    skipped = next(e for e in events if isinstance(e, StepFinished))
    assert skipped.output == {"response": "def tidy_values(xs):\n    return 7"}
    assert isinstance(events[-1], RunFinished)


async def test_stepping_goes_from_step_to_step(engine: Path, records: Records) -> None:
    async with Client(engine) as client:
        run_id = await client.start(request(breakpoints=("model meta-agent",)))
        watched, seen = Watched(engine, run_id, records), []
        for _ in range(4):
            seen.append((await watched.stop())["where"])
            await client.ask("step", run=run_id, how="into")
        await watched.stop()
        await client.ask("cancel", run=run_id)
        events = [event async for event in client.events(run_id, records)]
    assert seen[0] == "model"  # the meta-agent's call
    assert "before" in seen
    assert isinstance(events[-1], RunFinished)
    assert events[-1].status == "cancelled"
    assert {e.step_id for e in events if isinstance(e, StepStarted)} == {
        e.step_id for e in events if isinstance(e, StepFinished)
    }


async def test_what_cannot_be_done_is_a_sentence_and_the_connection_goes_on(engine: Path) -> None:
    async with Client(engine) as client:
        for asked, said in [
            ({"do": "pause", "run": "nothing"}, "no run nothing is in progress here"),
            ({"do": "sing"}, "no request 'sing'"),
            ({"do": "start", "request": {"kind": "NewRun", "problem": 3}}, "a problem is a JSON object"),
            ({"do": "start", "request": {"kind": "Rerun", "run": "x", "speed": 3}}, "no field 'speed'"),
            ({"do": "start", "request": {"kind": "Rerun", "run": ["x"]}}, "run: "),
            ({"do": "start", "request": {"kind": "Runtime"}}, "no run of kind 'Runtime'"),
            (
                {"do": "start", "request": {"kind": "NewFork", "parent": "nothing"}},
                "No run begins",
            ),
        ]:
            with pytest.raises(EngineError, match=said):
                await client.ask(**asked)  # type: ignore[arg-type]
        with pytest.raises(EngineError, match="unknown model"):
            await client.start(request(worker="no-such-model"))
        assert (await client.ask("hello"))["starts"]


@pytest.mark.parametrize(
    "line", [b"\n", b"nonsense\n", b"[1]\n", b"\xff\xfe\n", b'{"do": ', b"[" * 5000 + b"\n"]
)
async def test_a_hostile_line_harms_nobody(engine: Path, line: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(str(engine))
    writer.write(line)
    writer.write_eof()
    answer = await reader.read()
    assert answer == b"" or "error" in json.loads(answer)
    writer.close()
    async with Client(engine) as client:
        assert await client.ask("runs") == []


def test_sockets_are_this_users_alone_and_stale_ones_go(engine: Path, store: Path) -> None:
    assert stat.S_IMODE(engine.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder(store).stat().st_mode) == 0o700
    stale = folder(store) / "999999.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(stale))
    assert engines(store) == [engine]
    assert not stale.exists()


async def test_killing_the_starter_leaves_the_run(tmp_path: Path) -> None:
    """kill -9 of the process that spawned the engine, while the run stands at a breakpoint."""
    code = (
        "import asyncio, os, signal, sys\n"
        "from pathlib import Path\n"
        "from tests.remote.test_remote import Client, Records, Watched, request, spawn\n"
        "async def main():\n"
        "    path = spawn(Path(sys.argv[1]))\n"
        "    async with Client(path) as client:\n"
        "        run_id = await client.start(request())\n"
        "        await client.ask('pause', run=run_id)\n"
        "        await Watched(path, run_id, Records(Path(sys.argv[1]))).stop()\n"
        "        print(run_id, flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", code, str(tmp_path / "store.db")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    run_id = done.stdout.strip()
    ((path, state),) = await live_runs(tmp_path / "store.db")
    assert (state["run"], state["status"]) == (run_id, "paused")
    async with Client(path) as client:
        await client.ask("continue", run=run_id)
        events = [event async for event in client.events(run_id, Records(tmp_path / "store.db"))]
    assert isinstance(events[-1], RunFinished)
    await stop(path)


def test_a_folder_that_is_too_deep_for_a_socket_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("deep" * 30)))
    with pytest.raises(EngineError, match="set XDG_RUNTIME_DIR to a folder with a short path"):
        listen(tmp_path / "store.db")
