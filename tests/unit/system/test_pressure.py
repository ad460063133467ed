"""Memory and pressure as the kernel tells them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kojid.system import pressure


def test_the_last_ten_seconds_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "PRESSURE", tmp_path)
    (tmp_path / "io").write_text(
        "full avg10=9.00 avg60=0 avg300=0 total=1\nsome avg10=12.34 avg60=0 avg300=0 total=2\n"
    )
    assert pressure.pressure("io") == 12.34
    assert pressure.pressure("cpu") is None


def test_available_memory_is_in_mib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "MEMINFO", tmp_path / "meminfo")
    assert pressure.available_memory_mb() is None
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    2048 kB\n")
    assert pressure.available_memory_mb() == 2
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\n")
    assert pressure.available_memory_mb() is None
