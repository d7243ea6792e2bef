"""What operators share: asking a model, and reading code, fields and letters out of its reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from engine.guest.syntax import defines, parses, syntax_tree
from engine.operators.solutions import extract_code, is_repaired
from engine.operators.verdicts import accepted, chosen, field, letter

__all__ = [
    "Host",
    "accepted",
    "ask",
    "ask_for",
    "chosen",
    "code_in",
    "defines",
    "extract_code",
    "field",
    "join",
    "letter",
    "note",
    "parses",
    "syntax_tree",
]


class Host(Protocol):
    """The other side of the wall. `call` raises an exception of the guest runner when refused."""

    async def call(self, method: str, **kwargs: Any) -> Any: ...


Verdict = TypeVar("Verdict")
_QUOTED = 120  # characters of a reply that a note quotes


async def ask(host: Host, prompt: str) -> str:
    """One worker call with one user message; the reply's text without its reasoning."""
    reply = await host.call("model", messages=[{"role": "user", "content": prompt}])
    return str(reply["text"])


def join(*parts: str | None) -> str:
    """The non-empty parts, a blank line apart."""
    return "\n\n".join(p.strip("\n") for p in parts if p and p.strip())


async def ask_for(
    host: Host, prompt: str, read: Callable[[str], Verdict | None], form: str
) -> Verdict | None:
    """What `read` understands of the reply to `prompt`. Where that is nothing the same is asked once more,
    with the `form` of the reply that is wanted; None, with a note on the step, where that does not help.
    """
    reply = await ask(host, prompt)
    verdict = read(reply)
    if verdict is None:
        await note(
            host, "asked-again", f"a verdict was not understood, and asked for again: {_quoted(reply)}"
        )
        reply = await ask(host, join(prompt, f"Reply with {form} and nothing else."))
        verdict = read(reply)
    if verdict is None:
        await note(host, "not-understood", f"a verdict was not understood: {_quoted(reply)}")
    return verdict


async def code_in(host: Host, reply: str, entry_point: str | None = None, prompt: str | None = None) -> str:
    """The code in a reply (`extract_code`); a repair of it is noted on the step."""
    code = extract_code(reply, entry_point, prompt)
    if is_repaired(code):
        await note(host, "repaired", f"{entry_point} was a method of a class, and was made a function")
    return code


async def note(host: Host, code: str, text: str) -> None:
    """Something about this step that whoever looks at the run should know. `code` is a stable name for it."""
    await host.call("note", code=code, text=text)


def _quoted(reply: str) -> str:
    text = " ".join(reply.split())
    return repr(text if len(text) <= _QUOTED else f"{text[:_QUOTED]}\u2026")
