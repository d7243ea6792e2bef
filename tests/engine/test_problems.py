"""Problem files: what is accepted, and one sentence for everything that is not."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.benchmarks.files import load_problems
from engine.problems import Problem, ProblemError, Tests, parse_problem

GOOD = {
    "id": "p1",
    "prompt": "Write `f(x)` that doubles x.",
    "entry_point": "f",
    "tests": {"visible": ["assert f(1) == 2"], "val": ["assert f(2) == 4"], "test": ["assert f(3) == 6"]},
}


def _write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_problem_keeps_its_splits_apart() -> None:
    problem = parse_problem(GOOD, "here")
    assert problem.kind == "code"
    assert problem.tests == Tests(("assert f(1) == 2",), ("assert f(2) == 4",), ("assert f(3) == 6",))


def test_kind_is_inferred() -> None:
    assert parse_problem({"id": "a", "prompt": "Who?"}, "x").kind == "open"
    assert parse_problem({"id": "a", "prompt": "Who?", "answer": "Ada"}, "x").kind == "qa"
    assert parse_problem({"id": "a", "prompt": "Do it", "entry_point": "f"}, "x").kind == "code"


@pytest.mark.parametrize("name", ["one.json", "many.jsonl", "list.json", "one.jsonl"])
def test_files(tmp_path: Path, name: str) -> None:
    second = {**GOOD, "id": "p2"}
    text = {
        "one.json": json.dumps(GOOD, indent=2),
        "many.jsonl": f"{json.dumps(GOOD)}\n\n{json.dumps(second)}\n",
        "list.json": json.dumps([GOOD, second]),
        "one.jsonl": json.dumps(GOOD),
    }[name]
    problems = load_problems(_write(tmp_path, name, text))
    assert [p.id for p in problems] == (["p1"] if name.startswith("one") else ["p1", "p2"])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.json", "", "empty"),
        ("a.json", "{", "not JSON"),
        ("a.json", "[]", "empty"),
        ("a.json", "3", "a problem is a JSON object"),
        ("a.json", b"\xff\xfe{}", "not UTF-8"),
        ("a.json", "[" * 100_000, "not JSON"),
        ("a.jsonl", '{"id": "x", "prompt": "y"}\nnope', "a.jsonl:2: not JSON"),
        ("a.jsonl", json.dumps(GOOD) + "\n" + json.dumps(GOOD), "two problems have the id 'p1'"),
        ("a.json", json.dumps({"prompt": "x"}), '"id" is missing'),
        ("a.json", json.dumps({"id": "x"}), '"prompt" is missing'),
        ("a.json", json.dumps({"id": "x", "prompt": "  "}), "empty"),
        ("a.json", json.dumps({**GOOD, "test": []}), "unknown field 'test'"),
        ("a.json", json.dumps({**GOOD, "tests": ["assert 1"]}), '"tests" is a list'),
        ("a.json", json.dumps({**GOOD, "tests": {"hidden": []}}), "splits are visible, val and test"),
        ("a.json", json.dumps({**GOOD, "tests": {"val": [3]}}), "tests.val"),
        ("a.json", json.dumps({**GOOD, "entry_point": "f()"}), "not a Python name for a function"),
        ("a.json", json.dumps({**GOOD, "kind": "poem"}), "use one of"),
        ("a.json", json.dumps({**GOOD, "metadata": 1}), "metadata"),
    ],
)
def test_bad_files_say_what_and_where(tmp_path: Path, name: str, content: str | bytes, says: str) -> None:
    path = _write(tmp_path, name, content)
    with pytest.raises(ProblemError) as caught:
        load_problems(path)
    message = str(caught.value)
    assert says in message
    assert "\n" not in message


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(ProblemError, match="give a readable"):
            load_problems(path)


_TESTS = st.lists(st.text(min_size=1).filter(str.strip), max_size=3).map(tuple)


@given(
    st.builds(
        Problem,
        id=st.text(min_size=1).filter(str.strip),
        prompt=st.text(min_size=1).filter(str.strip),
        entry_point=st.none() | st.sampled_from(["f", "solve_it"]),
        kind=st.sampled_from(["code", "math", "qa", "open"]),
        tests=st.builds(Tests, _TESTS, _TESTS, _TESTS, st.sampled_from(["author", "model"])),
        answer=st.none() | st.text(),
        metadata=st.dictionaries(st.text(), st.integers(), max_size=2),
    )
)
def test_json_round_trip(problem: Problem) -> None:
    assert parse_problem(json.loads(json.dumps(problem.to_json())), "here") == problem


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: (
            st.lists(x) | st.dictionaries(st.sampled_from([*GOOD, "answer", "kind", "metadata", "val"]), x)
        ),
    )
)
def test_arbitrary_json_is_a_problem_or_an_error(data: object) -> None:
    with contextlib.suppress(ProblemError):
        parse_problem(data, "here")
