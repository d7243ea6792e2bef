"""An event on one line: what it says beyond its kind."""

from __future__ import annotations

from engine import events as ev
from tui import format as fmt
from tui.safe import one_line
from tui.trace.marks import Piece, status_mark
from tui.trace.outline import test_results

WIDTH = 200


def failed(event: ev.Event) -> bool:
    """Whether the event tells of something that went wrong."""
    match event:
        case ev.ModelRetry():
            return True
        case ev.Notice():
            return event.level == "error"
        case ev.ModelCallFinished():
            return event.error is not None
        case ev.StepFinished() | ev.WorkflowFinished():
            return event.status != "ok"
        case ev.WorkflowProposed():
            return event.workflow_id is None
        case ev.CodeExecuted():
            return event.verdict.get("status") not in ("ok", "passed")
        case ev.EvaluationFinished():
            return event.score is None or event.passed < event.total
        case ev.RunFinished():
            return event.status not in ("passed", "answered")
    return False


def gist(event: ev.Event) -> list[Piece]:
    """The gist of `event` in pieces, none of them longer than a line."""
    match event:
        case ev.RunStarted():
            return [(_line(f"{event.variant} · {event.meta_agent} · {event.worker}"), "")]
        case ev.Notice():
            return [(_line(event.text), {"warning": "warning", "error": "error"}.get(event.level, ""))]
        case ev.TestsWritten():
            return [(f"{fmt.plural(len(event.visible), 'test')} by {_line(event.model)}", "")]
        case ev.RoundStarted():
            return [(f"round {event.round}", "")]
        case ev.RoundFinished():
            return [(f"round {event.round}", ""), (f"  val {fmt.score(event.score)}", "muted")]
        case ev.RunPaused():
            return [(_line(f"{event.where} {event.operator or ''} ({event.reason})"), "warning")]
        case ev.RunResumed():
            return [(_line(event.action), "")]
        case ev.ValueEdited():
            return [(_line(f"{event.what}: {event.value}"), "warning")]
        case ev.RunFinished():
            return [*_status(event.status), (f"  score {fmt.score(event.score)}", "muted")]
    return _of_call(event) or _of_work(event)


def _of_call(event: ev.Event) -> list[Piece]:
    match event:
        case ev.ModelCallStarted():
            prompt = event.messages[-1].get("content", "") if event.messages else ""
            return [(_line(f"{event.role} {event.model}"), ""), (f"  {_line(prompt)}", "muted")]
        case ev.ModelLoading():
            took = "" if event.wall_ms is None else f"  {fmt.duration(event.wall_ms)}"
            return [(_line(event.model), ""), (took, "muted")]
        case ev.ModelDelta():
            channel = "thinks: " if event.channel == "reasoning" else ""
            return [(f"{channel}{_line(event.text)}", "muted")]
        case ev.ModelRetry():
            return [(_line(f"attempt {event.attempt} in {event.wait_s:g} s: {event.reason}"), "warning")]
        case ev.ModelCallFinished():
            if event.error:
                return [(_line(event.error), "error")]
            spent = f"{fmt.count(event.tokens_in + event.tokens_out)} tokens, {fmt.duration(event.wall_ms)}"
            return [(spent, ""), (f"  {_line(event.text)}", "muted")]
    return []


def _of_work(event: ev.Event) -> list[Piece]:
    match event:
        case ev.WorkflowProposed():
            word = "invalid" if event.workflow_id is None else "valid" if event.strict_ok else "repaired"
            ink = {"invalid": "error", "repaired": "warning"}.get(word, "")
            return [(word, ink), (f"  {_line(event.modification)}", "muted")]
        case ev.WorkflowStarted():
            return [(f"{event.purpose} {event.repeat}", ""), (f"  {_line(event.workflow_id)}", "muted")]
        case ev.WorkflowFinished():
            return [*_status(event.status), (f"  {_line(event.error or event.answer or '')}", "muted")]
        case ev.StepStarted():
            line = "" if event.line is None else f" L{event.line}"
            return [(_line(event.operator), ""), (f"{line}  step {event.index}", "muted")]
        case ev.StepFinished():
            reused = [(" reused", "muted")] if event.reused else []
            told = _line(event.error or str(event.output)[: WIDTH * 8])
            return [*_status(event.status), *reused, (f"  {told}", "muted")]
        case ev.CodeExecuted():
            results = test_results(event.verdict)
            passed = sum(r.get("status") == "passed" for r in results)
            tests = [(f"  {passed}/{len(results)} passed", "muted")] if results else []
            return [(event.purpose, ""), ("  ", ""), *_status(str(event.verdict.get("status"))), *tests]
        case ev.EvaluationFinished():
            ink = "success" if event.passed == event.total else "error"
            return [(event.split, ""), (f"  {event.passed}/{event.total}", ink)]
    return []


def _status(status: str) -> list[Piece]:
    glyph, ink, _ = status_mark(status)
    return [(f"{glyph} {_line(status)}", ink)]


def _line(text: str) -> str:
    return one_line(text, WIDTH)
