"""A workflow as files that run in AFlow's own layout, and what is different there.

AFlow constructs `Workflow(name, llm_config, dataset)`, which has to make its operators, calls it with the
problem and, for code, the entry point, by position, and takes (answer, cost) back. Its operators need
arguments that ours can do without, and return less. Differences are adapted where that is possible, and each
of them is reported with its line. Sources: FoundationAgents/AFlow, scripts/operators.py and benchmarks/.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from textwrap import indent

from engine.diagnostics import Diagnostic
from engine.exchange.aflow_calls import CallEdits, aflow_set
from engine.formats.catalog import FORMATS, NATIVE, format_of
from engine.formats.format import FormatError
from engine.formats.module import BOUND
from engine.formats.reading import read_workflow
from engine.operators.specs import OperatorSet
from engine.source import parse
from engine.workflows import build_workflow
from engine.workflows.edits import Edit, overlapping
from engine.workflows.tree import FunctionNode, call_method, methods, self_attribute, walk_scope
from engine.workflows.tree import workflow_class as class_of

DATASETS = ("HumanEval", "MBPP", "LiveCodeBench", "GSM8K", "MATH", "HotpotQA", "DROP")
_CODE = ("HumanEval", "MBPP", "LiveCodeBench")
_COST = 'self.llm.get_usage_summary()["total_cost"]'
_LITERAL = "from typing import Literal"
# What the template module of a data set's workspace has; the other operators are in scripts/operators.py. Of
# LiveCodeBench there is no workspace.
_IN_TEMPLATES = {
    "LiveCodeBench": frozenset[str](),
    **dict.fromkeys(("HumanEval", "MBPP"), frozenset({"Custom", "CustomCodeGenerate", "ScEnsemble", "Test"})),
    **dict.fromkeys(("GSM8K", "MATH"), frozenset({"Custom", "ScEnsemble", "Programmer"})),
    **dict.fromkeys(("HotpotQA", "DROP"), frozenset({"Custom", "AnswerGenerate", "ScEnsemble"})),
}
_HEADER = f"""\
{_LITERAL}
{{template}}\
{{others}}\
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
_TEXT_METHODS = {"strip", "rstrip", "lstrip", "join", "replace", "lower", "upper", "format", "removeprefix"}


@dataclass(frozen=True)
class Exported:
    """`files` are texts by file name, relative to a `workflows` folder; `findings` are warnings of what
    differs, at lines of the workflow's own code.
    """

    files: dict[str, str]
    findings: tuple[Diagnostic, ...]


def export_aflow(code: str, prompts: str, operators: OperatorSet, dataset: str) -> Exported:
    """The workflow as `round_1` in the workspace of `dataset`, which is one of AFlow's or any Python name.

    Raises:
        FormatError: the workflow has another format, calls an operator that AFlow does not have, or is
        written in a
            way that cannot be adapted; or `dataset` is not a name.
    """
    if not dataset.isidentifier():
        raise FormatError(f"--dataset {dataset!r} is not a Python name; AFlow has {', '.join(DATASETS)}")
    tree = parse(code).tree
    if tree is None or class_of(tree) is None or call_method(tree) is None:
        raise FormatError("the workflow has no class Workflow with __call__, so it cannot be exported")
    if (fmt := format_of(tree)) is not NATIVE:
        raise FormatError(f"a workflow of {fmt.title} cannot be exported to AFlow; only native ones can")
    separator = FORMATS[read_workflow(code, prompts).format].separator
    export = _Export(code, tree, operators, dataset, blank_line=separator is None)
    text = export.text()
    files = {"graph.py": text, "prompt.py": prompts.rstrip("\n") + "\n", "__init__.py": ""}
    left = [d for d in build_workflow(text, prompts, aflow_set()).diagnostics if d.severity == "error"]
    if left:
        raise FormatError(f"the workflow cannot be put into AFlow's layout: {left[0]}")
    return Exported({f"round_1/{name}": body for name, body in files.items()}, tuple(export.findings))


class _Export(CallEdits):
    """The edits that make one workflow's code AFlow's."""

    def __init__(
        self, code: str, tree: ast.Module, operators: OperatorSet, dataset: str, *, blank_line: bool
    ) -> None:
        super().__init__(code, tree, operators, blank_line=blank_line)
        self._dataset = dataset
        self._uses_others = False

    def text(self) -> str:
        """The whole of `graph.py`. Raises FormatError where the workflow cannot be adapted."""
        self.operator_calls()
        self.result_keys()
        self._signature()
        self._returns()
        self._constructor()
        if overlapping(self.edits):
            raise FormatError("the workflow nests its calls too much to be put into AFlow's layout")
        code = self.positions.apply(self.edits)
        lines = [line for line in code.split("\n") if not line.lstrip().startswith(BOUND)]
        first = [line for line in lines if line.startswith("from __future__ ")]
        # The header has this import already, where AFlow's own files have it.
        first_or_header = (*first, _LITERAL)
        rest = "\n".join(line for line in lines if line not in first_or_header).strip("\n")
        logs = any(isinstance(n, ast.Name) and n.id == "logger" for n in ast.walk(self.tree))
        logger = "from scripts.logs import logger\n" if logs else ""
        others = "import scripts.operators as operators\n" if self._uses_others else ""
        template = f"import workspace.{self._dataset}.workflows.template.operator as operator\n"
        template = template if _IN_TEMPLATES.get(self._dataset, {""}) else ""
        header = _HEADER.format(dataset=self._dataset, template=template, logger=logger, others=others)
        return "".join(f"{line}\n" for line in first) + f"{header}\n{rest}\n"

    def _signature(self) -> None:
        args = self.call.args
        names = [a.arg for a in (*args.posonlyargs, *args.args)][1:]
        required = names[: len(names) - len(args.defaults)] if args.defaults else names
        passed = ["problem"] if self._dataset not in _CODE else ["problem", "entry_point"]
        passed += ["question_id"] if self._dataset == "LiveCodeBench" else []
        if names[: len(passed)] == passed and set(required) <= set(passed):
            return
        used = {n.id for n in ast.walk(self.call) if isinstance(n, ast.Name)}
        known = {"problem": "problem: str", "entry_point": "entry_point: str = None"}
        if "question_id" in (*used, *passed):
            known["question_id"] = "question_id: str = None"
        if "test_cases" in used:
            known["test_cases"] = "test_cases: tuple = ()"
            message = "AFlow passes no test_cases to a workflow; it gets none"
            self.note("no-test-cases", message, self.call.lineno, "Use self.test, which has them")
        every = [*args.posonlyargs, *args.args, *args.kwonlyargs]
        every += [a for a in (args.vararg, args.kwarg) if a is not None]
        ends = [self.positions.end(node) for node in every]
        ends += [self.positions.end(d) for d in (*args.defaults, *args.kw_defaults) if d is not None]
        start = self.positions.end(every[0])
        self.edits.append(Edit(start, max(ends), "".join(f", {text}" for text in known.values())))

    def _returns(self) -> None:
        """Make every answer a pair of text and cost."""
        helper = False
        for node in walk_scope(self.call):
            if not isinstance(node, ast.Return) or node.value is None:
                continue
            value = node.value
            if isinstance(value, ast.Tuple) and len(value.elts) > 1:
                first, last = value.elts[0], value.elts[-1]
                if self.positions.text(last) != _COST or len(value.elts) > 2:
                    start, end = self.positions.start(value.elts[1]), self.positions.end(last)
                    self.edits.append(Edit(start, end, _COST))
                value = first
                cost = ""
            else:
                cost = f", {_COST}"
            start, end = self.positions.start(value), self.positions.end(value)
            if self._is_text(value):
                self.edits.append(Edit(end, end, cost))
            else:
                helper = True
                self.edits += [Edit(start, start, "self._text("), Edit(end, end, f"){cost}")]
        if helper:
            end = self.positions.end(self.cls.body[-1])
            self.edits.append(Edit(end, end, "\n" + indent(_TEXT.rstrip("\n"), self._margin())))

    def _is_text(self, value: ast.expr, via: frozenset[str] = frozenset()) -> bool:
        """Whether the form of `value` shows that it is text; `via` are the names that led here."""
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
                return self._is_text(left, via) or self._is_text(right, via)
            case ast.IfExp(body=body, orelse=orelse):
                return self._is_text(body, via) and self._is_text(orelse, via)
            case ast.Name(id=name):
                return name not in via and self._holds_text(name, via | {name})
            case _:
                return False

    def _holds_text(self, name: str, via: frozenset[str]) -> bool:
        stores = [n for n in ast.walk(self.call) if isinstance(n, ast.Name) and n.id == name]
        stores = [n for n in stores if isinstance(n.ctx, ast.Store)]
        values = [p.value for n in stores if isinstance(p := self.parents[n], ast.Assign) and n in p.targets]
        assigned = bool(stores) and len(values) == len(stores)
        return assigned and all(self._is_text(value, via) for value in values)

    def _constructor(self) -> None:
        init = methods(self.cls).get("__init__")
        assigned = _assigned(init) if init is not None else set()
        used = {
            name
            for node in ast.walk(self.cls)
            if isinstance(node, ast.Call) and (name := self_attribute(node.func)) in self.operators.specs
        }
        wiring = {"name": "name", "dataset": "dataset", "llm": "create_llm_instance(llm_config)"}
        names = {a: self.operators.specs[a].name for a in sorted(filter(None, used))}
        wiring |= {a: f"{self._module_of(name)}.{name}(self.llm)" for a, name in names.items()}
        lines = [f"self.{name} = {value}" for name, value in wiring.items() if name not in assigned]
        margin = self._margin()
        if init is None:
            head = "def __init__(self, name: str, llm_config, dataset: DatasetType) -> None:\n"
            body = indent(head + indent("\n".join(lines), "    "), margin).lstrip()
            first = self.cls.body[0]
            start = self.positions.start(first)
            decorators = getattr(first, "decorator_list", [])
            start = min([start, *(self.positions.start(d) - 1 for d in decorators)])
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                end = self.positions.end(first)
                self.edits.append(Edit(end, end, f"\n\n{margin}{body}"))
            else:
                self.edits.append(Edit(start, start, f"{body}\n\n{margin}"))
            return
        self._init_signature(init)
        self._init_modules(init)
        if lines:
            documented = isinstance(init.body[0], ast.Expr) and len(init.body) > 1
            first = init.body[1 if documented else 0]
            start = self.positions.start(first)
            inner = " " * first.col_offset
            self.edits.append(Edit(start, start, "".join(f"{line}\n{inner}" for line in lines)))
        for statement in ast.walk(init):
            if isinstance(statement, ast.Assign) and "cost_manager" in ast.unparse(statement.targets[0]):
                start, end = self.positions.start(statement), self.positions.end(statement)
                self.edits.append(Edit(start, end, "pass"))

    def _module_of(self, name: str) -> str:
        """What the module that has this operator is called in the header."""
        in_template = name in _IN_TEMPLATES.get(self._dataset, {name})
        self._uses_others |= not in_template
        return "operator" if in_template else "operators"

    def _init_modules(self, init: FunctionNode) -> None:
        """Operators that the constructor makes are taken from where they are."""
        for node in ast.walk(init):
            match node:
                case ast.Attribute(value=ast.Name(id="operator" | "operators" as module) as value, attr=name):
                    if (where := self._module_of(name)) != module:
                        start, end = self.positions.start(value), self.positions.end(value)
                        self.edits.append(Edit(start, end, where))

    def _init_signature(self, init: FunctionNode) -> None:
        args = init.args
        names = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
        missing = [n for n in ("name", "llm_config", "dataset") if n not in names]
        own = next(iter((*args.posonlyargs, *args.args)), None)
        if missing and args.kwarg is None and own is not None:
            end = self.positions.end(own)
            self.edits.append(Edit(end, end, "".join(f", {name}" for name in missing)))

    def _margin(self) -> str:
        return " " * self.cls.body[-1].col_offset


def _assigned(init: FunctionNode) -> set[str]:
    return {
        name
        for node in ast.walk(init)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and (name := self_attribute(node)) is not None
    }
