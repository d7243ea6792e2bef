"""Operator sets as data: what the meta-agent is told, what the linter checks, what the runner calls.

An operator's code is named by its guest module; swapping a set needs no other change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Any = _Required()


@dataclass(frozen=True)
class Parameter:
    """One keyword of an operator. `type` is for people and models, not enforced."""

    name: str
    type: str
    default: Any = REQUIRED

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    def __str__(self) -> str:
        return f"{self.name}: {self.type}" + ("" if self.required else f" = {self.default!r}")


@dataclass(frozen=True)
class OperatorSpec:
    """An operator. `attribute` is its name on `self`, `module` the guest module whose `run` it is.

    `extras` are keywords that workflows are known to pass although the operator has no such
    parameter; their text is appended to the prompt and the leniency recorded as a repair.
    """

    name: str
    attribute: str
    description: str
    parameters: tuple[Parameter, ...]
    returns: dict[str, str]
    module: str
    extras: tuple[str, ...] = ()

    @property
    def signature(self) -> str:
        returns = ", ".join(f"'{k}': {v}" for k, v in self.returns.items())
        return f"{self.attribute}({', '.join(map(str, self.parameters))}) -> {{{returns}}}"

    def to_guest(self) -> dict[str, Any]:
        """What the workflow's process needs to bind a call."""
        return {
            "attribute": self.attribute,
            "name": self.name,
            "required": [p.name for p in self.parameters if p.required],
            "parameters": [p.name for p in self.parameters],
            "extras": list(self.extras),
        }


@dataclass(frozen=True)
class OperatorSet:
    """A named choice of operators."""

    name: str
    operators: tuple[OperatorSpec, ...] = field(default=())

    def get(self, attribute: str) -> OperatorSpec | None:
        return next((o for o in self.operators if o.attribute == attribute), None)

    def describe(self) -> str:
        """The set as the meta-agent reads it: one line an operator."""
        return "\n".join(f"- self.{o.signature}: {o.description}" for o in self.operators)


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

# Appendix A of the FlowReasoner paper lists the first six; Custom, Programmer and AnswerGenerate come
# from AFlow, on which that list is based, and its figures use Custom.
PAPER = OperatorSet(
    "paper",
    (CODE_GENERATE, FORMAT, ENSEMBLE, REVIEW, REVISE, TEST, CUSTOM, PROGRAMMER, ANSWER_GENERATE),
)

SETS: dict[str, OperatorSet] = {PAPER.name: PAPER}
