"""What a variant has seen of the problems that are reported on is told before an experiment begins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from store.db import open_writer, write
from store.experiment_reader import journal_key
from tests.cli.conftest import Models, Shell
from tests.support.runs import DOUBLE
from tests.support.trials import store_experiment

TOLD = (
    "leak: aflow: the search of before, whose result is used, may have seen"
    " 2 of the 3 problems that are reported on (p1, p2)"
)


@pytest.fixture
def problems(shell: Shell) -> Path:
    path = shell.home / "doubles.jsonl"
    path.write_text("\n".join(json.dumps(DOUBLE.to_json() | {"id": f"p{n}"}) for n in range(3)))
    plan = {"benchmark": str(path.resolve()), "problems": ["p0"], "search_problems": ["p1", "p2", "p3"]}
    store_experiment(shell.store, "before", {"aflow": {}}, **plan)
    db = open_writer(shell.store)
    with write(db):
        db.execute("INSERT INTO journal VALUES ('before', ?, '{}', 1.0)", (journal_key("aflow", ""),))
    db.close()
    return path


async def test_a_dry_run_says_which_variant_has_seen_what(
    shell: Shell, models: Models, problems: Path
) -> None:
    asked = ("bench", str(problems), "--found", "before", "--dry-run")
    both = ("--variant", "aflow", "--variant", "vanilla")
    dry = await shell(*asked, *both)
    assert [line for line in dry.out.splitlines() if "leak" in line] == [TOLD], dry.out + dry.err
    rows = json.loads((await shell(*asked, *both, "--json")).out)["variants"]
    assert [row["leaks"] for row in rows] == [[TOLD.removeprefix("leak: aflow: ")], []]
    clean = await shell(*asked, "--variant", "vanilla")
    assert clean.code == 0 and "leak" not in clean.out + clean.err


async def test_it_is_said_before_an_experiment_starts(shell: Shell, models: Models, problems: Path) -> None:
    begun = await shell(
        "bench", str(problems), "--found", "before", "--variant", "aflow", "--worker", "job:none"
    )
    first, *others = begun.err.splitlines()
    assert first == f"flowreasoner: {TOLD}" and begun.code != 0 and "job:none" in others[-1]
