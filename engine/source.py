"""Reading Python text that a model wrote: parsed, never executed, and never trusted to be sane."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache

from engine.diagnostics import Diagnostic, error
from engine.guest.syntax import syntax_tree

# The largest workflow in the paper's appendix is about 2 kB. The limit keeps the host responsive:
# checking this much of the worst text takes a second or two.
MAX_SOURCE_BYTES = 64_000
# Every later pass recurses over the tree. Deeper trees come from generated junk only.
MAX_DEPTH = 120


@dataclass(frozen=True)
class Parsed:
    """A module's tree, or None and the diagnostic that says why."""

    tree: ast.Module | None
    problem: Diagnostic | None = None


@lru_cache(maxsize=4)
def parse(text: str, *, what: str = "graph") -> Parsed:
    """Parse `text`; `what` ("graph", "prompt", …) names it in the diagnostic and begins its code. Never
    raises.

    The passes over one workflow each ask for its tree, so the last few trees are kept and shared: do not
    change them.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_SOURCE_BYTES:
        limit = f"{MAX_SOURCE_BYTES // 1000} kB"
        return Parsed(
            None, error(f"{what}-too-large", f"the {what} is larger than {limit}", None, "Shorten it")
        )
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        return Parsed(None, error(f"{what}-nul", f"the {what} holds a NUL byte", line, "Remove it"))
    too_deep = error(f"{what}-too-deep", f"the {what} is nested too deeply to be read", None, "Flatten it")
    try:
        tree = syntax_tree(text)
    except SyntaxError as failure:
        return Parsed(None, _syntax(failure, text, what))
    except (RecursionError, MemoryError):
        return Parsed(None, too_deep)
    except ValueError as failure:  # lone surrogates, and what else the tokenizer cannot encode
        return Parsed(None, error(f"{what}-syntax", f"the {what} cannot be read: {failure}"))
    return Parsed(tree) if _depth_within(tree, MAX_DEPTH) else Parsed(None, too_deep)


def _syntax(failure: SyntaxError, text: str, what: str) -> Diagnostic:
    lines = text.splitlines()
    line = min(failure.lineno, max(len(lines), 1)) if failure.lineno else None
    excerpt = lines[line - 1].strip()[:80] if line and line <= len(lines) else ""
    at = f": {excerpt}" if excerpt else ""
    return error(f"{what}-syntax", f"the {what} is not valid Python ({failure.msg}){at}", line)


def _depth_within(tree: ast.AST, limit: int) -> bool:
    level: list[ast.AST] = [tree]
    for _ in range(limit):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return True
    return False
