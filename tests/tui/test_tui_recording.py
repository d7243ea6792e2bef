"""A recording of screens: what each of its frames shows, and that what they share is in it once."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from textual.app import App, ComposeResult
from textual.widgets import Static

from tests.support.recording import Frame, recorded

SVG = "{http://www.w3.org/2000/svg}"


class Screens(App[None]):
    def compose(self) -> ComposeResult:
        yield Static("on every screen", markup=False)
        yield Static("first <b> & 1", id="line", markup=False)


async def two_frames() -> list[Frame]:
    app = Screens()
    async with app.run_test(size=(40, 6)) as pilot:
        frames = [Frame(app.export_screenshot(title="begin"), 1.0)]
        app.query_one("#line", Static).update("second")
        await pilot.pause()
        return [*frames, Frame(app.export_screenshot(title="end"), 3.0)]


def texts_at(svg: str, percent: str) -> list[str]:
    """The texts that are visible once `percent` of the recording is over, as "25.000%"."""
    rules = dict(re.findall(r"@keyframes (\w+) \{ (.*?\}) \}", svg))
    shown = []
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        rule = rules.get(group.get("class", ""), f"{percent} {{ visibility: visible }}")
        if re.search(rf"{percent} {{ visibility: visible", rule):
            shown += [(text.text or "").replace("\xa0", " ").strip() for text in group.iter(f"{SVG}text")]
    return [text for text in shown if text]


async def test_each_frame_shows_its_own_texts_and_shared_ones_are_there_once() -> None:
    svg = recorded(await two_frames())
    assert sorted(texts_at(svg, "0.000%")) == ["begin", "first <b> & 1", "on every screen"]
    assert sorted(texts_at(svg, "25.000%")) == ["end", "on every screen", "second"]
    assert "animation: t" in svg and " 4s step-end infinite" in svg
    assert svg.count("on&#160;every") + svg.count("on\xa0every") + svg.count("on every") == 1
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")  # nothing is fetched
