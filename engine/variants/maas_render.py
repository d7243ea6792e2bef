"""A sampled MaAS architecture as an ordinary workflow, which runs in the sandbox like any other."""

from __future__ import annotations

from collections.abc import Mapping

from engine.operators.sets import SETS
from engine.operators.specs import OperatorSet
from engine.problems import Kind, Problem
from engine.variants.maas_controller import EARLY_STOP, Architecture
from engine.workflows import Rejected, Workflow, build_workflow

_STOP = "ends the workflow here: what was done so far is enough for this problem"

# The generators' instructions besides the problem; the textual gradient rewrites them.
_ASK: dict[Kind, str] = {
    "code": "Write a correct and complete solution.",
    "math": "Solve the problem. End with the final answer in \\boxed{}.",
    "qa": "Answer the question. End with the answer, in as few words as it takes, inside <answer></answer>.",
    "open": "Do what is asked, completely.",
}
# After a program has run, the first generator writes the answer.
_REFINE = (
    "After the problem stands what a program for it printed. Check it against the problem and write the "
    "solution. End with the final answer in \\boxed{}."
)
GENERATORS = {"Generate": "GENERATE", "GenerateCoT": "GENERATE_COT", "MultiGenerateCoT": "MULTI_GENERATE_COT"}


def operator_set(kind: Kind) -> OperatorSet:
    """The release's set for code; for every other kind, its set for math."""
    return SETS["maas" if kind == "code" else "maas-math"]


def choices(kind: Kind) -> dict[str, str]:
    """The operators that the controller chooses from, with their descriptions: the release's seven for code
    and math.

    Test is for code only and Programmer for math only; other kinds have neither.
    """
    only: dict[str, Kind] = {"Test": "code", "Programmer": "math"}
    specs = [o for o in operator_set(kind).operators if only.get(o.name, kind) == kind]
    return {o.name: o.description for o in specs} | {EARLY_STOP: _STOP}


def first_instructions(kind: Kind) -> dict[str, str]:
    """The generators' first instructions, by the name of the prompt."""
    return dict.fromkeys(GENERATORS.values(), _ASK[kind])


def verifies(problem: Problem) -> bool:
    """Whether the graph is that of GSM8K, where the answer is a number, rather than that of MATH."""
    return problem.kind == "math" and problem.metadata.get("metric") == "last-number"


def render(
    architecture: Architecture, kind: Kind, instructions: Mapping[str, str], *, verify: bool = False
) -> Workflow:
    """The workflow of an architecture: its operators in order, and what the release does around them.

    Code ends with Test, and one fresh generation where that fails; math begins with Programmer, or with
    `verify` ends with one whose output is the answer; what is left with several candidates ends with
    ScEnsemble.
    """
    body = ["candidates = []"]
    if kind == "math" and not verify:
        body += _programmer("")
    for layer in architecture.layers:
        for name in layer:
            if name == EARLY_STOP:
                break
            body += _STEPS[name](kind)
    body += ["", *(_tested() if kind == "code" else _chosen(kind, verify))]
    code = "\n".join(
        ["class Workflow:", "    async def __call__(self, problem, entry_point):"]
        + [f"        {line}" if line else "" for line in body]
    )
    texts = {**instructions, **({"REFINE": _REFINE} if kind == "math" else {})}
    prompts = "\n".join(f"{name} = {text!r}" for name, text in texts.items())
    built = build_workflow(code, prompts, operator_set(kind))
    if isinstance(built, Rejected):  # a rendering is ours: it cannot fail to lint
        raise AssertionError([d.message for d in built.diagnostics])
    return built


def _generate(name: str, kind: Kind) -> str:
    attribute = {"GENERATE": "generate", "GENERATE_COT": "generate_cot"}.get(name, "multi_generate_cot")
    task = "problem=problem, entry_point=entry_point" if kind == "code" else "input=problem"
    return f"await self.{attribute}({task}, instruction=prompt_custom.{name})"


def _one(name: str, kind: Kind) -> list[str]:
    return [f'solution = ({_generate(name, kind)})["response"]', "candidates.append(solution)"]


def _several(kind: Kind) -> list[str]:
    return [
        f"several = {_generate('MULTI_GENERATE_COT', kind)}",
        'candidates.extend(item["response"] for item in several["response"])',
        "solution = candidates[-1]",
    ]


def _refine() -> list[str]:
    return [
        'solution = (await self.self_refine(problem=problem, solution=solution))["response"]',
        "candidates.append(solution)",
    ]


def _ensemble() -> list[str]:
    return [
        "if len(candidates) > 1:",
        '    solution = (await self.sc_ensemble(solutions=candidates, problem=problem))["response"]',
        "    candidates = [solution]",
    ]


def _test() -> list[str]:
    return [
        "tested = await self.test(problem=problem, solution=solution, entry_point=entry_point)",
        'solution = tested["solution"]',
        "candidates.append(solution)",
    ]


def _programmer(analysis: str) -> list[str]:
    """A program, and the answer that the first generator makes of its output."""
    said = f"problem=problem, analysis={analysis}" if analysis else "problem=problem"
    return [
        f"program = await self.programmer({said})",
        'with_output = problem + "\\nCode output: " + str(program["output"])',
        "refined = await self.generate(input=with_output, instruction=prompt_custom.REFINE)",
        'solution = refined["response"]',
        "candidates.append(solution)",
    ]


def _tested() -> list[str]:
    """The end for code. A problem without visible tests passes nothing, so its solution stays."""
    return [
        "tested = await self.test(problem=problem, solution=solution, entry_point=entry_point)",
        'if tested["result"]:',
        '    return tested["solution"]',
        'if tested["total"] == 0:',
        "    return solution",
        f'return ({_generate("GENERATE", "code")})["response"]',
    ]


def _chosen(kind: Kind, verify: bool) -> list[str]:
    lines = _ensemble()
    if verify:
        lines += [
            "program = await self.programmer(problem=problem, analysis=solution)",
            'output = str(program["output"])',
            'if output and not output.startswith("Error:"):',
            "    return output",
        ]
    if kind == "qa":
        lines += ['if "<answer>" in solution:']
        lines += ['    solution = solution.split("<answer>")[-1].split("</answer>")[0].strip()']
    return [*lines, "return solution"]


_STEPS = {
    "Generate": lambda kind: _one("GENERATE", kind),
    "GenerateCoT": lambda kind: _one("GENERATE_COT", kind),
    "MultiGenerateCoT": _several,
    "ScEnsemble": lambda _: _ensemble(),
    "SelfRefine": lambda _: _refine(),
    "Test": lambda _: _test(),
    "Programmer": lambda _: _programmer("solution"),
}
