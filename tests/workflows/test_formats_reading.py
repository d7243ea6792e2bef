"""Which format a file is in, and what is said about it before anything runs."""

from __future__ import annotations

import json
import textwrap

import pytest

from engine.formats.catalog import FORMATS
from engine.operators.sets import PAPER, SETS
from engine.workflows import Rejected, Workflow, build_workflow
from engine.workflows.choice import build_for_its_set
from tests.workflows import format_samples as samples
from tests.workflows.workflow_samples import GOOD

FIGURE = """
async def __call__(self, problem: str, test_cases: list):
    made = await self.custom_code_generate(problem=problem, instruction="Write code.")
    return made["response"], self.llm.cost_manager.total_cost
"""
TAGGED = """<graph>
class Workflow:
    async def __call__(self, problem):
        return (await self.custom(input=problem))["response"]
</graph>"""


@pytest.mark.parametrize(
    ("text", "prompts", "name", "operators"),
    [
        (TAGGED, "", "native", "paper"),
        (FIGURE, "", "figure", "paper"),
        (samples.AFLOW, samples.AFLOW_PROMPTS, "aflow", "paper"),
        (samples.METAGPT, samples.AFLOW_PROMPTS, "aflow-metagpt", "paper"),
        (samples.SCOREFLOW, "", "scoreflow", "scoreflow"),
        (samples.SCOREFLOW + samples.SCOREFLOW_END, "", "scoreflow", "scoreflow"),
        (f"<graph>\n{samples.SCOREFLOW}\n</graph>", "", "scoreflow", "scoreflow"),
        (samples.METAFLOW, "", "metaflow", "metaflow-consistency"),
        (samples.METAFLOW_REPLY, "", "metaflow", "metaflow-consistency"),
        (samples.MAAS, samples.MAAS_PROMPTS, "maas", "maas-graph"),
        (samples.ADAS, "", "adas", "paper"),
    ],
    ids=[
        *("native", "figure", "aflow", "metagpt", "scoreflow", "scoreflow end", "tagged", "metaflow"),
        *("metaflow reply", "maas", "adas"),
    ],
)
def test_files_are_read_as_what_they_are(text: str, prompts: str, name: str, operators: str) -> None:
    built = build_for_its_set(text, prompts)
    assert isinstance(built, Workflow), built.diagnostics
    assert (built.format, built.operators.name) == (name, operators)
    assert built.strict_ok
    assert not built.repairs
    assert name in FORMATS


BARE = FIGURE.strip()
NUMBERED = "\n".join(f"{300 + n}\n{line}" for n, line in enumerate(BARE.split("\n")))
IN_CLASS = "class Workflow:\n" + textwrap.indent(BARE, "    ")


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        (BARE, ""),
        (f"# Figure 7\n{BARE}", ""),
        (f"import re\n\n{BARE}", ""),
        (NUMBERED, ""),
        (textwrap.indent(BARE, " " * 8), ""),
        (BARE.replace('"Write code."', "\u201cWrite code.\u201d"), ""),
        (BARE.replace('code.")', 'code.")\n'), ""),
        (BARE.replace("_", " "), ""),
        (samples.MAAS, ""),
        (f"<graph>\n{BARE}\n</graph>", None),
        (f"Here it is.\n```python\n{BARE}\n```", None),
        (json.dumps({"graph": BARE}), None),
        (IN_CLASS, None),
        (samples.SCOREFLOW, None),
    ],
    ids=[
        *("bare", "captioned", "import", "numbers", "indented", "quotes", "gap", "underscores", "maas"),
        *("tags", "fence", "json", "class", "scoreflow"),
    ],
)
def test_nothing_is_between_instruction_and_input_where_the_authors_have_nothing(
    text: str, separator: str | None
) -> None:
    built = build_for_its_set(text, samples.MAAS_PROMPTS if text is samples.MAAS else "")
    assert isinstance(built, Workflow), built.diagnostics
    assert FORMATS[built.format].separator == separator
    stored = build_for_its_set(built.code, built.prompts)
    assert isinstance(stored, Workflow)
    assert (stored.id, stored.format) == (built.id, built.format)


def test_other_names_of_metaflow_are_read_and_told() -> None:
    built = build_for_its_set(samples.METAFLOW_REPLY, "")
    assert [(d.code, d.severity) for d in built.diagnostics] == [("other-name", "warning")]
    plain = samples.METAFLOW.replace("contexts_list=", "contexts=")
    assert not build_for_its_set(plain, "").diagnostics
    twice = samples.METAFLOW.replace("contexts_list=drafts", "contexts_list=drafts, contexts=drafts")
    assert "repeated-argument" in {d.code for d in build_for_its_set(twice, "").diagnostics}
    bare = "\n".join(line for line in plain.split("\n") if "self_consistency =" not in line)
    (called,) = build_for_its_set(bare, "").diagnostics
    assert (called.code, called.message) == (
        "other-name",
        "self.self_consistency is read as self.selfconsistency",
    )


FENCED = f"```python\n{samples.METAFLOW}```\n"
BARE_METAFLOW = """class Workflow:
    async def run_workflow(self):
        draft = await self.generate(instruction="Solve it.", context="")
        return await self.summarize(instruction="Give the answer.", context=draft)
"""


@pytest.mark.parametrize(
    ("text", "name", "nodes"),
    [
        (f"<think>\nFirst two drafts.\n{FENCED}", "metaflow", 5),
        (f"</think>\n{FENCED}That is all.", "metaflow", 5),
        (f"```python\nways = 2\n```\nso:\n{FENCED}", "metaflow", 5),
        (f"<code>\n{samples.METAFLOW}</code>", "metaflow", 5),
        (BARE_METAFLOW, "metaflow", 2),
        (f"```python\n{samples.ADAS}```", "adas", 2),
        (samples.ADAS.replace("= decider([", "= decider.query(["), "adas", 2),
        (
            samples.ADAS.replace("agents = [", "agents = {role: ")
            .replace('"Engineer")]', '"Engineer")}')
            .replace("enumerate(agents)", "enumerate(agents.values())"),
            "adas",
            2,
        ),
    ],
    ids=[
        *("thinking without end", "thinking without beginning", "two fences", "code tags", "no constructor"),
        *("an agent in a fence", "an agent asked by query", "agents by name"),
    ],
)
def test_replies_are_read_as_their_projects_read_them(text: str, name: str, nodes: int) -> None:
    built = build_for_its_set(text, "")
    assert isinstance(built, Workflow), built.diagnostics
    assert (built.format, len(built.graph.nodes), built.strict_ok) == (name, nodes, True)


def test_a_draft_in_thinking_that_never_ends_is_not_taken_for_the_workflow() -> None:
    for text in (
        FENCED.replace("        best = await self.ensemble", "        best = await ("),
        FENCED[:-5],
        GOOD,
    ):
        built = build_workflow(f"<think>\nPerhaps:\n{text}", "", PAPER)
        assert isinstance(built, Rejected)


def test_what_is_stored_is_read_again_as_the_same_workflow() -> None:
    for text, prompts in (
        (samples.SCOREFLOW, ""),
        (samples.METAFLOW_REPLY, ""),
        (samples.MAAS, samples.MAAS_PROMPTS),
        (samples.ADAS, ""),
        (samples.AFLOW, samples.AFLOW_PROMPTS),
    ):
        first = build_for_its_set(text, prompts)
        assert isinstance(first, Workflow)
        again = build_workflow(first.code, first.prompts, first.operators)
        assert isinstance(again, Workflow)
        assert again.id == first.id
        assert FORMATS[again.format].shim == FORMATS[first.format].shim


def test_an_operator_outside_the_first_set_finds_the_set_that_has_it() -> None:
    text = samples.AFLOW.replace("operator.Test(self.llm)", "operator.MdEnsemble(self.llm)").replace(
        'problem=problem, solution=made["response"], entry_point=entry_point',
        'problem=problem, solutions=[made["response"]]',
    )
    built = build_for_its_set(text, samples.AFLOW_PROMPTS)
    assert isinstance(built, Workflow), built.diagnostics
    assert built.operators.name == "aflow"


def test_an_operator_that_no_set_has_is_named_with_its_line() -> None:
    text = samples.AFLOW.replace("operator.Test(", "operator.Fortune(")
    built = build_for_its_set(text, samples.AFLOW_PROMPTS)
    assert isinstance(built, Rejected)
    (found,) = [d for d in built.diagnostics if d.code == "unknown-operator" and d.severity == "error"]
    assert (found.line, "Fortune" in found.message) == (16, True)


def test_a_workflow_in_the_wrong_set_is_told_what_its_operators_take() -> None:
    built = build_workflow(samples.SCOREFLOW, "", PAPER)
    assert isinstance(built, Rejected)
    assert any(d.code == "missing-argument" and "problem" in d.message and d.line for d in built.diagnostics)


def test_graphs_are_drawn_for_every_format() -> None:
    def steps(text: str, prompts: str) -> list[tuple[str, int, bool, bool]]:
        graph = build_for_its_set(text, prompts).graph
        return [(n.attribute, n.line, n.in_loop, n.concurrent) for n in graph.nodes]

    assert steps(samples.ADAS, "") == [("custom", 10, True, False), ("custom", 14, False, False)]
    assert [s[0] for s in steps(samples.SCOREFLOW, "")] == ["code_generate", "sc_ensemble", "test"]
    assert [s[0] for s in steps(samples.AFLOW, samples.AFLOW_PROMPTS)] == ["custom_code_generate", "test"]


def test_a_graph_that_asks_a_controller_is_warned_about() -> None:
    built = build_for_its_set(samples.MAAS, samples.MAAS_PROMPTS)
    (told,) = [d for d in built.diagnostics if d.code == "untrained-controller"]
    assert (told.severity, told.line) == ("warning", 28)


@pytest.mark.parametrize(
    ("text", "prompts", "code", "line"),
    [
        (
            samples.AFLOW.replace("scripts.logs import logger", "scripts.utils import read"),
            "",
            "foreign-import",
            5,
        ),
        (
            samples.SCOREFLOW.replace('(self):\n        "', '(self, task):\n        "'),
            "",
            "call-parameter",
            18,
        ),
        (samples.SCOREFLOW.replace("config,\n", "config, judge,\n"), "", "init-parameter", 7),
        (samples.SCOREFLOW.replace("best.strip()", 'best["response"]'), "", "result-key", 26),
        (samples.ADAS.replace('return "nothing"', "return self.examples"), "", "task-helper", 13),
        (samples.ADAS.replace("return answer", "yield answer"), "", "call-yields", 1),
        (
            samples.ADAS.replace("range", "rnge").replace("turn, agent", "turn, agnt"),
            "",
            "undefined-name",
            10,
        ),
    ],
    ids=["import", "parameter", "constructor", "text as dict", "helper", "generator", "undefined"],
)
def test_diagnoses_name_the_line_and_the_fix(text: str, prompts: str, code: str, line: int) -> None:
    built = build_for_its_set(text, prompts or samples.AFLOW_PROMPTS if "prompt_custom" in text else prompts)
    found = [d for d in built.diagnostics if d.code == code]
    assert found, built.diagnostics
    assert (found[0].severity, found[0].line) == ("error", line)
    assert found[0].fix


@pytest.mark.parametrize("name", sorted(SETS))
def test_no_format_breaks_on_any_set(name: str) -> None:
    for text in (samples.AFLOW, samples.SCOREFLOW, samples.MAAS, samples.ADAS, FIGURE):
        build_workflow(text, samples.AFLOW_PROMPTS, SETS[name])


@pytest.mark.parametrize(
    "text",
    [
        "def forward(self, taskInfo):",
        "def forward(): pass",
        "class Workflow:\n    run_workflow = 3",
        "class Workflow:\n    async def run_workflow(self): ...",
        "class AgentSystem:\n    def forward(self, taskInfo): return LLMAgentBase",
        "def forward(self, taskInfo):\n    " + "(" * 500,
        "class Workflow:\n    def __init__(self, controller): pass",
        "import workspace\nimport \x00",
        "from metagpt import *\nclass Workflow: pass",
    ],
)
def test_odd_files_are_refused_or_read_but_never_raise(text: str) -> None:
    built = build_for_its_set(text, "")
    assert isinstance(built, Rejected | Workflow)
