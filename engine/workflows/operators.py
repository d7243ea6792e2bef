"""Which operator, if any, a call in a workflow's source reaches."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from engine.formats.adas import agent_names
from engine.formats.catalog import format_of
from engine.operators.specs import OperatorSet, OperatorSpec
from engine.workflows.tree import methods, operator_aliases, self_attribute, workflow_class

# Attributes the runner puts on every workflow besides its operators; `llm` is for AFlow's cost lines.
RUNNER_ATTRIBUTES = frozenset({"llm", "name", "dataset"})


@dataclass(frozen=True)
class Operators:
    """The operators of one workflow: `specs` by their attribute on `self`, and `aliases`, the class names by
    the attributes that its `__init__` gives them.

    `methods` are the class's own, `own` the attributes it assigns, `attributes` those that the runner puts on
    the workflow besides its operators. `agents` are names that hold ADAS's agents; calling one is a step of
    `custom`.
    """

    specs: dict[str, OperatorSpec]
    aliases: dict[str, str]
    methods: frozenset[str]
    own: frozenset[str]
    attributes: frozenset[str] = RUNNER_ATTRIBUTES
    agents: frozenset[str] = frozenset()

    def spec(self, call: ast.AST) -> OperatorSpec | None:
        """The operator that `call` calls; None where it is not an operator call."""
        if not isinstance(call, ast.Call):
            return None
        if self.agents and _base_name(call.func) in self.agents:
            return self.specs.get("custom")
        name = self_attribute(call.func)
        return self.specs.get(name) if name is not None else None

    def known(self, attribute: str) -> bool:
        """Whether `self` has this attribute when the workflow runs."""
        return (
            attribute in self.specs
            or attribute in self.methods
            or attribute in self.own
            or attribute in self.attributes
            or (attribute.startswith("__") and attribute.endswith("__"))
        )


def operators_of(tree: ast.Module, operator_set: OperatorSet) -> Operators:
    """The operators of a parsed workflow, by the names it gives them; those of the set where it has no
    class.
    """
    cls = workflow_class(tree)
    specs = {name: spec for spec in operator_set.operators for name in (spec.attribute, *spec.also)}
    fmt = format_of(tree)
    if cls is None:
        agents = frozenset(agent_names(tree)) if fmt.agents else frozenset()
        return Operators(specs, {}, frozenset(), frozenset(), agents=agents)
    by_name = {spec.name: spec for spec in operator_set.operators}
    nodes = list(ast.walk(cls))
    aliases = operator_aliases(nodes)
    own = _assigned(cls, nodes)
    for base in tree.body:
        if isinstance(base, ast.ClassDef) and base.name in _base_names(cls):
            own |= _assigned(base, list(ast.walk(base))) | set(methods(base))
    defined = frozenset(methods(cls))
    # Where the class defines a name itself, that definition counts, and not the set's operator.
    for attribute in own | defined:
        specs.pop(attribute, None)
    specs |= {attribute: by_name[name] for attribute, name in aliases.items() if name in by_name}
    return Operators(specs, aliases, defined, frozenset(own), RUNNER_ATTRIBUTES | fmt.attributes)


def _base_name(function: ast.expr) -> str | None:
    """`x` of `x(…)`, `x[i](…)`, and their `.query(…)`, which is how ADAS's agents are called as well."""
    if isinstance(function, ast.Attribute) and function.attr == "query":
        function = function.value
    function = function.value if isinstance(function, ast.Subscript) else function
    return function.id if isinstance(function, ast.Name) else None


def _assigned(cls: ast.ClassDef, nodes: list[ast.AST]) -> set[str]:
    """Attributes that the body of `cls` or its methods assign; `nodes` are all those of `cls`."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            names |= {name} if (name := self_attribute(node)) else set()
    for node in cls.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names |= {t.id for t in targets if isinstance(t, ast.Name)}
        names |= {node.name} if isinstance(node, ast.ClassDef) else set()
    return names


def _base_names(cls: ast.ClassDef) -> set[str]:
    return {base.id for base in cls.bases if isinstance(base, ast.Name)}


def has_open_attributes(tree: ast.Module, cls: ast.ClassDef) -> bool:
    """Whether `self` may have attributes that `Operators` cannot know of: from other bases, or by setattr."""
    local = {c.name for c in tree.body if isinstance(c, ast.ClassDef)}
    direct = _base_names(cls)
    if len(cls.bases) > len(direct) or (direct - {"object"}) - local:
        return True
    if any(c.bases for c in tree.body if isinstance(c, ast.ClassDef) and c.name in direct):
        return True
    dynamic = {"setattr", "vars"}
    return any(
        (isinstance(node, ast.Name) and node.id in dynamic)
        or (isinstance(node, ast.Attribute) and node.attr in ("__dict__", "__getattr__"))
        or (isinstance(node, ast.FunctionDef) and node.name == "__getattr__")
        for node in ast.walk(tree)
    )
