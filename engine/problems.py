"""Problems: a query with its reference answer, or its tests in three splits that never mix.

A workflow sees `visible` tests, search and training see `val`, only the report sees `test`
(invariant I6). A test is an assert statement, a source that defines `check(candidate)`, or what a whole
program reads and must print (`engine.program_tests`).
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from engine.program_tests import as_program_test, program_test
from engine.records import ProblemError
from sandbox.types import ModeChoice

Kind = Literal["code", "math", "qa", "open"]
# How an answer becomes a score; see `engine.scores.scoring` and `engine.scores.metrics`.
Metric = Literal["tests", "math", "last-number", "exact-match", "f1", "drop-f1"]
SPLITS = ("visible", "val", "test")
MAX_CPU_S = 600  # of one test
_NEEDS_ENTRY = re.compile(r"^def check\(\s*\w", re.MULTILINE)


@dataclass(frozen=True)
class Tests:
    """Tests by split. `written_by` is "model" where a worker wrote the visible ones."""

    __test__ = False  # not a pytest class

    visible: tuple[str, ...] = ()
    val: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    written_by: Literal["author", "model"] = "author"

    def __bool__(self) -> bool:
        return bool(self.visible or self.val or self.test)


@dataclass(frozen=True)
class Problem:
    """One query. `entry_point` is the function that is asked for; `answer` is the reference answer, with `|`
    between alternatives.

    In `metadata`, which no model sees, `prelude` is code that the tests may rely on (HumanEval's helpers),
    `image` the sandbox image they need ("science"), `mode` how they are judged ("auto"), `tolerance` by how
    much floats may differ, `cpu_s` how long each of them may take, `metric` how an answer is scored and
    `reference` a solution that passes.
    """

    id: str
    prompt: str
    entry_point: str | None = None
    kind: Kind = "open"
    tests: Tests = field(default_factory=Tests)
    answer: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def inputs(self) -> dict[str, Any]:
        """What a workflow may be given, by name (`engine.operators.specs.RUN_INPUTS`)."""
        return {
            "problem": self.prompt,
            "entry_point": self.entry_point,
            "test_cases": list(self.tests.visible),
            "question_id": self.id,
        }

    @property
    def image(self) -> str:
        """The sandbox image its tests and programs run in."""
        value = self.metadata.get("image", "core")
        return value if isinstance(value, str) else "core"

    @property
    def mode(self) -> ModeChoice:
        """How its tests are judged; see `sandbox.types.Sandbox.check`."""
        return self.metadata.get("mode", "auto")

    @property
    def metric(self) -> Metric:
        """How an answer becomes a score: tests for code, else what `metadata` says or the kind suggests."""
        if self.kind == "code":
            return "tests"
        return self.metadata.get("metric") or ("math" if self.kind == "math" else "exact-match")

    @property
    def tolerance(self) -> float:
        """By how much two floats that its tests compare may differ; see `sandbox.types.Sandbox.check`."""
        return float(self.metadata.get("tolerance") or 0.0)

    @property
    def is_program(self) -> bool:
        """Whether a whole program is asked for, which reads its standard input and prints."""
        tests = (*self.tests.visible, *self.tests.val, *self.tests.test)
        return bool(tests) and as_program_test(tests[0]) is not None

    @property
    def asks_for_class(self) -> bool:
        """Whether `entry_point` is asked for as a method of a class, as LeetCode does."""
        return bool(self.metadata.get("class"))

    @property
    def cpu_s(self) -> float | None:
        """The CPU time that each test may take, in processes of its own; None where all share a limit."""
        value = self.metadata.get("cpu_s")
        return float(value) if value else None

    @property
    def reference(self) -> str | None:
        """A solution that passes its tests; None where none is known, and for problems without code."""
        value = self.metadata.get("reference")
        return value if isinstance(value, str) and value.strip() and self.kind == "code" else None

    @property
    def prelude(self) -> str:
        """Code that its tests may rely on; "" where there is none."""
        value = self.metadata.get("prelude", "")
        return value if isinstance(value, str) else ""

    def to_json(self) -> dict[str, Any]:
        """The problem as `parse_problem` reads it."""
        tests: dict[str, Any] = {s: list(getattr(self.tests, s)) for s in SPLITS}
        if self.tests.written_by == "model":
            tests["written_by"] = "model"
        return {
            "id": self.id,
            "prompt": self.prompt,
            "entry_point": self.entry_point,
            "kind": self.kind,
            "tests": tests,
            "answer": self.answer,
            "metadata": dict(self.metadata),
        }


def parse_problem(data: object, where: str) -> Problem:
    """A problem from decoded JSON. `where` (such as a file and line) goes into messages.

    Raises:
        ProblemError: a field is missing, unknown or of the wrong type.
    """
    if not isinstance(data, dict):
        raise ProblemError(f"{where}: a problem is a JSON object, this is a {type(data).__name__}")
    unknown = set(data) - {"id", "prompt", "entry_point", "kind", "tests", "answer", "metadata"}
    if unknown:
        raise ProblemError(f'{where}: unknown field {sorted(unknown)[0]!r}; put extra data under "metadata"')
    prompt = _text(data, "prompt", where, required=True)
    if not prompt or not prompt.strip():
        raise ProblemError(f'{where}: "prompt" is empty; write the query there')
    entry_point = _text(data, "entry_point", where)
    if entry_point is not None and not is_python_name(entry_point):
        raise ProblemError(f'{where}: "entry_point" is {entry_point!r}, not a Python name for a function')
    tests = _parse_tests(data.get("tests"), where)
    answer = _text(data, "answer", where)
    kind = data.get("kind") or _infer_kind(entry_point, tests, answer)
    if kind not in get_args(Kind):
        raise ProblemError(f'{where}: "kind" is {kind!r}; use one of {", ".join(get_args(Kind))}')
    metadata = data.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise ProblemError(f'{where}: "metadata" is a {type(metadata).__name__}, not an object')
    _check_choice(metadata, "mode", get_args(ModeChoice), where)
    _check_choice(metadata, "metric", get_args(Metric), where)
    _check_tolerance(metadata.get("tolerance"), where)
    class_name = metadata.get("class")
    if class_name is not None and not (isinstance(class_name, str) and is_python_name(class_name)):
        raise ProblemError(f"{where}: metadata.class is {class_name!r}, not a Python name")
    _check_seconds(metadata.get("cpu_s"), where)
    _check_forms(entry_point, tests, where)
    if entry_point is None and any(_NEEDS_ENTRY.search(t) for s in SPLITS for t in getattr(tests, s)):
        raise ProblemError(f'{where}: "entry_point" is missing; its tests define check(candidate)')
    problem_id = data.get("id")
    if isinstance(problem_id, int) and not isinstance(problem_id, bool):
        problem_id = str(problem_id)
    if not isinstance(problem_id, str) or not problem_id.strip():
        raise ProblemError(f'{where}: "id" is missing; give the problem a name')
    return Problem(problem_id, prompt, entry_point, kind, tests, answer, metadata)


def is_python_name(text: str) -> bool:
    """Whether a function can have this name: keywords such as `class` cannot be one."""
    return text.isidentifier() and not keyword.iskeyword(text)


def _check_choice(metadata: dict[str, Any], name: str, known: tuple[str, ...], where: str) -> None:
    value = metadata.get(name)
    if value is not None and value not in known:
        raise ProblemError(f"{where}: metadata.{name} is {value!r}; use one of {', '.join(known)}")


def _check_tolerance(value: Any, where: str) -> None:
    if value is None:
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and 0 <= value < 1):
        raise ProblemError(f"{where}: metadata.tolerance is {value!r}; give a number from 0 to less than 1")


def _check_seconds(value: Any, where: str) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (number and 0 < value <= MAX_CPU_S):
        raise ProblemError(f"{where}: metadata.cpu_s is {value!r}; give seconds, at most {MAX_CPU_S}")


def _check_forms(entry_point: str | None, tests: Tests, where: str) -> None:
    programs = {as_program_test(test) is not None for split in SPLITS for test in getattr(tests, split)}
    if len(programs) == 2:
        raise ProblemError(f"{where}: some tests are of a program and some are not; use one form for all")
    if True in programs and entry_point is not None:
        raise ProblemError(
            f'{where}: "entry_point" is {entry_point!r}, and its tests run a whole program; leave it out'
        )


def unique(problems: Iterable[Problem]) -> list[Problem]:
    """The problems as a list. Raises ProblemError where two have the same id."""
    seen: dict[str, Problem] = {}
    for problem in problems:
        if problem.id in seen:
            raise ProblemError(f"two problems have the id {problem.id!r}; ids name runs, so make them unique")
        seen[problem.id] = problem
    return list(seen.values())


def _parse_tests(data: object, where: str) -> Tests:
    if data is None:
        return Tests()
    if not isinstance(data, dict):
        raise ProblemError(
            f'{where}: "tests" is a {type(data).__name__}; '
            'use {"visible": [...], "val": [...], "test": [...]}'
        )
    unknown = set(data) - {*SPLITS, "written_by"}
    if unknown:
        raise ProblemError(
            f"{where}: unknown tests {sorted(map(str, unknown))[0]!r}; the splits are visible, val and test"
        )
    splits: dict[str, tuple[str, ...]] = {}
    for split in SPLITS:
        items = data.get(split) or []
        if not isinstance(items, list):
            raise ProblemError(f"{where}: tests.{split} is not a list of test sources")
        splits[split] = tuple(_parse_test(t, f"{where}: tests.{split}") for t in items)
    written_by = data.get("written_by", "author")
    if written_by not in ("author", "model"):
        raise ProblemError(f"{where}: tests.written_by is {written_by!r}; use author or model")
    return Tests(splits["visible"], splits["val"], splits["test"], written_by)


def _parse_test(item: object, where: str) -> str:
    if isinstance(item, str) and item.strip():
        return item
    if not isinstance(item, dict):
        raise ProblemError(f"{where} is not a list of test sources")
    if set(item) != {"stdin", "stdout"}:
        raise ProblemError(f'{where}: a test of a program is {{"stdin": TEXT, "stdout": TEXT}}')
    test = program_test(item["stdin"], item["stdout"], where)
    if test.too_large:
        raise ProblemError(f"{where}: {test.too_large}; leave the test out")
    return str(test)


def _infer_kind(entry_point: str | None, tests: Tests, answer: str | None) -> Kind:
    if entry_point or tests:
        return "code"
    return "qa" if answer is not None else "open"


def _text(data: dict[str, Any], key: str, where: str, *, required: bool = False) -> str | None:
    value = data.get(key)
    if value is None and not required:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and key == "answer":
        return str(value)
    if not isinstance(value, str):
        problem = "is missing" if value is None else f"is a {type(value).__name__}, not a string"
        raise ProblemError(f'{where}: "{key}" {problem}')
    return value
