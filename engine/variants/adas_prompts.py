"""The prompts of ADAS's meta-agent: the framework, the archive, how to reply; two reflexions; an error."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from engine.models.base import Message
from engine.tasks import Task
from engine.variants.trials import clipped

SYSTEM = "You are a researcher who invents agent systems. You reply with one JSON object and nothing else."

FRAMEWORK = """\
An agent system is one Python function `forward(self, taskInfo)`. It is called with a problem of the task and
returns the answer. These are in scope already and are not imported:

Info = namedtuple("Info", ["name", "author", "content", "iteration_idx"])
    A piece of information. taskInfo is one: its content is the problem's text.

LLMAgentBase(output_fields: list[str], agent_name: str, role="helpful assistant", temperature=0.5)
    One language model with a role. Calling it with a list of Info, an instruction and optionally a number
    for the iteration, agent(input_infos, instruction, iteration_idx=-1), returns one Info for each output
    field, in their order.

Counter, json, random, copy and namedtuple are there too. An example:

def forward(self, taskInfo):
    agent = LLMAgentBase(["thinking", "answer"], "Solver")
    thinking, answer = agent([taskInfo], "Think step by step, then solve the task.")
    return answer"""

MISTAKES = """\
Mistakes that agent systems before yours made:
1. Using an agent's result as one Info: it is a list, `(answer,) = agent(...)` even for one field.
2. Putting an Info into an f-string or comparing it: its text is `info.content`. Hand infos to an agent as
   they are, in the list; it is shown their names and authors.
3. Telling an agent which format to reply in: the fields are asked for already.
4. Asking an agent whether an answer passes its tests: an agent runs nothing.
5. Returning a list, or nothing on some path. Return the Info, or the text, of the answer.
6. Loops without a bound."""

ASK = """\
Design the next agent system. Learn from the archive what works, and be bold: it should be interesting and not
a variation of what is there.

Reply with one JSON object with exactly these keys:
"thought": the idea, why it should work, how it is carried out
"name": a short name
"code": the whole function forward, as a JSON string"""

FIRST_REFLEXION = """\
Look at your proposal again.
1. Is it interesting: how does it differ from the archive and the one before it? If hardly, change it.
2. Does the code do what the thought says, without a mistake?
3. What would make it better?
{previous}
Reply with the JSON object again, improved, with one more key "reflection" that says what you changed."""

SECOND_REFLEXION = """\
Check the code against the list of mistakes once more, one by one, and mend what you find.

{mistakes}

Reply with the JSON object again, with "reflection"."""

DEBUG = """\
The agent system failed when it was run on the task:
{error}

Find the reason, mend it and keep the idea. Reply with the JSON object again, with one more key \
"debug_thought" that says what was wrong."""

AGAIN = (
    'That could not be read: {why}. Reply with one JSON object with the keys "thought", "name" and "code".'
)


def propose_messages(task: Task, archive: Sequence[Mapping[str, Any]]) -> list[Message]:
    """The messages that ask for the next agent. They show thought, name, code and fitness of the rows of
    `archive`, the newest last.
    """
    shown = [{k: row[k] for k in ("thought", "name", "code", "fitness")} for row in archive]
    answer = (
        "The answer is source code: all of it, ready to run."
        if task.kind == "code"
        else "The answer is only the final answer, as short as it can be."
    )
    parts = [
        f"Task:\n{task.description.strip() or task.name}\n{answer}",
        FRAMEWORK,
        MISTAKES,
        f"The archive, oldest first:\n{json.dumps(shown, ensure_ascii=False, indent=1)}",
        ASK,
    ]
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "\n\n".join(parts)}]


def first_reflexion(previous: Mapping[str, Any] | None) -> str:
    """The message of the first reflexion; `previous` is the newest row of the archive, None where it is
    empty.
    """
    shown = ""
    if previous is not None:
        code = json.dumps({"name": previous["name"], "code": previous["code"]}, ensure_ascii=False)
        shown = f"\nThe one before it:\n{code}\n"
    return FIRST_REFLEXION.format(previous=shown)


def second_reflexion() -> str:
    """The message of the second reflexion, which repeats the list of mistakes."""
    return SECOND_REFLEXION.format(mistakes=MISTAKES)


def debug(error: str) -> str:
    """The message that sends an error back, shortened to `MAX_TEXT` characters."""
    return DEBUG.format(error=clipped(error))
