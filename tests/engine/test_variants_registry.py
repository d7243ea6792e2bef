"""The registry: names, specs, users' own files and packages, and the docs' example."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import engine.variants.own as own
from engine.events import StepStarted
from engine.problems import Problem
from engine.run.context import RunConfig, Services
from engine.runner import Run
from engine.variants import (
    VARIANTS,
    OptionError,
    UnknownVariantError,
    Variant,
    load_variant,
    options_of,
)
from engine.variants.reference import option_rows
from engine.variants.spec import parse_spec, read_spec
from sandbox.pool import Pool
from tests.support.runs import RIGHT, WRONG, end, of, run_events
from tests.support.scripted import ScriptedModel

DOCS = Path(__file__).parents[2] / "docs" / "variants.md"
PLAIN = {"step_by_step": False, "temperature": None}
MINE = """
from engine.variants import Options, Result, Variant

class Mine(Options):
    times: int = 2

async def solve(context):
    return Result(None, None, "42", None)

VARIANT = Variant(solve, Mine)
"""


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_every_option_has_a_valid_default_and_names_its_source(name: str) -> None:
    variant = load_variant(name)
    assert options_of(variant.options, {}) == variant.options()
    for row in option_rows(variant):
        assert re.search(r"\((.*\b(paper|release|ours)\b.*)\)", row.meaning), row
        if row.type in ("number", "whole number"):
            assert row.bounds, row
        # As a text, the way the command line gives it, it is the same value.
        if row.default is not None:
            values = options_of(variant.options, {row.name: str(row.default)})
            assert getattr(values, row.name) == row.default


@pytest.mark.parametrize(
    ("text", "label", "name", "values"),
    [
        ("vanilla", "vanilla", "vanilla", {}),
        (
            " top-k , candidates = 4,top=2",
            "top-k,candidates=4,top=2",
            "top-k",
            {"candidates": "4", "top": "2"},
        ),
        ("top-k,top=2,candidates=4", "top-k,candidates=4,top=2", "top-k", {"top": "2", "candidates": "4"}),
        (
            "self-refine,max-refinements=1",
            "self-refine,max_refinements=1",
            "self-refine",
            {"max_refinements": "1"},
        ),
        ("./some/mine.py,times=3", "mine,times=3", "./some/mine.py", {"times": "3"}),
        ("x,url=a=b", "x,url=a=b", "x", {"url": "a=b"}),
        ("x,empty=", "x,empty=", "x", {"empty": ""}),
    ],
)
def test_a_spec_is_a_name_and_options(text: str, label: str, name: str, values: dict[str, str]) -> None:
    spec = parse_spec(text)
    assert (spec.label, spec.name, spec.values) == (label, name, values)
    again = parse_spec(text)
    assert again == spec


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names no variant"),
        (",a=1", "names no variant"),
        ("a=1", "names no variant"),
        ("x,", "is not an option"),
        ("x,fast", "'fast' is not an option"),
        ("x,=1", "is not an option"),
        ("x,a=1,a=2", "gives a twice"),
        ("x,a-b=1,a_b=2", "gives a_b twice"),
    ],
)
def test_a_spec_that_is_none_is_said_so(text: str, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        parse_spec(text)


@pytest.mark.parametrize(
    ("text", "options", "given"),
    [
        ("vanilla,executions=4", PLAIN, {"executions": 4}),
        ("vanilla,executions=2,worker=w", PLAIN, {"executions": 2, "worker": "w"}),
        ("vanilla,meta-agent=m,operators=maas", PLAIN, {"meta_agent": "m", "operators": "maas"}),
        (
            "llm-debate,rounds=4,agents=2",
            {"rounds": 4, "agents": 2, "temperature": None},
            {},
        ),  # rounds of its own
        (
            "self-refine,max_refinements=1,executions=1",
            {"max_refinements": 1, "temperature": 0.7},
            {"executions": 1},
        ),
    ],
)
def test_what_a_spec_sets_of_the_run_is_apart_from_the_variant_s_options(
    text: str, options: dict[str, object], given: dict[str, object]
) -> None:
    spec, of_the_run = read_spec(text)
    assert (spec.values, of_the_run) == (options, given)
    assert spec.label == parse_spec(text).label


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("flowreasoner,rounds=0", "rounds is '0'; give a number from 1 to 1000"),
        ("flowreasoner,rounds=many", "rounds is 'many'"),
        ("vanilla,executions=101", "executions is '101'; give a number from 1 to 100"),
        (
            "vanilla,rounds=2",
            "there is no option rounds; there are meta_agent, worker, operators, executions",
        ),
        ("flowreasoner,seed=1", "option seed: input should be 'none' or 'template'"),
        ("vanilla,seed=1", "there is no option seed"),
        ("llm-debate,rounds=0", "option rounds: input should be greater"),
    ],
)
def test_what_a_spec_cannot_set_is_named(text: str, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        read_spec(text)


def test_unknown_names() -> None:
    with pytest.raises(UnknownVariantError, match="did you mean self-refine"):
        load_variant("self_refine")
    with pytest.raises(UnknownVariantError, match=r"there are .*or give a FILE\.py"):
        load_variant("zzz")


def test_a_file_is_a_variant(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    variant = load_variant(str(file))
    assert options_of(variant.options, {"times": "5"}).model_dump() == {"times": 5}
    assert load_variant(str(file)) is variant, "it is imported once"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("x = 1", r"mine\.py: this is no VARIANT .*define VARIANT = Variant\(solve\)"),
        ("VARIANT = 3", r"this is a int where a variant should be"),
        ("x = (", r"mine\.py:1: .*SyntaxError"),
        ("\n\nimport nowhere_at_all", r"mine\.py:3: .*ModuleNotFoundError: No module named"),
        ("\ndef f():\n    return 1 / 0\nf()", r"mine\.py:3: .*ZeroDivisionError"),
        ("raise ValueError", r"mine\.py:1: .*ValueError: no message"),
    ],
)
def test_a_file_that_is_none_is_said_so_in_a_sentence(tmp_path: Path, source: str, says: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(source)
    before = set(sys.modules)
    with pytest.raises(UnknownVariantError, match=says):
        load_variant(str(file))
    if "VARIANT" not in source and source != "x = 1":
        assert set(sys.modules) == before, "nothing half imported is left"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for name in (tmp_path / "gone.py", tmp_path):
        with pytest.raises(UnknownVariantError):
            load_variant(str(name))
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(UnknownVariantError, match="there is no such file"):
        load_variant(str(tmp_path / "folder.py"))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package that offers four variants, one under a name that is taken."""
    (tmp_path / "my_package_of_variants.py").write_text(MINE)
    info = tmp_path / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{own.GROUP}]\nmine = my_package_of_variants:VARIANT\nwrong = my_package_of_variants:solve\n"
        "gone = not_there_at_all:VARIANT\nvanilla = my_package_of_variants:VARIANT\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    own.installed.cache_clear()
    yield
    own.installed.cache_clear()


@pytest.mark.usefixtures("package")
def test_installed_packages_offer_variants() -> None:
    assert own.available()["mine"] == "of the installed package my-package"
    assert own.available()["vanilla"] == VARIANTS["vanilla"][1]
    assert "my_package_of_variants" not in sys.modules, "listing imports nothing"
    assert isinstance(load_variant("mine"), Variant)
    assert load_variant("vanilla").options.__name__ == "VanillaOptions"
    with pytest.raises(UnknownVariantError, match=r"wrong .*this is a function .*package\.module:VARIANT"):
        load_variant("wrong")
    with pytest.raises(UnknownVariantError, match=r"variant gone .*cannot be imported \(ModuleNotFoundError"):
        load_variant("gone")


def test_options_are_checked_before_a_run_begins(tmp_path: Path) -> None:
    services = Services(ScriptedModel("meta", ""), ScriptedModel("worker", ""), None)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="max_refinements"):
        Run(Problem("p", "x"), RunConfig(variant="self-refine", options={"max_refinements": -1}), services)


@pytest.mark.asyncio(loop_scope="session")
async def test_the_docs_own_variant_runs(sandbox: Pool, tmp_path: Path) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert len(source.splitlines()) < 40
    file = tmp_path / "tries.py"
    file.write_text(source)
    spec = parse_spec(f"{file},tries=2")
    for worker, status, tests in ((RIGHT, "passed", 1), (WRONG, "failed", 2)):
        config = RunConfig(variant=spec.name, options=spec.values, repeats=1)
        events = await run_events(sandbox, worker=worker, config=config)
        assert end(events).status == status
        assert [s.operator for s in of(events, StepStarted)].count("test") == tests
