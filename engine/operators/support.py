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
    "instructed",
    "join",
    "letter",
    "note",
    "parses",
    "syntax_tree",
]


class Host(Protocol):
    """The host, as an operator in the sandbox reaches it."""

    async def call(self, method: str, **kwargs: Any) -> Any:
        """The answer to a request as plain data; `engine.run.step_requests` has the methods and answers.
        Raises HostError of the guest where the host refuses.
        """
        ...


Verdict = TypeVar("Verdict")
_QUOTED = 120  # characters of a reply that a note quotes


async def ask(host: Host, prompt: str) -> str:
    """The text of the worker's reply to one user message, without its reasoning."""
    reply = await host.call("model", messages=[{"role": "user", "content": prompt}])
    return str(reply["text"])


def join(*parts: str | None) -> str:
    """The non-empty parts, with a blank line between them."""
    return "\n\n".join(p.strip("\n") for p in parts if p and p.strip())


def instructed(instruction: str, text: str, separator: str | None) -> str:
    """The instruction and what it is about, with the separator of the workflow's format between them; with
    None, as `join`.
    """
    return join(instruction, text) if separator is None else f"{instruction}{separator}{text}"


async def ask_for(
    host: Host, prompt: str, read: Callable[[str], Verdict | None], form: str
) -> Verdict | None:
    """What `read` makes of the reply to `prompt`. Where that is None the worker is asked once more, with the
    `form` that the reply is to have; where that does not help, None, with a note on the step.
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
    """The code in a reply, as `extract_code` finds it; a repair of it is noted on the step."""
    code = extract_code(reply, entry_point, prompt)
    if is_repaired(code):
        await note(host, "repaired", f"{entry_point} was a method of a class, and was made a function")
    return code


async def note(host: Host, code: str, text: str) -> None:
    """Put a note on this step for whoever looks at the run. `code` is its stable name, of lower-case letters,
    digits and dashes.
    """
    await host.call("note", code=code, text=text)


def _quoted(reply: str) -> str:
    text = " ".join(reply.split())
    return repr(text if len(text) <= _QUOTED else f"{text[:_QUOTED]}\u2026")
