"""What `benchmarks` and `verify` print, and the table of benchmarks in the docs."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.reports.experiments import print_verification
from tui.reports.tables import emit, table
from tui.service.errors import FAILED, PASSED, UNAVAILABLE

if TYPE_CHECKING:
    from engine.benchmarks import Benchmark
    from engine.benchmarks.verify import Check, Report
    from engine.config import Settings
    from engine.problems import Problem
    from engine.scores.math_answers import Open

_METRICS = {
    "tests": "tests passed; pass@1 when all",
    "last-number": "last number, to 1e-6",
    "math": "math-verify",
    "f1": "token F1, exact match",
    "drop-f1": "DROP's F1, exact match",
    "exact-match": "exact match",
}
_TOLD_EVERY_S = 5.0


def print_benchmarks(data: Path | None, *, as_json: bool) -> None:
    """`flowreasoner benchmarks`: what can be named, and what each needs that is not here."""
    from engine.benchmarks import CATALOGUE

    rows = [
        (b.name, f"{b.size:,}", _METRICS[b.metric], b.image, b.source, _origin(b, data))
        for b in CATALOGUE.values()
    ]
    text = table(("benchmark", "problems", "metric", "image", "source", "data"), rows)
    splits = "\n".join(f"  {name:13} {about}" for name, about in _splits())
    listed = [{**_facts(b), "found": _found(b, data)} for b in CATALOGUE.values()]
    emit(listed, f"{text}\n\nsplits, each with /val and /test:\n{splits}", as_json)


def markdown_table() -> str:
    """The benchmarks for the docs."""
    from engine.benchmarks import CATALOGUE

    head = ("Name", "Problems", "What", "Metric", "Image", "By name from", "Files in a folder")
    rows = [
        (
            f"`{b.name}`",
            f"{b.size:,}",
            f"{b.about} ({'with the package' if b.shipped else b.source})",
            _METRICS[b.metric],
            f"`{b.image}`",
            f"`{b.hub.name}`" if b.hub else "–",
            ", ".join(f"`{name}`" for name in b.files),
        )
        for b in CATALOGUE.values()
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


def split_table() -> str:
    """The divisions for the docs."""
    rows = [(f"`{name}`", about) for name, about in _splits()]
    return "\n".join(f"| {' | '.join(row)} |" for row in (("Split", "What"), ("---", "---"), *rows))


def _splits() -> list[tuple[str, str]]:
    from engine.benchmarks.splits import DIVISIONS, WINDOW

    return [*((name, about) for name, (_, about) in DIVISIONS.items()), WINDOW]


def print_verify(
    settings: Settings, name: str, data: Path | None, limit: int | None, *, as_json: bool
) -> int:
    """`flowreasoner verify`: 0 when every reference passes, 1 when one fails, 3 where there was no verdict.

    Raises ProblemError and SandboxError.
    """
    from engine.benchmarks import load_benchmark

    problems = load_benchmark(name, data)[:limit]
    report = asyncio.run(_verify(settings, problems))
    print_verification(report, as_json=as_json)
    if report.count("failed"):
        return FAILED
    return PASSED if report.sound else UNAVAILABLE


async def _verify(settings: Settings, problems: Sequence[Problem]) -> Report:
    from tui.service.runtime import Runtime

    runtime = Runtime(settings)
    try:
        sandboxes = await runtime.sandboxes()
        return await verified(problems, sandboxes.open)
    finally:
        await runtime.aclose()


async def verified(problems: Sequence[Problem], open_sandbox: Open) -> Report:
    """The report of `engine.benchmarks.verify`, with lines on standard error until it is there."""
    from engine.benchmarks.verify import verify

    checks: list[Check] = []
    telling = asyncio.create_task(_tell(checks, len(problems)))
    try:
        return await verify(problems, open_sandbox, checks.append)
    finally:
        telling.cancel()


async def _tell(checks: Sequence[Check], total: int) -> None:
    while True:
        await asyncio.sleep(_TOLD_EVERY_S)
        wrong = sum(check.status in ("failed", "infra") for check in checks)
        told = f", {wrong} of them without a pass" if wrong else ""
        sys.stderr.write(f"{len(checks)} of {total} references checked{told}\n")


def _facts(benchmark: Benchmark) -> dict[str, Any]:
    hub = benchmark.hub
    facts = {k: v for k, v in dataclasses.asdict(benchmark).items() if k != "module"}
    return {**facts, "files": list(benchmark.files), "hub": hub.name if hub else None}


def _found(benchmark: Benchmark, data: Path | None) -> bool:
    from engine.benchmarks.sources import has_data

    return benchmark.shipped or (data is not None and has_data(data, benchmark.files))


def _origin(benchmark: Benchmark, data: Path | None) -> str:
    if benchmark.shipped:
        return "with the package"
    if _found(benchmark, data):
        return f"in {data}"
    by_name = f", or {benchmark.hub.name}" if benchmark.hub else ""
    return f"--data {benchmark.files[0]}{by_name}"
