"""Adapters on small records of our own in the official shapes: fields, division, references, messages."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from engine.benchmarks import CATALOGUE, load_benchmark
from engine.benchmarks.bigcodebench import divide
from engine.benchmarks.sources import Hub, from_hub
from engine.problems import Problem, ProblemError

MBPP = {
    "task_id": 11,
    "text": "Write a function to double a number.",
    "code": "def helper(x):\n    return x\ndef twice(x, y=0):\n    return 2 * helper(x) + y",
    "test_list": ["assert twice(1) == 2", "assert twice(2) == 4", "assert twice(3) == 6"],
    "test_setup_code": "",
    "challenge_test_list": ["assert twice(-1) == -2"],
}
NODE = {
    "task_id": 12,
    "prompt": "Write a class Node and a function to read its value.",
    "code": "class Node:\n    def __init__(self, v):\n        self.v = v\ndef value(n):\n    return n.v",
    "test_imports": ["import math"],
    "test_setup_code": "root = Node(4)",
    "test_list": ["assert value(root) == math.floor(4.5)", "assert value(Node(2)) == 2"],
}
BIGCODE = {
    "task_id": "BigCodeBench/0",
    "complete_prompt": 'import random\ndef task_func(n):\n    """Double."""\n',
    "instruct_prompt": "Double a number, as task_func.",
    "code_prompt": "import random\ndef task_func(n):\n",
    "canonical_solution": "    return 2 * n\n",
    "entry_point": "task_func",
    "libs": "['random']",
    "test": "import unittest\nclass TestCases(unittest.TestCase):\n"
    "    def setUp(self):\n        self.two = 2\n"
    "    def test_a(self):\n        self.assertEqual(task_func(self.two), 4)\n"
    "    def test_b(self):\n        self.assertEqual(task_func(0), 0)\n"
    "    def test_c(self):\n        self.assertEqual(task_func(-1), -2)\n",
}
GSM = {"question": "Ann has 3 apples and buys 1,000. How many?", "answer": "3 + 1000 = 1003\n#### 1,003"}
MATH = {
    "problem": "What is half of 1?",
    "level": "Level 5",
    "type": "Prealgebra",
    "solution": r"It is $\boxed{\frac{1}{2}}$.",
}
HOTPOT = {
    "_id": "5a8",
    "question": "Which river?",
    "answer": "the Danube",
    "context": [
        ["Vienna", ["Vienna lies on the Danube.", " It is old."]],
        ["Bonn", ["Bonn lies on the Rhine."]],
    ],
}
DROP_OFFICIAL = {
    "history_1": {
        "passage": "They scored 3 and then 4.",
        "qa_pairs": [
            {
                "query_id": "q1",
                "question": "How many in all?",
                "answer": {"number": "7", "date": {"day": "", "month": "", "year": ""}, "spans": []},
                "validated_answers": [{"number": "", "spans": ["seven points"]}],
            },
            {
                "query_id": "q2",
                "question": "When?",
                "answer": {"number": "", "date": {"day": "3", "month": "May", "year": ""}, "spans": []},
            },
            {
                "query_id": "q3",
                "question": "Who scored?",
                "answer": {"number": "", "date": {}, "spans": ["Al Smith", "Jones"]},
                "validated_answers": [{"number": "", "date": {}, "spans": ["Smith"]}],
            },
        ],
    }
}
DROP_FLAT = {"context": "Passage: … Question: how many? Answer:", "ref_text": "7|seven"}
DROP_ROW = {
    "query_id": "q3",
    "passage": "They scored 3.",
    "question": "How many?",
    "answers_spans": {"spans": ["3", "3", "three"], "types": ["number", "number", "span"]},
}
RECORDS: dict[str, list[dict[str, Any]]] = {
    "mbpp": [MBPP],
    "mbpp-sanitized": [NODE],
    "bigcodebench-complete": [BIGCODE],
    "bigcodebench-instruct": [BIGCODE],
    "gsm8k": [GSM],
    "math": [MATH],
    "hotpotqa": [HOTPOT],
    "drop": [DROP_FLAT, DROP_ROW],
}


def load(tmp_path: Path, name: str, records: list[dict[str, Any]] | None = None) -> list[Problem]:
    path = tmp_path / "data.jsonl"
    lines = [json.dumps(record, ensure_ascii=False) for record in records or RECORDS[name]]
    path.write_text("\n".join(lines), encoding="utf-8")
    return load_benchmark(name, path)


@pytest.mark.parametrize("name", RECORDS)
def test_every_adapter_reads_its_records_the_same_each_time(tmp_path: Path, name: str) -> None:
    problems = load(tmp_path, name)
    assert problems == load(tmp_path, name)
    assert len(problems) == len(RECORDS[name])
    for problem in problems:
        assert problem.metadata["benchmark"] == name
        assert problem.metric == CATALOGUE[name].metric
        reference = problem.metadata["reference"]
        assert reference not in problem.prompt or problem.kind == "qa"
        splits = (problem.tests.visible, problem.tests.val, problem.tests.test)
        assert sum(map(len, splits)) == len({test for split in splits for test in split})


def test_mbpp_shows_one_test_and_keeps_the_rest(tmp_path: Path) -> None:
    (problem,) = load(tmp_path, "mbpp")
    assert problem.id == "mbpp/11"
    assert problem.entry_point == "twice"  # what the tests call, not the first function
    assert problem.tests.visible == ("assert twice(1) == 2",)
    assert problem.tests.val == ("assert twice(2) == 4",)
    assert problem.tests.test == ("assert twice(3) == 6", "assert twice(-1) == -2")
    assert "def twice(x, y=0):" in problem.prompt
    assert "assert twice(1) == 2" in problem.prompt
    assert "twice(2)" not in problem.prompt


def test_mbpp_setup_runs_with_each_test(tmp_path: Path) -> None:
    (problem,) = load(tmp_path, "mbpp-sanitized")
    assert problem.tests.visible[0] == "import math\nroot = Node(4)\nassert value(root) == math.floor(4.5)"
    assert problem.tests.test[0].startswith("import math\nroot = Node(4)\n")


def test_bigcodebench_is_divided_by_test_method(tmp_path: Path) -> None:
    (problem,) = load(tmp_path, "bigcodebench-complete")
    assert problem.prompt == BIGCODE["complete_prompt"]
    assert (problem.image, problem.mode, problem.entry_point) == ("science", "in-process", "task_func")
    assert [len(problem.tests.val), len(problem.tests.test)] == [1, 2]
    for method, test in zip("abc", (*problem.tests.val, *problem.tests.test), strict=True):
        assert f"test_{method}" in test
        assert "setUp" in test
        assert test.count("def test_") == 1
    (instruct,) = load(tmp_path, "bigcodebench-instruct")
    assert instruct.prompt == BIGCODE["instruct_prompt"]


@pytest.mark.parametrize(
    "body",
    [
        "    def test_a(self):\n        self.test_b()\n    def test_b(self):\n        pass\n",
        "    def test_a(self):\n        TestCases.x = 1\n    def test_b(self):\n        pass\n",
        "    def test_a(self):\n        self.__class__.x = 1\n    def test_b(self):\n        pass\n",
        "    def test_only(self):\n        pass\n",
    ],
)
def test_a_class_whose_methods_depend_on_each_other_stays_whole(body: str) -> None:
    source = f"import unittest\nclass TestCases(unittest.TestCase):\n{body}"
    assert divide(source, "here") == ((), (source,))


def test_gsm8k_reference_is_what_follows_the_marks(tmp_path: Path) -> None:
    (problem,) = load(tmp_path, "gsm8k")
    assert (problem.answer, problem.kind, problem.metric) == ("1,003", "math", "last-number")


def test_math_answer_is_the_last_box_and_files_give_ids(tmp_path: Path) -> None:
    folder = tmp_path / "MATH" / "test" / "prealgebra"
    folder.mkdir(parents=True)
    for number in (2, 1):
        (folder / f"{number}.json").write_text(json.dumps(MATH))
    problems = load_benchmark("math", tmp_path)
    assert [p.id for p in problems] == ["math/prealgebra/1", "math/prealgebra/2"]
    assert problems[0].answer == r"\frac{1}{2}"


def test_hotpotqa_reads_its_file_and_the_hub_s_shape(tmp_path: Path) -> None:
    (official,) = load(tmp_path, "hotpotqa")
    columns = {"title": ["Vienna", "Bonn"], "sentences": [p[1] for p in HOTPOT["context"]]}  # type: ignore[index]
    (row,) = load(tmp_path, "hotpotqa", [{**HOTPOT, "context": columns}])
    assert official == row
    assert "Vienna: Vienna lies on the Danube. It is old.\nBonn: Bonn lies" in official.prompt
    assert official.prompt.endswith("Question: Which river?")


def test_drop_reads_three_shapes(tmp_path: Path) -> None:
    flat, row = load(tmp_path, "drop")
    assert (flat.answer, row.answer) == ("7|seven", "3|three")
    (tmp_path / "drop_dataset_dev.json").write_text(json.dumps(DROP_OFFICIAL))
    number, date, spans = load_benchmark("drop", tmp_path)
    assert (number.id, number.answer, date.answer) == ("q1", "7|seven points", "3 May")
    assert spans.answer == "Al Smith\nJones|Smith"  # two spans that are one answer, or one that is another
    assert number.prompt == "Passage: They scored 3 and then 4.\n\nQuestion: How many in all?"


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("mbpp", {"code": None}, 'data.jsonl: the field "code" is missing'),
        ("mbpp", {"test_list": []}, 'the field "test_list" has no tests'),
        ("mbpp", {"test_list": "assert 1"}, 'the field "test_list" should be a list of texts'),
        ("mbpp", {"code": "def ("}, 'the field "code" is not Python'),
        ("mbpp", {"task_id": None}, 'the field "task_id" is missing'),
        ("bigcodebench-instruct", {"instruct_prompt": 3}, 'the field "instruct_prompt" is a int'),
        ("bigcodebench-complete", {"test": "class"}, 'the field "test" is not Python'),
        ("gsm8k", {"answer": "many"}, 'the field "answer" does not end in "#### NUMBER"'),
        ("math", {"solution": "half"}, r'the field "solution" has no \\boxed'),
        ("hotpotqa", {"context": [["Vienna"]]}, 'the field "context" should be'),
        ("hotpotqa", {"_id": None}, 'the field "_id" is missing'),
    ],
)
def test_a_wrong_field_is_named_with_its_place(
    tmp_path: Path, name: str, change: dict[str, Any], told: str
) -> None:
    with pytest.raises(ProblemError, match=told):
        load(tmp_path, name, [{**RECORDS[name][0], **change}])


def test_a_line_that_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"data\.jsonl:2: .*\"question\" is missing"):
        load(tmp_path, "gsm8k", [GSM, {"answer": "#### 1"}])


def test_compressed_and_parquet_files_are_read(tmp_path: Path) -> None:
    line = json.dumps(GSM)
    with gzip.open(tmp_path / "gsm.jsonl.gz", "wt") as file:
        file.write(f"{line}\n{line}\n")
    assert len(load_benchmark("gsm8k", tmp_path / "gsm.jsonl.gz")) == 2
    pyarrow = pytest.importorskip("pyarrow", reason="needs flowreasoner[data]")
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = tmp_path / "full"
    folder.mkdir()
    parquet.write_table(pyarrow.Table.from_pylist([MBPP]), folder / "test-00000-of-00001.parquet")
    (problem,) = load_benchmark("mbpp", tmp_path)
    assert problem == load(tmp_path, "mbpp")[0]
    parquet.write_table(pyarrow.Table.from_pylist([{**MBPP, "code": None}]), tmp_path / "bad.parquet")
    with pytest.raises(ProblemError, match=r'bad\.parquet, row 1: the field "code" is missing'):
        load_benchmark("mbpp", tmp_path / "bad.parquet")


@pytest.mark.parametrize(("file", "told"), [("x.parquet", "Parquet"), ("x.jsonl.gz", "gzip")])
def test_damaged_files_are_one_sentence(tmp_path: Path, file: str, told: str) -> None:
    pytest.importorskip("pyarrow", reason="needs flowreasoner[data]")
    (tmp_path / file).write_bytes((b"PAR1" if told == "Parquet" else b"\x1f\x8b") + b" nonsense")
    with pytest.raises(ProblemError, match=f"not a readable {told} file"):
        load_benchmark("gsm8k", tmp_path / file)


def test_separators_inside_a_json_string_do_not_end_its_line(tmp_path: Path) -> None:
    (problem,) = load(tmp_path, "hotpotqa", [{**HOTPOT, "question": "Which\u2028river?"}])
    assert "Which\u2028river?" in problem.prompt


def test_without_data_and_network_one_sentence_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for package in ("huggingface_hub.constants", "datasets.config"):  # read at their import, by another test
        monkeypatch.setattr(f"{package}.HF_HUB_OFFLINE", True, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    asked: list[object] = []
    monkeypatch.setattr("socket.getaddrinfo", lambda *name: asked.append(name))
    with pytest.raises(ProblemError) as caught:
        load_benchmark("gsm8k", tmp_path)  # a folder without it
    assert not asked  # a name server that does not answer would be waited for
    said = str(caught.value)
    assert "download openai/gsm8k" in said
    assert "--data PATH" in said
    assert "\n" not in said


def test_your_own_file_works_wherever_a_benchmark_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"id": "a", "prompt": "6 * 7?", "answer": 42}\n')
    (problem,) = load_benchmark(str(path))
    assert (problem.answer, problem.metric) == ("42", "exact-match")
    path.write_text('{"id": "a", "prompt": "?", "tests": {"test": ["def check(candidate):\\n  assert 1"]}}\n')
    with pytest.raises(ProblemError, match=r'"entry_point" is missing; its tests define check\(candidate\)'):
        load_benchmark(str(path))
    path.write_text('{"id": "a", "prompt": "?", "answer": "1", "metadata": {"metric": "vibes"}}\n')
    with pytest.raises(ProblemError, match=r"metadata\.metric is 'vibes'; use one of tests, math"):
        load_benchmark(str(path))


def test_rows_of_the_datasets_library_are_the_same_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder stands for the hub: the library loads both the same way, this machine need not be online."""
    for module in ("datasets", "pyarrow"):
        pytest.importorskip(module, reason="needs flowreasoner[data]")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "hub"
    folder.mkdir()
    (folder / "test.jsonl").write_text(json.dumps(GSM) + "\n")
    records = from_hub(Hub(str(folder)), "gsm8k", ("test.jsonl",))
    assert [record for record, _ in records] == [GSM]
    assert records[0][1].endswith("hub, row 1")
    with pytest.raises(ProblemError, match="download"):
        from_hub(Hub(str(folder), split="no-such-split"), "gsm8k", ("test.jsonl",))
