"""What keeps an experiment's searches from being carried out is said before it starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.experiments.contestants import check_searches, contestants, division_for, specs_by_label
from engine.experiments.plan import Plan, PlanError
from engine.experiments.selection import select
from engine.run.ledger import Budget
from engine.variants import OptionError

PLAN = Plan("e", "b", None, None, 0, 1, 3, "meta", "worker", {}, ("p",), ("s",), "d")


def check(spec: str, **changes: Any) -> None:
    plan = replace(PLAN, variants=specs_by_label([spec]), **changes)
    check_searches(plan, contestants(plan, Budget(), "code"))


@pytest.mark.parametrize("spec", ["aflow", "adas", "scoreflow", "maas", "top-k", "metaflow,candidates=20"])
def test_a_search_without_problems_is_refused_with_the_split_that_has_some(spec: str) -> None:
    for split, use in ((None, "use --split aflow-1:4"), ("aflow-1:4/test", "use --split aflow-1:4, without")):
        with pytest.raises(PlanError, match=use):
            check(spec, split=split, search_problems=())
    check(spec)
    check(spec, search_problems=(), found="earlier")


@pytest.mark.parametrize("spec", ["metaflow", "scoreflow,collect=no", "vanilla", "flowreasoner"])
def test_what_needs_no_problems_is_not_refused(spec: str) -> None:
    check(spec, search_problems=())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("controller=none.pth", r"none\.pth: .*give the folder of that model, encoder=FOLDER"),
        ("controller=none.pth,encoder=x/y", r"none\.pth: No such file; name a controller's file"),
        ("controller=~/none.pth,encoder=x/y", "No such file"),
        ("controller=~nobody-here/a.pth,encoder=x/y", "no home folder ~nobody-here"),
        ("controller=none", "none holds no controller .*; train one with"),
        ("controller=job:none", "controller: .*none"),
        ("encoder=/none", "the sentence encoder '/none' is not there; give a model's folder, or use hash"),
        ("encoder=./none", "is not there"),
        ("encoder=~/none", "is not there"),
    ],
)
@pytest.mark.parametrize("problems", [("s",), ()])
def test_what_maas_is_given_and_is_not_there_is_said_before_anything_starts(
    options: str, message: str, problems: tuple[str, ...]
) -> None:
    if problems or "controller" in options:  # without problems and a controller, that is what is said
        with pytest.raises(OptionError, match=message):
            check(f"maas,{options}", search_problems=problems)


def test_what_maas_needs_for_a_released_controller_is_enough(tmp_path: Path) -> None:
    (tmp_path / "c.pth").write_bytes(b"")
    check(f"maas,controller={tmp_path / 'c.pth'},encoder=sentence-transformers/x", search_problems=())
    check(f"maas,controller={tmp_path / 'c.pth'},encoder={tmp_path}", search_problems=())
    check("maas,controller=none.pth", search_problems=(), found="earlier")


def test_where_a_variant_searches_a_benchmark_is_divided_as_it_usually_is() -> None:
    def division(benchmark: str, *specs: str, found: str | None = None) -> str | None:
        return division_for(benchmark, specs_by_label(specs), found)

    assert division("pocket", "vanilla", "aflow") == "official"
    assert division("humaneval", "top-k") == "aflow-1:4"
    assert division("livecodebench", "metaflow,candidates=20") == "aflow-1:4"
    for specs in (["vanilla", "flowreasoner"], ["metaflow"], ["maas,controller=x.pth"]):
        assert division("pocket", *specs) is None
    assert division("pocket", "aflow", found="earlier") is None
    assert division("mine.jsonl", "aflow") is None


def test_what_is_reported_and_what_is_searched_on_have_limits_of_their_own() -> None:
    def sizes(*limits: int | None) -> tuple[int, int]:
        chosen = select("pocket", None, "official", *limits)
        return len(chosen.report), len(chosen.search)

    assert sizes(None) == (25, 8)
    assert sizes(3) == (3, 3)
    assert sizes(3, 5) == (3, 5)
    assert sizes(None, 2) == (25, 2)
    assert sizes(30, 30) == (25, 8)


@pytest.mark.parametrize("variant", ["aflow", "adas", "w4s", "flowsteer"])
def test_a_meta_agent_that_cannot_do_it_is_refused(variant: str) -> None:
    for spec, plan in ((variant, "pocket-meta"), (f"{variant},meta_agent=pocket-meta", "other")):
        with pytest.raises(
            OptionError, match="pocket-meta was not trained to write; name another meta-agent"
        ):
            check(spec, meta_agent=plan)
    check(f"{variant},meta_agent=other", meta_agent="pocket-meta")
    for able in ("top-k", "scoreflow", "metaflow", "flowreasoner", "maas"):
        check(able, meta_agent="pocket-meta")
