"""Adapting a workflow's operator calls to AFlow's operators, for export."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from engine.diagnostics import Diagnostic, warning
from engine.formats.format import FormatError
from engine.operators.sets import AFLOW
from engine.operators.specs import OperatorSet, OperatorSpec, Parameter
from engine.workflows.awaits import enclosing_function
from engine.workflows.edits import Edit, Positions, in_formatted_string
from engine.workflows.operators import Operators, operators_of
from engine.workflows.results import missing_keys
from engine.workflows.tree import call_method, parents
from engine.workflows.tree import workflow_class as class_of

# Parameters that have a default in AFlow's operators; in ours, more of them may have one.
_OPTIONAL = {"mode", "test_loop", "analysis"}
_LACKING = {"Test": ("test_cases",)}
_KEYS = {"Test": ("result", "solution")}
# Literals to pass for arguments that AFlow's operator needs and the workflow left out.
_LITERALS = {"instruction": '""', "feedback": '""', "entry_point": "None", "problem": '""', "solution": '""'}
_BLANK_LINE = r'"\n\n"'
_COMMA = re.compile(rb"\s*,")


def aflow_set() -> OperatorSet:
    """AFlow's operators with AFlow's own signatures and results."""
    return OperatorSet("aflow", tuple(_as_in_aflow(spec) for spec in AFLOW.operators))


def _as_in_aflow(spec: OperatorSpec) -> OperatorSpec:
    parameters = tuple(
        p if p.name in _OPTIONAL else Parameter(p.name, p.type)
        for p in spec.parameters
        if p.name not in _LACKING.get(spec.name, ())
    )
    keys = _KEYS.get(spec.name, tuple(spec.keys))
    returns = {k: v for k, v in spec.keys.items() if k in keys}
    return replace(spec, parameters=parameters, returns=returns, extras=())


class CallEdits:
    """Edits of one workflow's code, and warnings of what they change (`findings`, at lines of that code).

    The code must parse and have a class Workflow with its entry. `blank_line` says that its prompts are
    written for operators that put a blank line between an instruction and its input.
    """

    def __init__(
        self, code: str, tree: ast.Module, operators: OperatorSet, *, blank_line: bool = False
    ) -> None:
        cls, call = class_of(tree), call_method(tree)
        assert cls is not None and call is not None  # export_aflow has looked
        self.code, self.tree, self.cls, self.call = code, tree, cls, call
        self.positions = Positions(code)
        self.parents = parents(tree)
        self.operators = operators_of(tree, operators)
        self._blank_line = blank_line
        self.edits: list[Edit] = []
        self.findings: list[Diagnostic] = []

    def note(self, code: str, message: str, line: int, fix: str) -> None:
        """Add a warning to the findings."""
        self.findings.append(warning(code, message, line, fix))

    def operator_calls(self) -> None:
        """Add the arguments that AFlow's operators need, and leave out those that they do not have.

        Raises FormatError where AFlow has no such operator, or a call in an f-string would have to be edited.
        """
        aflow = {spec.name: spec for spec in aflow_set().operators}
        for call in ast.walk(self.cls):
            spec = self.operators.spec(call)
            if spec is None or not isinstance(call, ast.Call):
                continue
            known = aflow.get(spec.name)
            if known is None:
                raise FormatError(
                    f"line {call.lineno}: AFlow has no operator {spec.name}; "
                    f"it has {', '.join(sorted(aflow))}"
                )
            self._arguments(call, spec, known)
            if spec.name == "Programmer":
                message = "AFlow's Programmer finds no code in any reply: its output is 'No code generated'"
                self.note("programmer", message, call.lineno, "Mend it there, or do without")
            if spec.joins and self._blank_line:
                self._set_apart(call, spec)

    def _arguments(self, call: ast.Call, spec: OperatorSpec, known: OperatorSpec) -> None:
        ours, theirs = [p.name for p in spec.parameters], [p.name for p in known.parameters]
        if any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords):
            return
        given = [*zip(ours, call.args, strict=False), *((str(k.arg), k.value) for k in call.keywords)]
        nodes = [*call.args, *call.keywords]
        missing = [p.name for p in known.parameters if p.required and p.name not in dict(given)]
        dropped = [(name, node) for (name, _), node in zip(given, nodes, strict=False) if name not in theirs]
        if (dropped or missing) and in_formatted_string(call, self.parents):
            raise FormatError(
                f"line {call.lineno}: put the result of {spec.attribute} into a variable before the f-string"
            )
        for name, node in dropped:
            end = self.positions.end(node)
            comma = _COMMA.match(self.positions.data, end)
            self.edits.append(Edit(self.positions.start(node), comma.end() if comma else end, ""))
            message = f"AFlow's {spec.name} takes no {name}, which is left out"
            self.note("argument-left-out", message, node.lineno, "It has its own visible tests")
        added: list[str] = []
        for name in missing:
            value = self._standing_for(name, call)
            added.append(f"{name}={value}, ")
            message = f"AFlow's {spec.name} needs {name}; {value} is passed"
            self.note("argument-added", message, call.lineno, "Pass it yourself where that is not meant")
        if added:
            start = self.positions.data.index(b"(", self.positions.end(call.func)) + 1
            self.edits.append(Edit(start, start, "".join(added)))
        if dropped or added:  # what was given by position is now given by name
            gone = {name for name, _ in dropped}
            for name, node in zip(ours, call.args, strict=False):
                if name not in gone:
                    start = self.positions.start(node)
                    self.edits.append(Edit(start, start, f"{name}="))

    def _set_apart(self, call: ast.Call, spec: OperatorSpec) -> None:
        """End the call's instruction with the blank line that AFlow's operators do not put after it."""
        names = [p.name for p in spec.parameters]
        given = [*zip(names, call.args, strict=False), *((k.arg, k.value) for k in call.keywords)]
        value = dict(given).get("instruction")
        if value is None or (isinstance(value, ast.Constant) and not value.value):
            return
        told = any(d.code == "blank-line" for d in self.findings)
        if in_formatted_string(call, self.parents):
            message = "AFlow puts no blank line between this instruction and its input"
            self.note("blank-line-missing", message, call.lineno, "End the instruction with one")
            return
        start, end = self.positions.start(value), self.positions.end(value)
        if isinstance(value, ast.Constant | ast.Name | ast.Attribute | ast.Call | ast.Subscript):
            self.edits.append(Edit(end, end, f" + {_BLANK_LINE}"))
        else:
            self.edits += [Edit(start, start, "("), Edit(end, end, f") + {_BLANK_LINE}")]
        if not told:
            message = "AFlow puts nothing between an instruction and its input; a blank line is added"
            self.note("blank-line", message, call.lineno, "Nothing has to be done")

    def _standing_for(self, name: str, call: ast.Call) -> str:
        """The parameter of that name where the call can see one, else an empty literal."""
        function = enclosing_function(call, self.parents)
        seen = function is self.call and name in ("problem", "entry_point")
        while function is not None and not seen:
            args = function.args
            seen = name in {a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)}
            function = enclosing_function(function, self.parents)
        return name if seen else _LITERALS.get(name, "None")

    def result_keys(self) -> None:
        """Make keys that only our results have read as empty text. Raises FormatError for one in an
        f-string.
        """
        theirs = Operators(
            {a: _as_in_aflow(s) for a, s in self.operators.specs.items()},
            self.operators.aliases,
            self.operators.methods,
            self.operators.own,
        )
        for node, key in missing_keys(self.tree, theirs):
            message = f"AFlow's operator returns no {key!r}; it reads as empty text"
            self.note("result-left-out", message, node.lineno, "Do not depend on it")
            if in_formatted_string(node, self.parents):
                raise FormatError(f"line {node.lineno}: put {key!r} into a variable before the f-string")
            end = self.positions.end(node.value)
            text = self.positions.data[end : self.positions.end(node)].decode()
            before = len(text) - len(text.lstrip(") \n\t"))  # of a parenthesised await
            edit = Edit(end + before, self.positions.end(node), f'.get({key!r}, "")')
            if not any(e.start <= edit.start < e.end for e in self.edits):
                self.edits.append(edit)
