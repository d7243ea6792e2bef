"""What a runner of ours never says is the sandbox's failure, no outcome of anybody's code."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sandbox import Limits, Pool, SandboxError
from sandbox.channel import Channel, State
from sandbox.guest import frames

LIMITS = {"wall_s": 30.0}
USAGE = {"wall_ms": 1.0, "cpu_ms": 1.0, "max_rss_kb": 1, "output_bytes": 0}
DONE: dict[str, Any] = {
    "t": "done",
    "status": "passed",
    "reason": None,
    "message": "",
    "usage": USAGE,
    "stdout": "",
    "stderr": "",
    "clean": True,
    "by_kernel": False,
    "mode": "split",
    "tests": [],
}
TEST = {"index": 0, "status": "passed", "reason": None, "message": ""}
CALLBACK = {"t": "callback", "call": 0, "method": "m"}
FILE = {"t": "file", "name": "a", "refused": None}
PROBED = {"t": "probed", "problem": None}


class _Runner:
    """A transport to a runner that answers every request with the frames of `script`."""

    container_id = "scripted"

    def __init__(self, script: list[dict[str, Any]]) -> None:
        self._script = script
        self._said: asyncio.Queue[bytes] = asyncio.Queue()
        self._heard = frames.Splitter()
        self.killed: list[str] = []

    async def read(self) -> bytes:
        return await self._said.get()

    async def write(self, data: bytes) -> None:
        self._heard.feed(data)
        while frame := self._heard.next():
            if frame.head["t"] == "init":
                self._say({"t": "ready", "python": "3", "problem": None})
            elif frame.head["t"] in ("run", "probe"):
                for head in self._script:
                    self._say(head if "id" in head else {**head, "id": frame.head["id"]})
            elif frame.head["t"] == "kill":
                self.killed.append(frame.head["id"])

    def _say(self, head: dict[str, Any]) -> None:
        self._said.put_nowait(frames.pack(head))

    async def state(self) -> State:
        return State("running")

    async def kill(self) -> None:
        """There is nothing to end."""


async def _channel(script: list[dict[str, Any]]) -> tuple[Channel, _Runner]:
    runner = _Runner(script)
    channel = Channel(runner)
    await channel.open({})
    return channel, runner


async def _answer(method: str, arguments: dict[str, Any]) -> Any:
    return 1


WRONG: dict[str, list[dict[str, Any]]] = {
    "a status nobody knows": [{**DONE, "status": "fine"}],
    "a reason nobody knows": [{**DONE, "status": "failed", "reason": "luck"}],
    "a message without end": [{**DONE, "message": "x" * 100_000}],
    "a message that is none": [{**DONE, "message": None}],
    "usage that is no number": [{**DONE, "usage": {**USAGE, "cpu_ms": "1"}}],
    "usage below nothing": [{**DONE, "usage": {**USAGE, "wall_ms": -1}}],
    "a mode nobody knows": [{**DONE, "mode": "trusting"}],
    "a test that is none": [{**DONE, "tests": [{**TEST, "index": -1}]}],
    "a test's message without end": [{**DONE, "tests": [{**TEST, "message": "x" * 100_000}]}],
    "a field too many": [{**DONE, "score": 1}],
    "a field too few": [{key: value for key, value in DONE.items() if key != "clean"}],
    "a call of an odd number": [{**CALLBACK, "call": 1.5}],
    "a call twice": [CALLBACK, CALLBACK],
    "files without end": [FILE] * 40,
    "a file without a name": [{**FILE, "name": 7}],
    "the answer to another question": [PROBED],
    "a kind nobody knows": [{"t": "verdict"}],
}


@pytest.mark.parametrize("name", WRONG)
async def test_it_is_no_outcome_of_the_code(name: str) -> None:
    channel, runner = await _channel([*WRONG[name], DONE])
    with pytest.raises(SandboxError, match="broke the protocol") as caught:
        await channel.request({"kind": "call"}, LIMITS, _answer)
    assert caught.value.reason == "protocol"
    assert len(runner.killed) == 1
    await channel.close()


async def test_the_right_ones_are_an_outcome() -> None:
    channel, runner = await _channel([CALLBACK, *[FILE] * 3, {**DONE, "tests": [TEST]}])
    report = await channel.request({"kind": "call"}, LIMITS, _answer)
    assert (report.head["status"], len(report.files), runner.killed) == ("passed", 3, [])
    await channel.close()


SICK: dict[str, list[dict[str, Any]]] = {
    "no word of it": [{"t": "probed"}],
    "a problem that is no text": [{"t": "probed", "problem": 0}],
    "a problem without end": [{"t": "probed", "problem": "x" * 100_000}],
    "a field too many": [{**PROBED, "clean": True}],
    "the outcome of a request": [DONE],
    "a call": [CALLBACK],
    "a file": [FILE],
    "nobody's": [{**PROBED, "more": 1, "id": "elsewhere"}],
    "ready again": [{"t": "ready", "python": "3", "problem": None, "id": "x"}],
    "dirty and more": [{"t": "dirty", "id": "x"}],
}


@pytest.mark.parametrize("name", SICK)
async def test_a_probe_takes_nothing_else_for_good_health(name: str) -> None:
    channel, _ = await _channel([*SICK[name], PROBED])
    assert "broke the protocol" in str(await channel.probe())
    await channel.close()


async def test_a_probe_tells_what_it_is_told() -> None:
    for problem in (None, "2 processes are left"):
        channel, _ = await _channel([{**PROBED, "problem": problem}])
        assert await channel.probe() == problem
        await channel.close()


LONG = {
    "an exception": "def f(x):\n    raise ValueError('é' * 300_000)",
    "an exception's notes": "def f(x):\n    e = KeyError('a')\n    e.add_note('x' * 300_000)\n    raise e",
    "a class's name": "def f(x):\n    raise type('X' * 300_000, (Exception,), {})('y')",
    "at load": "raise ValueError('\\ud800' * 300_000)",
    "an answer": "def f(x):\n    return 'x' * 300_000",
    "a name that is not there": f"f = {'x' * 100_000}",
}


@pytest.mark.parametrize("name", LONG)
@pytest.mark.asyncio(loop_scope="session")
async def test_however_much_the_code_says_it_is_its_own_failure(sandbox: Pool, name: str) -> None:
    limits = Limits(cpu_s=5)
    for mode in ("split", "objects", "in-process"):
        tests = ["assert f(1) == 2", f"assert f(1) == 3, 'y' * 300_000 + {'z' * 20_000!r}"]
        verdict = await sandbox.check(LONG[name], tests, entry_point="f", limits=limits, mode=mode)
        assert (verdict.status, verdict.passed, len(verdict.tests)) == ("failed", 0, 2), verdict
    outcome = await sandbox.run_program(f"{LONG[name]}\nf(1)", entry=None, limits=limits)
    assert outcome.status == ("passed" if name == "an answer" else "failed"), outcome
