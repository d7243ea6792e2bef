"""What `flowreasoner operators` prints."""

from __future__ import annotations

from tui.reports.tables import emit
from tui.safe import clean, one_line


def print_operators(name: str | None, *, as_json: bool) -> None:
    """All sets, or the one called `name`. Raises OperatorSetError."""
    from engine.operators.own import load_set
    from engine.operators.sets import SETS

    if name is None:
        lines = [
            f"{s.name}: {s.about}\n    {', '.join(o.attribute for o in s.operators)}" for s in SETS.values()
        ]
        emit([s.to_json() for s in SETS.values()], "\n".join(lines), as_json)
        return
    found = load_set(name)
    lines = [f"{found.name}: {one_line(found.about, 200)}" if found.about else found.name]
    for spec in found.operators:
        lines += [f"  {one_line(spec.signature, 400)}", f"      {one_line(spec.description, 400)}"]
        if spec.bound:
            lines.append(f"      provided by the run: {', '.join(spec.bound)}")
    emit(found.to_json(), clean("\n".join(lines)), as_json)
