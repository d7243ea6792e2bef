"""ADAS: Meta Agent Search, an archive of agents that the meta-agent adds to (Hu et al., 2024; arXiv
2408.08435).

Seven known agents are scored first. In each generation the meta-agent sees the whole archive, proposes an
agent, reflects on it twice, and gets the error back where it fails. Differences from the release: agents run
in the sandbox, a generation that fails is a row (there, its number is silently used up), and an error in an
agent's call is an error rather than an empty text.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import Field

from engine.events import Notice, RoundFinished, RoundStarted
from engine.models.base import Message
from engine.operators.sets import PAPER
from engine.operators.specs import OperatorSet
from engine.search import SearchContext, SearchError
from engine.variants import Options, Variant, options_of
from engine.variants.adas_archive import Draft, fitness, read_draft, seed_drafts
from engine.variants.adas_prompts import (
    AGAIN,
    debug,
    first_reflexion,
    propose_messages,
    second_reflexion,
)
from engine.variants.found import found_workflow, journalled, solve_found
from engine.variants.proposal import diagnosis, emit_proposal
from engine.variants.trials import at_temperature, clipped, mean, seed_of, tried
from engine.workflows import Rejected, Workflow, build_workflow

_CRASHED = 0.01  # the release takes a mean below this for a failure


class ADASOptions(Options):
    """Options of ADAS. Sources: the paper, and the release (github.com/ShengranHu/ADAS)."""

    generations: int = Field(30, ge=1, description="agents to propose (release: 30; 25 for ARC)")
    repeats: int = Field(
        1, ge=1, description="times each agent is run on the task (release: 1; 5 for GPQA, ARC)"
    )
    debug_max: int = Field(
        3, ge=1, description="times an agent is tried; in between its error is sent back (release: 3)"
    )
    temperature: float | None = Field(
        0.8, ge=0, le=2, description="the meta-agent's, where the run sets none (release: 0.8)"
    )
    resamples: int = Field(
        100_000, ge=100, description="bootstrap resamples of the fitness (release: 100,000)"
    )
    give_up_after: int = Field(
        5,
        ge=0,
        description="generations without one agent that can run before the search fails; 0: never, and the "
        "best of the first agents is used (ours)",
    )


Row = dict[str, Any]  # of the archive: see _row


async def search(search: SearchContext) -> dict[str, Any]:
    """Grow the archive and choose its best agent by mean score on the task. Returns `found_workflow`'s
    fields, its `name`, and the `archive` as rows.

    Raises SearchError where the task has no problems, no first agent has a verdict, or the meta-agent writes
    nothing that can run.
    """
    options = options_of(ADASOptions, search.run.config.options)
    search = at_temperature(search, options.temperature)
    if not search.task.problems:
        raise SearchError(f"the task {search.task.name} has no problems to score agents on")
    rows: list[Row] = []
    agents: dict[int, Workflow] = {}
    for number, draft in enumerate(seed_drafts(), 1):
        search.run.emitter.emit(RoundStarted(round=number))
        await _add(search, options, rows, agents, draft, f"seed-{number}", "initial")
    seeds = len(rows)
    _check_seeds(search, rows)
    for generation in range(1, options.generations + 1):
        search.run.emitter.emit(RoundStarted(round=seeds + generation))
        await _generation(search, options, rows, agents, generation)
        _give_up(search, options, rows[seeds:])
    best = max(agents, key=lambda n: (_or_below(rows[n - 1]["score"]), -n))
    found = found_workflow(agents[best], round_number=best, val_score=rows[best - 1]["score"])
    return found | {"name": rows[best - 1]["name"], "archive": rows}


async def _generation(
    search: SearchContext, options: ADASOptions, rows: list[Row], agents: dict[int, Workflow], generation: int
) -> None:
    """Propose, reflect twice, run, and send errors back; the result is a row in any case."""
    prefix = f"generation-{generation}"
    messages = propose_messages(search.task, [r for r in rows if r["workflow_id"]])
    ask = _Conversation(search, messages, prefix)
    draft = await ask.draft("draft")
    if isinstance(draft, str):
        draft = await ask.draft("draft-again", AGAIN.format(why=draft))
    if isinstance(draft, str):
        _close(search, rows, _row(generation, Draft("", "unreadable", ""), error=draft))
        return
    # In the first generation the newest agent is one of the seven, which the release does not show again.
    newest = next((r for r in reversed(rows) if r["workflow_id"]), None)
    previous = newest if generation > 1 else None
    for name, text in (("reflexion-1", first_reflexion(previous)), ("reflexion-2", second_reflexion())):
        draft = await ask.better(name, text, draft)
    await _add(search, options, rows, agents, draft, prefix, generation, ask)


class _Conversation:
    """The meta-agent's conversation about one agent, each reply asked for once."""

    def __init__(self, search: SearchContext, messages: list[Message], prefix: str) -> None:
        self._search, self._messages = search, messages
        self._prefix = prefix
        self._ask = journalled(search.run, search.journal, prefix)

    async def draft(self, name: str, text: str | None = None) -> Draft | str:
        """The draft in the reply to `text`, or why there is none."""
        if text is not None:
            self._messages.append({"role": "user", "content": text})
        reply, _ = await self._ask(self._messages, seed_of(self._search, self._prefix, name), name)
        self._messages.append({"role": "assistant", "content": reply})
        return read_draft(reply)

    async def better(self, name: str, text: str, draft: Draft) -> Draft:
        """The draft in the reply to `text`; the one there was, where the reply cannot be read."""
        new = await self.draft(name, text)
        if isinstance(new, Draft):
            return new
        self._search.run.emitter.emit(
            Notice(level="warning", text=f"{self._prefix}, {name}: {new}; the agent stays as it was.")
        )
        return draft


async def _add(
    search: SearchContext,
    options: ADASOptions,
    rows: list[Row],
    agents: dict[int, Workflow],
    draft: Draft,
    prefix: str,
    generation: int | str,
    ask: _Conversation | None = None,
) -> None:
    """Score an agent, mending it where there is someone to ask, and add its row."""
    number = len(rows) + 1
    attempt, workflow, scores, error = 1, None, [], ""
    while True:
        built, new_scores, error = await _score(search, options, draft, number, f"{prefix}/try-{attempt}")
        if new_scores or isinstance(built, Workflow):
            workflow, scores = built, new_scores
        if not error or ask is None or attempt >= options.debug_max:
            break
        draft = await ask.better(f"debug-{attempt}", debug(error), draft)
        attempt += 1
    row = _row(generation, draft, error=error)
    if isinstance(workflow, Workflow):
        agents[number] = workflow
        row |= {"workflow_id": workflow.id, "code": workflow.code, "score": mean(scores)}
    if scores:
        row["fitness"] = await _fitness(search, options, scores, prefix)
    _close(search, rows, row)


async def _score(
    search: SearchContext, options: ADASOptions, draft: Draft, number: int, label: str
) -> tuple[Workflow | Rejected, list[float], str]:
    """The agent, its scores (one a trial), and the error to send back, if any."""
    built = build_workflow(draft.code, "", operators_for(search.run.config.operators))
    emit_proposal(search.run, built, round_number=number)
    if isinstance(built, Rejected):
        return built, [], f"It cannot run:\n{diagnosis(built)}"
    outcomes, _ = await tried(search, label, built, repeats=options.repeats)
    scores = [s for o in outcomes if (s := o["score"]) is not None]
    if not scores:
        return built, [], next((o["error"] for o in outcomes if o["error"]), "") or "no run came to a verdict"
    errors = [o["error"] for o in outcomes if o["error"] and not o["answered"]]
    if (mean(scores) or 0.0) >= _CRASHED:
        return built, scores, ""
    return built, scores, errors[0] if errors else "It ran, and none of its answers is right."


def operators_for(chosen: OperatorSet) -> OperatorSet:
    """The operator set of agents: the chosen one where it has Custom, since each call of an agent is a
    step of it.
    """
    return chosen if chosen.get("custom") else PAPER


async def _fitness(search: SearchContext, options: ADASOptions, scores: list[float], prefix: str) -> str:
    async def make() -> str:
        seed = seed_of(search, prefix, "fitness")
        return str(await asyncio.to_thread(fitness, scores, resamples=options.resamples, seed=seed))

    return await search.journal.once(f"{prefix}/fitness", make)


def _row(generation: int | str, draft: Draft, *, error: str) -> Row:
    """A row of the archive. `score` is the mean over trials, None where there is none."""
    return {
        "generation": generation,
        "name": clipped(draft.name, 200),
        "thought": draft.thought,
        "code": draft.code,
        "workflow_id": None,
        "score": None,
        "fitness": None,
        "error": error or None,
    }


def _close(search: SearchContext, rows: list[Row], row: Row) -> None:
    rows.append(row)
    said = row["fitness"] or "no fitness"
    feedback = f"{row['name']}: {said}" + (f"\n{row['error']}" if row["error"] else "")
    search.run.emitter.emit(
        RoundFinished(round=len(rows), workflow_id=row["workflow_id"], score=row["score"], feedback=feedback)
    )


def _check_seeds(search: SearchContext, rows: list[Row]) -> None:
    """Say so where the first agents leave nothing to search for, or nothing to search with."""
    scores = [r["score"] for r in rows if r["score"] is not None]
    if not scores:
        raise SearchError(f"no run of the seven first agents came to a verdict: {rows[0]['error']}")
    if min(scores) == 1.0:
        text = "All first agents solve the whole task: no agent can be told to be better than they are."
        search.run.emitter.emit(Notice(level="warning", text=text))


def _give_up(search: SearchContext, options: ADASOptions, written: list[Row]) -> None:
    """Raise where nothing of the meta-agent's could run so far, and it had its chances."""
    chances = min(options.give_up_after, options.generations)
    if chances and len(written) >= chances and not any(r["workflow_id"] for r in written):
        raise SearchError(
            f"the meta-agent {search.run.services.meta_agent.name} wrote no agent that can run in "
            f"{len(written)} generations; use a stronger one. {written[-1]['error']}"
        )


def _or_below(score: float | None) -> float:
    return -1.0 if score is None else score


# The embedded meta-agent writes workflows whatever it is asked for, never an agent (0 of 4 replies).
VARIANT = Variant(solve_found, ADASOptions, search, alone=False, embedded=False)
