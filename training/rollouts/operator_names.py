"""An operator set under other names, so that a policy learns to read the descriptions it is given."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from engine.ids import derived_seed
from engine.operators.specs import OperatorSet

_VERBS = ("apply", "call", "consult", "do", "handle", "invoke", "make", "obtain", "process", "run", "use")
_NOUNS = ("aid", "agent", "block", "device", "helper", "module", "part", "piece", "routine", "tool", "unit")
# The same said otherwise; what is not here keeps its description.
_OTHERWISE = {
    "custom": "sends instruction and input to a worker model once and gives its reply",
    "generate": "sends instruction and input to a worker model once and gives its reply",
    "custom_code_generate": "has a worker model write the function that the problem asks for",
    "sc_ensemble": "out of several solutions, gives the one that most agree with",
    "ensemble": "out of several solutions, gives the one that most agree with",
    "review": "has a worker model judge whether a solution is right, and say why",
    "revise": "has a worker model write a solution anew, given what was wrong with it",
    "programmer": "has a worker model write a program for the problem, runs it, and gives what it computed",
    "answer_generate": "has a worker model reason first and then give a short answer",
    "decompose": "has a worker model list smaller problems that lead to the solution one by one",
    "execute": "carries out a program; says whether it failed and what it wrote",
    "summarize": "has a worker model join several texts into one answer",
}


def renamed(operators: OperatorSet, seed: int, *, described_anew: bool = False) -> OperatorSet:
    """The set with operators of the same code and parameters under drawn names, in a drawn order; with
    `described_anew` also in other words. The same for the same seed; a run records it whole.
    """
    draw = Random(derived_seed(seed, "operator names", operators.name))
    names = draw.sample([f"{verb}_{noun}" for verb in _VERBS for noun in _NOUNS], len(operators.operators))
    specs = list(operators.operators)
    draw.shuffle(specs)
    made = [
        replace(
            spec,
            attribute=name,
            name="".join(part.capitalize() for part in name.split("_")),
            description=(_OTHERWISE.get(spec.attribute) if described_anew else None) or spec.description,
        )
        for spec, name in zip(specs, names, strict=True)
    ]
    return replace(operators, name=f"{operators.name}-renamed", operators=tuple(made), own=True)
