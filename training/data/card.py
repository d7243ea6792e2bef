"""`card.md`: what a data set is, for whoever finds it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from store.exports.training_rows import columns_table
from store.texts import excerpt
from training.data.candidates import KindOfData
from training.data.options import applying
from training.data.report import REASONS, Report

_WHAT = {
    "sft": "What a meta-agent was asked, and the reasoning and workflow it wrote, for fine-tuning.",
    "dpo": "Pairs of replies to one prompt, of which one scored higher, for preference optimisation.",
    "repair": "Workflows that cannot run, with what is wrong with them, and workflows that ran.",
    "grpo": "Problems to learn from by trying, with the tests that a reward may see.",
}


def card(report: Report, kind: KindOfData) -> str:
    """The card as Markdown, with the head that a hub reads. The same report gives the same card."""
    parts = [
        "---",
        f"pretty_name: {_quoted(f'FlowReasoner {report.kind}')}",
        f"tags: [flowreasoner, workflows, {report.kind}]",
        "---",
        "",
        f"# Rows for {report.kind}: {report.rows:,}",
        "",
        _WHAT[report.kind],
        f"Built from stored runs of the FlowReasoner workbench, {_which(report)}. Runs: {report.read:,}, "
        f"problems: {len(report.problems):,}.",
        "",
        "## Options",
        "",
        _options(report),
        "",
        "## Columns",
        "",
        columns_table(kind.columns),
        "## What is not in it",
        "",
        f"No row holds an assertion of {' or '.join(f'`{split}`' for split in kind.hidden)} tests; "
        "every row was searched for them. API keys, environment variables and home folders were taken out.",
        "",
    ]
    if report.dropped:
        parts.append(_table(("Left out", "", "How many"), _dropped(report.dropped)))
    if report.kept_out:
        rows = [(name, f"{count:,}") for name, count in report.kept_out.items()]
        parts += ["Kept out by id, words and tests:", "", _table(("Benchmark", "Problems"), rows)]
    parts += ["## Who wrote it", "", _written_by(report)]
    return "\n".join(parts).rstrip() + "\n"


def _which(report: Report) -> str:
    search = excerpt(report.wanted, 200).replace("`", "")
    return f"those that match `{search}`" if search.strip() else "all of them"


def _options(report: Report) -> str:
    values = applying(report.kind, report.options)
    return "\n".join(f"- `{name}`: `{json.dumps(value)}`" for name, value in values.items())


def _dropped(dropped: Mapping[str, int]) -> list[tuple[str, str, str]]:
    return [(f"`{name}`", REASONS[name], f"{count:,}") for name, count in sorted(dropped.items())]


def _written_by(report: Report) -> str:
    rows = [
        (excerpt(name, 100).replace("|", "/"), f"{count:,}")
        for name, count in report.by["meta_agent"].items()
    ]
    if not rows:
        return "The problems are as their benchmarks have them."
    note = (
        "Replies are stored as text, reasoning and reply apart: they are put into a student's own form when "
        "it is trained, and are not the exact tokens that were sampled. The license of a model may restrict "
        "training on what it wrote."
    )
    return f"{_table(('Meta-agent', 'Rows'), sorted(rows))}\n{note}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows]) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text)
