"""The built-in operator sets. Each operator's code is in the guest module that it names."""

from __future__ import annotations

from dataclasses import replace

from engine.operators.metaflow_sets import METAFLOW_SETS
from engine.operators.specs import OperatorSet, OperatorSpec, Parameter

_TEXT = Parameter("problem", "str")
_MODE = Parameter("mode", "str | None", None)

CUSTOM = OperatorSpec(
    "Custom",
    "custom",
    "one worker call on instruction and input",
    (Parameter("input", "str"), Parameter("instruction", "str", "")),
    {"response": "str"},
    "engine.operators.custom",
)
CODE_GENERATE = OperatorSpec(
    "CustomCodeGenerate",
    "custom_code_generate",
    "Code Generator: a worker writes code for the problem",
    (_TEXT, Parameter("entry_point", "str | None", None), Parameter("instruction", "str", "")),
    {"response": "str"},
    "engine.operators.custom_code_generate",
    extras=("context", "input", "analysis"),
)
FORMAT = OperatorSpec(
    "Format",
    "format",
    "Format Generator: reduces a solution to its bare answer",
    (_TEXT, Parameter("solution", "str"), _MODE),
    {"solution": "str"},
    "engine.operators.format",
)
ENSEMBLE = OperatorSpec(
    "ScEnsemble",
    "sc_ensemble",
    "Ensemble: picks the most consistent of several solutions",
    (Parameter("solutions", "list[str]"), Parameter("problem", "str", "")),
    {"response": "str"},
    "engine.operators.sc_ensemble",
)
REVIEW = OperatorSpec(
    "Review",
    "review",
    "a worker judges a solution and explains",
    (_TEXT, Parameter("solution", "str"), _MODE),
    {"review_result": "bool", "feedback": "str"},
    "engine.operators.review",
)
REVISE = OperatorSpec(
    "Revise",
    "revise",
    "a worker rewrites a solution from feedback",
    (_TEXT, Parameter("solution", "str"), Parameter("feedback", "str", ""), _MODE),
    {"solution": "str"},
    "engine.operators.revise",
)
TEST = OperatorSpec(
    "Test",
    "test",
    "Code Test: runs a solution on the visible tests; mends it up to test_loop times (0 = only test)",
    (
        _TEXT,
        Parameter("solution", "str"),
        Parameter("entry_point", "str | None", None),
        Parameter("test_cases", "list[str] | None", None),
        Parameter("test_loop", "int", 3),
    ),
    {"result": "bool", "solution": "str", "feedback": "str", "passed": "int", "total": "int"},
    "engine.operators.test",
)
PROGRAMMER = OperatorSpec(
    "Programmer",
    "programmer",
    "a worker writes solve(), which is run",
    (_TEXT, Parameter("analysis", "str", "None")),
    {"code": "str", "output": "str"},
    "engine.operators.programmer",
)
ANSWER_GENERATE = OperatorSpec(
    "AnswerGenerate",
    "answer_generate",
    "a worker thinks step by step and answers tersely",
    (Parameter("input", "str"),),
    {"thought": "str", "answer": "str"},
    "engine.operators.answer_generate",
)

MD_ENSEMBLE = OperatorSpec(
    "MdEnsemble",
    "md_ensemble",
    "picks one of several solutions by five votes, each over another order of them",
    (Parameter("solutions", "list[str]"), Parameter("problem", "str", ""), _MODE),
    {"solution": "str"},
    "engine.operators.md_ensemble",
)

# Appendix A of the FlowReasoner paper lists the first six; Custom, Programmer and AnswerGenerate come
# from AFlow, on which that list is based, and its figures use Custom.
PAPER = OperatorSet(
    "paper",
    (CODE_GENERATE, FORMAT, ENSEMBLE, REVIEW, REVISE, TEST, CUSTOM, PROGRAMMER, ANSWER_GENERATE),
    "FlowReasoner, Appendix A, with AFlow's Custom, Programmer and AnswerGenerate",
)

# AFlow configures three sets, one a kind of benchmark; its operator module defines more.
AFLOW_CODE = OperatorSet(
    "aflow-code", (CUSTOM, CODE_GENERATE, ENSEMBLE, TEST), "what AFlow searches over for code"
)
AFLOW_MATH = OperatorSet("aflow-math", (CUSTOM, ENSEMBLE, PROGRAMMER), "what AFlow searches over for math")
AFLOW_QA = OperatorSet(
    "aflow-qa", (CUSTOM, ANSWER_GENERATE, ENSEMBLE), "what AFlow searches over for questions"
)
AFLOW = OperatorSet("aflow", (*PAPER.operators, MD_ENSEMBLE), "every operator that AFlow defines")


def _scoreflow(
    name: str, attribute: str, description: str, *parameters: Parameter, bound: tuple[str, ...] = ("problem",)
) -> OperatorSpec:
    """ScoreFlow's operators know the problem, and return plain text."""
    module = "engine.operators.scoreflow"
    return OperatorSpec(
        name, attribute, description, parameters, "str", module, function=attribute, bound=bound
    )


_CODE = ("problem", "entry_point")

SCOREFLOW = OperatorSet(
    "scoreflow",
    (
        _scoreflow(
            "Custom", "custom", "one worker call on instruction and problem", Parameter("instruction", "str")
        ),
        _scoreflow(
            "CustomCodeGenerate",
            "code_generate",
            "a worker writes code for the problem",
            Parameter("instruction", "str"),
            bound=_CODE,
        ),
        _scoreflow(
            "AnswerGenerate", "answer_generate", "a worker thinks step by step and ends with its answer"
        ),
        _scoreflow(
            "ScEnsemble",
            "sc_ensemble",
            "picks the most consistent of several solutions",
            Parameter("solutions", "list[str]"),
        ),
        _scoreflow(
            "Review",
            "review",
            "a worker checks a solution and returns it, mended where it is wrong",
            Parameter("pre_solution", "str"),
            bound=_CODE,
        ),
        _scoreflow(
            "Programmer",
            "programmer",
            "a worker writes solve(), which is run; returns the code and its output in words",
            Parameter("analysis", "str", "None"),
        ),
        _scoreflow(
            "Test",
            "test",
            "runs a solution on the visible tests, mends it up to test_loop times, then writes it anew",
            Parameter("solution", "str"),
            Parameter("test_loop", "int", 10),
            bound=_CODE,
        ),
    ),
    "ScoreFlow: plain text in and out, the problem known to every operator",
)


def _of_scoreflow(kind: str, *attributes: str) -> OperatorSet:
    operators = tuple(o for o in SCOREFLOW.operators if o.attribute in attributes)
    return OperatorSet(f"scoreflow-{kind}", operators, f"what ScoreFlow's generator is offered for {kind}")


# The released code offers a part of them by kind of benchmark.
SCOREFLOW_CODE = _of_scoreflow("code", "code_generate", "sc_ensemble", "test")
SCOREFLOW_MATH = _of_scoreflow("math", "custom", "sc_ensemble", "review", "programmer")
SCOREFLOW_QA = _of_scoreflow("qa", "custom", "sc_ensemble", "review", "answer_generate")


def _maas(name: str, attribute: str, description: str, returns: str, *, code: bool) -> OperatorSpec:
    """MaAS's generating operators, in the signature they have for code or for math."""
    instruction = Parameter("instruction", "str", "")
    parameters = (
        (_TEXT, Parameter("entry_point", "str | None", None), instruction)
        if code
        else (Parameter("input", "str"), instruction)
    )
    module = "engine.operators.maas"
    return OperatorSpec(
        name, attribute, description, parameters, {"response": returns}, module, function=attribute
    )


def _maas_generators(*, code: bool) -> tuple[OperatorSpec, ...]:
    several = "list of 3 {'response': str}"
    return (
        _maas("Generate", "generate", "a worker answers", "str", code=code),
        _maas("GenerateCoT", "generate_cot", "a worker thinks step by step, then answers", "str", code=code),
        _maas("MultiGenerateCoT", "multi_generate_cot", "three times generate_cot", several, code=code),
    )


SELF_REFINE = OperatorSpec(
    "SelfRefine",
    "self_refine",
    "a worker looks for what is wrong with a solution and rewrites it",
    (_TEXT, Parameter("solution", "str")),
    {"response": "str"},
    "engine.operators.maas",
    function="self_refine",
)

# MaAS's EarlyStop is not here: it is a choice of the controller, and nothing ever calls it. The two
# benchmarks' generators differ in what they call the text they work on.
MAAS = OperatorSet(
    "maas",
    (*_maas_generators(code=True), ENSEMBLE, SELF_REFINE, TEST, PROGRAMMER),
    "MaAS, with the signatures its operators have for code",
)
MAAS_MATH = OperatorSet(
    "maas-math",
    (*_maas_generators(code=False), ENSEMBLE, SELF_REFINE, PROGRAMMER),
    "MaAS, with the signatures its operators have for math",
)

# The release's graphs fall back on operators that their controller does not choose from.
MAAS_GRAPH = OperatorSet(
    "maas-graph", (*MAAS.operators, CODE_GENERATE), "MaAS's graph for code: its operators and its fallback"
)
MAAS_MATH_GRAPH = OperatorSet(
    "maas-math-graph", (*MAAS_MATH.operators, CUSTOM), "MaAS's graph for math: its operators and its fallback"
)

_TEMPERATURE = Parameter("temperature", "float | None", None)


def _tempered(spec: OperatorSpec) -> OperatorSpec:
    return replace(spec, parameters=(*spec.parameters, _TEMPERATURE), tempered=True)


MANUAL = OperatorSet(
    "manual",
    (_tempered(CUSTOM), _tempered(CODE_GENERATE), _tempered(ANSWER_GENERATE), ENSEMBLE, TEST),
    "what the manual variants' workflows call; a call may name its temperature",
)

SETS: dict[str, OperatorSet] = {
    s.name: s
    for s in (
        *(PAPER, AFLOW_CODE, AFLOW_MATH, AFLOW_QA, AFLOW, SCOREFLOW),
        *(SCOREFLOW_CODE, SCOREFLOW_MATH, SCOREFLOW_QA),
        *(MAAS, MAAS_MATH, MAAS_GRAPH, MAAS_MATH_GRAPH, *METAFLOW_SETS, MANUAL),
    )
}
