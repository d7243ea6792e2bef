"""What `flowreasoner variants` prints."""

from __future__ import annotations

import dataclasses
from typing import Any

from tui.reports.tables import emit, table
from tui.safe import clean, one_line


def print_variants(name: str | None, *, as_json: bool) -> None:
    """All variants, or the options of the one called `name`. Raises UnknownVariantError."""
    from engine.variants import PRESETS
    from engine.variants.own import available

    if name is None:
        names = available() | PRESETS
        text = table(("variant", "what"), [(n, one_line(what, 200)) for n, what in names.items()])
        emit([{"name": n, "what": what} for n, what in names.items()], text, as_json)
        return
    from engine.reference.config import shown_default
    from engine.variants import load_variant
    from engine.variants.reference import option_rows, preset_rows

    variant = load_variant(name)
    what = available().get(name, "your own")
    rows = option_rows(variant)
    data: dict[str, Any] = {
        "name": name,
        "what": what,
        "searches": variant.search is not None,
        "options": [dataclasses.asdict(r) for r in rows],
        "presets": {preset: dict(values) for preset, values in variant.options.presets.items()},
    }
    lines = [f"{name}: {what}"]
    if variant.search is not None:
        lines.append("searches on a task's validation problems before it solves any")
    cells = [
        (r.name, shown_default(r.default).strip("`"), f"{r.type} {r.bounds}".strip(), r.meaning) for r in rows
    ]
    lines.append(table(("option", "default", "type", "meaning"), cells) if rows else "no options")
    lines += [f"preset={preset}: {what}" for preset, what in preset_rows(variant)]
    emit(data, clean("\n".join(lines)), as_json)
