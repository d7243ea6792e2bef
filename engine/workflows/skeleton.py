"""What two workflows have in common that differ only in names, prompts and numbers."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b

from engine.source import parse


@lru_cache(maxsize=4096)  # meta-agents write the same workflow for many problems
def skeleton(code: str) -> str:
    """A content address, 32 hex digits, of the code's syntax tree without what is arbitrary in it.

    Variables, parameters, helper methods and prompts are numbered in the order in which they appear, texts
    and numbers are blanked, docstrings left out. Operators, keywords of calls and all control flow stay. Code
    that does not parse is taken as it is.
    """
    tree = parse(code).tree
    text = code if tree is None else "".join(_Writer(tree).written(tree))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def same_share(skeletons: Sequence[str]) -> float | None:
    """The share of workflows, by their skeletons, that are another one again: 1 - different / all. None where
    there is none.
    """
    return 1 - len(set(skeletons)) / len(skeletons) if skeletons else None


_TYPES: dict[type, str] = dict.fromkeys((int, float, complex), "number")


class _Writer:
    def __init__(self, tree: ast.Module) -> None:
        self._numbers: dict[str, int] = {}
        self._methods = {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("__")
        }

    def written(self, value: object) -> Iterator[str]:
        if isinstance(value, list):
            yield "["
            for item in value:
                if not _is_docstring(item):
                    yield from self.written(item)
            yield "]"
        elif isinstance(value, ast.AST):
            yield f"{type(value).__name__}("
            for name, field in ast.iter_fields(value):
                if name in ("kind", "type_comment", "ctx") or field in (None, []):
                    continue
                yield f"{name}="
                yield from self.written(self._plain(value, name, field))
            yield ")"
        else:
            yield f"{value!r},"

    def _plain(self, node: ast.AST, name: str, field: object) -> object:
        """A field without what is arbitrary in it."""
        if isinstance(node, ast.Constant):
            return field if isinstance(field, bool) else _TYPES.get(type(field), type(field).__name__)
        if not isinstance(field, str):
            return field
        if isinstance(node, ast.Attribute):
            of_prompts = isinstance(node.value, ast.Name) and node.value.id == "prompt_custom"
            return self._number(field) if of_prompts or field in self._methods else field
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return self._number(field) if field in self._methods else field
        return self._number(field) if isinstance(node, ast.Name | ast.arg) and field != "self" else field

    def _number(self, name: str) -> int:
        return self._numbers.setdefault(name, len(self._numbers))


def _is_docstring(node: object) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
