"""docs/performance.md and the figures that there are go together."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List

import pytest

from bench import figures, picture, render, report
from bench.harness import Bench, Figure, Measurement, Result, Skip, all_figures, at_most, chosen, ratio, take
from tests.support.pages import DOCS

PAGE = DOCS / "performance.md"
ROW = re.compile(r"^\| (`[a-z0-9-]+`(?: `[a-z0-9-]+`)*) \|", re.MULTILINE)


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    figures.load()


def test_each_figure_has_its_row_in_the_results_and_in_the_explanations() -> None:
    rows = [name.strip("`") for cell in ROW.findall(PAGE.read_text()) for name in cell.split()]
    expected = sorted([figure.name for figure in all_figures()] * 2)
    assert sorted(rows) == expected, "write the tables anew: python -m bench.render"


def test_each_figure_with_a_target_says_how_it_is_measured_and_how_it_grows() -> None:
    assert [figure.name for figure in all_figures() if figure.target and not (figure.how and figure.grows)] == []


def a_report(*pairs: Any) -> Dict[str, Any]:
    rows: List[Any] = [
        {**report.as_row(figure, result), "date": "2026-01-01", "commit": "abc"} for figure, result in pairs
    ]
    return json.loads(json.dumps({"machine": {}, "figures": rows}))  # type: ignore[no-any-return]


def test_a_figure_is_measured_in_turn_and_judged_by_its_medians(tmp_path: Any) -> None:
    figure = Figure("one", "s", "something", ratio(0.5))
    turns: List[str] = []

    def sample(who: str, value: float) -> float:
        turns.append(who)
        return value

    result = Bench(tmp_path).pair(lambda: sample("ours", 1), lambda: sample("peer", 4))
    assert turns == ["ours", "peer"] * 5
    assert result.ratio == 0.25
    assert result.verdict(figure.target) == "met"
    assert result.verdict(ratio(0.2)) == "missed"
    assert result.verdict(at_most(0.5)) == "missed"
    assert result.verdict(None) == "shown"


def test_a_small_run_takes_one_sample(tmp_path: Any) -> None:
    bench = Bench(tmp_path, small=True)
    assert (bench.samples(), bench.size(500, small=20)) == (1, 20)


def test_what_cannot_be_measured_says_why(tmp_path: Any) -> None:
    def measure(bench: Bench) -> Dict[str, Result]:
        raise Skip("no root here")

    figure = Figure("one", "s", "something")
    results = take(Measurement(measure, (figure,), "here"), Bench(tmp_path, say=lambda _: None))
    assert results["one"].verdict(None) == "skipped"
    assert "no root here" in report.line(report.as_row(figure, results["one"]))


def test_a_measurement_is_found_by_its_module_and_by_its_figures() -> None:
    assert len(chosen([])) > len(chosen(["heartbeat"])) == 2
    assert chosen(["heartbeat-bytes"]) == chosen(["heartbeat-calls"]) == chosen(["heartbeat"])[:1]
    with pytest.raises(KeyError):
        chosen(["knitting"])


def test_the_picture_shows_the_figures_with_a_peer() -> None:
    rows = a_report(
        (Figure("two", "s", "x", ratio(0.5)), Result([1.0], [8.0])), (Figure("three", "s", "x"), Result([1.0]))
    )["figures"]
    drawn = picture.draw(rows)
    assert ">two<" in drawn
    assert "1 / 8 s = 0.125" in drawn
    assert ">three<" not in drawn


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0"), (0.000123, "0.000123"), (0.5, "0.5"), (1.0, "1"), (12.345, "12.3"), (52273.8, "52,274")],
)
def test_numbers_have_three_digits(value: Any, text: str) -> None:
    assert report.number(value) == text


def test_results_are_put_between_the_markers() -> None:
    text = render.insert(f"a\n{render.BEGIN}\nold\n{render.END}\nb\n", "new")
    assert text == f"a\n{render.BEGIN}\nnew\n{render.END}\nb\n"
    with pytest.raises(ValueError, match="no <!--"):
        render.insert("a", "new")
