"""What the detail pane says about the selected row, tab by tab."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from engine.judging import remedy, told
from tui import format as fmt
from tui.safe import one_line
from tui.trace.left_files import file_texts, left_files
from tui.trace.marks import outcome_words, status_mark
from tui.trace.nodes import (
    CallNode,
    CodeNode,
    EvaluationNode,
    ExecutionNode,
    Key,
    Node,
    NoticeNode,
    ProposalNode,
    RoundNode,
    StepNode,
)
from tui.trace.outline import cells, test_results
from tui.trace.state import RunState
from tui.value_parts import parts_of

VALUE_CHARS = 20_000
TABS = ("Event", "Overview", "Prompt", "Response", "Code", "Stdout", "Files", "Diff", "Error")


class Section(NamedTuple):
    """The text of one tab and the language to highlight it as ("" is prose)."""

    text: str
    language: str = ""


def title(state: RunState, key: Key | None) -> str:
    """The heading of the detail pane."""
    node = state.tree.nodes.get(key) if key else None
    return "".join(text for text, _ in cells(state, node).label).strip() if node else "Run"


def sections(state: RunState, key: Key | None, limit: int | None = VALUE_CHARS) -> dict[str, Section]:
    """Every tab that has something to say about `key`; the run itself for None.

    Inputs and outputs are cut at `limit` characters each, since laying them out costs time; None
    gives them whole.
    """
    node = state.tree.nodes.get(key) if key else None
    if isinstance(node, StepNode):
        found = _step(state, node, limit)
    else:
        found = _run(state) if node is None else _SECTIONS[type(node)](state, node)
    return {tab: section for tab, section in found.items() if section.text and not section.text.isspace()}


def first_tab(state: RunState, key: Key | None) -> str:
    """The tab to open where the reader has not picked one: what a call says matters more than its facts."""
    return "Response" if isinstance(state.tree.nodes.get(key) if key else None, CallNode) else "Overview"


def pretty(value: Any, limit: int | None = None) -> str:
    """A value as a person reads it: text as it is, data as JSON."""
    if not isinstance(value, str):
        value = value if limit is None else _bounded(value, [limit])
        value = json.dumps(value, indent=2, ensure_ascii=False, default=repr)
    if limit is None or len(value) <= limit:
        return value
    return f"{value[:limit]}\n… {len(value) - limit:,} more characters, press e to open whole"


def _bounded(value: Any, left: list[int]) -> Any:
    """A copy of `value` that stops once it has taken about `left[0]` characters."""
    left[0] -= len(value) if isinstance(value, str) else 4
    if isinstance(value, dict):
        return {k: _bounded(v, left) for k, v in value.items() if left[0] > 0}
    if isinstance(value, list | tuple):
        return [_bounded(v, left) for v in value if left[0] > 0]
    return value[: max(left[0] + len(value), 0) + 1] if isinstance(value, str) else value


def _run(state: RunState) -> dict[str, Section]:
    facts = [
        ("Run", state.run_id),
        ("State", outcome_words(state.status, state.score)),
        ("Score", "" if state.score is None else f"{fmt.score(state.score)} on the hidden tests"),
        ("Val score", "" if state.val_score is None else fmt.score(state.val_score)),
        ("Tests", "visible tests are model-written" if state.tests_written_by_model else ""),
        ("Variant", state.variant),
        ("Meta-agent", state.meta_agent),
        ("Worker", state.worker),
        ("Seed", "" if state.seed is None else str(state.seed)),
        ("Sandbox", state.sandbox),
        ("Workflow", state.workflow_id or ""),
    ]
    return {
        "Overview": Section(_facts(facts)),
        "Response": Section(state.answer or "", "python"),
        "Code": Section(state.proposal.code if state.proposal else "", "python"),
        "Error": Section(state.error or ""),
    }


def _round(state: RunState, node: RoundNode) -> dict[str, Section]:
    facts = [
        ("Val score", "" if node.score is None else fmt.score(node.score)),
        ("Workflow", node.workflow_id or ""),
        *_cost_facts(node),
    ]
    feedback = f"\n\nFeedback to the next round\n\n{node.feedback}" if node.feedback else ""
    return {"Overview": Section(_facts(facts) + feedback)}


def _call(state: RunState, node: CallNode) -> dict[str, Section]:
    facts = [
        ("Model", node.model),
        ("Role", "meta-agent" if node.role == "meta" else "worker"),
        *_cost_facts(node),
        ("First token", fmt.duration(node.ttft_ms)),
        ("Finish", node.finish),
        ("Suspect", ", ".join(node.flags)),
        ("Options", json.dumps(dict(node.params), default=repr) if node.params else ""),
    ]
    return {
        "Overview": Section(_facts(facts) + _retries(node)),
        "Prompt": Section(_messages(node)),
        "Response": Section(_response(node)),
        "Error": Section(node.error or ""),
    }


def _proposal(state: RunState, node: ProposalNode) -> dict[str, Section]:
    outcome = {
        "valid": "valid as written",
        "repaired": "invalid as written, valid after repair: a strict reading scores it 0",
        "invalid": "invalid: not run",
    }
    facts = [
        ("Workflow", node.workflow_id or "none"),
        ("Checks", outcome[node.verdict]),
        ("Complexity", str(node.complexity) if node.complexity else ""),
    ]
    text = _facts(facts)
    for heading, entries in (("Repairs", node.repairs), ("Findings", node.diagnostics)):
        if entries:
            text += f"\n\n{heading}\n" + "\n".join(f"  • {finding(entry)}" for entry in entries)
    if node.modification:
        text += f"\n\nModification\n{node.modification}"
    code = node.code + (f"\n\n# prompts\n\n{node.prompts}" if node.prompts.strip() else "")
    return {"Overview": Section(text), "Code": Section(code, "python")}


def _execution(state: RunState, node: ExecutionNode) -> dict[str, Section]:
    facts = [
        ("State", status_mark(node.status)[2]),
        ("Error", node.error or ""),
        ("Workflow", node.workflow_id),
        ("Steps", str(sum(key[0] == "step" for key in node.children))),
        *_cost_facts(node),
        ("Container", node.container_id),
    ]
    return {
        "Overview": Section(_facts(facts)),
        "Response": Section(node.answer or "", "python"),
        "Stdout": Section(node.stdout),
        "Error": Section(node.error or ""),
    }


def _step(state: RunState, node: StepNode, limit: int | None) -> dict[str, Section]:
    children = [state.tree.nodes[key] for key in node.children]
    calls = [c for c in children if isinstance(c, CallNode)]
    codes = [c for c in children if isinstance(c, CodeNode)]
    facts = [
        ("Operator", node.operator),
        ("State", status_mark(node.status)[2] + (" (reused from an earlier run)" if node.reused else "")),
        ("Error", node.error or ""),
        ("Line", "" if node.line is None else str(node.line)),
        *_cost_facts(node),
        ("CPU", fmt.duration(node.cpu_ms)),
        ("Files", "; ".join(filter(None, (left_files(c.verdict) for c in codes)))),
    ]
    overview = _facts(facts)
    if node.notes:
        overview += "\n\nNotes\n" + "\n".join(f"  • {finding(note)}" for note in node.notes)
    if node.inputs:
        overview += "\n\nInputs\n" + _fields(node.inputs, limit)
    if node.output is not None:
        overview += "\n\nOutput\n" + (
            _fields(node.output, limit) if isinstance(node.output, dict) else pretty(node.output, limit)
        )
    errors = [node.error or "", *(c.error or "" for c in calls)]
    errors += [_failures(c.verdict) for c in codes]
    return {
        "Overview": Section(overview),
        "Prompt": Section(_join(_messages(c) for c in calls)),
        "Response": Section(_join(_response(c) + _retries(c) for c in calls)),
        "Code": Section(_join(c.code for c in codes) or _code_in(node), "python"),
        "Stdout": Section(_join([node.stdout, *(_streams(c.verdict) for c in codes)])),
        "Files": Section(_join(file_texts(c.verdict, c.files) for c in codes)),
        "Error": Section(_join(errors)),
    }


def _code(state: RunState, node: CodeNode) -> dict[str, Section]:
    what = "visible tests" if node.purpose == "visible-tests" else "a program"
    facts = [("Ran", what), ("State", status_mark(node.status)[2]), ("Time", fmt.duration(node.wall_ms))]
    if node.purpose == "visible-tests" and state.tests_written_by_model:
        facts.append(("Tests", "model-written: a pass proves little"))
    facts += [("Judged", told(node.verdict.get("mode"))), ("Unjudged", remedy(node.verdict))]
    return {
        "Overview": Section(
            _facts([*facts, ("Files", left_files(node.verdict))])
            + _tests(node.verdict, state.tests("visible"))
        ),
        "Code": Section(node.code, "python"),
        "Stdout": Section(_streams(node.verdict)),
        "Files": Section(file_texts(node.verdict, node.files)),
        "Error": Section(_failures(node.verdict)),
    }


def _evaluation(state: RunState, node: EvaluationNode) -> dict[str, Section]:
    score = fmt.score(node.score) if node.score is not None else "none: the sandbox failed, not the answer"
    facts = [
        ("Split", node.split),
        ("Score", f"{score}  ({node.passed} of {node.total} passed)"),
        ("Workflow", "as written" if node.strict else "repaired: a strict reading scores it 0"),
        ("Tests", "model-written: a pass proves little" if node.written_by == "model" else "by the author"),
        ("Judged", told(node.verdict.get("mode"))),
        ("Unjudged", remedy(node.verdict)),
    ]
    return {
        "Overview": Section(_facts(facts) + _tests(node.verdict, state.tests(node.split))),
        "Stdout": Section(_streams(node.verdict)),
        "Error": Section(_failures(node.verdict)),
    }


def _notice(state: RunState, node: NoticeNode) -> dict[str, Section]:
    return {"Overview": Section(node.text)}


_SECTIONS: dict[type[Node], Any] = {
    RoundNode: _round,
    CallNode: _call,
    ProposalNode: _proposal,
    ExecutionNode: _execution,
    CodeNode: _code,
    EvaluationNode: _evaluation,
    NoticeNode: _notice,
}


def finding(entry: Mapping[str, Any]) -> str:
    """A diagnostic or repair as a line: where, what, and its code."""
    line = entry.get("line")
    where = f"line {line}: " if isinstance(line, int) and line > 0 else ""
    words = next((str(entry[k]) for k in ("message", "text", "description") if entry.get(k)), pretty(entry))
    code = entry.get("code") or entry.get("rule")
    return where + one_line(words, 1000) + (f"  [{code}]" if code else "")


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    shown = [(name, one_line(value, 300)) for name, value in facts if value]
    width = max((len(name) for name, _ in shown), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in shown)


def _cost_facts(node: Node) -> list[tuple[str, str]]:
    tokens = node.tokens
    return [
        ("Time", fmt.duration(node.wall_ms)),
        ("Tokens", f"{tokens:,}" if tokens else ""),
        ("Cost", fmt.cost(node.cost_usd) if node.cost_shown else ""),
    ]


def _fields(data: Mapping[str, Any], limit: int | None) -> str:
    parts = []
    for name, value in data.items():
        bounded = value if limit is None or isinstance(value, str) else _bounded(value, [limit])
        for part in parts_of({name: bounded}):
            text = pretty(part.text, limit)
            head = f"  {part.title}:"
            parts.append(f"{head} {text}" if "\n" not in text else f"{head}\n" + _indent(text, 4))
    return "\n".join(parts)


def _indent(text: str, by: int) -> str:
    return "\n".join(" " * by + line for line in text.split("\n"))


def _messages(call: CallNode) -> str:
    return "\n\n".join(f"── {m.get('role', '?')} ──\n{m.get('content', '')}" for m in call.messages)


def _response(call: CallNode) -> str:
    reasoning = call.reasoning.text
    return (f"── reasoning ──\n{reasoning}\n\n── answer ──\n" if reasoning else "") + call.text.text


def _retries(call: CallNode) -> str:
    if not call.retries:
        return ""
    lines = [f"  attempt {r.attempt} after {r.wait_s:g} s: {r.reason}" for r in call.retries]
    return "\n\nRetries\n" + "\n".join(lines)


def _streams(verdict: Mapping[str, Any]) -> str:
    return _join(str(verdict.get(name) or "") for name in ("stdout", "stderr"))


def _tests(verdict: Mapping[str, Any], sources: tuple[str, ...]) -> str:
    """Each test with its mark; the source is named where the problem still has it."""
    lines = []
    for number, result in enumerate(test_results(verdict)):
        glyph, _, words = status_mark(str(result.get("status")))
        source = sources[number] if number < len(sources) else f"test {number + 1}"
        note = (
            "" if result.get("status") == "passed" else f"   {one_line(str(result.get('message') or words))}"
        )
        lines.append(f"  {glyph} {one_line(source)}{note}")
    return "\n\nTests\n" + "\n".join(lines) if lines else ""


def _failures(verdict: Mapping[str, Any]) -> str:
    lines = [str(verdict.get("message") or "")]
    for number, result in enumerate(test_results(verdict), 1):
        if result.get("status") != "passed":
            message = result.get("message") or status_mark(str(result.get("status")))[2]
            lines.append(f"test {number}: {message}")
    return "\n".join(line for line in lines if line)


def _code_in(step: StepNode) -> str:
    """The code a step was given or gave, under the names operators use."""
    for data in (step.output, step.inputs):
        if isinstance(data, dict):
            for name in ("code", "solution", "response"):
                value = data.get(name)
                if isinstance(value, str) and ("def " in value or "import " in value):
                    return value
    return ""


def _join(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part and not part.isspace())
