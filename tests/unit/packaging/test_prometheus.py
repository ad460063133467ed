"""The dashboard, the alert rules and docs/metrics.md speak of exactly the metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Iterator, Set

import pytest

from kojid.metrics import render
from kojid.metrics.table import HISTOGRAM, TABLE

ROOT = Path(__file__).parents[3]
DASHBOARD = ROOT / "packaging" / "grafana" / "kojid.json"
RULES = ROOT / "packaging" / "prometheus" / "kojid.rules.yml"
CASES = ROOT / "tests" / "data" / "prometheus" / "kojid.rules.test.yml"
DOCS = ROOT / "docs" / "metrics.md"
_NAME = re.compile(r"\bkojid_[a-z_]+")


def exported() -> Set[str]:
    """Every name of a series."""
    names: Set[str] = set()
    for metric in TABLE:
        suffixes = ("_bucket", "_sum", "_count") if metric.kind == HISTOGRAM else ("",)
        names |= {metric.name + suffix for suffix in suffixes}
    return names


def panels() -> Iterator[Any]:
    return (panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row")


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is missing: Debian's package prometheus has it")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_the_dashboard_names_every_metric_and_no_other() -> None:
    expressions = "\n".join(target["expr"] for panel in panels() for target in panel["targets"])
    named = set(_NAME.findall(expressions))
    assert named <= exported()
    bare = {re.sub(r"_(bucket|sum|count)$", "", name) for name in named}
    assert bare == {metric.name for metric in TABLE}


def test_each_panel_has_a_title_a_unit_and_a_place_of_its_own() -> None:
    places: Set[Any] = set()
    for panel in panels():
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + 8)}
        assert not cells & places, panel["title"]
        assert place["x"] + place["w"] <= 24
        places |= cells
    whole = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in whole}) == len(whole)


def test_the_expressions_of_the_dashboard_are_ones(tmp_path: Path) -> None:
    rules = []
    for panel in panels():
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
            rules.append({"record": f"panel:{len(rules)}", "expr": expression})
    file = tmp_path / "panels.json"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    done = promtool("check", "rules", str(file))
    assert done.returncode == 0, done.stderr


def test_the_alerts_name_metrics_that_there_are() -> None:
    named = set(_NAME.findall(re.sub(r"^ *#.*$", "", RULES.read_text(), flags=re.M)))
    assert named
    assert named <= exported()


def test_the_alerts_are_all_documented() -> None:
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    assert alerts == re.findall(r"^\| `(Kojid\w+)`", DOCS.read_text(), re.M)


def test_promtool_finds_nothing_wrong_with_the_alerts() -> None:
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0, done.stderr


def test_the_alerts_do_what_they_should_in_known_cases() -> None:
    done = promtool("test", "rules", str(CASES))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_document_has_the_present_table() -> None:
    text = DOCS.read_text()
    assert render.reference() in text
    assert render.brought_up_to_date(text) == text
