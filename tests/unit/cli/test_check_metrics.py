"""`kojid check` says whether the metrics that are asked for can be served."""

from __future__ import annotations

import importlib.util
from typing import Any
from unittest.mock import Mock

import pytest

from kojid.cli.checks import programs
from kojid.cli.checks.base import ERROR, OK, WARNING
from kojid.config.options import Options


def found(**options: Any) -> Any:
    return [(each.level, each.text) for each in programs._metrics(Mock(options=Options(options)))]


def test_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found() == [(OK, "not asked for")]
    assert found(metrics_address="nowhere")[0][0] == ERROR
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: object())
    assert found(metrics_address="9596") == [(OK, "9596")]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert [status for status, _text in found(metrics_file="/a/kojid.prom")] == [WARNING]
