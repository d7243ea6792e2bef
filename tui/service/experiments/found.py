"""What the search of an earlier experiment found, for a variant that needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.experiments.plan import PlanError
from store.reader import Reader


def found_for(store: Path, source: str, label: str) -> dict[str, Any]:
    """What the search of an experiment found for the variant of this label.

    `source` is NAME, or NAME:LABEL where several of its variants could be meant. Raises StoreError where
    there is no such experiment, and PlanError where it has no result for the variant, or several.
    """
    name, _, source_label = source.partition(":")
    with Reader(store) as reader:
        reader.experiments.named(name)
        results = reader.experiments.found(name)
    variant = label.partition(",")[0]
    alike = [result_label for result_label in results if result_label.partition(",")[0] == variant]
    choice = source_label or (label if label in results else "") or (alike[0] if len(alike) == 1 else "")
    if choice in results:
        return results[choice]
    if len(alike) > 1:
        raise PlanError(
            f"{name} has found something for {', '.join(alike)}; say which, as in --found {name}:{alike[0]}"
        )
    raise PlanError(f"{name} has no search result for {source_label or label}; run its search first")
