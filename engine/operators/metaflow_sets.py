"""MetaFlow's operator sets, and the same operators under other names.

The sets are those that the paper's probable code trains and tests with (docs/variants.md). They differ in
which operators they have, never in what these are called, so a workflow writer may have learned the names by
heart. `renamed` gives a set whose operators do the same under other names and descriptions, drawn by a seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Literal

from engine.operators.specs import OperatorSet, OperatorSpec, Parameter
from sandbox.errors import UsageError

METAFLOW_MODULE = "engine.operators.metaflow"
_INSTRUCTION = Parameter("instruction", "str")
_CONTEXT = Parameter("context", "str")
_FREE = (Parameter("instruction", "str", ""), Parameter("context", "str", ""))


def _operator(
    name: str,
    attribute: str,
    description: str,
    parameters: tuple[Parameter, ...],
    *,
    returns: str = "str",
    also: tuple[str, ...] = (),
) -> OperatorSpec:
    return OperatorSpec(
        name,
        attribute,
        description,
        parameters,
        returns,
        METAFLOW_MODULE,
        function=attribute,
        bound=("problem",),
        also=also,
    )


GENERATE = _operator(
    "Generate", "generate", "a worker writes a text: a solution, a plan, facts, a part of the work", _FREE
)
REVISE = _operator(
    "Revise", "revise", "a worker rewrites the context as the instruction says", (_INSTRUCTION, _CONTEXT)
)
SUMMARIZE = _operator(
    "Summarize",
    "summarize",
    "a worker condenses the context, or brings it into the form that the answer is to have",
    (_INSTRUCTION, _CONTEXT),
)
ENSEMBLE = _operator(
    "Ensemble",
    "ensemble",
    "a worker makes one text of several: the best of them, or what is best in them put together",
    (_INSTRUCTION, Parameter("contexts", "list[str]", also=("contexts_list",))),
)
PROGRAMMER = _operator(
    "Programmer",
    "programmer",
    "a worker writes a function solve() without arguments, which is run; gives the code and its output as a "
    "text. Use it where computing is surer than thinking",
    (_INSTRUCTION, Parameter("context", "str", ""), Parameter("max_retries", "int", 3)),
)
DECOMPOSE = _operator(
    "Decompose",
    "decompose",
    "a worker splits the problem into smaller ones with the keys id, description and dependencies (ids, "
    "separated by commas). Use it where parts can be solved one by one",
    (_INSTRUCTION, Parameter("context", "str", "")),
    returns="list[dict]",
)
VERIFY_AND_REFINE = _operator(
    "VerifyAndRefine",
    "verify_and_refine",
    "a worker grades the context, another mends what was found; what is found right comes back unchanged",
    (_INSTRUCTION, _CONTEXT),
    also=("verifyandrefine", "verify_refine"),
)
SELF_CONSISTENCY = _operator(
    "SelfConsistency",
    "selfconsistency",
    "five workers answer independently; gives the answer that most of them agree on",
    (_INSTRUCTION, _CONTEXT),
    also=("self_consistency",),
)

CORE = (GENERATE, REVISE, SUMMARIZE, ENSEMBLE)
_Part = Literal["", "train", "test", "held-out"]


def _set(name: str, description: str, part: _Part, *more: OperatorSpec) -> OperatorSet:
    return OperatorSet(name, (*CORE, *more), f"MetaFlow: {description}", part=part)


METAFLOW = _set("metaflow", "the four operators that its training always has", "train")
METAFLOW_SETS = (
    METAFLOW,
    _set("metaflow-decompose", "the four and Decompose, unseen in its training", "held-out", DECOMPOSE),
    _set("metaflow-programmer", "the four and Programmer, unseen in its training", "held-out", PROGRAMMER),
    _set("metaflow-both", "the four, Decompose and Programmer", "held-out", DECOMPOSE, PROGRAMMER),
    _set("metaflow-verify", "the four and VerifyAndRefine", "train", VERIFY_AND_REFINE),
    _set("metaflow-consistency", "the four and SelfConsistency, for tests on code", "test", SELF_CONSISTENCY),
    _set(
        "metaflow-all",
        "all eight operators, for files that use any of them",
        "",
        *(DECOMPOSE, PROGRAMMER, VERIFY_AND_REFINE, SELF_CONSISTENCY),
    ),
)

# Other names and descriptions of each operator, by its attribute.
_OTHERS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "generate": (
        ("Draft", "draft", "has a model write what is asked for"),
        ("Compose", "compose", "produces a piece of writing from directions and material"),
        ("Answerer", "respond", "lets a helper work out one reply"),
    ),
    "revise": (
        ("Improve", "improve", "returns the material after the changes that the directions ask for"),
        ("Rework", "rework", "has a model go over a text once more and hand back the new version"),
        ("Editor", "edit", "an editor's pass over the given text"),
    ),
    "summarize": (
        ("Condense", "condense", "shortens the material to what matters, in the form that is asked for"),
        ("Distil", "distil", "brings a text down to its result"),
        ("Digest", "digest", "a short version of what was worked out"),
    ),
    "ensemble": (
        ("Merge", "merge", "brings rival texts together into one"),
        ("Adjudicate", "adjudicate", "weighs several attempts and hands back the one result to keep"),
        ("Fuse", "fuse", "one result out of a list of them"),
    ),
    "programmer": (
        ("Compute", "compute", "has code written and run; what comes back is the code and what it returned"),
        ("CodeRunner", "run_code", "answers by a program rather than by thinking; text back"),
        ("Calculator", "calculate", "a program is written, executed and reported on"),
    ),
    "decompose": (
        ("Split", "split", "breaks the task into a list of parts with id, description and dependencies"),
        ("Planner", "plan", "lists the partial tasks, each with id, description and dependencies"),
        ("Outline", "outline", "gives the parts of the problem as a list of id, description, dependencies"),
    ),
    "verify_and_refine": (
        ("Audit", "audit", "checks the material strictly and repairs only what is wrong with it"),
        ("ProofRead", "proof_read", "a check followed by a repair; sound text is left alone"),
        ("Grader", "grade_and_fix", "grades, and mends where the grade is bad"),
    ),
    "selfconsistency": (
        ("Majority", "majority", "asks five times and keeps what comes up most"),
        ("Poll", "poll", "polls several workers and returns the common answer"),
        ("Consensus", "consensus", "independent attempts, and the one they share"),
    ),
}


class NotRenamableError(UsageError):
    """A set cannot be renamed: it has operators for which there are no other names."""


def renamed(operators: OperatorSet, seed: int) -> OperatorSet:
    """The set with other names and descriptions for all of its operators, and these in another order; the
    same for the same seed. The set's name is `NAME~SEED`.

    Their parameters, their results and what they do stay the same.

    Raises:
        NotRenamableError: an operator has no other names.
    """
    random = Random(f"{operators.name}~{seed}")
    specs: list[OperatorSpec] = []
    for spec in operators.operators:
        others = _OTHERS.get(spec.attribute)
        if others is None:
            raise NotRenamableError(
                f"the operators of {operators.name} have no other names; those of the metaflow sets do"
            )
        name, attribute, description = random.choice(others)
        specs.append(replace(spec, name=name, attribute=attribute, description=description, also=()))
    random.shuffle(specs)
    about = f"{operators.description}, under other names"
    return replace(operators, name=f"{operators.name}~{seed}", operators=tuple(specs), description=about)
