"""What a dry run refuses before anything is trained, each in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.models.registry import pocket_weights
from sandbox.errors import UsageError
from training import recipes

PROBLEM = {"id": "p", "kind": "qa", "prompt": "What is 1 + 1?", "answer": "2"}
ROUND = {"prompt": [{"role": "user", "content": "Ask."}], "reasoning": "", "reply": "code"}


def saved(folder: Path, *rows: dict[str, Any]) -> Path:
    from datasets import Dataset

    Dataset.from_list([*rows, ROUND]).select(range(len(rows))).save_to_disk(str(folder))
    return folder


def problems(folder: Path) -> Path:
    from datasets import Dataset

    row = {"id": "p", "problem": json.dumps(PROBLEM), "benchmark": "b"}
    Dataset.from_list([row]).save_to_disk(str(folder))
    return folder


def refusal(preset: str, data: Path | None, *changes: str) -> str:
    given = [f"data.path={data}"] if data is not None else []
    with pytest.raises(UsageError) as refused:
        recipes.plan(recipes.load(preset, [*given, *changes]))
    return str(refused.value)


@pytest.mark.parametrize("preset", ["sft-embedded", "dpo-embedded", "grpo-embedded", "maas"])
def test_a_data_set_without_rows_is_said_to_have_none(preset: str, tmp_path: Path) -> None:
    empty = saved(tmp_path / "empty")
    assert f"{empty} holds no rows" in refusal(preset, empty)


@pytest.mark.parametrize("preset", ["grpo-embedded", "rlvr-embedded", "maas"])
def test_a_set_of_another_kind_is_refused(preset: str, tmp_path: Path) -> None:
    assert "it is no set of problems" in refusal(preset, saved(tmp_path / "rounds", ROUND))


@pytest.mark.parametrize("change", ['rollouts.operators=["metaflo"]', "rollouts.held_out=metaflo"])
def test_an_operator_set_that_does_not_exist_is_refused(change: str, tmp_path: Path) -> None:
    assert "metaflo" in refusal("grpo-embedded", problems(tmp_path / "problems"), change)


@pytest.mark.parametrize("preset", ["sft-embedded", "dpo-embedded", "grpo-embedded"])
def test_a_base_that_reads_less_than_the_longest_row_is_refused(preset: str, tmp_path: Path) -> None:
    base = tmp_path / "short"
    base.mkdir()
    for file in pocket_weights("pocket-meta").iterdir():
        (base / file.name).write_bytes(file.read_bytes())
    config = json.loads((base / "config.json").read_text()) | {"max_position_embeddings": 256}
    (base / "config.json").write_text(json.dumps(config))
    said = refusal(preset, None, f"model.base=hf:{base}")
    assert "256 tokens" in said and "set it to 256 or less" in said
    recipes.plan(recipes.load(preset, [f"model.base=hf:{base}", "data.max_length=256"]))


def test_the_tokens_of_problems_are_not_known_before(tmp_path: Path) -> None:
    plan = recipes.plan(recipes.load("grpo-embedded", [f"data.path={problems(tmp_path / 'problems')}"]))
    assert (plan.rows, plan.tokens, plan.longest) == (1, None, None)
