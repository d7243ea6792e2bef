"""A workflow as files that run in AFlow's own layout, and what is different there.

AFlow constructs `Workflow(name, llm_config, dataset)`, which has to make its operators, calls it with
the problem and, for code, the entry point, by position, and takes (answer, cost) back. Its operators
need arguments that ours can do without, and return less. What can be put right is, and said; the rest
is said with its line. Sources: FoundationAgents/AFlow, scripts/operators.py and benchmarks/.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from textwrap import indent

from engine.formats.catalog import NATIVE, format_of
from engine.formats.findings import Diagnostic, warning
from engine.formats.format import FormatError
from engine.formats.module import BOUND
from engine.formats.source import parse
from engine.operators.sets import AFLOW
from engine.operators.specs import OperatorSet, OperatorSpec, Parameter
from engine.workflows import build_workflow
from engine.workflows.awaits import enclosing_function
from engine.workflows.edits import Edit, Positions, in_formatted_string, overlapping
from engine.workflows.operators import Operators, operators_of
from engine.workflows.results import missing_keys
from engine.workflows.tree import FunctionNode, call_method, methods, parents, self_attribute, walk_scope
from engine.workflows.tree import workflow_class as class_of

DATASETS = ("HumanEval", "MBPP", "LiveCodeBench", "GSM8K", "MATH", "HotpotQA", "DROP")
_CODE = ("HumanEval", "MBPP", "LiveCodeBench")
_COST = 'self.llm.get_usage_summary()["total_cost"]'
_LITERAL = "from typing import Literal"
_HEADER = f"""\
{_LITERAL}
import workspace.{{dataset}}.workflows.template.operator as operator
import workspace.{{dataset}}.workflows.round_1.prompt as prompt_custom
from scripts.async_llm import create_llm_instance
{{logger}}
from scripts.evaluator import DatasetType

"""
_TEXT = '''
@staticmethod
def _text(answer):
    """The answer as text, which is what is scored."""
    if isinstance(answer, (tuple, list)) and answer:
        answer = answer[0]
    if isinstance(answer, dict):
        keys = ("response", "solution", "answer", "output", "code", "result")
        answer = next((answer[k] for k in keys if isinstance(answer.get(k), str)), "")
    return answer if isinstance(answer, str) else str(answer)
'''
# Parameters of AFlow's operators that have a default there; ours may have more.
_OPTIONAL = {"mode", "test_loop", "analysis"}
_LACKING = {"Test": ("test_cases",)}
_KEYS = {"Test": ("result", "solution")}
# What stands for an argument that AFlow's operator needs and the workflow left out.
_LITERALS = {"instruction": '""', "feedback": '""', "entry_point": "None", "problem": '""', "solution": '""'}
_COMMA = re.compile(rb"\s*,")
_TEXT_METHODS = {"strip", "rstrip", "lstrip", "join", "replace", "lower", "upper", "format", "removeprefix"}


@dataclass(frozen=True)
class Exported:
    """File names relative to a `workflows` folder, with their texts; `findings` are what differs, at the
    lines of the workflow's own code.
    """

    files: dict[str, str]
    findings: tuple[Diagnostic, ...]


def export_aflow(code: str, prompts: str, operators: OperatorSet, dataset: str) -> Exported:
    """`round_1` of the workspace of `dataset` (one of AFlow's, or a name of one's own).

    Raises:
        FormatError: the workflow is of another kind, or calls what AFlow does not have.
    """
    if not dataset.isidentifier():
        raise FormatError(f"--dataset {dataset!r} is not a Python name; AFlow has {', '.join(DATASETS)}")
    tree = parse(code).tree
    if tree is None or class_of(tree) is None or call_method(tree) is None:
        raise FormatError("the workflow has no class Workflow with __call__, so it cannot be exported")
    if (fmt := format_of(tree)) is not NATIVE:
        raise FormatError(f"a workflow of {fmt.title} cannot be exported to AFlow; only native ones can")
    export = _Export(code, tree, operators, dataset)
    text = export.text()
    files = {"graph.py": text, "prompt.py": prompts.rstrip("\n") + "\n", "__init__.py": ""}
    left = [d for d in build_workflow(text, prompts, _aflow_set()).diagnostics if d.severity == "error"]
    if left:
        raise FormatError(f"the workflow cannot be put into AFlow's layout: {left[0]}")
    return Exported({f"round_1/{name}": body for name, body in files.items()}, tuple(export.findings))


def _aflow_set() -> OperatorSet:
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


class _Export:
    """The edits that make one workflow's code AFlow's."""

    def __init__(self, code: str, tree: ast.Module, operators: OperatorSet, dataset: str) -> None:
        cls, call = class_of(tree), call_method(tree)
        assert cls is not None and call is not None  # export_aflow has looked
        self._code, self._tree, self._cls, self._call, self._dataset = code, tree, cls, call, dataset
        self._positions = Positions(code)
        self._parents = parents(tree)
        self._operators = operators_of(tree, operators)
        self._edits: list[Edit] = []
        self.findings: list[Diagnostic] = []

    def text(self) -> str:
        self._operator_calls()
        self._result_keys()
        self._signature()
        self._returns()
        self._constructor()
        if overlapping(self._edits):
            raise FormatError("the workflow nests its calls too much to be put into AFlow's layout")
        code = self._positions.apply(self._edits)
        lines = [line for line in code.split("\n") if not line.lstrip().startswith(BOUND)]
        first = [line for line in lines if line.startswith("from __future__ ")]
        # The header has it, at the place where AFlow's own files do.
        first_or_header = (*first, _LITERAL)
        rest = "\n".join(line for line in lines if line not in first_or_header).strip("\n")
        logs = any(isinstance(n, ast.Name) and n.id == "logger" for n in ast.walk(self._tree))
        logger = "from scripts.logs import logger\n" if logs else ""
        header = _HEADER.format(dataset=self._dataset, logger=logger)
        return "".join(f"{line}\n" for line in first) + f"{header}\n{rest}\n"

    def _note(self, code: str, message: str, line: int, fix: str) -> None:
        self.findings.append(warning(code, message, line, fix))

    def _operator_calls(self) -> None:
        """Arguments that AFlow's operators need are added, those they do not have are left out."""
        aflow = {spec.name: spec for spec in _aflow_set().operators}
        for call in ast.walk(self._cls):
            spec = self._operators.spec(call)
            if spec is None or not isinstance(call, ast.Call):
                continue
            known = aflow.get(spec.name)
            if known is None:
                raise FormatError(
                    f"line {call.lineno}: AFlow has no operator {spec.name}; "
                    f"it has {', '.join(sorted(aflow))}"
                )
            self._arguments(call, spec, known)

    def _arguments(self, call: ast.Call, spec: OperatorSpec, known: OperatorSpec) -> None:
        ours, theirs = [p.name for p in spec.parameters], [p.name for p in known.parameters]
        if in_formatted_string(call, self._parents) or any(isinstance(a, ast.Starred) for a in call.args):
            fix = "Give its arguments by name, in a statement of its own, and export again"
            self._note("not-adapted", f"the call of {spec.attribute} is left as it is", call.lineno, fix)
            return
        if any(k.arg is None for k in call.keywords):
            return
        given = [*zip(ours, call.args, strict=False), *((str(k.arg), k.value) for k in call.keywords)]
        nodes = [*call.args, *call.keywords]
        dropped = [(name, node) for (name, _), node in zip(given, nodes, strict=False) if name not in theirs]
        for name, node in dropped:
            end = self._positions.end(node)
            comma = _COMMA.match(self._positions.data, end)
            self._edits.append(Edit(self._positions.start(node), comma.end() if comma else end, ""))
            message = f"AFlow's {spec.name} takes no {name}, which is left out"
            self._note("argument-left-out", message, node.lineno, "It has its own visible tests")
        added: list[str] = []
        for parameter in known.parameters:
            if parameter.required and parameter.name not in dict(given):
                value = self._standing_for(parameter.name, call)
                added.append(f"{parameter.name}={value}, ")
                message = f"AFlow's {spec.name} needs {parameter.name}; {value} is passed"
                self._note("argument-added", message, call.lineno, "Pass it yourself where that is not meant")
        if added:
            start = self._positions.data.index(b"(", self._positions.end(call.func)) + 1
            self._edits.append(Edit(start, start, "".join(added)))
        if dropped or added:  # what was given by position is now given by name
            gone = {name for name, _ in dropped}
            for name, node in zip(ours, call.args, strict=False):
                if name not in gone:
                    start = self._positions.start(node)
                    self._edits.append(Edit(start, start, f"{name}="))

    def _standing_for(self, name: str, call: ast.Call) -> str:
        """The parameter of that name where the call can see one, else something empty."""
        function = enclosing_function(call, self._parents)
        seen = function is self._call and name in ("problem", "entry_point")
        while function is not None and not seen:
            args = function.args
            seen = name in {a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)}
            function = enclosing_function(function, self._parents)
        return name if seen else _LITERALS.get(name, "None")

    def _result_keys(self) -> None:
        """Keys that only our results have read as empty text."""
        theirs = Operators(
            {a: _as_in_aflow(s) for a, s in self._operators.specs.items()},
            self._operators.aliases,
            self._operators.methods,
            self._operators.own,
        )
        for node, key in missing_keys(self._tree, theirs):
            message = f"AFlow's operator returns no {key!r}; it reads as empty text"
            self._note("result-left-out", message, node.lineno, "Do not depend on it")
            if in_formatted_string(node, self._parents):
                raise FormatError(f"line {node.lineno}: put {key!r} into a variable before the f-string")
            end = self._positions.end(node.value)
            text = self._positions.data[end : self._positions.end(node)].decode()
            before = len(text) - len(text.lstrip(") \n\t"))  # of a parenthesised await
            edit = Edit(end + before, self._positions.end(node), f'.get({key!r}, "")')
            if not any(e.start <= edit.start < e.end for e in self._edits):
                self._edits.append(edit)

    def _signature(self) -> None:
        args = self._call.args
        names = [a.arg for a in (*args.posonlyargs, *args.args)][1:]
        required = names[: len(names) - len(args.defaults)] if args.defaults else names
        passed = ["problem"] if self._dataset not in _CODE else ["problem", "entry_point"]
        passed += ["question_id"] if self._dataset == "LiveCodeBench" else []
        if names[: len(passed)] == passed and set(required) <= set(passed):
            return
        used = {n.id for n in ast.walk(self._call) if isinstance(n, ast.Name)}
        known = {"problem": "problem: str", "entry_point": "entry_point: str = None"}
        if "question_id" in (*used, *passed):
            known["question_id"] = "question_id: str = None"
        if "test_cases" in used:
            known["test_cases"] = "test_cases: tuple = ()"
            message = "AFlow passes no test_cases to a workflow; it gets none"
            self._note("no-test-cases", message, self._call.lineno, "Use self.test, which has them")
        every = [*args.posonlyargs, *args.args, *args.kwonlyargs]
        every += [a for a in (args.vararg, args.kwarg) if a is not None]
        ends = [self._positions.end(node) for node in every]
        ends += [self._positions.end(d) for d in (*args.defaults, *args.kw_defaults) if d is not None]
        start = self._positions.end(every[0])
        self._edits.append(Edit(start, max(ends), "".join(f", {text}" for text in known.values())))

    def _returns(self) -> None:
        """Every answer becomes (text, cost)."""
        helper = False
        for node in walk_scope(self._call):
            if not isinstance(node, ast.Return) or node.value is None:
                continue
            value = node.value
            if isinstance(value, ast.Tuple) and len(value.elts) > 1:
                first, last = value.elts[0], value.elts[-1]
                if self._positions.text(last) != _COST or len(value.elts) > 2:
                    start, end = self._positions.start(value.elts[1]), self._positions.end(last)
                    self._edits.append(Edit(start, end, _COST))
                value = first
                cost = ""
            else:
                cost = f", {_COST}"
            start, end = self._positions.start(value), self._positions.end(value)
            if self._is_text(value):
                self._edits.append(Edit(end, end, cost))
            else:
                helper = True
                self._edits += [Edit(start, start, "self._text("), Edit(end, end, f"){cost}")]
        if helper:
            end = self._positions.end(self._cls.body[-1])
            self._edits.append(Edit(end, end, "\n" + indent(_TEXT.rstrip("\n"), self._margin())))

    def _is_text(self, value: ast.expr) -> bool:
        """Whether `value` surely is text, as far as its form tells."""
        match value:
            case ast.Constant(value=str()) | ast.JoinedStr():
                return True
            case ast.Subscript(slice=ast.Constant(value=str())):
                return True
            case ast.Call(func=ast.Name(id="str")):
                return True
            case ast.Call(func=ast.Attribute(attr=name)):
                return name in _TEXT_METHODS
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._is_text(left) or self._is_text(right)
            case ast.IfExp(body=body, orelse=orelse):
                return self._is_text(body) and self._is_text(orelse)
            case ast.Name(id=name):
                return self._holds_text(name)
            case _:
                return False

    def _holds_text(self, name: str) -> bool:
        stores = [n for n in ast.walk(self._call) if isinstance(n, ast.Name) and n.id == name]
        stores = [n for n in stores if isinstance(n.ctx, ast.Store)]
        values = [p.value for n in stores if isinstance(p := self._parents[n], ast.Assign) and n in p.targets]
        plain = all(not (isinstance(v, ast.Name) and v.id == name) for v in values)
        return bool(stores) and len(values) == len(stores) and plain and all(map(self._is_text, values))

    def _constructor(self) -> None:
        init = methods(self._cls).get("__init__")
        assigned = _assigned(init) if init is not None else set()
        used = {
            name
            for node in ast.walk(self._cls)
            if isinstance(node, ast.Call) and (name := self_attribute(node.func)) in self._operators.specs
        }
        wiring = {"name": "name", "dataset": "dataset", "llm": "create_llm_instance(llm_config)"}
        wiring |= {
            a: f"operator.{self._operators.specs[a].name}(self.llm)" for a in sorted(filter(None, used))
        }
        lines = [f"self.{name} = {value}" for name, value in wiring.items() if name not in assigned]
        margin = self._margin()
        if init is None:
            head = "def __init__(self, name: str, llm_config, dataset: DatasetType) -> None:\n"
            body = indent(head + indent("\n".join(lines), "    "), margin).lstrip()
            first = self._cls.body[0]
            start = self._positions.start(first)
            decorators = getattr(first, "decorator_list", [])
            start = min([start, *(self._positions.start(d) - 1 for d in decorators)])
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                end = self._positions.end(first)
                self._edits.append(Edit(end, end, f"\n\n{margin}{body}"))
            else:
                self._edits.append(Edit(start, start, f"{body}\n\n{margin}"))
            return
        self._init_signature(init)
        if lines:
            start = self._positions.start(init.body[0])
            inner = " " * init.body[0].col_offset
            self._edits.append(Edit(start, start, "".join(f"{line}\n{inner}" for line in lines)))
        for statement in ast.walk(init):
            if isinstance(statement, ast.Assign) and "cost_manager" in ast.unparse(statement.targets[0]):
                start, end = self._positions.start(statement), self._positions.end(statement)
                self._edits.append(Edit(start, end, "pass"))

    def _init_signature(self, init: FunctionNode) -> None:
        args = init.args
        names = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
        missing = [n for n in ("name", "llm_config", "dataset") if n not in names]
        if missing and args.kwarg is None:
            first = [*args.posonlyargs, *args.args][0]
            end = self._positions.end(first)
            self._edits.append(Edit(end, end, "".join(f", {name}" for name in missing)))

    def _margin(self) -> str:
        return " " * self._cls.body[-1].col_offset


def _assigned(init: FunctionNode) -> set[str]:
    return {
        name
        for node in ast.walk(init)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and (name := self_attribute(node)) is not None
    }
