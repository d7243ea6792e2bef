"""Leaks: problems that an experiment reports on although what it measures has seen them.

Within an experiment there are none: no problem that its searches score workflows on, or show as an example,
is reported on (`engine.experiments.selection`). Two things come from elsewhere: what another experiment's
search found, and models and controllers that a job trained by rewards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from store.errors import StoreError
from store.rows import PROMPT_CHARS
from store.texts import excerpt

if TYPE_CHECKING:
    from engine.problems import Problem
    from store.reader import Reader

_OF_JOB = re.compile(r"^job:(?P<named>[^@]+)|(?:^|[/:])(?P<folder>[^/:]+)/checkpoints/step-\d+/?$")
_NAMED = 3  # problems of a leak that a sentence names
Asked = set[tuple[str, str]]  # problems: id and the beginning of the question, as runs have them


def asked_of(problems: Iterable[Problem]) -> Asked:
    """These problems as `leaks` compares them with those of a training job."""
    return {(problem.id, excerpt(problem.prompt, PROMPT_CHARS)) for problem in problems}


def leaks(
    reader: Reader, plan: Mapping[str, Any], label: str, asked: Asked, *, searches: bool, asks_meta: bool
) -> list[str]:
    """What of the plan's problems its variant `label` has seen, a sentence for each place; [] is none.

    `plan` is an `engine.experiments.plan.Plan` as JSON, `asked` its problems. `searches` is whether the
    variant uses what a search found, `asks_meta` whether it asks the meta-agent. Raises StoreError.
    """
    found: list[str] = []
    if searches and (source := (plan.get("found") or "").partition(":")[0]):
        seen = _searched(reader, source, plan)
        found += _sentence(seen, plan, f"the search of {source}, whose result is used, may have seen")
    for job in jobs_of(plan, label, asks_meta=asks_meta):
        lineage = _lineage(reader, job)
        seen = {problem_id for one in lineage for problem_id, _ in asked & reader.jobs.rolled_out(one)}
        found += _sentence(seen, plan, f"the training of job:{job} was rewarded on")
    return found


def _searched(reader: Reader, source: str, plan: Mapping[str, Any]) -> set[str]:
    """The ids of problems that the searches of an experiment on the same benchmark were given."""
    try:
        other = reader.experiments.named(source).plan
    except StoreError:  # it need not be in this store for the results to be compared
        return set()
    return set(other["search_problems"]) if other["benchmark"] == plan["benchmark"] else set()


def jobs_of(plan: Mapping[str, Any], label: str, *, asks_meta: bool) -> list[str]:
    """The training jobs that the variant's models and controller come from."""
    pairs = (option.partition("=") for option in plan["variants"][label].split(",")[1:])
    options = {key.strip().replace("-", "_"): value.strip() for key, _, value in pairs}
    used = [options.get("worker", plan["worker"]), options.get("controller", "")]
    if asks_meta:
        used.append(options.get("meta_agent", plan["meta_agent"]))
    return [job for name in dict.fromkeys(used) if (job := _job(name))]


def _job(model: str | None) -> str:
    """The job in `job:ID`, `job:ID@STEP` or a checkpoint's folder; "" for another model."""
    match = _OF_JOB.search(model or "")
    return match["named"] or match["folder"] if match else ""


def _lineage(reader: Reader, job: str) -> list[str]:
    """The job, and the jobs whose weights it began with."""
    jobs: list[str] = []
    while job and job not in jobs:
        jobs.append(job)
        job = next((_job(row.base) for row in reader.jobs.all(job)), "")
    return jobs


def _sentence(seen: set[str], plan: Mapping[str, Any], who: str) -> list[str]:
    reported: Sequence[str] = plan["problems"]
    both = [problem_id for problem_id in reported if problem_id in seen]
    if not both:
        return []
    some = ", ".join(both[:_NAMED]) + (", …" if len(both) > _NAMED else "")
    return [f"{who} {len(both)} of the {len(reported)} problems that are reported on ({some})"]
