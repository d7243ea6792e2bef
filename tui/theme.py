"""The workbench's own colours, beside Textual's themes."""

from __future__ import annotations

from collections.abc import Mapping

from textual.color import Color
from textual.theme import Theme

NAME = "flowreasoner"
SERIES = tuple(f"series-{number}" for number in range(1, 7))  # what is drawn beside each other in one picture
_LEAST_CONTRAST = 4.5  # of texts, as WCAG 2 has it (level AA)
_SERIES_FROM = ("primary", "warning", "success", "accent", "secondary", "error", "foreground")

THEME = Theme(
    name=NAME,
    primary="#7aa2f7",
    secondary="#9d7cd8",
    accent="#73daca",
    success="#9ece6a",
    warning="#e0af68",
    error="#f7768e",
    foreground="#c8d0e8",
    background="#16171f",
    surface="#1c1e29",
    panel="#262938",
    dark=True,
    variables={
        "footer-key-foreground": "#7aa2f7",
        "footer-background": "#1c1e29",
        "scrollbar": "#3b4261",
        "scrollbar-hover": "#545c7e",
        "scrollbar-active": "#7aa2f7",
        "scrollbar-background": "#16171f",
        "scrollbar-background-hover": "#16171f",
        "scrollbar-background-active": "#16171f",
        "scrollbar-corner-color": "#16171f",
        "block-cursor-text-style": "none",
        "input-selection-background": "#7aa2f7 30%",
    },
)


def own_variables(variables: Mapping[str, str], *, dark: bool) -> dict[str, str]:
    """What the workbench's styles need besides the `variables` of a theme, or otherwise than it has them."""
    own = {} if dark else _for_light(variables)
    # Colours of areas are too pale for lines and marks on a light ground.
    names = [f"text-{name}" if f"text-{name}" in own else name for name in _SERIES_FROM]
    # Many themes have one colour under two names, such as accent and warning.
    colours = list(dict.fromkeys(own.get(name, variables[name]) for name in names))
    return own | {name: colours[place % len(colours)] for place, name in enumerate(SERIES)}


def _for_light(variables: Mapping[str, str]) -> dict[str, str]:
    # The lines around panes: lighter than a light background, nobody would see them.
    own = {"panel-lighten-1": variables["panel-darken-3"]}
    primary, background = Color.parse(variables["primary"]), Color.parse(variables["background"])
    if background.ansi is not None:
        return own  # what its colours look like is the terminal's to say
    # Coloured texts are to be read, on the row of the cursor too.
    cursor = primary.blend(background, 0.82)
    own["primary-muted"] = cursor.hex
    for name in (f"text-{name}" for name in _SERIES_FROM[:-1]):
        own[name] = _readable(Color.parse(variables[name]), cursor).hex
    keys = Color.parse(variables["footer-key-foreground"])
    own["footer-key-foreground"] = _readable(keys, Color.parse(variables["surface"])).hex
    return own


def _readable(text: Color, background: Color) -> Color:
    """The colour of a text, darkened until it can be read on a light background."""
    while contrast(text, background) < _LEAST_CONTRAST and text.rgb != (0, 0, 0):
        text = text.darken(0.02)
    return text


def contrast(text: Color, background: Color) -> float:
    """The contrast ratio of two colours, from 1 to 21 (WCAG 2)."""
    high, low = sorted((_luminance(text), _luminance(background)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(color: Color) -> float:
    parts = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color.normalized)
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))
