"""What must not be in a data set: hidden tests, problems of benchmarks, keys; nor be left half-made."""

from __future__ import annotations

import json
import subprocess
import sys
from random import Random
from typing import Any

import pytest

from store.annotations import annotate
from store.exports.files import ExportError
from tests.support.meta_runs import CODES, Wrote, meta_run, problem
from tests.support.trials import PASS, store_experiment
from tests.training.conftest import Desk
from training.data import DataError, Progress
from training.data.serialise import IGNORED, TokenizerError, tokens

CHECK = (
    "def check(candidate):\n    assert candidate([1, 2]) == [\n        'a', 2]\n    assert candidate([])\n"
)
UNITTEST = (
    "class TestCases(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(f('x', 7), 8)\n"
)


@pytest.mark.parametrize(
    "leak",
    [
        "assert f(20) == 21",  # val
        "assert f(300) == 301",  # test
        "assert  f( 300 )\n  ==301",
        "so f(300) == 301 must hold",
        "assert f([1, 2]) == ['a', 2]",  # of check(candidate), with the function's own name
        'assert candidate([1, 2]) == ["a", 2]',
        "self.assertEqual(f('x', 7), 8)",
        "assert g(5) == 50",  # of another problem of the set
    ],
)
@pytest.mark.parametrize("where", ["reply", "reasoning"])
def test_no_row_holds_a_hidden_assertion(desk: Desk, leak: str, where: str) -> None:
    tests = {
        "visible": ["assert f(1) == 2"],
        "val": ["assert f(20) == 21", CHECK],
        "test": ["assert f(300) == 301", UNITTEST],
    }
    of = problem("p", tests=tests)
    wrote = Wrote(0.5, CODES[1])
    said = {"reply": {"text": f"{wrote.reply}\n{leak}"}, "reasoning": {"reasoning": f"I know {leak}."}}[where]
    desk.put(
        meta_run("leaky", [Wrote(0.5, CODES[1], **said)], of=of),  # type: ignore[arg-type]
        meta_run("fine", [Wrote(0.5, CODES[2])], of=of, at=2000.0),
        meta_run("other", [Wrote(0.5)], of=problem("q", tests={"val": ["assert g(5) == 50"]}), at=3000.0),
    )
    rows, report = desk.build("sft")
    assert [row["run"] for row in rows] == ["fine", "other"]
    assert dict(report.dropped) == {"hidden-test": 1}
    assert leak not in json.dumps(rows)


def test_the_instruction_is_looked_through_too(desk: Desk) -> None:
    asked: Any = [
        {"role": "system", "content": "E.g. assert f(300) == 301"},
        {"role": "user", "content": "q"},
    ]
    desk.put(meta_run("r", [Wrote(0.5)], asked=asked), meta_run("s", [Wrote(0.5, CODES[1])], at=2000.0))
    rows, report = desk.build("sft")
    assert [row["run"] for row in rows] == ["s"] and dict(report.dropped) == {"hidden-test": 1}


@pytest.mark.parametrize(
    "said",
    ["assert f(20) == 210", "assert f(20) == 21.5", "assert ff(20) == 21", "f(120) == 21", "f(20)", "20 21"],
)
def test_what_only_looks_like_one_is_none(desk: Desk, said: str) -> None:
    desk.put(meta_run("r", [Wrote(0.5, reasoning=said)]))
    assert len(desk.build("sft")[0]) == 1


def test_visible_tests_are_no_secret_even_where_they_are_hidden_ones_too(desk: Desk) -> None:
    tests = {"visible": ["assert f(1) == 2"], "val": ["assert f(1) == 2"], "test": ["assert f(1) == 2"]}
    desk.put(meta_run("r", [Wrote(0.5, reasoning="assert f(1) == 2 is shown")], of=problem("p", tests=tests)))
    (row,), _ = desk.build("sft")
    assert "assert f(1) == 2" in row["prompt"][1]["content"]


def test_pairs_and_repairs_are_looked_through_too(desk: Desk) -> None:
    leaky = Wrote(1.0, CODES[1], reasoning="assert f(300) == 301")
    desk.put(meta_run("a", [leaky]), meta_run("b", [Wrote(0.0, CODES[2])], at=2000.0))
    with pytest.raises(DataError, match="1 hidden-test"):
        desk.build("dpo")
    desk.put(meta_run("c", [[Wrote(runs=False, code="x"), leaky]], of=problem("s"), at=3000.0))
    with pytest.raises(DataError, match="hidden-test"):
        desk.build("repair", "status:passed")


def test_a_problem_may_hold_val_but_not_test(desk: Desk) -> None:
    desk.put(
        meta_run("r", [], of=problem("p")),
        meta_run("told", [], of=problem("q", prompt="Write f, so that assert f(300) == 301."), at=2000.0),
    )
    rows, report = desk.build("grpo")
    assert [row["id"] for row in rows] == ["p"] and dict(report.dropped) == {"hidden-test": 1}


WORDS = "Given a list of integers return the largest sum of any run of numbers that stand next to each other"


@pytest.fixture
def kept_out(desk: Desk) -> str:
    """A benchmark in a file: one problem of many words, one of few."""
    problems = [
        {
            "id": "B/0",
            "prompt": WORDS,
            "entry_point": "best",
            "tests": {"test": ["assert best([3, -1]) == 3"]},
        },
        {
            "id": "B/1",
            "prompt": "Reverse it.",
            "entry_point": "r",
            "tests": {"val": ["assert r('ab') == 'ba'"]},
        },
    ]
    path = desk.folder / "held.jsonl"
    path.write_text("".join(json.dumps(p) + "\n" for p in problems))
    return str(path)


@pytest.mark.parametrize(
    ("of", "wrote", "reason"),
    [
        ({"id": "B/0", "metadata": {}}, {}, "contaminated-id"),
        ({"prompt": f"Please! {WORDS.upper()}, and so on."}, {}, "contaminated-words"),
        ({}, {"reasoning": f"I recall: {WORDS.replace(' ', '  ')}"}, "contaminated-words"),
        ({}, {"reasoning": "assert best([3,-1])==3"}, "contaminated-test"),
        ({"tests": {"visible": ['assert r("ab") == "ba"']}}, {}, "contaminated-test"),
    ],
)
def test_a_benchmark_is_kept_out_by_id_words_and_tests(
    desk: Desk, kept_out: str, of: dict[str, Any], wrote: dict[str, Any], reason: str
) -> None:
    desk.put(
        meta_run("touches", [Wrote(0.5, CODES[1], **wrote)], of=problem("p") | of),
        meta_run("fine", [Wrote(0.5)], of=problem("q", prompt="Reverse it. Then " + WORDS[:40]), at=2000.0),
    )
    rows, report = desk.build("sft", against=(kept_out,))
    assert [row["run"] for row in rows] == ["fine"]
    assert dict(report.dropped) == {reason: 1} and report.kept_out == {kept_out: 2}
    assert len(desk.build("sft", name="all")[0]) == 2


def test_how_many_words_tell_a_problem_can_be_said(desk: Desk, kept_out: str) -> None:
    desk.put(
        meta_run("part", [Wrote(0.5)], of=problem("p", prompt="x " + " ".join(WORDS.split()[3:9]))),
        meta_run("fine", [Wrote(0.5)], of=problem("q"), at=2000.0),
    )
    assert len(desk.build("sft", against=(kept_out,))[0]) == 2
    assert len(desk.build("sft", name="six", against=(kept_out,), ngram=6)[0]) == 1


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nosuch", "--against nosuch: there is no benchmark"),
        ("pocket:no", "--against pocket:no: there is no split"),
    ],
)
def test_a_benchmark_that_cannot_be_had_is_said(desk: Desk, name: str, told: str) -> None:
    desk.put(meta_run("r", [Wrote(0.5)]))
    with pytest.raises(DataError, match=told):
        desk.build("sft", against=(name,))
    assert not (desk.folder / "out").exists()


def test_keys_do_not_get_into_rows(desk: Desk) -> None:
    desk.put(meta_run("r", [Wrote(0.5, reasoning="MY_API_KEY=canary123 and sk-canary0123456789abcdef")]))
    (row,), _ = desk.build("sft")
    assert "canary" not in json.dumps(row)


# -- which runs --------------------------------------------------------------------------------------------


def test_runs_by_experiment_training_set_and_search(desk: Desk) -> None:
    desk.put(meta_run("a", [Wrote(0.5)]), meta_run("b", [Wrote(1.0)], of=problem("q"), at=2000.0))
    store_experiment(desk.settings.store_path(), "first", {"v": {"p": [PASS]}})
    desk.put(meta_run("c", [Wrote(0.5)], of=problem("s"), at=3000.0, origin={"experiment": "first"}))
    annotate(desk.settings.store_path(), ["a"], "training-set", "good")

    def runs(wanted: str) -> list[str]:
        return [row["run"] for row in desk.build("sft", wanted, force=True)[0]]

    assert runs("") == ["a", "b", "c"]  # the oldest first
    assert runs("first") == runs("experiment:first") == ["c"]
    assert runs("good") == runs("training-set:good") == ["a"]
    assert runs("status:passed") == ["b"]
    annotate(desk.settings.store_path(), ["a"], "training-set", "first")
    with pytest.raises(DataError, match="say experiment:first or training-set:first"):
        runs("first")


@pytest.mark.parametrize("wanted", ["nosuch", "status:budget", ""])
def test_no_run_matches(desk: Desk, wanted: str) -> None:
    if wanted:
        desk.put(meta_run("r", [Wrote(0.5)]))
    with pytest.raises(DataError, match="name an experiment, a training set, or what"):
        desk.build("sft", wanted)
    assert not list(desk.folder.glob("*out*"))


# -- the folder --------------------------------------------------------------------------------------------


def beside_the_store(desk: Desk) -> list[str]:
    """What lies there but for the store's own files, and the libraries' caches."""
    return sorted(p.name for p in desk.folder.iterdir() if not p.name.startswith(("store.db", ".cache")))


def put_many(desk: Desk, count: int = 30) -> None:
    desk.put(
        *(meta_run(f"r{n:03}", [Wrote(n % 3 / 2)], of=problem(f"p{n}"), at=1e3 * n) for n in range(count))
    )


OPTIONS: dict[str, dict[str, Any]] = {
    "sft": {"tokenizer": "pocket-meta"},
    "dpo": {"tokenizer": "pocket-meta", "pairs": 20},
    "grpo": {},
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_the_same_store_gives_the_same_bytes(desk: Desk, kind: Any) -> None:
    put_many(desk)
    desk.put(meta_run("more", [Wrote(0.9, CODES[1])], of=problem("p1"), at=1e6))
    for name in ("one", "two"):
        desk.build(kind, name=name, **OPTIONS[kind])
    one, two = ({p.name: p.read_bytes() for p in (desk.folder / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert set(one) >= {"card.md", "report.json", "dataset_info.json", "state.json"}


@pytest.mark.parametrize("phase", ["reading", "writing"])
def test_a_build_that_is_ended_leaves_nothing(desk: Desk, phase: str) -> None:
    put_many(desk)

    def stop(progress: Progress) -> None:
        if progress.phase == phase and progress.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.build("sft", progress=stop)
    assert beside_the_store(desk) == []


def test_progress_tells_how_many_runs_there_are(desk: Desk) -> None:
    put_many(desk)
    told: list[Progress] = []
    desk.build("sft", progress=told.append)
    assert [(p.phase, p.done, p.total) for p in told] == [
        ("reading", 0, 30),
        ("reading", 20, 30),
        ("writing", 0, None),
        ("writing", 20, None),
    ]


def test_nothing_is_replaced_without_being_asked(desk: Desk) -> None:
    put_many(desk, 3)
    desk.build("sft")
    with pytest.raises(ExportError, match="exists already"):
        desk.build("grpo")
    assert len(desk.build("grpo", force=True)[0]) == 3
    (desk.folder / "mine").mkdir()
    (desk.folder / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(ExportError, match="is a folder"):
        desk.build("sft", name="mine", force=True)
    assert (desk.folder / "mine" / "thesis.txt").read_text() == "all of it"


def test_a_failed_build_leaves_the_old_data_set(desk: Desk) -> None:
    put_many(desk, 3)
    before = desk.build("sft")[0]
    with pytest.raises(DataError):
        desk.build("repair", force=True)
    from datasets import load_from_disk

    assert load_from_disk(str(desk.folder / "out")).to_list() == before


FULL = """
import resource, sys
from pathlib import Path
from engine.config import Settings
from sandbox.errors import ExpectedError
from training.data import Source, build
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
folder = Path(sys.argv[1])
try:
    build("sft", Source(Settings(store=folder / "store.db", endpoints={}), ""), folder / "out")
except ExpectedError as error:
    print(error)
"""


@pytest.mark.parametrize(("room", "said"), [(60_000, 100), (1_000_000, 100_000)])
def test_a_disk_that_takes_no_more_is_said_and_leaves_nothing(desk: Desk, room: int, said: int) -> None:
    """A limit on the size of files, met by the rows or by the spool, is as near as a test can come."""
    rng = Random(1)
    for n in range(60):
        wrote = Wrote(0.5, reasoning=rng.randbytes(said // 2).hex())
        desk.put(meta_run(f"r{n}", [wrote], of=problem(f"p{n}")))
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(desk.folder), str(room)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path), "HOME": str(desk.folder), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert done.stdout.startswith(f"{desk.folder}/out: ") and done.stdout.count("\n") == 1, done.stderr
    assert beside_the_store(desk) == []


# -- tokens ------------------------------------------------------------------------------------------------


def test_lengths_are_the_students(desk: Desk) -> None:
    from transformers import AutoTokenizer

    from training.pocket.model import WEIGHTS

    desk.put(
        meta_run("r", [Wrote(0.5), Wrote(0.7, CODES[3]), Wrote(0.9, CODES[5], reasoning="Long. " * 300)])
    )
    rows, report = desk.build("sft", tokenizer="pocket-meta")
    student = AutoTokenizer.from_pretrained(WEIGHTS / "meta")
    lengths = [tokens(row, student) for row in rows]
    told = report.to_json()["tokens"]
    assert told["total"] == sum(len(ids) for ids, _ in lengths)
    assert told["trained"] == sum(label != IGNORED for _, labels in lengths for label in labels)
    assert (told["longest"], told["longest_row"]) == (len(lengths[2][0]), 2)
    limit = max(len(lengths[0][0]), len(lengths[1][0]))
    rows, report = desk.build("sft", name="short", tokenizer="pocket-meta", max_tokens=limit)
    assert len(rows) == 2 and dict(report.dropped) == {"too-long": 1}


def test_rows_that_the_student_cannot_write_are_left_out(desk: Desk) -> None:
    desk.put(meta_run("r", [Wrote(0.5), Wrote(0.5, CODES[1], reasoning="the mark <|e|> ends it")]))
    assert dict(desk.build("sft", tokenizer="pocket-meta")[1].dropped) == {"not-serialisable": 1}


def test_a_student_without_a_template_is_refused_before_anything_is_read(desk: Desk) -> None:
    from transformers import AutoTokenizer

    from training.pocket.model import WEIGHTS

    desk.put(meta_run("r", [Wrote(0.5)]))
    student = AutoTokenizer.from_pretrained(WEIGHTS / "meta")
    student.chat_template = None
    student.save_pretrained(desk.folder / "bare")
    (desk.folder / "bare" / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(TokenizerError, match="no chat template"):
        desk.build("sft", tokenizer=f"hf:{desk.folder / 'bare'}")
    with pytest.raises(TokenizerError, match=r"--tokenizer .*does not exist"):
        desk.build("sft", tokenizer="hf:./nowhere")
    assert not (desk.folder / "out").exists()


# -- the report --------------------------------------------------------------------------------------------


def test_the_report_and_the_card_say_what_became_of_the_runs(desk: Desk) -> None:
    desk.put(
        meta_run("r", [Wrote(0.5), Wrote(0.25, CODES[1], reasoning=""), Wrote(0.9, flags=("truncated",))]),
        meta_run("s", [Wrote(None, runs=False)], of=problem("q"), at=2000.0),
    )
    desk.build("sft")
    report = json.loads((desk.folder / "out" / "report.json").read_text())
    assert report["runs"] == {"matched": 2, "read": 2, "partial_search": False}
    assert (report["rows"], report["problems"], report["candidates"]) == (2, 1, 2)
    assert report["dropped"] == {"truncated-reply": 1, "cannot-run": 1}
    assert report["replies"] == {"all": 4, "truncated": 1, "share_truncated": 0.25}
    assert report["without_reasoning"] == 1
    assert report["reward"] == {"rows": 2, "mean": 0.375, "lowest": 0.25, "highest": 0.5}
    assert report["by_meta_agent"] == {"teacher": 2}
    card = (desk.folder / "out" / "card.md").read_text()
    assert (
        "# Rows for sft: 2" in card
        and "| `truncated-reply` | the reply was cut off at its limit | 1 |" in card
    )
