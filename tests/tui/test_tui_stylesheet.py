"""Styles are parsed once: not again for a screen that is opened, nor for a theme that was there before."""

from __future__ import annotations

from pathlib import Path

from textual.color import Color

from tests.tui.pilots import app_of
from tests.tui.scripted import ScriptedWorkbench
from tui.stylesheet import KeptStylesheet

RED, BLUE = {"ink": "#ff0000"}, {"ink": "#0000ff"}


def styles(variables: dict[str, str], *, is_default: bool = False) -> KeptStylesheet:
    stylesheet = KeptStylesheet(variables=variables)
    stylesheet.add_source("Label { color: $ink; }", ("a.tcss", ""), is_default_css=is_default)
    stylesheet.add_source("Input { color: $ink; }", ("b.tcss", ""), is_default_css=is_default)
    return stylesheet


def test_rules_are_kept_for_the_process_and_for_each_theme() -> None:
    first = styles(RED)
    rules = first.rules
    assert [rule.styles.color for rule in rules] == [Color(255, 0, 0)] * 2
    assert all(a is b for a, b in zip(styles(dict(RED)).rules, rules, strict=True))
    first.set_variables(BLUE)
    first.reparse()
    assert [rule.styles.color for rule in first.rules] == [Color(0, 0, 255)] * 2
    first.set_variables(RED)
    first.add_source("Button { color: $ink; }", ("c.tcss", ""))
    first.reparse()
    assert all(a is b for a, b in zip(first.rules, rules, strict=False)) and len(first.rules) == 3
    assert all(rule.is_default_rules for rule in styles(RED, is_default=True).rules)


async def test_a_theme_is_seen_at_once_and_once_more(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store))
    assert isinstance(app.stylesheet, KeptStylesheet)
    async with app.run_test() as pilot:
        grounds = []
        for theme in ("textual-light", "nord", "textual-light", "nord"):
            app.theme = theme
            await pilot.pause()
            grounds.append(app.screen.styles.background)
    assert grounds[:2] == grounds[2:] and grounds[0] != grounds[1]
