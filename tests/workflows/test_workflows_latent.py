"""What only some runs of a workflow would trip over, and what a typeset page leaves of one."""

from __future__ import annotations

import pytest

from engine.operators.metaflow_sets import METAFLOW, renamed
from engine.operators.sets import PAPER
from engine.variants.found import found_workflow, read_found
from engine.workflows import Rejected, Workflow, build_workflow

HEAD = (
    "class Workflow:\n    async def __call__(self, problem):\n"
    "        made = await self.custom(input=problem)\n"
)
END = '        return made["response"]\n'


def built(body: str) -> Workflow | Rejected:
    indented = "".join(f"        {line}\n" for line in body.strip("\n").split("\n"))
    return build_workflow(HEAD + indented + END, "", PAPER)


def of(result: Workflow | Rejected, code: str) -> list[str]:
    return [d.severity for d in result.diagnostics if d.code == code]


@pytest.mark.parametrize(
    "body",
    [
        "if 'no' in made['response']:\n    made = other",
        "if problem:\n    pass\nelse:\n    made = other",
        "made = other if not problem else made",
        "made = made or other",
        "while not made:\n    made = other",
        "try:\n    pass\nexcept ValueError:\n    made = other",
        "for _ in range(3):\n    if made:\n        return made['response']\n    made = other",
        "if made:\n    return made['response']\nmade = other",
        "match problem:\n    case 'x':\n        made = other",
    ],
)
def test_a_name_that_only_a_branch_reads_is_a_warning(body: str) -> None:
    result = built(body)
    assert isinstance(result, Workflow)
    assert of(result, "undefined-name") == ["warning"]
    assert result.strict_ok


@pytest.mark.parametrize(
    "body",
    [
        "made = other",
        "if other:\n    pass",
        "while other:\n    break",
        "for _ in range(3):\n    made = other",
        "while True:\n    made = other\n    break",
        "with open(other):\n    pass",
        "made = other or made",
        "made = [other for _ in range(3)]",
        "try:\n    made = other\nexcept ValueError:\n    pass",
        "if made:\n    made = other\nmade = other",
    ],
)
def test_a_name_that_every_run_reads_is_an_error(body: str) -> None:
    result = built(body)
    assert isinstance(result, Rejected)
    assert of(result, "undefined-name") == ["error"]


@pytest.mark.parametrize(
    "call", ["self.sc_ensemble.sc_ensemble([problem])", "self.test.run(problem, problem)"]
)
def test_a_method_of_an_operator_is_an_error(call: str) -> None:
    result = built(f"x = await {call}")
    assert isinstance(result, Rejected)
    (found,) = [d for d in result.diagnostics if d.code == "operator-method"]
    assert "has no method" in found.message
    assert f"Call {call.rpartition('.')[0]}(…) itself" == found.fix


def test_other_attributes_have_methods() -> None:
    result = built("self.notes = []\nself.notes.append(problem)\nself.llm.get_usage_summary()")
    assert isinstance(result, Workflow)
    assert not of(result, "operator-method")


FIGURE = """
17
         async def __call__(self, problem: str, test_cases: list):
             draft = await self.custom(
18
                 input=problem,
                 instruction="Draft it."
             # then
19
            if draft:
20
                draft = await self.custom(
                    input=draft["response"],
                    instruction="Mend it."
                )
21
            return draft["response"], self.llm.cost_manager.total_cost
"""


@pytest.mark.parametrize("by", [-1, 0, 1, 2, 3])  # the page itself is off by one there
def test_columns_of_a_page_that_shifted_are_moved_back(by: int) -> None:
    lines = FIGURE.split("\n")
    cut = lines.index("19")
    lines[cut:] = [(" " * by + x if by > 0 else x[-by:]) if x.startswith("  ") else x for x in lines[cut:]]
    result = build_workflow("\n".join(lines), "", PAPER)
    assert isinstance(result, Workflow), result.diagnostics
    assert [n.attribute for n in result.graph.nodes] == ["custom", "custom"]
    assert "margin-numbers" in [r.code for r in result.repairs]


def test_a_quote_that_a_page_lost_is_put_back() -> None:
    text = FIGURE.replace('"Mend it."\n                )', 'f"Mend:\\n{problem}\\nwith {test_cases}')
    result = build_workflow(text, "", PAPER)
    assert isinstance(result, Workflow), result.diagnostics
    assert 'instruction=f"Mend:\\n{problem}\\nwith {test_cases}"' in result.code


@pytest.mark.parametrize("name", ["limit", "max_retries", "best score"])
def test_of_what_cannot_be_mended_the_rest_is_told(name: str) -> None:
    text = FIGURE.replace(
        "             draft = await", f"             {name} =\n             draft = await", 1
    )
    result = build_workflow(text.replace('"Draft it."', '"Draft\n                 it."'), "", PAPER)
    assert isinstance(result, Rejected)
    first = next(d for d in result.diagnostics if d.severity == "error")
    assert first.message == f"the value of {name} is lost: nothing stands after the ="


def test_code_that_no_page_was_made_of_has_pythons_own_first_error() -> None:
    result = built("made = await self.custom(input=problem")
    assert isinstance(result, Rejected) or result.repairs
    broken = build_workflow(HEAD + "        return ) (\n", "", PAPER)
    assert isinstance(broken, Rejected)
    assert "unmatched ')'" in broken.diagnostics[0].message


def test_what_was_found_with_renamed_operators_is_read_with_them() -> None:
    operators = renamed(METAFLOW, 3)
    first = operators.operators[0]
    code = (
        "class Workflow:\n    def __init__(self, config, problem):\n"
        f"        self.{first.attribute} = operator.{first.name}(create(config), problem)\n"
        "    async def run_workflow(self):\n"
        f"        return await self.{first.attribute}("
        + ", ".join(f"{p.name}='x'" for p in first.parameters if p.required)
        + ")\n"
    )
    workflow = build_workflow(code, "", operators)
    assert isinstance(workflow, Workflow), workflow.diagnostics
    found = found_workflow(workflow, round_number=1, val_score=None)
    again = read_found(found, PAPER)
    assert isinstance(again, Workflow)
    assert (again.id, again.operators.name) == (workflow.id, "metaflow~3")
