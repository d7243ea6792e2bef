"""ADAS: the archive, the bootstrap against numpy, and searches with scripted models in a real sandbox."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import comb

import numpy as np
import pytest
import pytest_asyncio

from engine.events import ModelCallStarted, Notice, RoundFinished, WorkflowProposed
from engine.models.base import Message, Sampling
from engine.operators.sets import MAAS, PAPER
from engine.problems import Kind, Problem
from engine.run.context import RunConfig
from engine.variants.adas_archive import Draft, fitness, read_draft, seed_drafts
from engine.workflows import Workflow, build_workflow
from sandbox.pool import Pool
from tests.support.scripted import Answer
from tests.support.searches import PROBLEMS, SECRET, Lab, assert_resumes

sandboxed = pytest.mark.asyncio(loop_scope="session")

AGENT = """def forward(self, taskInfo):
    agent = LLMAgentBase(["answer"], "Solver")
    return agent([taskInfo], "{}")[0]
"""
CAREFUL, PLAIN = AGENT.format("Be careful."), AGENT.format("Just answer.")
CRASH = "def forward(self, taskInfo):\n    return undefined_name_here\n"
RAISES = "def forward(self, taskInfo):\n    return [][0]\n"


def reply(code: str, name: str = "new") -> str:
    return json.dumps({"thought": "a thought", "name": name, "code": code})


def adds(messages: Sequence[Message], _: object = None) -> str:
    """A worker that answers in JSON, right only where it is told to be careful."""
    text = messages[-1]["content"]
    name = "two" if "`two(x)`" in text else "one"
    amount = {"one": 1, "two": 2}[name] if "Be careful" in text else 0
    return json.dumps({"thinking": "", "answer": f"def {name}(x):\n    return x + {amount}"})


def config(generations: int = 1, **options: object) -> RunConfig:
    chosen = {"generations": generations, "resamples": 500, **options}
    return RunConfig(variant="adas", repeats=1, options=chosen)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(sandbox: Pool) -> Callable[..., Lab]:
    """Makes labs whose searches were stopped once the seven first agents had their scores, which are the same
    in all of them. They take most of a search's trials.
    """
    one = Lab(sandbox, "", adds, config=config(give_up_after=0))
    await one.search()
    first = {key: value for key, value in one.journal.values.items() if key.startswith("seed-")}

    def make(meta: Answer | str, generations: int = 1, **options: object) -> Lab:
        made = Lab(sandbox, meta, adds, config=config(generations, **options))
        made.journal.values |= first
        return made

    return make


def script(**turns: str) -> Callable[[Sequence[Message], object], str]:
    """What is replied to the draft, the reflexions, and an error, by words of the last message."""

    def answer(messages: Sequence[Message], _: object) -> str:
        text = messages[-1]["content"]
        kinds = {"Look at your proposal": "first", "Check the code": "second", "failed when": "debug"}
        kinds |= {"could not be read": "again"}
        kind = next((k for words, k in kinds.items() if words in text), "draft")
        return turns.get(kind, turns["draft"])

    return answer


@pytest.mark.parametrize("right", [3, 12, 20])
def test_fitness_is_numpys_bootstrap(right: int) -> None:
    scores = [1.0] * right + [0.0] * (24 - right)
    got = fitness(scores, resamples=20_000, seed=1)
    rng = np.random.default_rng(0)
    means = rng.choice(scores, (20_000, 24)).mean(axis=1)
    assert (got.low, got.high, got.median) == pytest.approx(
        tuple(np.percentile(means, [2.5, 97.5, 50])), abs=1.01 / 24
    )


def test_fitness_of_two_items_by_hand() -> None:
    # Two draws of {0, 1}: means 0, 1/2, 1 with probability 1/4, 1/2, 1/4.
    got = fitness([0.0, 1.0], resamples=4000, seed=3)
    assert (got.low, got.median, got.high) == (0.0, 0.5, 1.0)
    # Ten items, nine of them right: the 2.5th percentile of Binomial(10, 0.9)/10 is 0.7.
    below = sum(comb(10, k) * 0.9**k * 0.1 ** (10 - k) for k in range(7))
    assert below < 0.025 < below + comb(10, 7) * 0.9**7 * 0.1**3
    assert fitness([1.0] * 9 + [0.0], resamples=20_000, seed=0).low == 0.7
    assert str(fitness([1.0, 1.0])) == "95% bootstrap confidence interval (100.0%, 100.0%), median 100.0%"
    with pytest.raises(ValueError, match="no scores"):
        fitness([])
    assert fitness([0.0, 0.3, 1.0], resamples=200, seed=5) == fitness([0.0, 0.3, 1.0], resamples=200, seed=5)


def test_seven_agents_to_begin_with_all_can_run() -> None:
    drafts = seed_drafts()
    assert len(drafts) == 7
    for draft in drafts:
        built = build_workflow(draft.code, "", PAPER)
        assert isinstance(built, Workflow), built
        assert built.strict_ok
        assert draft.thought


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (reply("def forward(): pass"), "def forward(): pass"),
        ("Sure!\n```json\n" + reply("x = 1") + "\n```\nDone.", "x = 1"),
        ("<think>" + reply("bad") + "</think>" + reply("good"), "good"),
        (reply("first") + "\n" + reply("last"), "last"),
        ('{"thought": "", "name": "", "code": "a\nb"}', "a\nb"),
        ('{"a": {' + reply("inner"), "inner"),
    ],
    ids=["plain", "fenced", "after thinking", "last counts", "raw line break", "broken before it"],
)
def test_drafts_are_read_out_of_replies(text: str, code: str) -> None:
    draft = read_draft(text)
    assert isinstance(draft, Draft)
    assert draft.code == code
    assert draft.name


@pytest.mark.parametrize(
    "text",
    ["", "no", "{", "{" * 100_000, '{"a":' * 50_000, '{"code": 3}', '{"code": " "}', "[1]", "\x00" * 1000],
)
def test_replies_without_a_draft(text: str) -> None:
    assert isinstance(read_draft(text), str)


@sandboxed
@pytest.mark.parametrize("kind", ["code", "qa"])
async def test_each_first_agent_answers(sandbox: Pool, kind: str) -> None:
    if kind == "code":
        right = "def one(x):\n    return x + 1"
        problem = PROBLEMS[0]
    else:
        right = "blue"
        problem = Problem("sky", "Which colour has the sky?", kind="qa", answer="blue")
    worker = json.dumps(
        {"thinking": "t", "answer": right, "correct": "True", "principle": "p", "choice": "1"}
    )
    for draft in seed_drafts():
        built = build_workflow(draft.code, "", PAPER)
        assert isinstance(built, Workflow)
        one = Lab(sandbox, "", worker, config=config())
        (trial,) = await one.evaluate("x", built, problems=[problem])
        assert (trial.status, trial.score) == ("passed", 1.0), (draft.name, trial.error)


@sandboxed
async def test_reflexions_improve_the_draft_and_the_best_is_locked(lab: Callable[..., Lab]) -> None:
    answers = script(draft=reply(PLAIN), first=reply(PLAIN, "v2"), second=reply(CAREFUL, "v3"))
    one = lab(answers)
    found = await one.search()
    assert len(found["archive"]) == 8
    assert [r["generation"] for r in found["archive"]] == ["initial"] * 7 + [1]
    assert found["archive"][7]["fitness"].endswith("median 100.0%")
    assert (found["name"], found["round"], found["val_score"]) == ("v3", 8, 1.0)
    assert [e.round for e in one.events if isinstance(e, RoundFinished)] == list(range(1, 9))
    end = await one.solve(PROBLEMS[1], found)
    assert (end.status, end.workflow_id) == ("passed", found["workflow_id"])
    asked = one.services.meta_agent.calls  # type: ignore[attr-defined]
    assert [len(m) for m in asked] == [2, 4, 6]
    assert "Dynamic Assignment of Roles" in asked[0][1]["content"]
    assert "median 0.0%" in asked[0][1]["content"]


@sandboxed
async def test_errors_are_sent_back_and_mended(lab: Callable[..., Lab]) -> None:
    for broken, says in (
        (RAISES, "IndexError"),
        (CRASH, "undefined_name_here"),
        (PLAIN, "none of its answers"),
    ):
        one = lab(script(draft=reply(broken), debug=reply(CAREFUL)))
        found = await one.search()
        assert found["val_score"] == 1.0
        asked = one.services.meta_agent.calls  # type: ignore[attr-defined]
        assert len(asked) == 4
        assert says in asked[3][-1]["content"]


@sandboxed
async def test_a_generation_that_fails_is_a_row_and_does_not_end_the_search(lab: Callable[..., Lab]) -> None:
    calls: list[int] = []

    def meta(messages: Sequence[Message], _: object) -> str:
        calls.append(len(messages))
        second = sum(n == 2 for n in calls) == 2
        return reply(CAREFUL) if second else reply(CRASH)

    one = lab(meta, generations=2)
    found = await one.search()
    failed, good = found["archive"][7:]
    assert (failed["generation"], failed["score"], failed["workflow_id"]) == (1, None, None)
    assert "undefined_name_here" in failed["error"]
    assert (good["generation"], good["score"]) == (2, 1.0)
    assert calls == [2, 4, 6, 8, 10, 2, 4, 6]
    proposals = [e for e in one.events if isinstance(e, WorkflowProposed) and e.round == 8]
    assert len(proposals) == 3  # the release tries an agent three times


@sandboxed
async def test_the_agent_before_is_shown_from_the_second_generation_on(lab: Callable[..., Lab]) -> None:
    one = lab(reply(CAREFUL, "the-new-one"), generations=2)
    await one.search()
    asked = one.services.meta_agent.calls  # type: ignore[attr-defined]
    first, second = (m[-1]["content"] for m in asked if "Look at your proposal" in m[-1]["content"])
    assert "The one before it" not in first
    assert 'The one before it:\n{"name": "the-new-one"' in second


@sandboxed
@pytest.mark.parametrize(("set_by", "temperature"), [(None, 0.8), (0.1, 0.1)])
async def test_the_meta_agent_has_the_release_s_temperature_unless_the_run_sets_one(
    lab: Callable[..., Lab], set_by: float | None, temperature: float
) -> None:
    one = lab(reply(CAREFUL))
    one.config = replace(one.config, meta_sampling=Sampling(temperature=set_by))
    await one.search()
    calls = [e for e in one.events if isinstance(e, ModelCallStarted) and e.role == "meta"]
    assert {c.params["temperature"] for c in calls} == {temperature}


@sandboxed
@pytest.mark.parametrize(
    ("kind", "form"), [("code", "all of the code"), ("math", "only the final result"), ("qa", "as few words")]
)
async def test_an_agent_is_told_the_form_of_an_answer(sandbox: Pool, kind: Kind, form: str) -> None:
    problem = replace(PROBLEMS[0], kind=kind, answer="2")
    built = build_workflow(
        "def forward(self, taskInfo):\n"
        '    return LLMAgentBase(["thinking", "final_answer"], "A")([taskInfo], "Solve it.")[1]\n',
        "",
        PAPER,
    )
    assert isinstance(built, Workflow)
    one = Lab(sandbox, "", '{"thinking": "", "final_answer": "2"}', config=config())
    await one.evaluate("x", built, problems=[problem])
    (asked,) = one.services.worker.calls  # type: ignore[attr-defined]
    text = asked[-1]["content"]
    assert '"final_answer": "Your final_answer. Return' in text
    assert form in text
    assert '"thinking": "Your thinking."' in text


@sandboxed
async def test_an_agent_without_output_fields_gives_an_empty_list(sandbox: Pool) -> None:
    built = build_workflow(
        "def forward(self, taskInfo):\n"
        '    said = LLMAgentBase([], "Memory")([taskInfo], "Remember this.")\n'
        "    return repr(said)\n",
        "",
        PAPER,
    )
    assert isinstance(built, Workflow)
    problem = Problem("q", "What?", kind="qa", answer="[]")
    for said in ("noted", "{}", '{"answer": 1}', ""):
        one = Lab(sandbox, "", said, config=config())
        (trial,) = await one.evaluate("x", built, problems=[problem])
        assert (trial.answer, trial.error) == ("[]", None)


@sandboxed
async def test_a_reflexion_that_cannot_be_read_keeps_the_draft(lab: Callable[..., Lab]) -> None:
    one = lab(script(draft=reply(CAREFUL), first="hm", second="hm"))
    assert (await one.search())["val_score"] == 1.0
    assert sum("stays as it was" in e.text for e in one.events if isinstance(e, Notice)) == 2
    one = lab(script(draft="hm", again=reply(CAREFUL), first="hm", second="hm"))
    assert (await one.search())["val_score"] == 1.0


@sandboxed
@pytest.mark.parametrize(
    "garbage", ["", "no", reply(CRASH), "{" * 5000], ids=["empty", "prose", "bad", "braces"]
)
async def test_a_meta_agent_that_writes_only_garbage_ends_the_search(
    lab: Callable[..., Lab], garbage: str
) -> None:
    one = lab(garbage, generations=30, give_up_after=2)
    message = await one.failing_search()
    assert "wrote no agent that can run in 2 generations" in message
    assert one.calls[0] <= 12
    never = lab(garbage, generations=3, give_up_after=0)
    found = await never.search()
    assert (found["round"], len(found["archive"])) == (1, 10)


@sandboxed
async def test_no_hidden_test_and_no_reference_reaches_a_model(sandbox: Pool) -> None:
    answers = script(draft=reply(RAISES), debug=reply(PLAIN))
    one = Lab(sandbox, answers, adds, config=config(debug_max=2))
    await one.search()
    assert "IndexError" in one.seen
    assert SECRET not in one.seen


@sandboxed
async def test_seeds_that_solve_everything_are_said_to(sandbox: Pool) -> None:
    right = json.dumps({"answer": "def one(x): return x + 1\ndef two(x): return x + 2", "correct": "True"})
    one = Lab(sandbox, reply(CAREFUL), right, config=config())
    await one.search()
    assert any("solve the whole task" in e.text for e in one.events if isinstance(e, Notice))


@sandboxed
async def test_a_set_without_custom_does_not_matter(sandbox: Pool) -> None:
    chosen = RunConfig(
        variant="adas", repeats=1, operators=MAAS, options={"generations": 1, "resamples": 100}
    )
    one = Lab(sandbox, reply(CAREFUL), adds, config=chosen)
    found = await one.search()
    assert (await one.solve(PROBLEMS[0], found)).status == "passed"


@sandboxed
async def test_stopped_at_any_step_it_resumes_and_asks_nothing_twice(lab: Callable[..., Lab]) -> None:
    answers = script(draft=reply(RAISES), debug=reply(CAREFUL))
    await assert_resumes(lambda: lab(answers), only="generation-1")
