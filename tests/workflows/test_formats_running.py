"""Files of each format executed in a real sandbox, every model call of theirs a step of the run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from engine.events import ModelCallStarted, Notice, StepFinished, StepStarted, WorkflowFinished
from engine.models.base import Message, Sampling
from engine.problems import Problem
from engine.run.context import RunConfig, Services
from engine.workflows import Workflow
from engine.workflows.choice import build_for_its_set
from sandbox.pool import Pool
from tests.support.runs import DOUBLE, RIGHT, end, of, run_events
from tests.support.scripted import ScriptedModel
from tests.workflows import format_samples as samples

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUM = Problem("sum", "What is 2 + 3?", None, "qa", answer="5")


def build(text: str, prompts: str = "") -> Workflow:
    built = build_for_its_set(text, prompts)
    assert isinstance(built, Workflow), built.diagnostics
    return built


@pytest.mark.parametrize(
    ("text", "prompts", "steps"),
    [
        (samples.AFLOW, samples.AFLOW_PROMPTS, ["custom_code_generate", "test"]),
        (
            samples.METAGPT,
            samples.AFLOW_PROMPTS,
            ["custom_code_generate", "custom_code_generate", "sc_ensemble"],
        ),
        (samples.SCOREFLOW, "", ["code_generate", "code_generate", "sc_ensemble", "test"]),
        (
            samples.SCOREFLOW + samples.SCOREFLOW_END,
            "",
            ["code_generate", "code_generate", "sc_ensemble", "test"],
        ),
        (
            samples.METAFLOW_REPLY,
            "",
            ["generate", "generate", "ensemble", "selfconsistency", "summarize"],
        ),
    ],
    ids=["aflow", "metagpt", "scoreflow", "scoreflow with a time limit", "metaflow"],
)
async def test_files_run_unchanged(sandbox: Pool, text: str, prompts: str, steps: list[str]) -> None:
    events = await run_events(sandbox, workflow=build(text, prompts), worker=RIGHT)
    assert end(events).status == "passed", end(events).error
    assert [s.operator for s in of(events, StepStarted)] == steps
    assert all(s.line for s in of(events, StepStarted))


async def test_an_argument_by_its_other_name_reaches_the_operator(sandbox: Pool) -> None:
    text = samples.METAFLOW.replace("contexts_list=drafts", "**{'contexts_list': drafts}")
    events = await run_events(sandbox, workflow=build(text), worker=RIGHT)
    (chosen,) = [s for s in of(events, StepStarted) if s.operator == "ensemble"][:1]
    assert len(chosen.inputs["contexts"]) == 2


async def test_other_names_are_noted_on_the_steps_that_used_them(sandbox: Pool) -> None:
    text = samples.METAFLOW.replace("contexts_list=drafts", "**{'contexts_list': drafts}")
    text = text.replace(
        "        self.self_consistency = operator.SelfConsistency(self.llm, self.problem_text)\n", ""
    )
    events = await run_events(sandbox, workflow=build(text), worker=RIGHT)
    operators = {s.step_id: s.operator for s in of(events, StepStarted)}
    noted = [
        (operators[s.step_id], note["text"])
        for s in of(events, StepFinished)
        for note in s.notes
        if note["code"] == "other-name"
    ]
    assert noted == [
        ("ensemble", "contexts_list is read as contexts"),
        ("selfconsistency", "self.self_consistency is read as self.selfconsistency"),
    ]


WIRED = """
class Workflow:
    def __init__(self, name, llm_config, dataset):
        self.llm = create_llm_instance(llm_config)
        self.custom = operator.Custom(self.llm)

    async def __call__(self, problem):
        made = await self.custom(input=problem, instruction="Solve:\\n")
        return made["response"], self.llm.get_usage_summary()["total_cost"]
"""
PLAIN = """
class Workflow:
    async def __call__(self, problem):
        return (await self.custom(input=problem, instruction="Solve:\\n"))["response"]
"""


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        (WIRED, "Solve:\nWhat is 2 + 3?"),
        ("import scripts.operators as operator\n" + PLAIN, "Solve:\nWhat is 2 + 3?"),
        (WIRED.replace("Solve:\\n", ""), "What is 2 + 3?"),
        (PLAIN, "Solve:\n\nWhat is 2 + 3?"),
        (PLAIN.replace("Solve:\\n", ""), "What is 2 + 3?"),
    ],
    ids=["aflow's constructor", "aflow's imports", "no instruction", "native", "native without instruction"],
)
async def test_what_stands_between_instruction_and_input_is_the_formats(
    sandbox: Pool, text: str, prompt: str
) -> None:
    workflow = build(text)
    again = build(workflow.code)  # as a fork reads it, whose imports are comments
    for read in (workflow, again):
        worker = ScriptedModel("w", "5")
        services = Services(ScriptedModel("m", ""), worker, sandbox)
        await run_events(sandbox, workflow=read, problem=SUM, services=services)
        assert worker.calls == [[{"role": "user", "content": prompt}]]


async def test_code_is_asked_for_right_after_aflows_instruction(sandbox: Pool) -> None:
    worker = ScriptedModel("w", RIGHT)
    services = Services(ScriptedModel("m", ""), worker, sandbox)
    workflow = build(samples.AFLOW, samples.AFLOW_PROMPTS)
    await run_events(sandbox, workflow=workflow, services=services)
    assert worker.calls[0][0]["content"].startswith(f"Mind the edge cases.{DOUBLE.prompt}")


async def test_the_run_says_which_format_was_read(sandbox: Pool) -> None:
    events = await run_events(sandbox, workflow=build(samples.SCOREFLOW), worker=RIGHT)
    assert "The workflow is read as ScoreFlow, with the operators scoreflow." in [
        n.text for n in of(events, Notice)
    ]


async def test_a_log_line_of_the_file_is_in_the_output(sandbox: Pool) -> None:
    events = await run_events(sandbox, workflow=build(samples.AFLOW, samples.AFLOW_PROMPTS), worker=RIGHT)
    assert of(events, WorkflowFinished)[0].stdout == "info: written\n"


async def test_maas_runs_with_a_controller_that_prefers_nothing(sandbox: Pool) -> None:
    workflow = build(samples.MAAS, samples.MAAS_PROMPTS)

    async def layers(seed: int) -> tuple[str, str]:
        config = RunConfig(repeats=1, seed=seed)
        services = Services(ScriptedModel("m", ""), ScriptedModel("w", RIGHT), sandbox)
        events = await run_events(sandbox, workflow=workflow, config=config, services=services)
        return end(events).status, of(events, WorkflowFinished)[0].stdout

    first = await layers(1)
    assert first[0] == "passed"
    assert "Generate" in first[1]
    assert await layers(1) == first
    assert len({(await layers(seed))[1] for seed in (1, 2, 3, 4)}) > 1


def as_json(messages: Sequence[Message], _: Sampling) -> str:
    return "```json\n" + json.dumps({"answer": 5, "thinking": "2 and 3"}) + "\n```"


async def test_adas_agents_are_steps_with_their_role_and_temperature(sandbox: Pool) -> None:
    worker = ScriptedModel("w", as_json)
    services = Services(ScriptedModel("m", ""), worker, sandbox)
    events = await run_events(sandbox, workflow=build(samples.ADAS), problem=SUM, services=services)
    assert end(events).status == "passed", end(events).error
    assert end(events).answer == "5"
    steps = of(events, StepStarted)
    assert [(s.operator, s.line) for s in steps] == [("custom", 10), ("custom", 10), ("custom", 14)]
    assert [c.params.get("temperature") for c in of(events, ModelCallStarted)] == [0.8, 0.8, 0.1]
    assert "You are a Engineer" in steps[1].inputs["instruction"]
    assert "thinking #1 by Expert" in steps[2].inputs["input"]
    assert SUM.prompt in steps[2].inputs["input"]
    sent = worker.calls[2][-1]["content"]
    order = ("You are a", '"answer":', SUM.prompt, "thinking #1 by Expert")
    assert [sent.index(text) for text in order] == sorted(sent.index(text) for text in order)
    assert sent.endswith("Decide on one answer.")


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("five", "five"),
        ('{"thinking": "t", "answer": "5"', '{"thinking": "t", "answer": "5"'),
        ("[" * 5000 + "{" * 5000 + "}" * 5000, "[" * 5000 + "{" * 5000 + "}" * 5000),
        ('{"answer": "five", "more": 1}', "five"),
    ],
    ids=["prose", "cut off", "deep", "another field"],
)
async def test_adas_replies_that_are_not_what_was_asked(sandbox: Pool, reply: str, answer: str) -> None:
    events = await run_events(sandbox, workflow=build(samples.ADAS), problem=SUM, worker=reply)
    assert end(events).answer == answer


ADAS_THREADS = """def forward(self, taskInfo):
    from concurrent.futures import ThreadPoolExecutor
    agents = [LLMAgentBase(["answer"], f"Agent {i}") for i in range(4)]
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda agent: agent([taskInfo], "Solve it.")[0], agents))
    return answers[0].content
"""
ADAS_CLASS = """class AgentSystem:
    async def forward(self, taskInfo):
        agent = LLMAgentBase(["answer"], "One")
        return agent([taskInfo], "Solve it.")
"""
ADAS_NUMPY = """def forward(self, taskInfo):
    return str(np.mean([1, 2]))
"""
ADAS_FAILS = """def forward(self, taskInfo):
    agent = LLMAgentBase(["answer"], "One")
    (answer,) = agent([taskInfo], "Solve it.")
    return undefined_thing.content if answer else [][1]
"""


@pytest.mark.parametrize("text", [ADAS_THREADS, ADAS_CLASS], ids=["threads", "class and async"])
async def test_adas_in_other_shapes(sandbox: Pool, text: str) -> None:
    events = await run_events(sandbox, workflow=build(text), problem=SUM, worker='{"answer": "5"}')
    assert end(events).status == "passed", end(events).error


async def test_adas_failures_name_their_line(sandbox: Pool) -> None:
    for text, told in (
        (ADAS_NUMPY, "needs numpy"),
        (ADAS_FAILS.replace("undefined_thing.content if answer else ", ""), "IndexError"),
    ):
        events = await run_events(sandbox, workflow=build(text), problem=SUM, worker='{"answer": "5"}')
        (finished,) = of(events, WorkflowFinished)
        assert finished.status == "error"
        assert told in (finished.error or "")
        assert "workflow line" in (finished.error or "")


async def test_scoreflow_sees_the_query_and_no_tests(sandbox: Pool) -> None:
    text = samples.SCOREFLOW.replace(
        "drafts = []", "return f\"{sorted(self.problem)} {self.problem['prompt']}\"\n        drafts = []"
    )
    problem = replace(SUM, answer="[")
    events = await run_events(sandbox, workflow=build(text), problem=problem)
    answer = end(events).answer or ""
    assert "What is 2 + 3?" in answer
    assert "test" not in answer.replace("task_id", "")


async def test_a_workflow_that_asks_for_an_impossible_temperature_gets_the_runs_own(sandbox: Pool) -> None:
    text = samples.ADAS.replace("temperature=0.1", 'temperature="hot"').replace("0.8", "99")
    worker = ScriptedModel("w", as_json)
    services = Services(ScriptedModel("m", ""), worker, sandbox)
    events = await run_events(sandbox, workflow=build(text), problem=SUM, services=services)
    assert [c.params.get("temperature") for c in of(events, ModelCallStarted)] == [None] * 3


async def test_the_problem_of_the_figures_is_scored_like_any(sandbox: Pool) -> None:
    figure = (
        "async def __call__(self, problem: str, test_cases: list):\n"
        "    made = await self.custom_code_generate(problem=problem, instruction='')\n"
        "    return made['response'], self.llm.cost_manager.total_cost\n"
    )
    events = await run_events(sandbox, workflow=build(figure), problem=DOUBLE, worker=RIGHT)
    assert end(events).status == "passed"
    assert any("a figure of the paper" in n.text for n in of(events, Notice))


async def test_a_figure_s_instruction_runs_into_its_input(sandbox: Pool) -> None:
    figure = (
        "async def __call__(self, problem: str, test_cases: list):\n"
        "    made = await self.custom(input=problem, instruction='Begin: ')\n"
        "    return made['response']\n"
    )
    for text, prompt in ((figure, "Begin: What is 2 + 3?"), (f"<graph>{figure}</graph>", "Begin: \n\nWhat")):
        events = await run_events(sandbox, workflow=build(text), problem=SUM, worker="5")
        (call, *_) = of(events, ModelCallStarted)
        assert call.messages[-1]["content"].startswith(prompt)
