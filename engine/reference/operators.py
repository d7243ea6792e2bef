"""The reference of operator sets for the docs, from the sets themselves."""

from __future__ import annotations

from engine.operators.sets import SETS
from engine.operators.specs import OperatorSet, OperatorSpec


def reference() -> str:
    """A Markdown section for each set, with a table row for each operator."""
    return "\n\n".join(_section(s) for s in SETS.values()) + "\n"


def _section(operators: OperatorSet) -> str:
    rows = [_row(spec) for spec in operators.operators]
    head = ["| Operator | Call | What it does |", "|---|---|---|"]
    about = _sentence(operators.about) + "."
    return "\n".join([f"### {operators.name}", "", about, "", *head, *rows])


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _row(spec: OperatorSpec) -> str:
    does = _sentence(spec.description)
    if spec.bound:
        does += f"; the run gives it {' and '.join(f'`{name}`' for name in spec.bound)}"
    call = spec.signature.replace("|", "\\|")
    return f"| {spec.name} | `{call}` | {does} |"
