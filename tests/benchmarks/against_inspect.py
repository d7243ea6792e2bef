"""HumanEval as a whole run, here and in inspect_ai: the same answers, eight at once, each checked in Docker.

    FLOWREASONER_DATA=… python -m tests.benchmarks.against_inspect [--inspect PYTHON] [--limit N]

`PYTHON` is an interpreter that has inspect_ai (best a virtual environment of its own; by default this one).
inspect_ai needs Docker Compose: it makes a project with a container for each sample and runs each check by
`docker compose exec`. Its model is its own mock; ours answers over HTTP, from this process. Wall time is that
of the whole command. CPU time is the command's with all its children, and its containers'; the daemon's own
is left out, for both. Skipped, with the reason, where one of the parts is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TOGETHER = 8
_COMPOSE = """
services:
  default:
    image: {image}
    command: tail -f /dev/null
    network_mode: none
    cpus: 1.0
    mem_limit: 512m
"""


def problems() -> list[dict[str, Any]]:
    """HumanEval's records; none where FLOWREASONER_DATA does not name a folder that has them."""
    path = Path(os.environ.get("FLOWREASONER_DATA", "/nonexistent")) / "HumanEval.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def answer(problem: dict[str, Any]) -> str:
    """What the model says."""
    return f"```python\n{problem['prompt']}{problem['canonical_solution']}\n```"


def theirs(folder: Path, limit: int) -> None:
    """In inspect_ai's interpreter: the task, run to its end."""
    from inspect_ai import Task, eval  # type: ignore[import-not-found]
    from inspect_ai.dataset import MemoryDataset, Sample  # type: ignore[import-not-found]
    from inspect_ai.model import ModelOutput, ModelUsage, get_model  # type: ignore[import-not-found]
    from inspect_ai.scorer import CORRECT, INCORRECT, Score, accuracy, scorer  # type: ignore[import-not-found]
    from inspect_ai.solver import generate  # type: ignore[import-not-found]
    from inspect_ai.util import sandbox  # type: ignore[import-not-found]

    every = {problem["prompt"]: problem for problem in problems()[:limit]}

    def say(messages: Any, *_: Any) -> Any:
        output = ModelOutput.from_content("mockllm", answer(every[messages[-1].text]))
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)  # or it counts them
        return output

    @scorer(metrics=[accuracy()])
    def passes() -> Any:
        async def score(state: Any, target: Any) -> Any:
            problem = every[state.input_text]
            code = state.output.completion.partition("```python\n")[2].partition("```")[0]
            program = f"{code}\n{problem['test']}\ncheck({problem['entry_point']})"
            result = await sandbox().exec(["python3", "-c", program], timeout=30)
            return Score(value=CORRECT if result.success else INCORRECT, explanation=result.stderr[:500])

        return score

    task = Task(
        dataset=MemoryDataset([Sample(input=prompt, target="") for prompt in every]),
        solver=generate(),
        scorer=passes(),
        sandbox=("docker", str(folder / "compose.yaml")),
    )
    model = get_model("mockllm/model", custom_outputs=say)
    [log] = eval(task, model=model, max_samples=TOGETHER, display="none", log_dir=str(folder / "logs"))
    assert log.status == "success", log.error
    assert log.results.scores[0].metrics["accuracy"].value == 1, log.results


def measure(
    command: list[str], environment: dict[str, str], ours: Callable[[dict[str, str]], bool]
) -> tuple[float, float, int]:
    """Wall and CPU seconds of a command with its containers, and how many it made."""
    from tests.benchmarks.processor_time import Containers

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    with Containers(ours) as containers:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed: {done.stderr[-2000:] or done.stdout[-2000:]}")
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, own + containers.cpu_s, containers.count


def measure_theirs(python: str, folder: Path, limit: int) -> tuple[float, float, int]:
    """Of inspect_ai, in the same image."""
    from sandbox.backends import choose_backends

    [backend] = choose_backends("docker", (), build=True)
    (folder / "compose.yaml").write_text(_COMPOSE.format(image=backend._image))  # type: ignore[attr-defined]
    command = [python, __file__, "--theirs", str(folder), "--limit", str(limit)]
    return measure(
        command,
        dict(os.environ),
        lambda found: found.get("com.docker.compose.project", "").startswith("inspect-"),
    )


@contextlib.contextmanager
def _endpoint() -> Iterator[str]:
    """The model as an endpoint: its URL."""
    from tests.support import openai_server

    every = [(json.dumps(problem["prompt"].strip())[1:-1], problem) for problem in problems()]

    def handle(request: dict[str, Any]) -> Any:
        asked = json.dumps(request["messages"])
        found = next((problem for prompt, problem in every if prompt in asked), None)
        assert found is not None, f"a prompt without its problem: {asked}"
        server.requests.clear()
        server.headers.clear()
        return openai_server.answer(answer(found), size=4096)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = openai_server.OpenAIServer(handle)
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
    yield server.url
    asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result()
    loop.call_soon_threadsafe(loop.stop)


def measure_ours(folder: Path, limit: int) -> tuple[float, float, int]:
    """Of `flowreasoner bench`."""
    from sandbox import labels

    with _endpoint() as url:
        environment = os.environ | {
            "HOME": str(folder),
            "FLOWREASONER_STORE": str(folder / f"{time.monotonic_ns()}.db"),
            "FLOWREASONER_ENDPOINTS__LOCAL__BASE_URL": url,
        }
        command = [str(Path(sys.executable).with_name("flowreasoner")), "bench", "humaneval"]
        command += ["--data", os.environ["FLOWREASONER_DATA"], "--limit", str(limit)]
        command += ["--variant", "vanilla,worker=local/m,meta_agent=local/m", "--executions", "1"]
        command += ["--concurrency", str(TOGETHER), "--json"]
        return measure(command, environment, lambda found: _is_ours(found.get(f"{labels.LABEL}.pid", "")))


def _is_ours(pid: str) -> bool:
    """Whether the process is this one's child, or a child's child."""
    while pid.isdigit() and pid != "0" and pid != str(os.getpid()):
        try:
            pid = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            return False
    return pid == str(os.getpid())


def missing(python: str) -> str | None:
    """Why the comparison cannot be made here."""
    if not problems():
        return "FLOWREASONER_DATA does not name a folder with HumanEval.jsonl"
    if subprocess.run([python, "-c", "import inspect_ai"], capture_output=True, check=False).returncode:
        return f"{python} has no inspect_ai: name an interpreter that has it with --inspect"
    compose = ["docker", "compose", "version"]
    if subprocess.run(compose, capture_output=True, check=False).returncode:
        return "inspect_ai needs Docker Compose, and `docker compose` does not run"
    return None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inspect", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--limit", type=int, default=164)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--theirs", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.theirs:
        theirs(options.theirs, options.limit)
        return
    why = missing(options.inspect)
    if why is not None:
        print(f"skipped: {why}")
        return
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            mine = measure_ours(Path(folder), options.limit)
            other = measure_theirs(options.inspect, Path(folder), options.limit)
            for name, (wall, cpu, made) in (("here", mine), ("inspect_ai", other)):
                print(f"{name:<12}{wall:7.1f} s wall {cpu:7.1f} s CPU, {made} containers")
            wall, cpu = (theirs / ours for theirs, ours in zip(other[:2], mine[:2], strict=True))
            print(f"{'':<12}1/{wall:.1f} of its wall time, 1/{cpu:.1f} of its CPU time")


if __name__ == "__main__":
    main()
