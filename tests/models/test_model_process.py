"""A model in a process of its own: shared, and lost without harm to those who use it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Generator
from pathlib import Path

import pytest

from engine.models.base import Completion, Delta, Message, ModelError, Sampling, Share
from engine.models.local import LocalModel
from engine.models.process import ProcessModel, server
from engine.models.process.places import socket_of
from tests.support.jobs import until
from tests.support.model_processes import of_their_own, serving
from tests.support.streams import begun
from tests.support.tiny_llama import make_tiny_llama

CALLS = [
    ("plain", Sampling(temperature=0.0, max_tokens=20)),
    ("né 😀", Sampling(temperature=1.0, top_p=0.9, max_tokens=25, seed=3)),
    ("cut", Sampling(temperature=1.0, max_tokens=60, seed=5, stop=("e", "\ufffd"))),
]
FAULTS = [("x" * 254, "shorten"), ("half \ud800", "hf:tiny")]


@pytest.fixture
def runtime() -> Generator[Path]:
    with of_their_own() as folder:
        yield folder


def ask(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]


async def finish(model: LocalModel | ProcessModel, text: str, sampling: Sampling) -> tuple[str, Completion]:
    """The text that was streamed, and the completion."""
    items = [item async for item in model.stream(ask(text), sampling)]
    assert isinstance(items[-1], Completion)
    return "".join(i.text for i in items if isinstance(i, Delta)), items[-1]


async def test_one_process_answers_for_all_as_the_model_would_and_can_be_lost(
    runtime: Path, tmp_path: Path
) -> None:
    source = str(make_tiny_llama(tmp_path))
    here = LocalModel("hf:tiny", source, device="cpu")
    right = [await finish(here, *call) for call in CALLS]
    await here.aclose()
    one, two = (ProcessModel("hf:tiny", source, device="cpu") for _ in range(2))
    assert not one.is_loaded and one.weights == here.weights
    # Both begin at once: one process is started, and the model is loaded for both.
    assert await asyncio.gather(one.load(), two.load()) == [True, True]
    assert one.is_loaded and two.is_loaded
    [pid] = serving(runtime)
    answers = await asyncio.gather(*(finish(model, *call) for model in (one, two) for call in CALLS))
    assert answers == right * 2
    for text, why in FAULTS:
        with pytest.raises(ModelError, match=why):
            await finish(one, text, Sampling(max_tokens=3))
    # Whoever comes back, after whatever end, finds it loaded.
    left = two.stream(ask("long"), Sampling(temperature=1.0, seed=1))
    await begun(left)
    await two.aclose()
    with pytest.raises(ModelError, match="closed"):
        while not isinstance(await anext(left), Completion):
            pass
    back = ProcessModel("hf:tiny", source, device="cpu")
    assert await finish(back, *CALLS[0]) == right[0]
    assert serving(runtime) == [pid]

    streams = [model.stream(ask("long"), Sampling(temperature=1.0, seed=1)) for model in (one, back)]
    for stream in streams:
        await begun(stream)
    os.kill(pid, signal.SIGKILL)
    for stream in streams:
        with pytest.raises(ModelError, match="memory ran out") as caught:
            while not isinstance(await anext(stream), Completion):
                pass
        assert caught.value.kind == "server" and "hf:tiny" in str(caught.value)
    assert not one.is_loaded
    next_call = asyncio.create_task(one.load())
    await until(lambda: serving(runtime) not in ([], [pid]))  # it is started again
    await one.aclose()
    await next_call
    await back.aclose()


async def test_a_call_has_its_share_of_a_process_that_others_use(runtime: Path, tmp_path: Path) -> None:
    source = str(make_tiny_llama(tmp_path))
    one, two = (ProcessModel("hf:tiny", source, device="cpu") for _ in range(2))
    first = one.stream(ask("long"), Sampling(temperature=1.0, seed=1))
    assert await anext(first) == Share(0), "until the process says otherwise"
    await begun(first)
    second = two.stream(ask("short"), Sampling(max_tokens=3))
    told = [item.part async for item in second if isinstance(item, Share)]
    assert told[0] == 0 and told[-1] == 0.5
    await first.aclose()
    await one.aclose()
    await two.aclose()


async def test_a_process_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far = tmp_path / ("x" * 100)
    far.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(far))
    model = ProcessModel("hf:far", str(tmp_path), device="cpu")
    assert not await model.load()
    assert not model.is_loaded
    with pytest.raises(ModelError, match=r"hf:far: .*set XDG_RUNTIME_DIR to a short path"):
        await finish(model, "q", Sampling())
    await model.aclose()


async def test_a_process_that_nobody_uses_ends(tmp_path: Path) -> None:
    source = str(make_tiny_llama(tmp_path / "model"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(tmp_path / "s") if len(str(tmp_path)) < 90 else f"\0{os.getpid()}-unused")
        listening.listen()
        listening.setblocking(False)
        await asyncio.wait_for(server._Server("hf:tiny", source, "cpu").serve(listening, 0.0), 120)


def test_what_changes_the_model_changes_the_process(
    runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"1")
    seen = {socket_of("a", str(folder), "cpu")}
    (tmp_path / "link").symlink_to(folder)
    seen.add(socket_of("a", str(tmp_path / "link"), "cpu"))
    assert len(seen) == 1
    seen |= {socket_of("b", str(folder), "cpu"), socket_of("a", str(folder), "auto")}
    os.utime(folder / "model.safetensors", (1, 1))
    seen.add(socket_of("a", str(folder), "cpu"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    seen |= {socket_of("a", str(folder), "cpu"), socket_of("a", "org/model", "cpu")}
    assert len(seen) == 6
    assert all(path.parent.stat().st_mode & 0o777 == 0o700 for path in seen)
