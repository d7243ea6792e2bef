"""Workflows written as AFlow's files: read back, and executed in a tree laid out as AFlow's."""

from __future__ import annotations

import ast
import json

import pytest

from engine.exchange.aflow_export import Exported, export_aflow
from engine.formats.format import FormatError
from engine.operators.metaflow_sets import METAFLOW
from engine.operators.sets import PAPER
from engine.workflows import Workflow, build_workflow
from engine.workflows.choice import build_for_its_set
from sandbox.pool import Pool
from tests.support.runs import RIGHT, end, run_events
from tests.workflows import format_samples as samples
from tests.workflows.workflow_samples import GOOD, PROMPTS

loop = pytest.mark.asyncio(loop_scope="session")

NATIVE = '''
class Workflow:
    """Writes, tests, and mends."""

    async def __call__(self, problem, test_cases, entry_point):
        code = (await self.custom_code_generate(problem, entry_point))["response"]
        for _ in range(2):
            outcome = await self.test(problem=problem, solution=code, test_cases=test_cases, test_loop=0)
            if outcome["result"]:
                return code
            again = await self.revise(problem=problem, solution=code, feedback=outcome["feedback"])
            code = again["solution"]
        drafts = [code, code]
        best = await self.sc_ensemble(solutions=drafts)
        return best
'''
FIGURE = """
async def __call__(self, problem: str, test_cases: list):
    plan = await self.custom(input=problem, instruction=prompt_custom.PLAN)
    made = await self.custom_code_generate(problem=problem + plan['response'], instruction="Write.")
    return made['response'], self.llm.cost_manager.total_cost
"""
OWN_INIT = """
import re

class Workflow:
    def __init__(self, name):
        self.seen = []

    async def helper(self, text):
        return (await self.custom(text))["response"]

    async def __call__(self, problem):
        self.seen.append(await self.helper(problem))
        return re.sub(" +", " ", self.seen[0])
"""

# AFlow's tree as far as a workflow reaches: constructors take the model, calls take AFlow's arguments.
OPERATORS = """
class Operator:
    def __init__(self, llm, name=None):
        self.llm = llm
        llm.calls += 1

class Custom(Operator):
    async def __call__(self, input, instruction):
        return {"response": instruction + "|" + input}

class CustomCodeGenerate(Operator):
    async def __call__(self, problem, entry_point, instruction):
        return {"response": f"def {entry_point}(x): return x * 2"}

class ScEnsemble(Operator):
    async def __call__(self, solutions, problem):
        return {"response": solutions[0]}

class Test(Operator):
    async def __call__(self, problem, solution, entry_point, test_loop=3):
        return {"result": False, "solution": solution}
"""
# The operators that the template module of a code data set lacks.
ALL_OPERATORS = """
class Operator:
    def __init__(self, llm, name=None):
        self.llm = llm

class Review(Operator):
    async def __call__(self, problem, solution, mode=None):
        return {"review_result": True, "feedback": "fine"}

class Revise(Operator):
    async def __call__(self, problem, solution, feedback, mode=None):
        return {"solution": solution + feedback}

class Format(Operator):
    async def __call__(self, problem, solution, mode=None):
        return {"solution": solution.strip()}

class Programmer(Operator):
    async def __call__(self, problem, analysis="None"):
        return {"code": "", "output": "7"}

class AnswerGenerate(Operator):
    async def __call__(self, input):
        return {"thought": "", "answer": input}

class MdEnsemble(Operator):
    async def __call__(self, solutions, problem, mode=None):
        return {"solution": solutions[0]}
"""
LLM = """
class Llm:
    calls = 0
    def get_usage_summary(self):
        return {"total_cost": 0.25}

def create_llm_instance(config):
    assert config == {"model": "m"}
    return Llm()
"""
RUNNER = """
import asyncio, json, sys
sys.path.insert(0, ".")
from workspace.{dataset}.workflows.round_1.graph import Workflow
graph = Workflow(name="{dataset}", llm_config={{"model": "m"}}, dataset="{dataset}")
answer, cost = asyncio.run(graph({arguments}))
print(json.dumps([answer, cost]))
"""


def export(text: str, prompts: str = "", dataset: str = "HumanEval") -> Exported:
    built = build_for_its_set(text, prompts)
    assert isinstance(built, Workflow), built.diagnostics
    return export_aflow(built.code, built.prompts, built.operators, dataset)


async def in_aflow(
    sandbox: Pool, exported: Exported, arguments: str, dataset: str = "HumanEval"
) -> tuple[str, float]:
    """What AFlow's runner would get, in a tree of its packages."""
    place = f"workspace/{dataset}/workflows"
    files = {f"{place}/{name}": text for name, text in exported.files.items()}
    files |= {
        "scripts/operators.py": ALL_OPERATORS,
        "scripts/async_llm.py": LLM,
        "scripts/evaluator.py": "DatasetType = str\n",
        "scripts/logs.py": "import logging\nlogger = logging.getLogger('aflow')\n",
    }
    if dataset == "LiveCodeBench":  # which has no workspace of its own there
        files["scripts/operators.py"] = ALL_OPERATORS + OPERATORS
    else:
        files[f"{place}/template/operator.py"] = OPERATORS
    outcome = await sandbox.run_program(
        RUNNER.format(arguments=arguments, dataset=dataset),
        files={name: text.encode() for name, text in files.items()},
    )
    assert outcome.status == "passed", (outcome.message, outcome.stderr)
    answer, cost = json.loads(outcome.stdout.splitlines()[-1])
    return answer, cost


@loop
@pytest.mark.parametrize(
    "text",
    [NATIVE, FIGURE, samples.AFLOW, samples.METAGPT],
    ids=["native", "figure", "aflow", "metagpt"],
)
async def test_exported_files_execute_in_aflows_layout(sandbox: Pool, text: str) -> None:
    exported = export(text, 'PLAN = "plan"\nWRITE = "write"\n')
    assert set(exported.files) == {"round_1/graph.py", "round_1/prompt.py", "round_1/__init__.py"}
    answer, cost = await in_aflow(sandbox, exported, '"Double x.", "f"')
    assert answer == "def f(x): return x * 2"
    assert cost == 0.25


APART = """
class Workflow:
    async def __call__(self, problem):
        first = (await self.custom(problem, "Begin:"))["response"]
        second = (await self.custom(instruction="a" + "b", input=first))["response"]
        third = (await self.custom(input=second, instruction=""))["response"]
        return (await self.custom(third))["response"]
"""


@loop
async def test_prompts_in_aflow_keep_the_blank_line_between_instruction_and_input(sandbox: Pool) -> None:
    exported = export(APART)
    answer, _ = await in_aflow(sandbox, exported, '"Double x."')
    assert answer == "||ab\n\n|Begin:\n\n|Double x."
    told = [(d.line, d.message) for d in exported.findings if d.code == "blank-line"]
    assert told == [
        (4, "AFlow puts nothing between an instruction and its input; a blank line is added"),
    ]
    read = build_for_its_set(exported.files["round_1/graph.py"], "")
    assert isinstance(read, Workflow)
    assert '+ "\\n\\n" + "\\n\\n"' not in export(read.code).files["round_1/graph.py"]


@loop
async def test_a_call_in_a_formatted_string_is_left_as_it_is(sandbox: Pool) -> None:
    last = """f"{(await self.custom(third, 'x'))}" """
    text = APART.replace('(await self.custom(third))["response"]', last)
    exported = export(text)
    answer, _ = await in_aflow(sandbox, exported, '"Double x."')
    assert answer == "{'response': 'x||ab\\n\\n|Begin:\\n\\n|Double x.'}"
    assert [d.line for d in exported.findings if d.code == "blank-line-missing"] == [7]


@loop
@pytest.mark.parametrize("text", [NATIVE, samples.AFLOW], ids=["native", "aflow"])
async def test_of_livecodebench_every_operator_comes_from_aflows_scripts(sandbox: Pool, text: str) -> None:
    exported = export(text, samples.AFLOW_PROMPTS, "LiveCodeBench")
    answer, _ = await in_aflow(sandbox, exported, '"Double x.", "f", "q1"', "LiveCodeBench")
    assert answer == "def f(x): return x * 2"
    assert "template" not in exported.files["round_1/graph.py"]


EVERY = """
class Workflow:
    async def __call__(self, problem, entry_point):
        made = (await self.custom_code_generate(problem=problem, entry_point=entry_point))["response"]
        judged = await self.review(problem=problem, solution=made)
        made = (await self.revise(problem=problem, solution=made, feedback=judged["feedback"]))["solution"]
        made = (await self.md_ensemble(solutions=[made], problem=problem))["solution"]
        made += (await self.programmer(problem=problem))["output"]
        made += (await self.answer_generate(input="!"))["answer"]
        made = (await self.format(problem=problem, solution=made))["solution"]
        await self.test(problem=problem, solution=made, entry_point=entry_point)
        return made
"""
IN_ITS_CONSTRUCTOR = """
class Workflow:
    def __init__(self, name, llm_config, dataset):
        self.llm = create_llm_instance(llm_config)
        self.custom = operator.Custom(self.llm)
        self.second_look = operator.Revise(self.llm)

    async def __call__(self, problem):
        made = await self.custom(input=problem, instruction="I")
        looked = await self.second_look(problem=problem, solution=made["response"], feedback="?")
        return looked["solution"], self.llm.get_usage_summary()["total_cost"]
"""


@loop
@pytest.mark.parametrize(
    ("text", "wanted"),
    [(EVERY, "def f(x): return x * 2fine7!"), (IN_ITS_CONSTRUCTOR, "I|Double x.?")],
    ids=["every operator", "a constructor of its own"],
)
async def test_operators_that_a_template_lacks_come_from_aflows_scripts(
    sandbox: Pool, text: str, wanted: str
) -> None:
    exported = export(text)
    assert await in_aflow(sandbox, exported, '"Double x.", "f"') == (wanted, 0.25)
    graph = exported.files["round_1/graph.py"]
    again = build_for_its_set(graph, "")
    assert isinstance(again, Workflow), again.diagnostics
    assert again.strict_ok
    once, twice = (
        [line for line in g.splitlines() if "import" in line or "operators." in line]
        for g in (graph, export(graph).files["round_1/graph.py"])
    )
    assert twice == once


def test_each_data_sets_template_has_its_own_operators() -> None:
    text = EVERY.replace(", entry_point):", "):").replace("entry_point=entry_point", 'entry_point="f"')
    for dataset, others in (("MATH", "AnswerGenerate"), ("DROP", "Programmer")):
        graph = export(text, dataset=dataset).files["round_1/graph.py"]
        assert f"operators.{others}(self.llm)" in graph
        assert "operators.Test(self.llm)" in graph
        assert "operators.ScEnsemble" not in graph
    assert "scripts.operators" not in export(text, dataset="Mine").files["round_1/graph.py"]


@loop
async def test_a_workflow_for_questions_is_called_with_the_problem_alone(sandbox: Pool) -> None:
    exported = export(OWN_INIT, dataset="MATH")
    graph = exported.files["round_1/graph.py"]
    assert "workspace.MATH.workflows.round_1.prompt" in graph
    moved = Exported({n: t.replace("MATH", "HumanEval") for n, t in exported.files.items()}, ())
    assert await in_aflow(sandbox, moved, '"What  is it?"') == ("|What is it?", 0.25)


@loop
@pytest.mark.parametrize("text", [NATIVE, samples.AFLOW, samples.METAGPT], ids=["native", "aflow", "metagpt"])
async def test_exported_files_are_read_back_and_behave_the_same(sandbox: Pool, text: str) -> None:
    prompts = 'WRITE = "write"\n'
    first = build_for_its_set(text, prompts)
    files = export(text, prompts).files
    again = build_for_its_set(files["round_1/graph.py"], files["round_1/prompt.py"])
    assert isinstance(first, Workflow)
    assert isinstance(again, Workflow)
    assert (again.format, again.strict_ok) == ("aflow", True)
    answers = [end(await run_events(sandbox, workflow=w, worker=RIGHT)).answer for w in (first, again)]
    assert answers[0] == answers[1] == "def f(x):\n    return x * 2"


def test_a_file_in_aflows_layout_keeps_its_identity() -> None:
    files = export(samples.AFLOW, samples.AFLOW_PROMPTS).files
    first = build_for_its_set(samples.AFLOW, samples.AFLOW_PROMPTS)
    again = build_for_its_set(files["round_1/graph.py"], files["round_1/prompt.py"])
    assert isinstance(first, Workflow)
    assert isinstance(again, Workflow)
    assert again.id == first.id
    files = export(files["round_1/graph.py"], files["round_1/prompt.py"]).files
    assert export(again.code, again.prompts).files == files


def test_what_differs_is_named_with_its_line() -> None:
    found = {(d.code, d.line) for d in export(NATIVE).findings}
    assert found == {
        ("argument-added", 6),
        ("argument-left-out", 8),
        ("argument-added", 8),
        ("result-left-out", 11),
        ("argument-added", 14),
        ("no-test-cases", 5),
    }


def test_comments_and_layout_are_kept() -> None:
    text = NATIVE.replace("drafts = [code, code]", "drafts = [code, code]  # twice, for the vote")
    graph = export(text).files["round_1/graph.py"]
    assert "drafts = [code, code]  # twice, for the vote" in graph
    assert '"""Writes, tests, and mends."""' in graph
    ast.parse(graph)


AWKWARD = {
    "nested calls": """
class Workflow:
    async def __call__(self, problem, entry_point):
        return (await self.test(problem, (await self.custom(problem))["response"], test_cases=[]))["solution"]
""",
    "conditional returns": """
class Workflow:
    async def __call__(self, problem):
        reply = await self.custom(input=problem)
        if len(reply["response"]) > 3:
            return (
                reply
            )
        return reply["response"] if reply else "nothing"
""",
    "future import, docstring, comma": '''
"""A module."""
from __future__ import annotations
class Workflow:
    async def __call__(
        self,
        problem,
        *,
        question_id=None,
        test_cases=(),
    ):
        made = await self.custom(input=problem,)
        logger.info(question_id)
        return [made, 1]
''',
    "only a prompt": """
class Workflow:
    limit = 3
    async def __call__(self, problem):
        return await self.custom(input=f"{problem} {self.limit}")
""",
}


@loop
@pytest.mark.parametrize("name", AWKWARD)
async def test_awkward_workflows_execute_there_too(sandbox: Pool, name: str) -> None:
    answer, cost = await in_aflow(sandbox, export(AWKWARD[name]), '"Double x.", "f"')
    assert "Double x." in answer
    assert cost == 0.25


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("dataset", ["HumanEval", "GSM8K"])
def test_good_workflows_are_exported_whole_or_refused_with_a_reason(name: str, dataset: str) -> None:
    built = build_workflow(GOOD[name], PROMPTS, PAPER)
    assert isinstance(built, Workflow)
    try:
        exported = export_aflow(built.code, built.prompts, PAPER, dataset)
    except FormatError as refused:
        assert "line" in str(refused)
        return
    again = build_for_its_set(exported.files["round_1/graph.py"], exported.files["round_1/prompt.py"])
    assert isinstance(again, Workflow)
    assert again.strict_ok
    assert len(again.graph.nodes) == len(built.graph.nodes)


def test_names_that_hold_each_other_end() -> None:
    text = (
        "class Workflow:\n    async def __call__(self, problem):\n"
        "        a = b = await self.custom(problem)\n"
        "        a = b\n        b = a\n        c = problem\n        c = c + a\n        return c or b"
    )
    assert "self._text(c or b)" in export(text).files["round_1/graph.py"]


@pytest.mark.parametrize(
    ("text", "dataset", "told"),
    [
        (samples.SCOREFLOW, "HumanEval", "ScoreFlow cannot be exported"),
        (samples.ADAS, "HumanEval", "no class Workflow"),
        (NATIVE, "../x", "not a Python name"),
        (
            "class Workflow:\n    async def __call__(self, problem):\n"
            "        return (await self.decompose(instruction='Split it.'))[0]['description']",
            "HumanEval",
            "line 3: AFlow has no operator Decompose",
        ),
    ],
)
def test_what_cannot_be_exported_is_refused(text: str, dataset: str, told: str) -> None:
    with pytest.raises(FormatError, match=told):
        export(text, dataset=dataset)


def test_a_set_with_other_operators_of_the_same_name_is_told_apart() -> None:
    text = (
        "class Workflow:\n    async def __call__(self, problem):\n"
        "        return await self.generate(context=problem)"
    )
    built = build_workflow(text, "", METAFLOW)
    assert isinstance(built, Workflow)
    with pytest.raises(FormatError, match="no operator Generate"):
        export_aflow(built.code, "", METAFLOW, "HumanEval")
    assert PAPER.get("generate") is None
