"""Which problem a word on the command line names, whatever stands in its path or its id."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.problems import ProblemError
from tui.problem_source import resolve


def write(path: Path, *ids: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps({"id": name, "prompt": f"about {name}"}) for name in ids))
    return path


@pytest.mark.parametrize(
    "name", ["mine.jsonl", "a#b/mine.jsonl", "mine#1.jsonl", "#", "a b/m#.json", "x:y.json"]
)
def test_a_hash_is_part_of_the_path_where_such_a_file_is(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, "one", "two", "t#3", "#")
    for wanted in ("one", "two", "t#3", "#"):
        assert resolve(f"{path}#{wanted}").id == wanted
    with pytest.raises(ProblemError, match="it holds 4 problems; choose one as in"):
        resolve(str(path))
    with pytest.raises(ProblemError, match="no problem has the id 'none'"):
        resolve(f"{path}#none")


def test_the_longest_path_that_is_there_counts(tmp_path: Path) -> None:
    write(tmp_path / "mine", "1", "of the short")
    write(tmp_path / "mine#1", "of the long")
    assert resolve(f"{tmp_path}/mine#1").id == "of the long"
    assert resolve(f"{tmp_path}/mine#of the short").id == "of the short"


@pytest.mark.parametrize(
    "word", ["none.json", "none.json#a", "#", "", "x" * 5000, "a\0b", "~nobody-here/a.json"]
)
def test_what_is_not_there_is_one_sentence(word: str) -> None:
    with pytest.raises(
        ProblemError, match="no such file; name a file of problems, or BENCHMARK:ID"
    ) as caught:
        resolve(word)
    assert "\n" not in str(caught.value)


def test_benchmarks_are_named_as_before() -> None:
    assert resolve("pocket:example").id == "example"
    with pytest.raises(ProblemError, match="has no problem"):
        resolve("pocket:none")
