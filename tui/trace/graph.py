"""An operator graph as lines of text: layers from top to bottom, joined by box-drawing lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.cells import cell_len

from tui.safe import one_line
from tui.trace.marks import Piece

GAP = 3
MAX_NODES = 200
SIGNS = {"in_loop": " ↻", "conditional": " ?", "concurrent": " ∥"}
# Box-drawing characters by the sides they touch: 1 up, 2 down, 4 left, 8 right.
_LINES = " ╵╷│╴╯╮┤╶╰╭├─┴┬┼"
_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8


@dataclass
class _Box:
    """A node, or a bend of an edge that passes a layer (then `label` is empty)."""

    id: str
    label: list[Piece] = field(default_factory=list)
    layer: int = 0
    x: int = 0

    @property
    def width(self) -> int:
        return sum(cell_len(text) for text, _ in self.label) or 1

    @property
    def middle(self) -> int:
        return self.x + self.width // 2


def draw(
    graph: Mapping[str, Any],
    marks: Mapping[str, Piece] | None = None,
    counts: Mapping[str, int] | None = None,
) -> list[list[Piece]]:
    """The graph as lines of pieces. `marks` puts a glyph before a node, by its id, and lights it up;
    `counts` says how often it ran, where that is more than once.
    """
    nodes = [n for n in _records(graph.get("nodes")) if "id" in n][:MAX_NODES]
    marks, counts = marks or {}, counts or {}
    boxes = {
        id: _Box(id, _label(n, marks.get(id), counts.get(id, 0))) for n in nodes for id in (str(n["id"]),)
    }
    order = {id: i for i, id in enumerate(boxes)}
    edges = {
        (source, target)
        for e in _records(graph.get("edges"))
        if (source := str(e.get("source"))) in boxes
        and (target := str(e.get("target"))) in boxes
        # Nodes come in the order they are written; an edge back is a loop, which the node's mark tells.
        and order[source] < order[target]
    }
    edges = _without_shortcuts(edges, list(boxes))
    layers = _layers(boxes, edges)
    links = _bend(layers, edges, boxes)
    _place(layers, links)
    return _paint(layers, links)


def _label(node: Mapping[str, Any], mark: Piece | None, count: int) -> list[Piece]:
    name = one_line(str(node.get("operator") or node.get("attribute") or node.get("id")), 32)
    extra = "".join(sign for key, sign in SIGNS.items() if node.get(key))
    glyph, ink = mark or ("○", "muted")
    # What has not run is dim, what has stands out, what runs or failed has its colour.
    lit = {"muted": "box-muted", "success": "box"}.get(ink, f"box-{ink}")
    extra += f" ×{count}" if count > 1 else ""
    return [
        ("▐", "box-edge"),
        (f"{glyph} ", f"box-{ink}"),
        (f"{name}", lit),
        (extra, "box-muted"),
        ("▌", "box-edge"),
    ]


def _records(value: object) -> list[Mapping[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list | tuple) else []


def _without_shortcuts(edges: set[tuple[str, str]], order: Sequence[str]) -> set[tuple[str, str]]:
    """Edges that no longer path implies: drawing a → c beside a → b → c only adds crossings."""
    after: dict[str, set[str]] = {id: set() for id in order}
    for source, target in edges:
        after[source].add(target)
    reach: dict[str, set[str]] = {}
    for id in reversed(order):
        reach[id] = set(after[id]).union(*(reach[t] for t in after[id])) if after[id] else set()
    return {(s, t) for s, t in edges if not any(t in reach[other] for other in after[s] if other != t)}


def _layers(boxes: Mapping[str, _Box], edges: set[tuple[str, str]]) -> list[list[_Box]]:
    for id, box in boxes.items():  # in written order, so that every source comes before its targets
        box.layer = max((boxes[s].layer + 1 for s, t in edges if t == id), default=0)
    layers: list[list[_Box]] = [[] for _ in range(max((b.layer for b in boxes.values()), default=-1) + 1)]
    for box in boxes.values():
        layers[box.layer].append(box)
    return layers


def _bend(
    layers: list[list[_Box]], edges: set[tuple[str, str]], boxes: Mapping[str, _Box]
) -> list[tuple[_Box, _Box]]:
    """Edges between neighbouring layers; one that passes layers gets a bend in each."""
    links: list[tuple[_Box, _Box]] = []
    for source, target in sorted(edges):
        box = boxes[source]
        for layer in range(box.layer + 1, boxes[target].layer):
            bend = _Box(f"{source}>{target}@{layer}", layer=layer)
            layers[layer].append(bend)
            links.append((box, bend))
            box = bend
        links.append((box, boxes[target]))
    return links


def _place(layers: list[list[_Box]], links: list[tuple[_Box, _Box]]) -> None:
    """Order each layer by where its sources are, and centre the layers over each other."""
    sources: dict[str, list[_Box]] = {}
    for source, target in links:
        sources.setdefault(target.id, []).append(source)
    widths = [sum(b.width for b in layer) + GAP * (len(layer) - 1) for layer in layers]
    widest = max(widths, default=0)
    for layer, width in zip(layers, widths, strict=True):
        layer.sort(key=lambda b: _mean([s.middle for s in sources.get(b.id, [])]))
        x = (widest - width) // 2
        for box in layer:
            box.x = x
            x += box.width + GAP
        # A single box goes right under what it comes from, so that the line to it is straight.
        if len(layer) == 1 and sources.get(layer[0].id):
            middle = int(_mean([s.middle for s in sources[layer[0].id]]))
            layer[0].x = max(middle - layer[0].width // 2, 0)


def _mean(values: list[int]) -> float:
    return sum(values) / len(values) if values else 0.0


def _paint(layers: list[list[_Box]], links: list[tuple[_Box, _Box]]) -> list[list[Piece]]:
    lines: list[list[Piece]] = []
    for number, layer in enumerate(layers):
        if number:
            lines.append(_joints([link for link in links if link[1].layer == number]))
        pieces: list[Piece] = []
        x = 0
        for box in sorted(layer, key=lambda b: b.x):
            pieces.append((" " * (box.x - x), ""))
            pieces += box.label or [("│", "faint")]
            x = box.x + box.width
        lines.append(pieces)
    return lines


def _joints(links: list[tuple[_Box, _Box]]) -> list[Piece]:
    """The line between two layers."""
    sides: dict[int, int] = {}
    for source, target in links:
        a, b = source.middle, target.middle
        sides[a] = sides.get(a, 0) | _UP | (_DOWN if a == b else _RIGHT if b > a else _LEFT)
        if a != b:
            sides[b] = sides.get(b, 0) | _DOWN | (_LEFT if b > a else _RIGHT)
            for x in range(min(a, b) + 1, max(a, b)):
                sides[x] = sides.get(x, 0) | _LEFT | _RIGHT
    return [("".join(_LINES[sides.get(x, 0)] for x in range(max(sides, default=-1) + 1)), "faint")]
