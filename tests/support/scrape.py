"""The metrics of a builder as Prometheus would see them."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import pytest

from tests.support.builder import Builder, wait_for

pytest.importorskip("prometheus_client", reason="needs prometheus-client")

from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "packaging" / "grafana" / "kojid.json"
RULES = ROOT / "packaging" / "prometheus" / "kojid.rules.yml"
_URL = re.compile(r"metrics at (http://\S+)")


class Scrape:
    """One answer.

    Args:
        text: in Prometheus' format.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples: Dict[Tuple[str, Tuple[Tuple[str, str], ...]], float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self.samples[sample.name, tuple(sorted(sample.labels.items()))] = sample.value

    def get(self, name: str, **labels: str) -> Optional[float]:
        """One sample's value; None when it is not there."""
        return self.samples.get((name, tuple(sorted(labels.items()))))

    def labels(self, name: str) -> Dict[Tuple[Tuple[str, str], ...], float]:
        """All samples of a name."""
        return {labels: value for (found, labels), value in self.samples.items() if found == name}


def url(builder: Builder) -> str:
    """Where the builder's present exporter serves."""

    def told() -> Optional[str]:
        found = _URL.findall(builder.log[builder._told :])
        return str(found[-1]) if found else None

    found = wait_for(told, what=lambda: builder.log[-3000:])
    assert found is not None
    return found


def read(address: str, accept: str = "text/plain") -> Any:
    """The answer to one question: (content type, text)."""
    request = urllib.request.Request(address, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=15) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def scrape(builder: Builder) -> Scrape:
    """The builder's metrics now."""
    return Scrape(read(url(builder))[1])


def reaches(builder: Builder, value: float, name: str, **labels: str) -> Scrape:
    """Wait until a sample has a value; the answer that says so."""
    last: Dict[str, Scrape] = {}

    def there() -> Optional[Scrape]:
        last["seen"] = scrape(builder)
        return last["seen"] if last["seen"].get(name, **labels) == value else None

    found = wait_for(there, 20, lambda: f"{name} {labels}: {last['seen'].labels(name)}\n{builder.log[-2500:]}")
    assert found is not None
    return found
