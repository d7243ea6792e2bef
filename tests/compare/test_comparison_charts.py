"""A comparison as pictures and as the table of a paper."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from store.compare.comparison import Comparison, compare
from store.compare.ways import Ways, read_ways
from store.reader import Reader
from tests.support.trials import CODE, FAIL, PASS, Ran, Step, store_experiment
from tui.compare.charts import Point, Series, beside, charts, pareto
from tui.compare.paper import paper_table
from tui.sharing.chart_svg import svg, write_charts

GOOD = Ran(code=CODE, worker_usd=0.02, steps=(Step("Custom", "x", wall_ms=900.0),))


@pytest.fixture
def compared(tmp_path: Path) -> tuple[Comparison, Ways]:
    path = tmp_path / "store.db"
    hostile = "b&<_%$"
    store_experiment(path, "e", {
        "a": {"p": [FAIL, PASS], "q": [PASS, PASS], "r": [FAIL, FAIL]},
        hostile: {"p": [GOOD, GOOD], "q": [GOOD, GOOD], "r": [FAIL, GOOD]},
    })  # fmt: skip
    with Reader(path) as reader:
        comparison = compare(reader, ["e"])
        return comparison, read_ways(reader, comparison)


def test_what_is_in_the_pictures(compared: tuple[Comparison, Ways]) -> None:
    by_key = {chart.key: chart for chart in charts(*compared)}
    assert list(by_key) == ["accuracy-cost", "scores", "operators"]
    a, b = (series.points[0] for series in by_key["accuracy-cost"].series)
    assert (a.x, a.y, a.n, b.y) == (0.0, 0.5, 6, 5 / 6)
    assert b.low is not None and b.high is not None and b.low < b.y < b.high
    scores = by_key["scores"]
    assert scores.categories == ("0–9 %", "50–59 %", "100 %")
    assert [[p.y for p in s.points] for s in scores.series] == [[1, 1, 1], [0, 1, 2]]
    times = by_key["operators"]
    assert times.categories[0] == "Custom" and times.series[1].points[0].y == pytest.approx(750.0)


def test_where_nothing_costs_money_it_is_tokens_that_count(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store_experiment(path, "e", {"a": {"p": [PASS]}, "b": {"p": [PASS]}})
    with Reader(path) as reader:
        comparison = compare(reader, ["e"])
        (first, *_) = charts(comparison, read_ways(reader, comparison))
    assert first.title == "Pass rate against tokens per trial"
    assert first.series[0].points[0].x == comparison.summaries[0].means["tokens"].value > 0


def test_a_price_that_is_not_known_has_no_place_on_the_axis_of_costs(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store_experiment(path, "e", {"a": {"p": [Ran(worker_usd=None)]}, "b": {"p": [PASS]}})
    with Reader(path) as reader:
        comparison = compare(reader, ["e"])
        (first, *_) = charts(comparison, read_ways(reader, comparison))
    assert [len(series.points) for series in first.series] == [0, 1]


def test_the_pareto_line_leaves_out_what_is_beaten() -> None:
    points = [Point(3, 0.9), Point(1, 0.5), Point(2, 0.4), Point(1, 0.2), Point(4, 0.9)]
    assert [(p.x, p.y) for p in pareto(points)] == [(1, 0.5), (3, 0.9)]


def test_pictures_are_files_that_need_nothing_else(compared: tuple[Comparison, Ways], tmp_path: Path) -> None:
    written = write_charts(tmp_path / "out", *compared)
    assert [path.name for path in written] == ["accuracy-cost.svg", "scores.svg", "operators.svg"]
    for path in written:
        root = ET.fromstring(path.read_text(encoding="utf-8"))
        words = [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text")]
        assert "A e:a (n = " in " ".join(words) and "b&<_%$" in " ".join(words)
        assert "http" not in path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert svg(charts(*compared)[0]) == written[0].read_text(encoding="utf-8")


def test_the_table_of_a_paper(compared: tuple[Comparison, Ways]) -> None:
    comparison, _ = compared
    markdown = paper_table(comparison, "markdown").splitlines()
    assert markdown[0].startswith("| Variant | n | Pass rate |")
    assert markdown[2].startswith("| e:a | 6 | 50.0 % \\[") and "| – | – | 1 | 15 | \\$0 |" in markdown[2]
    assert "+33.3 \\[" in markdown[3] and "(n = 3)" in markdown[3]
    latex = paper_table(comparison, "latex")
    assert r"e:b\&$<$\_\%\$ & 6 & 83.3 \% [" in latex
    assert latex.count(r"\\") == 3 and r"\begin{tabular}{lrrrrrrrr}" in latex


def test_points_at_the_same_x_stand_beside_each_other() -> None:
    series = [
        Series(name, (Point(0.0, 0.5), Point(x, 0.5))) for name, x in (("A", 1.0), ("B", 2.0), ("C", 1.0))
    ]
    xs = [[point.x for point in one.points] for one in beside(series, 0.1)]
    assert xs == [[0.0, 1.0], [0.1, 2.0], [0.2, 1.1]]


@pytest.mark.parametrize("cost", [0.0, 0.0123, 7.0])
def test_axes_have_round_steps_and_long_names_stay_on_the_page(tmp_path: Path, cost: float) -> None:
    path = tmp_path / "store.db"
    took = Ran(code=CODE, worker_usd=cost, steps=(Step("Custom", "x", wall_ms=163_000.0),))
    names = [letter + ",option=some-long-value" * 3 for letter in "abcd"]
    store_experiment(path, "e", {name: {f"p{n}": [took] for n in range(7)} for name in names})
    with Reader(path) as reader:
        comparison = compare(reader, ["e"])
        pictures = {chart.key: svg(chart) for chart in charts(comparison, read_ways(reader, comparison))}
    at: dict[str, dict[str, tuple[float, float]]] = {}
    for key, picture in pictures.items():
        root = ET.fromstring(picture)
        width, height = float(root.attrib["width"]), float(root.attrib["height"])
        at[key] = {}
        for node in root.iter("{http://www.w3.org/2000/svg}text"):
            if "x" in node.attrib:
                x, y = float(node.attrib["x"]), float(node.attrib["y"])
                at[key][node.text or ""] = (x, y)
                if node.attrib.get("text-anchor") == "start":  # at 12 pixels, no letter is wider on average
                    assert x + 7 * len(node.text or "") <= width
                assert 0 <= y <= height
    assert {"0", "2", "4", "6", "8"} < set(at["scores"])
    assert {"60.0s", "2m00s", "3m00s"} < set(at["operators"])
    assert ({"15"} if cost == 0 else {"$7.00", "$0.0123"}) & set(at["accuracy-cost"])  # tokens, if it is free
    legend = [y for text, (_, y) in at["scores"].items() if "(n = 7)" in text]
    assert len(legend) == 4 and legend == sorted(set(legend))
