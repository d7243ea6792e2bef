"""MetaFlow's operators (arXiv 2606.30704): an instruction and a context in, text out; the run adds the
problem.

The paper has no published code. Signatures, results and the handling of unreadable replies follow a public
repository that is probably its code (docs/variants.md); the prompts are ours.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from engine.operators.sc_ensemble import candidates
from engine.operators.support import Host, ask, code_in, defines, field, join, note

VOTES = 5  # answers of one self-consistency
REVISE = (
    "Revise the context above as the instruction says. Think inside <think></think>, then give the whole "
    "revised text inside <revised_context></revised_context>."
)
ENSEMBLE = (
    "The candidates above are attempts at the problem. Follow the instruction: pick the best of them, or put "
    "the best of several together. Think inside <think></think>, then give the whole result inside "
    "<result></result>."
)
SUMMARIZE = "Summarize the context above as the instruction says. Keep every fact the problem depends on."
DECOMPOSE = (
    "Split the problem into smaller ones as the instruction says. Think inside <think></think>, then give "
    "inside <subproblems></subproblems> a JSON list of objects with the keys id, description and "
    "dependencies (the ids it needs, separated by commas, or an empty text)."
)
PROGRAM = (
    "Write a Python function `solve()` without arguments that follows the instruction and returns its "
    "result. Reply with one ```python block."
)
VERIFY = (
    "Check the context above as a strict grader would, as the instruction says, and mend nothing. Give "
    "<verdict>correct</verdict> or <verdict>incorrect</verdict>, and inside <findings></findings> a JSON "
    "list of objects with the keys location, issue_type (Critical Error or Justification Gap) and "
    "description; an empty list where there is nothing to find."
)
REFINE = (
    "A grader found fault with the context above. Mend what the findings name and keep the rest. Give the "
    "whole solution inside <refined_solution></refined_solution>."
)


def _prompt(problem: str, instruction: str, context: str, *rest: str) -> str:
    """One prompt: what to do, with what, for which problem, and the form of the reply."""
    return join(
        f"Instruction:\n{instruction}" if instruction.strip() else "",
        f"Context:\n{context}" if context.strip() else "",
        *rest[:-1],
        f"Original problem:\n{problem}",
        *rest[-1:],
    )


async def generate(host: Host, *, problem: str, instruction: str = "", context: str = "") -> str:
    """The whole reply."""
    return (await ask(host, _prompt(problem, instruction, str(context), ""))).strip()


async def revise(host: Host, *, problem: str, instruction: str, context: str) -> str:
    """The revised text; the whole reply where it has no part of that name, which the step notes."""
    reply = await ask(host, _prompt(problem, instruction, str(context), REVISE))
    return await _part(host, reply, "revised_context")


async def summarize(host: Host, *, problem: str, instruction: str, context: str) -> str:
    """The whole reply, which is the summary."""
    return (await ask(host, _prompt(problem, instruction, str(context), SUMMARIZE))).strip()


async def ensemble(host: Host, *, problem: str, instruction: str, contexts: list[Any]) -> str:
    """One text made of several: a choice or a synthesis. Raises ValueError where `contexts` has none."""
    texts = candidates(contexts, "ensemble")
    listing = "\n\n".join(f"<candidate_{n}>\n{text}\n</candidate_{n}>" for n, text in enumerate(texts, 1))
    reply = await ask(host, _prompt(problem, instruction, "", listing, ENSEMBLE))
    return await _part(host, reply, "result")


async def programmer(
    host: Host, *, problem: str, instruction: str, context: str = "", max_retries: int = 3
) -> str:
    """The code and what it returned, in words; after `max_retries` failures, that it failed and how."""
    code, output = "", "no program was written"
    for _ in range(max(1, int(max_retries))):
        failed = f"This attempt failed:\n{code}\n\n{output}" if code else ""
        reply = await ask(host, _prompt(problem, instruction, str(context), failed, PROGRAM))
        code = await code_in(host, reply, "solve")
        if not defines(code, "solve"):
            output = "the reply does not define solve()"
            continue
        outcome = await host.call("program", code=code, entry="solve")
        output = outcome["output"]
        if outcome["ok"]:
            return f"Code:\n{code}\n\nOutput:\n{output}"
    return f"The program failed {max(1, int(max_retries))} times.\n\nLast code:\n{code}\n\nError:\n{output}"


async def decompose(host: Host, *, problem: str, instruction: str, context: str = "") -> list[dict[str, str]]:
    """Always a list of {id, description, dependencies}, whose values are texts. A reply without a list
    becomes one subproblem, which the step notes; in the public repository a workflow would get the bare text.
    """
    reply = await ask(host, _prompt(problem, instruction, str(context), DECOMPOSE))
    listed = _listed(field(reply, "subproblems") or reply)
    parts = [_subproblem(number, part) for number, part in enumerate(listed, 1)]
    if parts:
        return parts
    await note(host, "not-a-list", "the reply is not a list of subproblems; all of it is taken as one")
    return [_subproblem(1, reply.strip())]


async def verify_and_refine(host: Host, *, problem: str, instruction: str, context: str) -> str:
    """The context, mended where a grader finds faults in it; unchanged where the grader finds none or its
    reply has no findings.
    """
    reply = await ask(host, _prompt(problem, instruction, str(context), VERIFY))
    findings = (field(reply, "findings") or "").strip()
    if findings in ("", "[]") or _is_empty(findings):
        return str(context)
    mended = await ask(host, _prompt(problem, instruction, str(context), f"Findings:\n{findings}", REFINE))
    return field(mended, "refined_solution") or str(context)


async def selfconsistency(host: Host, *, problem: str, instruction: str, context: str) -> str:
    """Five answers at once, and the one that most of them agree on."""
    answers = await asyncio.gather(
        *(generate(host, problem=problem, instruction=instruction, context=context) for _ in range(VOTES))
    )
    if len(set(answers)) == 1:  # nothing to choose: a call would only cost
        return answers[0]
    agree = join(instruction, "Give the result that most of the candidates agree on.")
    return await ensemble(host, problem=problem, instruction=agree, contexts=list(answers))


async def _part(host: Host, reply: str, name: str) -> str:
    """A named part of a reply; all of it where the part is missing, which the step notes."""
    part = field(reply, name)
    if part:
        return part
    await note(host, "not-understood", f"the reply has no <{name}>; all of it is taken")
    return reply.strip()


def _listed(text: str) -> list[Any]:
    """The JSON list in a text; empty where there is none."""
    start, end = text.find("["), text.rfind("]")
    try:
        data = json.loads(text[start : end + 1], strict=False) if 0 <= start < end else None
    except (ValueError, RecursionError):
        return []
    return data if isinstance(data, list) else []


def _is_empty(text: str) -> bool:
    try:
        return json.loads(text) == []
    except (ValueError, RecursionError):
        return False


def _subproblem(number: int, part: Any) -> dict[str, str]:
    fields = part if isinstance(part, dict) else {"description": part}
    needs = fields.get("dependencies", "")
    return {
        "id": str(fields.get("id", number)),
        "description": str(fields.get("description", "")),
        "dependencies": ", ".join(map(str, needs)) if isinstance(needs, list) else str(needs or ""),
    }
