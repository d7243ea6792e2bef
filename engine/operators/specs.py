"""Operators described as data: what the meta-agent reads, the linter checks and the sandbox runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.ids import content_key

# What a run passes to its workflow, and to operators that ask for it.
RUN_INPUTS = ("problem", "entry_point", "test_cases", "question_id")


_JOINING = frozenset(
    {"engine.operators.custom:run", "engine.operators.custom_code_generate:run"}
    | {f"engine.operators.maas:{name}" for name in ("generate", "generate_cot", "multi_generate_cot")}
)


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Any = _Required()


@dataclass(frozen=True)
class Parameter:
    """One keyword of an operator. `type` is for people and models, not enforced. `also` are other names that
    workflows are known to give it by.
    """

    name: str
    type: str
    default: Any = REQUIRED
    also: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """Whether a call must name it."""
        return self.default is REQUIRED

    def __str__(self) -> str:
        return f"{self.name}: {self.type}" + ("" if self.required else f" = {self.default!r}")

    def to_json(self) -> dict[str, Any]:
        """{name, type}, and `also` and `default` where it has them."""
        data: dict[str, Any] = {"name": self.name, "type": self.type}
        data |= {"also": list(self.also)} if self.also else {}
        return data if self.required else {**data, "default": self.default}


@dataclass(frozen=True)
class OperatorSpec:
    """An operator. `attribute` is its name on `self`; its code is `function` of the guest `module`.

    `also` are other names on `self` that workflows are known to call it by.
    `returns` maps the keys of its result to their types; it is "str" where the result is plain text, and
    begins with "list" where that is a list.
    `extras` are keywords that workflows are known to pass although the operator has no such
    parameter; their text is appended to the prompt and the leniency recorded as a repair.
    `bound` are those of `RUN_INPUTS` that the run gives the operator and no workflow passes.
    `source` is the module's own text where the module is a user's: it travels with each step.
    A call of a `tempered` one may name the `temperature` of its model calls: the host takes it, the
    operator's code never sees it.
    """

    name: str
    attribute: str
    description: str
    parameters: tuple[Parameter, ...]
    returns: dict[str, str] | str
    module: str
    extras: tuple[str, ...] = ()
    function: str = "run"
    bound: tuple[str, ...] = ()
    source: str | None = None
    tempered: bool = False
    also: tuple[str, ...] = ()

    @property
    def keys(self) -> dict[str, str]:
        """The keys of its result and their types; empty where the result is plain text or a list."""
        return self.returns if isinstance(self.returns, dict) else {}

    @property
    def plain(self) -> bool:
        """Whether its result is plain text."""
        return self.returns == "str"

    @property
    def joins(self) -> bool:
        """Whether its prompt begins with an instruction and what that is about, between which a workflow's
        format may have a separator of its own, which the run gives it.
        """
        return self.source is None and f"{self.module}:{self.function}" in _JOINING

    @property
    def other_names(self) -> dict[str, str]:
        """The other names that workflows give its parameters, each with the parameter's own name."""
        return {other: p.name for p in self.parameters for other in p.also}

    @property
    def signature(self) -> str:
        """As a model reads it: `attribute(name: type = default, …) -> returns`."""
        keys = ", ".join(f"'{k}': {v}" for k, v in self.keys.items())
        returns = self.returns if isinstance(self.returns, str) else f"{{{keys}}}"
        return f"{self.attribute}({', '.join(map(str, self.parameters))}) -> {returns}"

    @property
    def identity(self) -> str:
        """Which code this is: `module` or `module:function`, and `@HASH` of its text for a user's own
        module.
        """
        place = self.module if self.function == "run" else f"{self.module}:{self.function}"
        return place if self.source is None else f"{place}@{content_key(self.source)}"

    def to_guest(self) -> dict[str, Any]:
        """What the workflow's process needs to bind a call."""
        return {
            "attribute": self.attribute,
            "name": self.name,
            "required": [p.name for p in self.parameters if p.required],
            "parameters": [p.name for p in self.parameters],
            "extras": list(self.extras),
            "bound": list(self.bound),
            "tempered": self.tempered,
            "also": list(self.also),
            "other_names": self.other_names,
        }

    def to_step(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """What the operator's own process needs to run with these inputs."""
        return {
            "module": self.module,
            "function": self.function,
            "source": self.source,
            "returns": self.returns.partition("[")[0] if isinstance(self.returns, str) else list(self.keys),
            "kwargs": dict(inputs),
        }

    def to_json(self) -> dict[str, Any]:
        """The whole description, without the source."""
        return {
            "name": self.name,
            "attribute": self.attribute,
            "description": self.description,
            "parameters": [p.to_json() for p in self.parameters],
            "returns": self.returns,
            "module": self.module,
            "extras": list(self.extras),
            "function": self.function,
            "bound": list(self.bound),
            **({"tempered": True} if self.tempered else {}),
            **({"also": list(self.also)} if self.also else {}),
        }


@dataclass(frozen=True)
class OperatorSet:
    """A named choice of operators. `description` is for people; the meta-agent reads `describe()`.

    `part` says what a set is kept for where workflow writers are trained: "train", "test", or "held-out"
    for one with operators that no training set has. `own` says that it is a user's, so that its name alone
    does not say what it is.
    """

    name: str
    operators: tuple[OperatorSpec, ...] = ()
    description: str = ""
    own: bool = False
    part: Literal["", "train", "test", "held-out"] = ""

    def get(self, attribute: str) -> OperatorSpec | None:
        """The operator with this name on `self`; None where the set has none."""
        return next((o for o in self.operators if o.attribute == attribute), None)

    def describe(self) -> str:
        """The set as the meta-agent reads it: a line for each operator, and one on what they know already."""
        lines = [f"- self.{o.signature}: {o.description}" for o in self.operators]
        bound = [i for i in RUN_INPUTS if any(i in o.bound for o in self.operators)]
        if bound:
            lines.append(f"Operators that do not take {' or '.join(bound)} know it already.")
        return "\n".join(lines)

    @property
    def about(self) -> str:
        """The description, and in brackets the part of training and testing that the set is kept for."""
        return " ".join(filter(None, (self.description, self.part and f"({self.part})")))

    @property
    def identity(self) -> str:
        """The name; for a user's own set with the hash of its contents, `NAME@HASH`."""
        return f"{self.name}@{content_key(self.to_json())}" if self.own else self.name

    def to_json(self) -> dict[str, Any]:
        """The whole set. `sources` is the text of each module that is a user's; `part` is there where it has
        one.
        """
        return {
            "name": self.name,
            "description": self.description,
            "operators": [o.to_json() for o in self.operators],
            "sources": {o.module: o.source for o in self.operators if o.source is not None},
            **({"part": self.part} if self.part else {}),
        }
