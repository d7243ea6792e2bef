"""The workbench's own colours, beside Textual's themes."""

from __future__ import annotations

from textual.theme import Theme

NAME = "flowreasoner"

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
