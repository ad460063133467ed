"""Fakes and helpers that tests share: the one place for them."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from kojid.config.options import Options

needs_rpm = pytest.mark.skipif(
    importlib.util.find_spec("rpm") is None, reason="rpm's Python bindings are not on this machine"
)


def options(**overrides: Any) -> Options:
    """Settings as the loader makes them: every default, a hub and a volume, and what the test says."""
    values: dict[str, Any] = {"server": "https://127.0.0.1:1/kojihub", "topurl": "http://127.0.0.1:1/kojifiles"}
    values.update(overrides)
    made = Options(values)
    made.split_topurl()
    return made
