"""Why runs fail: labels from their events alone, each with its evidence.

`classify` is a pure function. Labels are about the part of a run that decided its end: the scored workflow
and its final executions, or everything where it never came to those. A round that went wrong on the way to a
good workflow is not a failure. Several labels can apply; where none says what went wrong, a basic one does
(`engine.failures.basics`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from engine.events import Event
from engine.failures import answers, basics, limits, workflows
from engine.failures.diagnosis import Diagnosis, diagnose
from engine.failures.findings import LABELS, VERSION, Baseline, Finding, finding_from
from engine.failures.trace import FAILED, Trace, trace_of

__all__ = [
    "FAILED",
    "LABELS",
    "VERSION",
    "Baseline",
    "Diagnosis",
    "Examined",
    "Finding",
    "classify",
    "examine",
    "finding_from",
]

Rule = Callable[[Trace, Baseline | None], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    workflows.no_workflow,
    workflows.workflow_syntax,
    workflows.undefined_name,
    workflows.wrong_operator_call,
    answers.prose_as_code,
    answers.verdict_not_understood,
    answers.string_verdict,
    answers.special_cased_inputs,
    answers.tampering,
    answers.val_test_gap,
    answers.visible_test_gap,
    workflows.over_complex,
    limits.context_overflow,
    limits.empty_completion,
    limits.truncated_completion,
    limits.model_error,
    limits.budget,
    limits.interrupted,
    limits.timeout,
    limits.infra,
)
# A run that passed can only have cheated.
_CHEATS: tuple[Rule, ...] = (answers.special_cased_inputs, answers.tampering)
_PER_LABEL = 5  # findings kept for each label: more of the same say nothing new


@dataclass(frozen=True)
class Examined:
    """Why a run failed: its labels with their evidence, and a diagnosis, None for a run that did not fail."""

    findings: tuple[Finding, ...] = ()
    diagnosis: Diagnosis | None = None


def classify(events: Iterable[Event], baseline: Baseline | None = None) -> tuple[Finding, ...]:
    """The findings of one run, as `examine` has them."""
    return examine(events, baseline).findings


def examine(events: Iterable[Event], baseline: Baseline | None = None) -> Examined:
    """Why one run failed, from its events in order; empty for one that was cancelled or is still in progress.

    `baseline` is the run in which vanilla solved the problem, where there is one. Findings are in the order
    of `LABELS`, at most five of each label.
    """
    trace = trace_of(events)
    if trace.end is None:
        return Examined()
    diagnosis = diagnose(trace)
    findings = _findings(trace, baseline)
    if diagnosis is not None and not {f.label for f in findings} - basics.CIRCUMSTANCES:
        findings = _in_order([*findings, *basics.basic(trace, diagnosis)])
    return Examined(findings, diagnosis)


def _findings(trace: Trace, baseline: Baseline | None) -> tuple[Finding, ...]:
    assert trace.end is not None
    rules = RULES if trace.failed else _CHEATS if trace.end.status == "passed" else ()
    kept: Counter[str] = Counter()
    # A fault that occurred in every repeat is reported once.
    distinct: dict[tuple[str, str, int | None, str], Finding] = {}
    for finding in (f for rule in rules for f in rule(trace, baseline)):
        same = (finding.label, finding.text, finding.line, finding.quote)
        if same not in distinct and kept[finding.label] < _PER_LABEL:
            kept[finding.label] += 1
            distinct[same] = finding
    return _in_order(distinct.values())


def _in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    order = list(LABELS)
    return tuple(sorted(findings, key=lambda f: (order.index(f.label), f.seq)))
