"""The ways in which models write one solution down: each takes a prompt, the body that completes it and the
function's name, and gives a reply.
"""

from __future__ import annotations

import json
from collections.abc import Callable

Style = Callable[[str, str, str], str]


def _code(prompt: str, body: str) -> str:
    return f"{prompt}{body}".strip("\n")


def _head(prompt: str) -> str:
    """What stands before the last function of the prompt: imports, and helpers."""
    return prompt[: prompt.rindex("\ndef ") + 1] if "\ndef " in prompt else ""


def _last(prompt: str, body: str) -> str:
    """The last function alone, which leaves imports and helpers to the prompt."""
    return f"{prompt}{body}"[len(_head(prompt)) :].strip("\n")


def _indented(text: str, by: str) -> str:
    return "\n".join(by + line if line.strip() else line for line in text.split("\n"))


def _stub(name: str) -> str:
    return f"def {name}(*args):\n    ..."


STYLES: dict[str, Style] = {
    "bare": lambda p, b, n: _code(p, b),
    "fenced": lambda p, b, n: f"```python\n{_code(p, b)}\n```",
    "prose around": lambda p, b, n: (
        f"Sure! Let's solve it.\n\n```python\n{_code(p, b)}\n```\n\nIt's linear in the input."
    ),
    "no language": lambda p, b, n: f"Solution:\n```\n{_code(p, b)}\n```",
    "attributes": lambda p, b, n: f'```python title="{n}.py" linenums="1"\n{_code(p, b)}\n```',
    "braces": lambda p, b, n: f"```{{.python .numberLines}}\n{_code(p, b)}\n```",
    "version": lambda p, b, n: f"```python3.11\n{_code(p, b)}\n```",
    "tildes": lambda p, b, n: f"~~~py\n{_code(p, b)}\n~~~\n",
    "four backticks": lambda p, b, n: f"````python\n{_code(p, b)}\n````",
    "list item": lambda p, b, n: (
        f"1. Read the task.\n2. Write it:\n   ```python\n{_indented(_code(p, b), '   ')}\n   ```\n3. Done."
    ),
    "quote": lambda p, b, n: (
        "> ```python\n"
        + "\n".join(
            f"> {line}".rstrip() if not line.strip() else f"> {line}" for line in _code(p, b).split("\n")
        )
        + "\n> ```"
    ),
    "only the closing fence": lambda p, b, n: f"{_code(p, b)}\n```\n",
    "cut before the closing fence": lambda p, b, n: f"Here:\n```python\n{_code(p, b)}\n",
    "usage after": lambda p, b, n: (
        f"```python\n{_code(p, b)}\n```\nUse it as\n```python\nfrom solution import {n}\nprint({n}, 1, 2)\n"
        f"```\nwhich prints\n```\n<function {n}> 1 2 3\n```"
    ),
    "stub after": lambda p, b, n: (
        f"```python\n{_code(p, b)}\n```\nThe signature is\n```python\n{_stub(n)}\n```"
    ),
    "warning after": lambda p, b, n: (
        f"```python\n{_code(p, b)}\n```\nDon't write it like this:\n"
        f"```python\ndef {n}(*args):\n    return args[0]\n```"
    ),
    "draft before": lambda p, b, n: (
        f"My first attempt:\n```python\ndef {n}(*args):\n    return None\n```\nwhich is wrong. Corrected:\n"
        f"```python\n{_code(p, b)}\n```"
    ),
    "imports and helpers left to the prompt": lambda p, b, n: f"```python\n{_last(p, b)}\n```",
    "imports and helpers in a block of their own": lambda p, b, n: (
        (f"First\n```python\n{_head(p).strip()}\n```\nthen\n" if _head(p).strip() else "")
        + f"```python\n{_last(p, b)}\n```"
    ),
    "completion": lambda p, b, n: b,
    "completion, trimmed": lambda p, b, n: b.strip(),
    "completion, fenced": lambda p, b, n: f"The rest is\n```python\n{b.rstrip()}\n```",
    "completion that goes on": lambda p, b, n: (
        f"{b.rstrip()}\n\n\nif __name__ == '__main__':\n    import doctest\n"
    ),
    "tags": lambda p, b, n: f"<answer>\n{_code(p, b)}\n</answer>",
    "brackets": lambda p, b, n: f"[PYTHON]\n{_code(p, b)}\n[/PYTHON]",
    "end of turn": lambda p, b, n: f"```python\n{_code(p, b)}\n```<|im_end|>\n<|im_start|>user\nThanks!",
    "byte order mark": lambda p, b, n: "\ufeff" + _code(p, b),
    "carriage returns": lambda p, b, n: f"```python\n{_code(p, b)}\n```\n".replace("\n", "\r\n"),
    "no fence between prose": lambda p, b, n: (
        f"Here is the function:\n\n{_code(p, b)}\n\nIt's O(n), and doesn't change its argument."
    ),
    "class": lambda p, b, n: (
        f"```python\n{_head(p)}class Solution:\n"
        + _indented(_last(p, b).replace(f"def {n}(", f"def {n}(self, ", 1), "    ")
        + "\n```"
    ),
    "JSON": lambda p, b, n: json.dumps({"thought": "easy", "code": _code(p, b)}),
}
