"""What keeps an experiment's searches from being carried out is said before it starts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.experiments.contestants import check_searches, contestants, specs_by_label
from engine.experiments.plan import Plan, PlanError
from engine.run.ledger import Budget

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


@pytest.mark.parametrize(
    "spec", ["metaflow", "scoreflow,collect=no", "maas,controller=x.pth", "vanilla", "flowreasoner"]
)
def test_what_needs_no_problems_is_not_refused(spec: str) -> None:
    check(spec, search_problems=())


@pytest.mark.parametrize("variant", ["aflow", "adas"])
def test_a_meta_agent_that_cannot_do_it_is_refused(variant: str) -> None:
    for spec, plan in ((variant, "pocket-meta"), (f"{variant},meta_agent=pocket-meta", "other")):
        with pytest.raises(PlanError, match="pocket-meta was not trained to write; name another meta-agent"):
            check(spec, meta_agent=plan)
    check(f"{variant},meta_agent=other", meta_agent="pocket-meta")
    for able in ("top-k", "scoreflow", "metaflow", "flowreasoner", "maas"):
        check(able, meta_agent="pocket-meta")
