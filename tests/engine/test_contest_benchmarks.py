"""LiveCodeBench, APPS and AIME from files of the documented form, with problems of our own."""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest

from engine.benchmarks import load_benchmark
from engine.benchmarks.splits import divide
from engine.benchmarks.verify import verify
from engine.judging import judge
from engine.plain import answer_text
from engine.problems import Problem, ProblemError
from engine.program_tests import MAX_OUTPUT_BYTES, as_program_test
from engine.scores.scoring import score_answer

pytestmark = pytest.mark.asyncio(loop_scope="session")


def cases(*pairs: tuple[str, str], kind: str = "stdin") -> list[dict[str, str]]:
    return [{"input": i, "output": o, "testtype": kind} for i, o in pairs]


SUM = {
    "question_title": "Sum",
    "question_content": "Print the sum of two numbers.\n\nSample Input\n1 2\nSample Output\n3",
    "platform": "atcoder",
    "question_id": "abc_a",
    "contest_id": "abc",
    "contest_date": "2024-08-31T00:00:00",
    "starter_code": "",
    "difficulty": "easy",
    "public_test_cases": json.dumps(cases(("1 2\n", "3\n"))),
    "private_test_cases": json.dumps(cases(("1 1\n", "2\n"), ("2 2\n", "4\n"), ("0 5\n", "5\n"))),
    "metadata": "{}",
}
TWICE = SUM | {
    "question_content": "Return every number of the list twice.",
    "platform": "leetcode",
    "question_id": "3000",
    "contest_date": "2025-02-01T00:00:00",
    "starter_code": "class Solution:\n    def twiceEach(self, nums: List[int], k: int) -> List[int]:\n",
    "public_test_cases": json.dumps(cases(("[1, 2]\n2", "[2, 4]"), kind="functional")),
    "private_test_cases": json.dumps(cases(("[3]\n2", "[6]"), ("[]\n1", "[]"), kind="functional")),
    "metadata": json.dumps({"func_name": "twiceEach"}),
}
METHOD = "class Solution:\n    def twiceEach(self, nums: List[int], k: int):\n        return {result}"


def packed(value: Any) -> str:
    return base64.b64encode(
        zlib.compress(value if isinstance(value, bytes) else pickle.dumps(value))
    ).decode()


def write(folder: Path, name: str, *records: dict[str, Any]) -> Path:
    path = folder / name
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def lcb(folder: Path, *records: dict[str, Any]) -> list[Problem]:
    return load_benchmark("livecodebench", write(folder, "livecodebench.jsonl", *records).parent)


async def test_public_tests_are_visible_and_private_ones_divided(tmp_path: Path) -> None:
    add, twice = lcb(tmp_path, SUM, TWICE)
    assert (add.id, add.entry_point, add.is_program) == ("livecodebench/abc_a", None, True)
    assert [as_program_test(t).stdin for t in add.tests.visible] == ["1 2\n"]  # type: ignore[union-attr]
    assert (len(add.tests.val), len(add.tests.test)) == (1, 2)
    assert "standard input" in add.prompt and "2 2" not in add.prompt
    assert twice.entry_point == "twiceEach" and "def twiceEach(self" in twice.prompt
    assert twice.tests.visible == ("assert as_lists(twiceEach([1, 2], 2)) == [2, 4]",)
    assert (add.metadata["contest_date"], add.metadata["difficulty"]) == ("2024-08-31", "easy")


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
async def test_packed_tests_are_read_without_unpickling(tmp_path: Path, protocol: int) -> None:
    text = json.dumps(json.loads(str(SUM["private_test_cases"])))
    forms = [packed(pickle.dumps(text, protocol)), packed(text.encode())]
    for form in forms:
        assert lcb(tmp_path, SUM | {"private_test_cases": form}) == lcb(tmp_path, SUM)


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('unpickled')",))


REFUSED = [
    (packed(Hostile()), "a pickle of more than a text"),
    (packed(json.loads(str(SUM["private_test_cases"]))), "a pickle of more than a text"),
    (packed(pickle.dumps("[]")[:-1]), "a pickle of more than a text"),
    (packed("no JSON"), "unpacks to something that is not JSON"),
    (packed("[]"), None),
    (base64.b64encode(zlib.compress(pickle.dumps("[]"))[:-3]).decode(), "is cut off"),
    ("!!!", "neither JSON nor packed JSON"),
    (base64.b64encode(b"text").decode(), "neither JSON nor packed JSON"),
    ("", "is cut off"),
    ('{"a": 1}', "is not a list of tests"),
    ("[1]", 'a test is an object with "input" and "output"'),
    ('[{"input": 1, "output": "2"}]', '"stdin" is a int, not a text'),
    ('[{"input": "\\ud800", "output": "2"}]', "half of a character"),
]


@pytest.mark.parametrize(("field", "message"), REFUSED)
async def test_damaged_and_hostile_tests_are_one_sentence(
    tmp_path: Path, field: str, message: str | None
) -> None:
    record = SUM | {"private_test_cases": field}
    if message is None:  # only the public test is left, and it counts
        assert len(lcb(tmp_path, record)[0].tests.test) == 1
        return
    with pytest.raises(ProblemError) as error:
        lcb(tmp_path, SUM | {"question_id": "other"}, record)
    assert message in str(error.value) and "livecodebench.jsonl:2: " in str(error.value)
    assert "\n" not in str(error.value)


BAD_RECORDS = [
    ({"metadata": json.dumps({"func_name": "class"})}, "not a Python name"),
    ({"metadata": "[]"}, 'the field "metadata" is not a JSON object'),
    ({"metadata": json.dumps({"func_name": "f"})}, "an input or output that is not JSON"),
    ({"contest_date": "soon"}, "not a date such as"),
    ({"question_content": ""}, 'the field "question_content"'),
    ({"public_test_cases": "[]", "private_test_cases": "[]"}, "no tests that can be run"),
]


@pytest.mark.parametrize(("change", "message"), BAD_RECORDS)
async def test_a_bad_record_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ProblemError) as error:
        lcb(tmp_path, SUM | change | {"starter_code": "def f(): ..."})
    assert message in str(error.value) and str(error.value).count("livecodebench.jsonl") == 1


async def test_tests_too_large_to_be_run_are_left_out_and_counted(tmp_path: Path) -> None:
    large = cases(("1 1\n", "2\n"), ("2 2", "x" * (MAX_OUTPUT_BYTES + 1)))
    (problem,) = lcb(tmp_path, SUM | {"private_test_cases": json.dumps(large)})
    assert (len(problem.tests.test), problem.metadata["left_out"]) == (1, 1)


async def test_a_window_of_dates_learns_from_older_contests(tmp_path: Path) -> None:
    problems = lcb(tmp_path, *(SUM | {"question_id": d, "contest_date": d} for d in DATES))
    for name, (val, test) in WINDOWS.items():
        parts = divide(problems, name)
        assert [[p.metadata["contest_date"] for p in part] for part in (parts.val, parts.test)] == [val, test]
    for name, message in (("2025..2024", "ends before it begins"), ("2024-13..", "there is no split")):
        with pytest.raises(ProblemError, match=message):
            divide(problems, name)
    with pytest.raises(ProblemError, match="have no dates"):
        divide(load_benchmark("pocket"), "2024..")


DATES = ["2023-12-31", "2024-08-01", "2024-08-31", "2025-01-31", "2025-02-01"]
WINDOWS = {
    "2024-08..2025-01": (DATES[:1], DATES[1:4]),
    "2024-08-02..2025-01-31": (DATES[:2], DATES[2:4]),
    "2025..": (DATES[:3], DATES[3:]),
    "..2024": ([], DATES[:3]),
}


async def test_a_method_of_a_class_is_an_answer_as_it_is(sandbox: Any, tmp_path: Path) -> None:
    (problem,) = lcb(tmp_path, TWICE)
    right = METHOD.format(result="[k * n for n in nums]")
    answers = {
        right: 1.0,
        f"Here it is:\n```python\n{right}\n```": 1.0,
        METHOD.format(result="tuple(k * n for n in nums)"): 1.0,  # a tuple is a list
        METHOD.format(result="list(map(mul, nums, repeat(k)))"): 1.0,  # the scorer's imports are there
        "def twiceEach(nums, k):\n    return [k * n for n in nums]": 1.0,
        METHOD.format(result="nums"): 0.5,
        METHOD.format(result="set(nums)"): 0.0,
    }

    async def opened(image: str) -> Any:
        return sandbox

    private = json.dumps(cases(("[3]\n2", "[6]"), ("[5]\n1", "[5]"), kind="functional"))
    (problem,) = lcb(tmp_path, TWICE | {"private_test_cases": private})
    for reply, value in answers.items():
        answer = answer_text(reply, problem)
        assert answer is not None and "repaired" not in answer
        score = await score_answer(problem, answer, "test", opened)
        assert (score.value, score.details["mode"]) == (value, "split"), reply


async def test_a_program_is_judged_by_its_output(sandbox: Any, tmp_path: Path) -> None:
    (problem,) = lcb(tmp_path, SUM)
    code = "def main():\n    print(sum(map(int, stdin.readline().split())))\nmain()"  # the scorer's `stdin`
    assert (await judge(sandbox, problem, code, problem.tests.test)).status == "passed"


# APPS

APPS = {
    "problem_id": 7,
    "question": "Print the sum.\n\n-----Examples-----\nInput\n1 2\n\nOutput\n3\n",
    "solutions": json.dumps(["print(sum(map(int, open(0).read().split())))", "print(0)"]),
    "input_output": json.dumps(
        {"inputs": ["1 2\n", "1 3\n", ["2", "2"]], "outputs": ["3\n", "4\n", ["4", ""]]}
    ),
    "difficulty": "introductory",
    "url": "https://example.org",
    "starter_code": "",
}
CALLED = APPS | {
    "problem_id": 8,
    "question": "Count letters.\n\n>>> count('a')\n{'a': 1}\n",
    "solutions": json.dumps(["class Solution:\n    def count(self, s):\n        return dict(Counter(s))"]),
    "input_output": json.dumps(
        {"fn_name": "count", "inputs": [["a"], ["bb"], [""]], "outputs": [[{"a": 1}], {"b": 2}, [{}]]}
    ),
    "difficulty": "interview",
    "starter_code": "class Solution:\n    def count(self, s):",
}


async def test_apps_s_examples_are_visible(tmp_path: Path) -> None:
    program, called = load_benchmark("apps", write(tmp_path, "apps.jsonl", APPS, CALLED).parent)
    assert [as_program_test(t).stdin for t in program.tests.visible] == ["1 2\n"]  # type: ignore[union-attr]
    assert len(program.tests.test) == 2 and program.tolerance == 1e-5
    assert called.tests.visible == ("assert as_lists(count('a')) in [[{'a': 1}], {'a': 1}]",)
    assert "```python\nclass Solution:" in called.prompt and "repaired" not in called.prompt


async def test_apps_s_levels_are_benchmarks(tmp_path: Path) -> None:
    path = write(tmp_path, "apps.jsonl", APPS, CALLED)
    assert [p.id for p in load_benchmark("apps-interview", path)] == ["apps/8"]
    with pytest.raises(ProblemError, match="no problem of the difficulty competition; use apps for all"):
        load_benchmark("apps-competition", path)


async def test_apps_s_folders_give_what_its_records_give(sandbox: Any, tmp_path: Path) -> None:
    for record in (APPS, CALLED):
        folder = tmp_path / "APPS" / "test" / f"{record['problem_id']}"
        folder.mkdir(parents=True)
        (folder / "question.txt").write_text(str(record["question"]))
        (folder / "input_output.json").write_text(str(record["input_output"]))
        (folder / "solutions.json").write_text(str(record["solutions"]))
        (folder / "starter_code.py").write_text(str(record["starter_code"]))
        (folder / "metadata.json").write_text(json.dumps({"difficulty": record["difficulty"], "url": ""}))
    problems = load_benchmark("apps", tmp_path)
    assert problems == load_benchmark("apps", write(tmp_path, "other.jsonl", APPS, CALLED))

    async def opened(image: str) -> Any:
        return sandbox

    report = await verify(problems, opened)
    assert [(c.status, c.message) for c in report.checks] == [("passed", "")] * 2
    (tmp_path / "APPS" / "test" / "8" / "input_output.json").write_text("{")
    with pytest.raises(ProblemError, match=r'test/8: the field "input_output" is not JSON'):
        load_benchmark("apps", tmp_path)


BAD_APPS = [
    ({"input_output": "[]"}, "is not a JSON object"),
    ({"input_output": json.dumps({"inputs": ["1"], "outputs": []})}, "not lists of the same length"),
    ({"input_output": '{"inputs": [NaN], "outputs": [1]}'}, "NaN is not a number in JSON"),
    ({"input_output": json.dumps({"inputs": [1], "outputs": ["1"]})}, '"stdin" is a int, not a text'),
    (
        {"input_output": json.dumps({"fn_name": "f", "inputs": ["1"], "outputs": ["1"]})},
        "a list of arguments",
    ),
    ({"input_output": json.dumps({"fn_name": "a b", "inputs": [], "outputs": []})}, "not a Python name"),
    ({"solutions": "["}, 'the field "solutions" is not JSON'),
    ({"question": None}, 'the field "question" is missing'),
]


@pytest.mark.parametrize(("change", "message"), BAD_APPS)
async def test_a_bad_record_of_apps_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ProblemError) as error:
        load_benchmark("apps", write(tmp_path, "apps.jsonl", APPS, APPS | change))
    assert message in str(error.value) and "apps.jsonl:2: " in str(error.value)


async def test_a_file_of_contests_is_recognised_whatever_its_name(tmp_path: Path) -> None:
    for record, name in ((SUM, "livecodebench"), (APPS, "apps")):
        (problem,) = load_benchmark(str(write(tmp_path, "mine.jsonl", record)))
        assert problem.metadata["benchmark"] == name


# AIME


def aime(folder: Path, name: str, content: str) -> list[Problem]:
    (folder / name).write_text(content)
    return load_benchmark("aime", folder / name)


async def test_aime_s_collections_are_read(tmp_path: Path) -> None:
    forms = {
        "a.jsonl": json.dumps(
            {"id": 60, "problem": "What?", "answer": "033", "solution": "So.", "year": "2024"}
        ),
        "b.json": json.dumps([{"ID": 60, "Year": 2024, "Question": "What?", "Answer": 33}]),
        "c.csv": 'Year,Problem Number,Question,Answer\n2024,60,"What?\nReally?",33\n',
    }
    for name, content in forms.items():
        (problem,) = aime(tmp_path, name, content)
        assert (problem.id, problem.answer, problem.kind) == ("aime/2024-60", "33", "math")
        assert problem.metric == "last-number"
    unnamed = aime(
        tmp_path, "d.jsonl", '{"question": "A?", "answer": 1}\n{"question": "B?", "answer": "2.0"}'
    )
    assert [(p.id, p.answer) for p in unnamed] == [("aime/1", "1"), ("aime/2", "2")]


@pytest.mark.parametrize("answer", [1000, -1, "x", "", None, True, 3.5, "1,000", "１", [3]])
async def test_an_answer_of_aime_is_a_whole_number_to_999(tmp_path: Path, answer: object) -> None:
    with pytest.raises(ProblemError, match=r"mine\.jsonl: .*not a whole number from 0 to 999"):
        aime(tmp_path, "mine.jsonl", json.dumps({"problem": "What?", "answer": answer}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no rows"),
        ("Question,Answer\n", "no rows"),
        ("Question,Answer\n,3\n", ':2: neither "problem" nor'),
    ],
)
async def test_a_bad_table_of_aime_is_one_sentence(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        aime(tmp_path, "mine.csv", content)


async def test_data_that_are_not_here_are_asked_for(tmp_path: Path) -> None:
    for name in ("livecodebench", "apps-interview", "aime"):
        with pytest.raises(ProblemError, match=f"{name} is read from its own files: download them"):
            load_benchmark(name, tmp_path)
