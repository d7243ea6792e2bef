"""A canvas: operators that are connected to a graph by one edit at a time, and the workflow that it stands
for.

A node is a call of an operator. It gets the problem, and what the nodes that it is connected to give. Which
of the operator's parameters receive what follows from their names: a solution goes where a solution is
wanted, feedback where feedback is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.operators.specs import OperatorSet, OperatorSpec

MAX_NODES = 30
MAX_INSTRUCTION = 4_000  # characters
EDITS = ("add", "remove", "replace", "connect", "instruct", "finish")
# The keys under which operators give an answer, from the most specific on.
_ANSWERS = ("solution", "response", "answer", "output", "code")
_FEEDBACK = "feedback"


class EditError(Exception):
    """An edit that cannot be made; the message says why, for the model that asked for it."""


@dataclass(frozen=True)
class Edit:
    """One change of a canvas. `inputs` and `instruction` are None where they are to stay as they are."""

    kind: str
    node: str = ""
    operator: str = ""
    inputs: tuple[str, ...] | None = None
    instruction: str | None = None

    def __str__(self) -> str:
        """The edit in a few words, as a workflow's modification."""
        parts = [self.kind, self.node, self.operator]
        parts += [f"after {', '.join(self.inputs) or 'the problem'}"] if self.inputs is not None else []
        return " ".join(part for part in parts if part)


@dataclass(frozen=True)
class Node:
    """A call of an operator, with the nodes whose results it gets and its instruction, if any."""

    id: str
    operator: OperatorSpec
    inputs: tuple[str, ...] = ()
    instruction: str = ""

    @property
    def answer(self) -> str | None:
        """The Python expression of its answer; None where it gives only feedback."""
        if not self.operator.keys:
            return self.id if self.operator.plain else f"str({self.id})"
        key = next((k for k in _ANSWERS if k in self.operator.keys), None)
        return None if key is None else f'{self.id}["{key}"]'

    @property
    def feedback(self) -> str | None:
        """The expression of its feedback on what it was given; None where it gives none."""
        return f'{self.id}["{_FEEDBACK}"]' if _FEEDBACK in self.operator.keys else None


def read_edit(data: Mapping[str, Any] | None) -> Edit:
    """An edit from the object of a reply. Raises EditError where it is none."""
    if data is None:
        raise EditError('the reply holds no JSON object with the key "edit"')
    kind = data.get("edit")
    if kind not in EDITS:
        raise EditError(f'"edit" is {str(kind)[:40]!r}; use one of {", ".join(EDITS)}')
    texts: dict[str, str] = {}
    for name in ("node", "operator"):
        value = data.get(name) or ""
        if not isinstance(value, str):
            raise EditError(f'"{name}" is not a text')
        texts[name] = value.strip()
    inputs = data.get("inputs")
    if inputs is not None and not (isinstance(inputs, list) and all(isinstance(i, str) for i in inputs)):
        raise EditError('"inputs" is not a list of nodes')
    instruction = data.get("instruction")
    if instruction is not None and not isinstance(instruction, str):
        raise EditError('"instruction" is not a text')
    if instruction is not None and len(instruction) > MAX_INSTRUCTION:
        raise EditError(f'"instruction" has more than {MAX_INSTRUCTION:,} characters')
    connected = None if inputs is None else tuple(dict.fromkeys(i.strip() for i in inputs))
    return Edit(kind, texts["node"], texts["operator"], connected, instruction)


@dataclass(frozen=True)
class Canvas:
    """Nodes in an order in which they can run. `made` counts the nodes there ever were: ids are not used
    again.
    """

    operators: OperatorSet
    nodes: tuple[Node, ...] = ()
    made: int = 0

    def edited(self, edit: Edit) -> Canvas:
        """The canvas after an edit. Raises EditError where it cannot be made, or would leave a node without
        what it needs.
        """
        match edit.kind:
            case "add":
                changed = self._added(edit)
            case "remove":
                changed = self._removed(self._node(edit.node))
            case "replace":
                old = self._node(edit.node)
                kept = old.instruction if edit.instruction is None else edit.instruction
                new = replace(old, operator=self._operator(edit.operator), instruction=kept.strip())
                changed = self._with(new if edit.inputs is None else replace(new, inputs=edit.inputs))
            case "connect":
                if edit.inputs is None:
                    raise EditError('to connect a node, give the "inputs" that it is to have')
                changed = self._with(replace(self._node(edit.node), inputs=edit.inputs))
            case "instruct":
                if edit.instruction is None:
                    raise EditError('to instruct a node, give its "instruction"')
                changed = self._with(replace(self._node(edit.node), instruction=edit.instruction.strip()))
            case _:
                raise EditError(f"{edit.kind} does not change the canvas")
        if edit.instruction:
            self._check_instruction(edit, changed)
        changed = replace(changed, nodes=tuple(_ordered(changed.nodes)))
        changed.code()  # raises where a node lacks something
        return changed

    def _check_instruction(self, edit: Edit, changed: Canvas) -> None:
        node = changed.nodes[-1] if edit.kind == "add" else changed._node(edit.node)
        if not _can_be_instructed(node):
            raise EditError(f"{node.operator.attribute} takes no instruction; leave it out")

    def _added(self, edit: Edit) -> Canvas:
        if len(self.nodes) >= MAX_NODES:
            raise EditError(f"there are {MAX_NODES} nodes already; remove one first")
        inputs = edit.inputs
        if inputs is None:
            inputs = (self.nodes[-1].id,) if self.nodes else ()
        node = Node(
            f"n{self.made + 1}", self._operator(edit.operator), inputs, (edit.instruction or "").strip()
        )
        return replace(self, nodes=(*self.nodes, node), made=self.made + 1)

    def _removed(self, gone: Node) -> Canvas:
        """Without a node; those that were connected to it get what it got."""

        def inputs(node: Node) -> tuple[str, ...]:
            spliced = (i for name in node.inputs for i in (gone.inputs if name == gone.id else (name,)))
            return tuple(dict.fromkeys(spliced))

        return replace(self, nodes=tuple(replace(n, inputs=inputs(n)) for n in self.nodes if n.id != gone.id))

    def _with(self, changed: Node) -> Canvas:
        return replace(self, nodes=tuple(changed if n.id == changed.id else n for n in self.nodes))

    def _node(self, name: str) -> Node:
        for node in self.nodes:
            if node.id == name:
                return node
        known = ", ".join(n.id for n in self.nodes) or "none yet"
        raise EditError(f"there is no node {name[:40]!r}; there are {known}")

    def _operator(self, name: str) -> OperatorSpec:
        spec = self.operators.get(name) or next((o for o in self.operators.operators if o.name == name), None)
        if spec is None:
            known = ", ".join(o.attribute for o in self.operators.operators)
            raise EditError(f"there is no operator {name[:40]!r}; there are {known}")
        return spec

    # The workflow.

    @property
    def result(self) -> Node | None:
        """The node whose answer is the workflow's: the last that gives one."""
        return next((n for n in reversed(self.nodes) if n.answer is not None), None)

    def code(self) -> str:
        """The workflow's source in our own format. Raises EditError where a node lacks what it needs."""
        calls = [f"{n.id} = await self.{n.operator.attribute}({self._arguments(n)})" for n in self.nodes]
        answer = "None" if self.result is None else self.result.answer
        body = "\n".join(f"        {line}" for line in (*calls, f"return {answer}"))
        return f"class Workflow:\n    async def __call__(self, problem, entry_point):\n{body}\n"

    def prompts(self) -> str:
        """The source of its prompts."""
        return "\n".join(f"{n.id.upper()} = {n.instruction!r}" for n in self.nodes if _takes_instruction(n))

    def drawn(self) -> str:
        """The canvas as a model reads it: a node on each line."""
        if not self.nodes:
            return "The canvas is empty."
        lines = []
        for node in self.nodes:
            told = f", instruction: {node.instruction}" if node.instruction else ""
            source = ", ".join(node.inputs) or "the problem"
            lines.append(f"{node.id}: {node.operator.attribute} after {source}{told}")
        end = f"The answer is that of {self.result.id}." if self.result else "No node gives an answer yet."
        return "\n".join([*lines, end])

    def _arguments(self, node: Node) -> str:
        found: list[str] = []
        for parameter in node.operator.parameters:
            value = self._value(node, parameter.name)
            if value is not None:
                found.append(f"{parameter.name}={value}")
            elif parameter.required:
                raise EditError(
                    f"{node.id} ({node.operator.attribute}) lacks its {parameter.name}: connect it to a node "
                    "that gives one"
                )
        return ", ".join(found)

    def _value(self, node: Node, name: str) -> str | None:
        """The expression that a parameter of this name gets; None where there is nothing for it."""
        before = [self._node(i) for i in node.inputs]
        texts = [text for n in before if (text := n.answer or n.feedback) is not None]
        match name:
            case "problem" | "entry_point":
                return name
            case "instruction":
                return f"prompt_custom.{node.id.upper()}" if _takes_instruction(node) else '""'
            case "input":
                return _joined(["problem", *texts])
            case "context" | "analysis":
                return _joined(texts) if texts else None
            case "solution":
                return self._solution(before)
            case "solutions" | "contexts":
                given = [n.answer for n in before if n.answer is not None]
                return f"[{', '.join(given)}]" if len(given) > 1 else None
            case "feedback":
                return next((n.feedback for n in reversed(before) if n.feedback is not None), None)
        return None

    def _solution(self, before: Iterable[Node]) -> str | None:
        """The answer of the last of these nodes that has one; of one that only gives feedback, what that is
        about.
        """
        for node in reversed([*before]):
            answer = node.answer or self._solution(self._node(i) for i in node.inputs)
            if answer is not None:
                return answer
        return None


def _takes_instruction(node: Node) -> bool:
    return bool(node.instruction) and _can_be_instructed(node)


def _can_be_instructed(node: Node) -> bool:
    return any(p.name == "instruction" for p in node.operator.parameters)


def _joined(parts: list[str]) -> str:
    return ' + "\\n\\n" + '.join(parts)


def _ordered(nodes: tuple[Node, ...]) -> list[Node]:
    """The nodes, each after those that it is connected to, else in the order they have. Raises EditError
    where a node is connected to one that is not there, or to itself.
    """
    known = {n.id for n in nodes}
    for node in nodes:
        for name in node.inputs:
            if name not in known:
                raise EditError(f"{node.id} cannot be connected to {name[:40]!r}, which is not on the canvas")
    ordered: list[Node] = []
    left = list(nodes)
    while left:
        done = {n.id for n in ordered}
        ready = next((n for n in left if done.issuperset(n.inputs)), None)
        if ready is None:
            raise EditError(f"{', '.join(n.id for n in left)} would wait for each other")
        ordered.append(ready)
        left.remove(ready)
    return ordered
