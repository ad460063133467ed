"""`kojid check` tells which image methods a host can do, and what to install for the others."""

from __future__ import annotations

import importlib.util
from typing import Any, List, Optional

import pytest

from kojid.cli.checks import programs


def told(monkeypatch: pytest.MonkeyPatch, *, there: bool) -> List[str]:
    real = importlib.util.find_spec

    def find(name: str, *more: Any) -> Optional[Any]:
        return (object() if there else None) if name == "pykickstart" else real(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    findings = list(programs._images(None))  # type: ignore[arg-type]
    assert {finding.level for finding in findings} == {"ok"}
    return [finding.text for finding in findings]


def test_what_can_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    able = [text for text in told(monkeypatch, there=True) if text.startswith("this host can do ")]
    assert "appliance" in able[0] and "createLiveCD" in able[0]


def test_what_is_left_to_others_and_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    left = [text for text in told(monkeypatch, there=False) if text.startswith("left to other hosts: ")]
    text = next(text for text in left if "livemedia" in text)
    assert "needs pykickstart" in text and "install python3-pykickstart" in text
