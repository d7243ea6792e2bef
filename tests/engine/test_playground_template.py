"""Templates: what is found of the inputs in a prompt, and what an edit of one comes to."""

from __future__ import annotations

import pytest

from engine.playground.sources import rewritten, sources_of
from engine.playground.template import Template, TemplateError, find_template

PROBLEM = "Write a function `add(a, b)` that adds two numbers."
PROMPTS = '''STRICT = """
Think about the edge cases first. Address overflow.
"""
ASK = "Problem:\\n{problem}\\n\\nA solution so far:\\n{own}{others}"
BRACES = "Answer as JSON like {} or {'a': 1}, nothing else."
SUM = "Check every step. " + BRACES
'''
CODE = """class Workflow:
    async def __call__(self, problem, entry_point):
        first = await self.custom(
            input=f"Solve this now: {problem} in {entry_point!r}.", instruction="Be terse, please.")
        return first["response"]
"""


def template(message: str, inputs: dict[str, object], code: str = CODE, **quotable: str) -> Template:
    return find_template(message, inputs, sources=sources_of(code, PROMPTS), quotable=quotable)


def test_inputs_and_prompts_are_told_apart() -> None:
    strict = "\nThink about the edge cases first. Address overflow.\n"
    message = f"{strict.strip()}\n\n{PROBLEM}\n\nWrite the Python function `add`. Reply with one block."
    found = template(
        message, {"problem": PROBLEM, "entry_point": "add", "instruction": strict, "extra": "zz"}
    )

    assert found.prompts == ("STRICT",)
    assert {n: v.value for n, v in found.variables.items()} == {"problem": PROBLEM, "entry_point": "add"}
    assert [v.name for v in found.absent] == ["extra"]
    assert found.text == (
        "Think about the edge cases first. Address overflow.\n\n{{problem}}\n\n"
        "Write the Python function `{{entry_point}}`. Reply with one block."
    )
    assert found.fill(found.text) == message


def test_fields_of_a_prompt_are_its_variables_and_written_back_as_fields() -> None:
    own, others = "def add(a, b): return a", "\n\nAnother: def add(): {x}"
    value = f"Problem:\n{PROBLEM}\n\nA solution so far:\n{own}{others}"
    found = template(f"Be terse, please.\n\n{value}", {"input": value, "instruction": "Be terse, please."})

    assert found.text == "Be terse, please.\n\nProblem:\n{{problem}}\n\nA solution so far:\n{{own_others}}"
    edited = found.text.replace("Problem", "The {problem}").replace("A solution", 'A "solution"')
    ((source, parts),) = found.edits(edited).items()
    assert source.name == "ASK"
    scope: dict[str, str] = {}
    exec(rewritten(PROMPTS, {source: parts}), scope)  # prompts written here, not a model's
    assert scope["ASK"].format(problem="P", own="O", others="X") == (
        'The {problem}:\nP\n\nA "solution" so far:\nOX'
    )
    assert scope["BRACES"].startswith("Answer as JSON like {} or")


def test_an_f_string_of_the_code_is_a_template_too() -> None:
    value = f"Solve this now: {PROBLEM} in 'add'."
    found = template(f"Be terse, please.\n\n{value}", {"input": value, "instruction": "Be terse, please."})
    assert found.text == "Be terse, please.\n\nSolve this now: {{problem}} in {{entry_point}}."

    edits = found.edits('Be terse, please.\n\nName: {{entry_point}}\n"{}" \\d {{problem}}')
    ((_, parts),) = edits.items()
    code = rewritten(CODE, edits)
    compile(code, "workflow", "exec")
    assert 'f"""Name: {entry_point!r}\n\\"{{}}\\" \\\\d {problem}"""' in code
    assert parts


def test_a_constant_made_of_others_is_replaced_where_it_stands() -> None:
    text = "Check every step. Answer as JSON like {} or {'a': 1}, nothing else."
    found = template(f"{text}\n\n{PROBLEM}", {"input": PROBLEM, "instruction": text})
    edits = found.edits(found.text.replace("Check every", "Check each"))
    prompts = rewritten(PROMPTS, edits)
    assert 'SUM = "Check each step. Answer' in prompts or "SUM = 'Check each" in prompts
    assert 'BRACES = "Answer as JSON' in prompts


def test_what_the_workflow_quotes_in_its_own_words_is_a_variable() -> None:
    value = f"Look at this.\n{PROBLEM}\nThen at that: the long answer of a step"
    found = find_template(
        value, {"input": value}, quotable={"problem": PROBLEM, "step0.response": "the long answer of a step"}
    )
    assert found.text == "Look at this.\n{{problem}}\nThen at that: {{step0.response}}"
    # The same text as an input of its own is one variable, whatever stands in it.
    solution = f"# {PROBLEM}\nx = 1"
    whole = find_template(
        f"Solution: {solution}", {"solution": solution}, quotable={"problem": PROBLEM, "s": solution}
    )
    assert whole.text == "Solution: {{solution}}"


def test_a_short_input_is_not_found_within_words() -> None:
    found = template("Additions add up: `add`, addable, k", {"entry_point": "add", "n": "k"})
    assert found.text == "Additions {{entry_point}} up: `{{entry_point}}`, addable, k"


def test_names_that_stand_in_the_message_are_not_taken_for_variables() -> None:
    message = f"Jinja: {{{{problem}}}} and {{{{other}}}}\n{PROBLEM}"
    found = template(message, {"problem": PROBLEM})
    assert found.text.endswith("\n{{problem_2}}")
    assert found.fill(found.text) == message


def test_a_variable_that_is_not_there_is_said() -> None:
    found = template(PROBLEM, {"problem": PROBLEM})
    with pytest.raises(TemplateError, match=r"no variable \{\{problm\}\}; this step's are: \{\{problem\}\}"):
        found.fill("{{problm}}")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda t: t + " More.", "outside of STRICT"),
        (lambda t: t, "leaves the workflow's prompts as they are"),
        (lambda t: t.replace("first", "{{problem}}"), "has no field for"),
    ],
)
def test_an_edit_that_is_no_prompts_says_so(edit: object, said: str) -> None:
    strict = "Think about the edge cases first. Address overflow."
    found = template(f"{strict}\n\n{PROBLEM}\n\nReply.", {"problem": PROBLEM, "instruction": f"\n{strict}\n"})
    with pytest.raises(TemplateError, match=said):
        found.edits(edit(found.text))  # type: ignore[operator]


def test_without_the_workflow_an_edit_can_only_be_forked() -> None:
    found = find_template(PROBLEM, {"problem": PROBLEM})
    with pytest.raises(TemplateError, match="promote the edit to a fork"):
        found.edits("{{problem}}!")


def test_hostile_texts_come_back_whole() -> None:
    hostile = "\x1b[31m[red]\x00‮{{x}}" + "A" * 3_000_000
    message = f"See:\n{hostile}\nDone \ud800 \\{{"
    found = find_template(message, {"input": hostile, "deep": {"a.b": [hostile, 3, None]}})
    assert len(found.text) < 60
    assert found.fill(found.text) == message
    many = find_template("a b", {"l": [f"v{i}" for i in range(5000)]})
    assert many.text == "a b"
