"""What the pocket models learn is what the engine really sends and really accepts."""

import random

from engine.operators import custom_code_generate, review, revise, sc_ensemble
from engine.operators.sets import PAPER
from engine.operators.support import chosen, extract_code, field
from engine.prompts import propose_messages
from engine.run.step_requests import feedback_text
from engine.workflows import Workflow, build_workflow
from sandbox import TestResult, Verdict
from training.pocket import flows, instructions, meta, worker
from training.pocket.tasks import TESTS, examples


def lessons(revise_share: float, count: int, letters: float = 0.03) -> list[worker.Lesson]:
    rng = random.Random(1)
    return [worker.lesson(rng, revise_share, letters) for _ in range(count)]


def test_writing_uses_the_code_generators_prompt_word_for_word():
    for lesson in lessons(0.0, 50, letters=0.0):
        content = lesson.messages[0]["content"]
        instruction = next((t for t in instructions.ALL if content.startswith(t)), "")
        problem = content.removeprefix(instruction).strip("\n").rpartition("\n\nWrite ")[0]
        name = extract_code(lesson.answer).removeprefix("def ").partition("(")[0]
        asked = [custom_code_generate.prompt(problem, entry, instruction) for entry in (name, None)]
        assert content in asked


def test_revising_uses_the_revise_operators_prompt_word_for_word():
    seen = 0
    for lesson in lessons(1.0, 60, letters=0.0):
        content = lesson.messages[0]["content"]
        if not content.startswith("Problem:\n"):
            continue
        seen += 1
        problem, _, rest = content.removeprefix("Problem:\n").partition("\n\nSolution:\n")
        solution, _, rest = rest.partition("\n\nFeedback:\n")
        feedback = rest.removesuffix(f"\n\n{revise.INSTRUCTION}")
        assert content == revise.prompt(problem, solution, feedback)
    assert seen > 40


def test_feedback_starts_as_the_engine_starts_it():
    verdict = Verdict(
        "failed",
        "assert",
        "",
        (TestResult(0, "failed", "assert", "f(1) == [2]  # got [1]"),),
        "split",
        "bwrap",
    )
    assert feedback_text(verdict, ["assert f(1) == [2]"]) == worker.feedback_text(
        ["assert f(1) == [2]  # got [1]"], 1
    )


def test_replies_are_understood_by_the_operators():
    for lesson in lessons(0.4, 300, letters=0.3):
        content = lesson.messages[0]["content"]
        if sc_ensemble.INSTRUCTION in content:
            assert chosen(lesson.answer, 3) is not None
        elif review.INSTRUCTION in content:
            assert field(lesson.answer, "review_result") in ("true", "false")
            assert field(lesson.answer, "feedback")
        else:
            assert extract_code(lesson.answer).startswith("def ")


def test_wrong_attempts_fail_visible_tests_and_differ_from_the_reference():
    rng = random.Random(2)
    for example in examples(4, "train", 100):
        wrong = worker.wrong_attempt(rng, example)
        if wrong is not None:
            assert wrong.source != example.task.source()
            assert f" of {TESTS[0]} tests failed:" in wrong.feedback


def test_the_meta_agents_requests_are_the_engines():
    rng = random.Random(3)
    for _ in range(40):
        lesson = meta.lesson(rng)
        system, asked = lesson.messages
        example = next(iter(examples(1, "train", 1))).problem()
        assert system == propose_messages(example, PAPER, [])[0]
        assert asked["content"].startswith("Query:\n")
        assert asked["content"].endswith(("Write the first workflow.", "Improve on it with one change."))


def test_every_lesson_of_the_meta_agent_is_a_workflow_that_can_run_as_written():
    rng = random.Random(4)
    kinds = set()
    for _ in range(300):
        lesson = meta.lesson(rng)
        built = build_workflow(lesson.answer, "", PAPER)
        assert isinstance(built, Workflow), built.diagnostics
        assert built.strict_ok
        assert not built.repairs
        kinds.add(built.id)
    assert len(kinds) > 250


def test_plans_test_wherever_there_are_tests_and_dig_deeper_for_harder_problems():
    rng = random.Random(5)
    easy = [flows.choose(rng, 1, tests=True, code=True) for _ in range(200)]
    hard = [flows.choose(rng, 7, tests=True, code=True) for _ in range(200)]
    assert sum(p.loops for p in hard) > 1.5 * sum(p.loops for p in easy)
    for plan in easy + hard:
        assert "self.test(" in flows.write(rng, plan, entry_point=True).code
