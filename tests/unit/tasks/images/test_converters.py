"""Converters: their exit status counts, and half a file is none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import koji
import pytest

from kojid.errors import HostFault
from kojid.tasks.images import converters


def run(options: Any, tmp_path: Path, script: str, name: str = "out.img") -> Path:
    handler = SimpleNamespace(options=options)
    argv = ["sh", "-c", script, "converter"]
    return converters.convert(handler, argv, tmp_path / name, log=tmp_path / "convert.log", cwd=tmp_path)


def test_what_was_made_is_returned(options: Any, tmp_path: Path) -> None:
    made = run(options, tmp_path, "echo done; echo image > out.img")
    assert made.read_text() == "image\n"
    assert (tmp_path / "convert.log").read_text().endswith("done\n")


def test_a_status_is_a_failure_though_there_is_a_file(options: Any, tmp_path: Path) -> None:
    with pytest.raises(koji.BuildError, match=r"sh exited with status 3: .*see convert\.log") as fault:
        run(options, tmp_path, "echo half > out.img; echo no room >&2; exit 3")
    assert str(fault.value).endswith("\n  no room")


def test_leaving_nothing_is_a_failure(options: Any, tmp_path: Path) -> None:
    with pytest.raises(koji.BuildError, match=r"sh left no out\.img"):
        run(options, tmp_path, "true")


def test_a_missing_program_is_the_hosts_fault(options: Any, tmp_path: Path) -> None:
    handler = SimpleNamespace(options=options)
    with pytest.raises(HostFault, match="no-such-converter"):
        converters.convert(handler, ["no-such-converter"], tmp_path / "x", log=tmp_path / "convert.log")
