"""Data sets at the command line."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Shell
from tests.store.samples import store
from tests.support.meta_runs import CODES, Wrote, meta_run, problem


@pytest.fixture
def filled(shell: Shell) -> Shell:
    store(shell.store, meta_run("a", [Wrote(0.5), Wrote(1.0, CODES[1])]))
    store(shell.store, meta_run("b", [Wrote(0.2, CODES[2])], at=2000.0))
    store(shell.store, meta_run("c", [Wrote(flags=("truncated",))], of=problem("q"), at=3000.0))
    return shell


async def test_a_data_set_is_built_and_shown(filled: Shell) -> None:
    built = await filled("dataset", "build", "sft", "--from", "", "--out", "sft", "--keep", "best")
    assert built.code == 0 and built.err == ""  # progress is for terminals
    assert built.out.startswith("wrote 2 rows to sft\n")
    assert "truncated-reply  1" in built.out and "not-best         1" in built.out
    told = json.loads((await filled("dataset", "show", "sft", "--json")).out)
    assert told["report"]["options"]["keep"] == "best"
    assert told["first_row"]["reply"] == f"<graph>\n{CODES[1]}\n</graph>"
    shown = await filled("dataset", "show", "sft")
    assert shown.out.startswith("2 rows for sft from all runs\n") and "reply:\n<graph>" in shown.out


@pytest.mark.parametrize(("kind", "rows"), [("grpo", 2), ("dpo", 7)])
async def test_other_kinds(filled: Shell, kind: str, rows: int) -> None:
    options = ("--pairs", "7", "--seed", "3") if kind == "dpo" else ()
    built = await filled("dataset", "build", kind, "--from", "", "--out", "out", *options, "--json")
    assert json.loads(built.out)["report"]["rows"] == rows


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("build", "sft", "--from", "nosuch", "--out", "x"), "no run matches 'nosuch'"),
        (("build", "repair", "--from", "", "--out", "x"), "no proposal in them was rejected and mended"),
        (("build", "grpo", "--from", "", "--out", "x", "--form", "trace"), "--form goes with sft"),
        (
            ("build", "sft", "--from", "", "--out", "x", "--tokenizer", "hf:./x"),
            "--tokenizer hf:./x: x does not exist",
        ),
        (("build", "sft", "--from", "", "--out", "store.db"), "store.db exists already"),
        (("show", "nowhere"), "nowhere is no folder; name what `dataset build --out` wrote"),
        (("show", "."), ". holds no report.json"),
    ],
)
async def test_what_cannot_be_done_is_one_sentence(
    filled: Shell, arguments: tuple[str, ...], told: str
) -> None:
    ended = await filled("dataset", *arguments)
    assert ended.code == 2 and ended.out == ""
    assert ended.err.startswith("flowreasoner: ") and told in ended.err and ended.err.count("\n") == 1
    assert not (filled.home / "x").exists()


async def test_a_folder_of_something_else_is_said(filled: Shell) -> None:
    other = filled.home / "other"
    other.mkdir()
    for text in ("{}", "[]", "nonsense"):
        (other / "report.json").write_text(text)
        ended = await filled("dataset", "show", "other")
        assert ended.code == 2 and "other is damaged" in ended.err and ended.err.count("\n") == 1


async def test_a_hub_that_is_not_there_leaves_the_data_set_here(filled: Shell) -> None:
    filled.env["HF_ENDPOINT"] = "http://127.0.0.1:9"
    ended = await filled("dataset", "build", "sft", "--from", "", "--out", "x", "--push", "me/rows")
    assert ended.code == 3 and ended.err.count("\n") == 1
    assert "me/rows could not be pushed" in ended.err and "The data set is in x" in ended.err
    assert (filled.home / "x" / "report.json").is_file()
