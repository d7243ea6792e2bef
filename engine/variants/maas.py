"""MaAS: an agentic supernet whose controller learns which operators a query needs (arXiv 2502.04180).

`search` trains the controller on the task's problems by a policy gradient that takes the cost of runs into
account; `solve` samples an architecture for its query and runs it. Differences from the release: costs are
each run's own (there they are differences of a counter that concurrent runs share, and can be negative), and
a problem that fails counts as a zero with a gradient like any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from engine.events import Notice, RoundFinished, RoundStarted
from engine.ids import derived_seed
from engine.models.base import Message
from engine.operators.support import field
from engine.problems import Kind, Problem
from engine.run.context import RunContext
from engine.search import SearchContext, SearchError
from engine.variants import Result, Variant, options_of
from engine.variants.final import finish
from engine.variants.found import journalled
from engine.variants.maas_checkpoint import read_controller
from engine.variants.maas_controller import Architecture, policy_loss, utility
from engine.variants.maas_render import GENERATORS, first_instructions, render, verifies
from engine.variants.maas_supernet import MaASOptions, Supernet, check, is_released
from engine.variants.proposal import emit_proposal
from engine.variants.trials import Outcome, mean, seed_of, together, tried

_MAX_INSTRUCTION = 4_000


async def _supernet(
    context: RunContext, options: MaASOptions, kind: Kind, seed: int, found: Mapping[str, Any] | None = None
) -> Supernet:
    """A supernet, made in a thread because torch and an encoder take seconds to load."""
    net = await asyncio.to_thread(Supernet, kind, options, seed, found)
    if found is None and net.is_released:
        text = "The controller was trained elsewhere: it is used as it is."
        context.emitter.emit(Notice(level="info", text=text))
        if net.texts is None:
            text = (
                "It reads our descriptions of the operators, since the release's operator.json is not in "
                "../template: its choices may differ."
            )
            context.emitter.emit(Notice(level="warning", text=text))
    return net


async def search(search: SearchContext) -> dict[str, Any]:
    """Train the controller on the task, or take the one that is given. Returns its weights, kind, operators,
    shape and instructions, and the mean score of each repetition.

    Raises SearchError where the task has no problems, torch, the encoder or the given controller cannot be
    loaded, or no run has a verdict.
    """
    options = options_of(MaASOptions, search.run.config.options)
    if options.controller and not is_released(options):
        return await asyncio.to_thread(read_controller, options.controller)
    problems, kind = search.task.problems, search.task.kind
    if not problems and not options.controller:
        raise SearchError(f"the task {search.task.name} has no problems to train a controller on")
    net = await _supernet(search.run, options, kind, seed_of(search, "weights"))
    if options.controller:
        return net.found(first_instructions(kind))
    optimizer = net.controller.optimizer(options.lr)
    instructions, rewritten = first_instructions(kind), None
    means: list[float | None] = []
    step = 0
    for repetition in range(1, options.repetitions + 1):
        scores: list[float | None] = []
        for start in range(0, len(problems), options.batch):
            step += 1
            batch = problems[start : start + options.batch]
            scores += await _update(search, options, net, optimizer, instructions, batch, repetition, step)
        means.append(mean(scores))
        if (
            options.textual_gradient
            and rewritten is None
            and _fell(means)
            and repetition < options.repetitions
        ):
            rewritten = await _rewrite(search, instructions, means)
    if all(m is None for m in means):
        raise SearchError("no run came to a verdict, so the controller learned nothing")
    return net.found(instructions) | {
        "rewritten": rewritten,
        "repetitions": means,
        "val_score": means[-1],
    }


async def _update(
    search: SearchContext,
    options: MaASOptions,
    net: Supernet,
    optimizer: Any,
    instructions: Mapping[str, str],
    batch: Sequence[Problem],
    repetition: int,
    step: int,
) -> list[float | None]:
    """Sample an architecture for each problem of a batch, run them and learn from the results. Returns
    their scores.
    """
    search.run.emitter.emit(RoundStarted(round=step))
    prefixes = [f"repetition-{repetition}/{p.id}" for p in batch]
    drawn = [await _architecture(search, net, p, at) for p, at in zip(batch, prefixes, strict=True)]
    workflows = [
        render(a, net.kind, instructions, verify=verifies(p)) for a, p in zip(drawn, batch, strict=True)
    ]
    for workflow in workflows:
        emit_proposal(search.run, workflow, round_number=step)
    results = await together(
        tried(search, at, workflow, problems=[problem])
        for at, workflow, problem in zip(prefixes, workflows, batch, strict=True)
    )
    outcomes = [trials[0] for trials, _ in results]
    _tell_unknown_prices(search, step, outcomes)
    judged = [i for i, o in enumerate(outcomes) if o["score"] is not None]
    loss = None
    if judged:
        rewards = [utility(o["score"] or 0.0, o["cost_usd"], options.cost_weight) for o in outcomes]
        log_probs = [net.log_prob(batch[i], drawn[i]) for i in judged]
        loss = policy_loss(log_probs, [rewards[i] for i in judged])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scores = [o["score"] for o in outcomes]
    shown = "; ".join(f"{p.id}: {a}" for p, a in zip(batch, drawn, strict=True))
    text = f"Repetition {repetition}, loss {'none' if loss is None else format(loss.item(), '.4f')}. {shown}"
    search.run.emitter.emit(RoundFinished(round=step, workflow_id=None, score=mean(scores), feedback=text))
    return scores


async def _architecture(search: SearchContext, net: Supernet, problem: Problem, at: str) -> Architecture:
    """The architecture for a problem, which is recorded, so that a resumed search trains on those that
    were run.
    """

    async def make() -> dict[str, Any]:
        return net.sample(problem, seed_of(search, at)).to_json()

    return Architecture.from_json(await search.journal.once(f"{at}/architecture", make))


def _tell_unknown_prices(search: SearchContext, step: int, outcomes: Sequence[Outcome]) -> None:
    if step == 1 and any(o["cost_usd"] is None for o in outcomes):
        text = "What the worker costs is not known, so the controller learns from scores alone."
        search.run.emitter.emit(Notice(level="warning", text=text))


def _fell(means: Sequence[float | None]) -> bool:
    """Whether the last repetition's mean is below that of the one before."""
    if len(means) < 2 or means[-1] is None or means[-2] is None:
        return False
    return means[-1] < means[-2]


async def _rewrite(
    search: SearchContext, instructions: dict[str, str], means: Sequence[float | None]
) -> str | None:
    """Have the meta-agent rewrite one instruction, drawn at random. Returns its operator, or None where the
    reply cannot be used.
    """
    name = Random(seed_of(search, "gradient")).choice(sorted(instructions))
    operator = next(o for o, n in GENERATORS.items() if n == name)
    before, after = (f"{m or 0.0:.2f}" for m in means[-2:])
    text = (
        f"A worker model carries out the operator {operator} for the task below. This instruction stands in "
        f"front of every problem:\n<prompt>\n{instructions[name]}\n</prompt>\n\n"
        f"Task:\n{search.task.description}\n\nThe mean score fell from {before} to {after}. Rewrite the "
        "instruction so that answers get better; keep what it says of the answer's form, and put nothing of "
        "a single problem in it. Reply with the new instruction inside <prompt></prompt>."
    )
    messages: list[Message] = [{"role": "user", "content": text}]
    ask = journalled(search.run, search.journal, "gradient")
    new = field((await ask(messages, seed_of(search, "gradient", "reply"), "reply")).text, "prompt")
    usable = new is not None and 0 < len(new) <= _MAX_INSTRUCTION
    if not usable or new is None:
        said = "The rewritten instruction cannot be used; it stays."
        search.run.emitter.emit(Notice(level="warning", text=said))
        return None
    instructions[name] = new
    return operator


async def solve(context: RunContext) -> Result:
    """Sample an architecture for the query and run it. Raises SearchError where torch or the encoder cannot
    be loaded or the trained weights do not fit, and what `finish` raises.
    """
    options = options_of(MaASOptions, context.config.options)
    found, kind = context.found, context.problem.kind
    if found is None and options.controller and not is_released(options):
        found = await asyncio.to_thread(read_controller, options.controller)
    if found is None and not options.controller:
        text = (
            "This controller was never trained: it chooses at random. `flowreasoner bench` trains it first."
        )
        context.emitter.emit(Notice(level="warning", text=text))
    weights = 0 if found else derived_seed(context.config.seed, "weights")
    net = await _supernet(context, options, kind, weights, found)
    kind = net.kind
    instructions = found["instructions"] if found else first_instructions(kind)
    seed = derived_seed(context.config.seed, "maas", context.problem.id)
    architecture = net.sample(context.problem, seed)
    workflow = render(architecture, kind, instructions, verify=verifies(context.problem))
    emit_proposal(context, workflow, round_number=1)
    return await finish(
        context, workflow, round_number=1, val_score=found.get("val_score") if found else None
    )


VARIANT = Variant(
    solve,
    MaASOptions,
    search,
    needs_problems=lambda config: not options_of(MaASOptions, config.options).controller,
    check=check,
)
