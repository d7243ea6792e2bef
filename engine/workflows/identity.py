"""What makes two workflows the same one: their syntax trees, their prompts, their operator set."""

from __future__ import annotations

import ast
from hashlib import blake2b

from engine.source import parse


def workflow_id(code: str, prompts: str, operators: str) -> str:
    """The content address, 32 hex digits; `operators` is the set's identity. Comments and formatting do not
    change it.
    """
    digest = blake2b(digest_size=16)
    for part in (operators, canonical(code), canonical(prompts)):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def canonical(text: str) -> str:
    """The syntax tree of `text` as text, the same on every Python version; text that does not parse as
    it is.
    """
    tree = parse(text).tree
    return text if tree is None else _written(tree)


def _written(value: object) -> str:
    """Like `ast.dump`, whose output differs between Python versions: empty fields are left out."""
    if isinstance(value, list):
        return f"[{','.join(_written(v) for v in value)}]"
    if not isinstance(value, ast.AST):
        return repr(value)
    fields = [
        f"{name}={_written(field)}"
        for name, field in ast.iter_fields(value)
        # `kind` is the u of u"..."; a constant's own None, unlike an absent child, is a value.
        if name != "kind"
        and name != "type_comment"
        and (field not in (None, []) or (isinstance(value, ast.Constant) and name == "value"))
    ]
    return f"{type(value).__name__}({','.join(fields)})"
