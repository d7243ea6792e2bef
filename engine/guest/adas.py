"""What an ADAS `forward` function (arXiv 2408.08435) is given: `Info`, `LLMAgentBase` and the names around
them.

`forward` is synchronous, so it runs in a thread of its own; each call of an agent is a step of the
operator `custom`, awaited on the process's event loop.
"""

from __future__ import annotations

import asyncio
import copy
import importlib
import inspect
import json
import random
from collections import Counter, namedtuple
from collections.abc import Sequence
from typing import Any, Union

Info = namedtuple("Info", ["name", "author", "content", "iteration_idx"])
SYSTEM_MSG = ""
# What the release's scripts say of an answer beside its name, each for its own task; by kind of problem here.
ANSWERS = {
    "code": "Return all of the code, ready to run, and nothing else.",
    "math": "Return only the final result, without working or words around it.",
    "qa": "Return only the answer, in as few words as it takes, without a sentence around it.",
}


def role_text(role: Any) -> str:
    """The line of a prompt that gives an agent its role."""
    return f"You are a {role}."


def format_text(fields: Any) -> str:
    """The lines of a prompt that ask for a JSON reply with these fields."""
    return f"Reply with one JSON object that has exactly these fields:\n{fields}"


def described(fields: Sequence[str], kind: str) -> str:
    """The fields as JSON, each with what it is; an answer has the form that is scored."""
    form = ANSWERS.get(kind, "")
    return json.dumps({f: f"Your {f}. {form}".rstrip() if "answer" in f else f"Your {f}." for f in fields})


def infos_text(infos: Sequence[Any], reader: str) -> str:
    """The infos as the agent `reader` reads them; anything else in the list is left out."""
    parts: list[str] = []
    for info in infos:
        if not isinstance(info, Info):
            continue
        name, author, content, turn = info
        number = f" #{turn + 1}" if isinstance(turn, int) and turn >= 0 else ""
        you = " (yourself)" if author == reader else ""
        head = "# Your task" if name == "task" else f"### {name}{number} by {author}{you}"
        parts.append(f"{head}:\n{content}")
    return "\n\n".join(parts)


def fields_of(reply: str, names: list[str]) -> list[Any]:
    """The fields of a JSON reply in the order of `names`, "" for one that is missing.

    A reply that is not a JSON object becomes the field "answer" or "code", else the last one; ADAS would lose
    it.
    """
    if not names:
        return []
    start, end = reply.find("{"), reply.rfind("}")
    try:
        data = json.loads(reply[start : end + 1], strict=False) if 0 <= start < end else None
    except (ValueError, RecursionError):
        data = None
    if isinstance(data, dict):
        return [data.get(name, "") for name in names]
    answer = next((n for n in names if n in ("answer", "code")), names[-1])
    return [reply.strip() if name == answer else "" for name in names]


def provide(given: Any) -> None:
    """Add to `given` (`engine.guest.workflow.Given`) the names that ADAS's code uses without importing
    them.
    """
    loop = asyncio.get_running_loop()

    class LLMAgentBase:
        """One agent. Its `model` is ignored: every agent is the run's worker."""

        made = 0

        def __init__(
            self,
            output_fields: list[str],
            agent_name: str,
            role: str = "helpful assistant",
            model: str | None = None,
            temperature: float = 0.5,
        ) -> None:
            LLMAgentBase.made += 1
            self.output_fields = [str(f) for f in output_fields]
            self.agent_name, self.role, self.temperature = agent_name, role, temperature
            self.id = f"{LLMAgentBase.made:04d}"

        def __repr__(self) -> str:
            return f"{self.agent_name} {self.id}"

        def __call__(
            self, input_infos: Sequence[Any], instruction: str, iteration_idx: int = -1
        ) -> list[Any]:
            return self.query(input_infos, instruction, iteration_idx)

        def query(self, input_infos: Sequence[Any], instruction: str, iteration_idx: int = -1) -> list[Any]:
            form = format_text(described(self.output_fields, given.kind))
            # As in the release: role and form come first, and the instruction after the infos.
            arguments = {
                "instruction": f"{role_text(self.role)}\n\n{form}",
                "input": f"{infos_text(input_infos, repr(self))}\n\n{instruction}".strip("\n"),
            }
            step = given.step("custom", arguments, self.temperature)
            reply = asyncio.run_coroutine_threadsafe(step, loop).result()
            values = fields_of(str(reply["response"]), self.output_fields)
            pairs = zip(self.output_fields, values, strict=True)
            return [Info(name, repr(self), value, iteration_idx) for name, value in pairs]

    given.namespace |= {
        "Info": Info,
        "LLMAgentBase": LLMAgentBase,
        "FORMAT_INST": format_text,
        "ROLE_DESC": role_text,
        "SYSTEM_MSG": SYSTEM_MSG,
        "random_id": lambda: f"{random.getrandbits(20):05x}",
        "namedtuple": namedtuple,
        "Counter": Counter,
        "Union": Union,
        "json": json,
        "copy": copy,
        "random": random,
        "np": _Numpy(),
    }


async def answer(given: Any) -> Any:
    """What `forward` returns; the content where it is an `Info`."""
    task = Info("task", "User", given.inputs["problem"], -1)
    value = await asyncio.to_thread(_forward, given.namespace, task)
    return _content(value)


def _forward(namespace: dict[str, Any], task: Any) -> Any:
    function = namespace.get("forward")
    if function is None:
        cls = next(namespace[n] for n in ("AgentSystem", "AgentArchitecture") if n in namespace)
        value = cls().forward(task)
    else:
        value = function(type("AgentSystem", (), {})(), task)
    return asyncio.run(value) if inspect.iscoroutine(value) else value


def _content(value: Any) -> Any:
    if isinstance(value, Info):
        return value.content
    return _content(value[0]) if isinstance(value, list | tuple) and value else value


class _Numpy:
    """numpy, imported when it is first used, because only some images have it."""

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(importlib.import_module("numpy"), name)
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                f"np.{name} needs numpy, which this sandbox image does not have"
            ) from None
