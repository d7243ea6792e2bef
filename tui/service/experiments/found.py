"""What the search of an earlier experiment found, for a variant that needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.experiments.plan import PlanError
from store.reader import Reader


def found_for(store: Path, source: str, label: str) -> dict[str, Any]:
    """What the search of an experiment found for the variant of this label. `source` is NAME, or
    NAME:LABEL where several of its variants could be meant. Raises PlanError and StoreError.
    """
    name, _, wanted = source.partition(":")
    with Reader(store) as reader:
        reader.experiments.named(name)
        found = reader.experiments.found(name)
    variant = label.partition(",")[0]
    same = [known for known in found if known.partition(",")[0] == variant]
    choice = wanted or (label if label in found else "") or (same[0] if len(same) == 1 else "")
    if choice in found:
        return found[choice]
    if len(same) > 1:
        raise PlanError(
            f"{name} has found something for {', '.join(same)}; say which, as in --found {name}:{same[0]}"
        )
    raise PlanError(f"{name} has no search result for {wanted or label}; run its search first")
