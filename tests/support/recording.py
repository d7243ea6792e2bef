"""A recording: pictures of screens, as Textual exports them, in one SVG that shows one after the other.

What several pictures share is in it once, so that a tour of a few screens stays small. It needs no script and
no font from elsewhere, and plays wherever an image is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple
from xml.etree import ElementTree

_SVG = "{http://www.w3.org/2000/svg}"
_RULE = re.compile(r"\.(terminal-\d+-r\d+) \{([^}]*)\}")
_TITLE = "font-weight: bold; fill: #c5c8c6"
_FONT = "text { font: 20px 'Fira Code', monospace; white-space: pre }"
_WINDOW = '<rect width="100%" height="100%" rx="8" fill="#292929"/>'
_STILL = "@media (prefers-reduced-motion) { g { animation: none !important } }"


class Frame(NamedTuple):
    """A picture and for how many seconds it is shown."""

    svg: str
    seconds: float


def recorded(frames: Sequence[Frame]) -> str:
    """The frames as one SVG that repeats them for ever. All of them have the size of the first."""
    styles: dict[str, str] = {}
    shown: dict[str, list[int]] = {}  # the numbers of the frames that show an element
    parts = [list(_parts(frame.svg, styles)) for frame in frames]
    for number, elements in enumerate(parts):
        for element in dict.fromkeys(elements):
            shown.setdefault(element, []).append(number)
    groups: dict[tuple[int, ...], list[str]] = {}
    for element, numbers in shown.items():
        groups.setdefault(tuple(numbers), []).append(element)
    # Backgrounds of all frames lie below the texts of all frames, so each group is drawn in two parts.
    seconds = [frame.seconds for frame in frames]
    css = [f".{name} {{ {rule} }}" for rule, name in styles.items()]
    css += [_times(f"t{place}", numbers, seconds) for place, numbers in enumerate(groups)]
    body = [
        f'<g class="t{place}">{"".join(e for e in group if e.startswith(kind))}</g>'
        for kind in ("<rect", "<text")
        for place, group in enumerate(groups.values())
    ]
    box = ElementTree.fromstring(frames[0].svg).get("viewBox", "")
    lines = [f'<svg viewBox="{box}" xmlns="http://www.w3.org/2000/svg">', "<style>", _FONT, *css, _STILL]
    return "\n".join([*lines, "</style>", _WINDOW, *body, "</svg>", ""])


def _parts(svg: str, styles: dict[str, str]) -> Iterator[str]:
    """The rectangles and texts of a picture; `styles` gets a name for each style."""
    classes = {name: styles.setdefault(rule.strip(), f"s{len(styles)}") for name, rule in _RULE.findall(svg)}
    root = ElementTree.fromstring(svg)
    title = next(element for element in root.iter(f"{_SVG}text") if "-title" in element.get("class", ""))
    name = styles.setdefault(_TITLE, f"s{len(styles)}")
    at = f'x="{title.get("x")}" y="{title.get("y")}" text-anchor="middle"'
    yield f'<text class="{name}" {at}>{escape(title.text or "")}</text>'
    screen = next(g for g in root.iter(f"{_SVG}g") if g.get("clip-path", "").endswith("clip-terminal)"))
    left, top = (float(part) for part in re.findall(r"[\d.]+", screen.get("transform", "")))
    for element in screen.iter():
        at = f'x="{left + float(element.get("x", 0)):.1f}" y="{top + float(element.get("y", 0)):.1f}"'
        if element.tag == f"{_SVG}rect":
            size = f'width="{element.get("width")}" height="{element.get("height")}"'
            yield f'<rect fill="{element.get("fill")}" {at} {size} shape-rendering="crispEdges"/>'
        elif element.tag == f"{_SVG}text" and (element.text or "").strip("\n"):
            name = classes[element.get("class", "")]
            text = escape((element.text or "").strip("\n"))
            yield f'<text class="{name}" {at} textLength="{element.get("textLength")}">{text}</text>'


def _times(name: str, numbers: Sequence[int], seconds: Sequence[float]) -> str:
    """The rule for what is shown in the frames `numbers` only."""
    if len(numbers) == len(seconds):
        return ""
    whole, at, steps = sum(seconds), 0.0, ""
    for number, length in enumerate(seconds):
        state = "visible" if number in numbers else "hidden"
        steps += f"{100 * at / whole:.3f}% {{ visibility: {state} }} "
        at += length
    first = "visible" if 0 in numbers else "hidden"  # where nothing moves, the first frame is shown
    play = f"visibility: {first}; animation: {name} {whole:g}s step-end infinite"
    return f"@keyframes {name} {{ {steps}}} .{name} {{ {play} }}"
