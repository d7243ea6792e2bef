"""Problem files are read by what is in them: a value, a list, lines, compressed, a table, a known layout."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.benchmarks.files import load_problems
from engine.problems import ProblemError
from tests.engine.test_benchmark_adapters import DROP_OFFICIAL, RECORDS
from tests.engine.test_benchmarks import RECORD

FIRST = {"id": "p1", "prompt": "What is 7?", "answer": "7"}
SECOND = {"id": "p2", "prompt": "What is 8?", "answer": "8"}
BOTH = [FIRST, SECOND]


def lines(records: list[Any]) -> bytes:
    return "\n".join(map(json.dumps, records)).encode()


def parquet(records: list[Any]) -> bytes:
    pyarrow = pytest.importorskip("pyarrow", reason="needs flowreasoner[data]")
    table = pytest.importorskip("pyarrow.parquet")
    sink = pyarrow.BufferOutputStream()
    table.write_table(pyarrow.Table.from_pylist(records), sink)
    return sink.getvalue().to_pybytes()


FORMS: dict[str, Callable[[list[Any]], bytes]] = {
    "lines": lines,
    "list": lambda records: json.dumps(records).encode(),
    "indented list": lambda records: json.dumps(records, indent=2).encode(),
    "lines with blanks": lambda records: b"\n\n".join(lines([r]) for r in records) + b"\n\n",
    "lines of Windows": lambda records: lines(records).replace(b"\n", b"\r\n"),
    "lines with a byte order mark": lambda records: b"\xef\xbb\xbf" + lines(records),
    "compressed lines": lambda records: gzip.compress(lines(records)),
    "compressed list": lambda records: gzip.compress(json.dumps(records).encode()),
    "table": parquet,
}


@pytest.mark.parametrize("name", ["mine.json", "mine.jsonl", "mine.jsonl.gz", "mine.txt", "mine"])
@pytest.mark.parametrize("form", FORMS)
def test_the_name_does_not_matter(tmp_path: Path, name: str, form: str) -> None:
    path = tmp_path / name
    path.write_bytes(FORMS[form](BOTH))
    assert [problem.to_json()["answer"] for problem in load_problems(path)] == ["7", "8"]


@pytest.mark.parametrize("name", RECORDS)
def test_a_benchmark_s_own_layout_is_recognised(tmp_path: Path, name: str) -> None:
    path = tmp_path / "theirs.json"
    path.write_bytes(lines(RECORDS[name]))
    layout = "bigcodebench-complete" if name.startswith("bigcodebench") else name
    assert [p.metadata["benchmark"] for p in load_problems(path)] == [layout] * len(RECORDS[name])


def test_humaneval_s_layout_and_drop_s_single_object_are_recognised(tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    path.write_text(json.dumps(RECORD))
    (problem,) = load_problems(path)
    assert (problem.entry_point, problem.metadata["benchmark"]) == (RECORD["entry_point"], "humaneval")
    path.write_text(json.dumps(DROP_OFFICIAL))
    assert {p.metadata["benchmark"] for p in load_problems(path)} == {"drop"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"id": "a", "prompt": "x", "answer": NaN}', "NaN is not a number"),
        ('{"id": "a", "prompt": "x", "answer": -Infinity}', "-Infinity is not a number"),
        ('{"id": "a", "prompt": "x", "metadata": {"level": 1e999}}', "1e999 is not a number"),
        (f'{{"id": "a", "prompt": "x", "answer": {"9" * 5000}}}', "not JSON"),
        (r'{"id": "a", "prompt": "x \ud83d"}', r"\ud83d is half of a character"),
        (r'{"id": "a", "prompt": "x", "metadata": {"\uDE00": 1}}', r"\uDE00 is half of a character"),
        ('{"id": "a", "prompt": "x"}\n{"id": "b", "prompt": NaN}', "mine.json:2: not JSON"),
        ('{"id": "a", "prompt": "x"}\n{"id": ', "mine.json:2: not JSON"),
        ('{"id": "a",\n"prompt": x}', "mine.json: not JSON"),
        ('{"id": "a", "prompt": "x", "entry_point": "class"}', "not a Python name for a function"),
        ('{"id": "a", "prompt": "x", "entry_point": "None"}', "not a Python name for a function"),
        ('{"id": "a", "prompt": "x", "entry_point": "lambda"}', "not a Python name for a function"),
        ('{"id": "a", "prompt": "x", "entry_point": "2f"}', "not a Python name for a function"),
        ('{"task_id": "x", "text": "y"}', "unknown field"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(ProblemError) as caught:
        load_problems(path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_character_in_two_escapes_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(r'{"id": "a", "prompt": "\ud83d\ude00", "answer": "\\ud83d"}')
    (problem,) = load_problems(path)
    assert (problem.prompt, problem.answer) == ("😀", r"\ud83d")


def test_names_that_are_no_keywords_are_functions(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(lines([{"id": n, "prompt": "x", "entry_point": n} for n in ("match", "print", "größe")]))
    assert [problem.entry_point for problem in load_problems(path)] == ["match", "print", "größe"]
