"""A build host for tests of `kojid check`: a configuration of its own that is fine until something is planted."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional

from kojid.cli import check

_MOCK = """#!/bin/sh
echo {mockdir}/kojid-check/root/
"""


@dataclass(frozen=True)
class Planted:
    """A mistake, and what is to be told of it.

    Args:
        what: the mistake, in words.
        plant: makes it.
        item: the row that finds it.
        line: part of what is told; `{line}` stands for the number of the first line that `more` added.
        remedy: part of what is told to be done.
        status: the exit status.
    """

    what: str
    plant: Callable[[Any], None]
    item: str
    line: str
    remedy: str
    status: int = 2


@dataclass
class Told:
    """What `kojid check --json` said."""

    status: int
    said: Dict[str, Any]

    @property
    def found(self) -> List[Dict[str, str]]:
        found: List[Dict[str, str]] = self.said["checks"]
        return found

    def trouble(self) -> List[Dict[str, str]]:
        """The findings that are not fine."""
        return [one for one in self.found if one["level"] in ("warning", "error")]


class Scene:
    """The files of a host below a directory.

    Args:
        directory: for its files.
        options: of kojid.conf.
        patch: for what can't be planted in files.
    """

    def __init__(self, directory: Path, options: Mapping[str, Any], patch: Any) -> None:
        self.dir = directory
        self.options: Dict[str, Any] = dict(options)
        self.patch = patch
        self.conf = directory / "kojid.conf"
        self.text: Optional[str] = None
        self.absent = False

    def set(self, **options: Any) -> None:
        """Change options; None takes one out."""
        self.options.update(options)

    def more(self, text: str) -> None:
        """Add lines to the configuration as they are."""
        self.text = self.plain() + text

    def plain(self) -> str:
        """The configuration as the options make it."""
        lines = [f"{name} = {value}\n" for name, value in self.options.items() if value is not None]
        return "[kojid]\n" + "".join(lines)

    @property
    def next_line(self) -> int:
        """The number of the first line that `more` adds."""
        return self.plain().count("\n") + 1

    def program(self, name: str, text: str) -> Path:
        """A program of these words."""
        path = self.dir / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def check(self, *arguments: str) -> Told:
        """Run `kojid check --json` in this process."""
        if not self.conf.exists() and not self.absent:
            self.conf.write_text(self.plain() if self.text is None else self.text)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            status = check.main(["-c", str(self.conf), "--json", *arguments])
        return Told(status, json.loads(out.getvalue()))

    def finds(self, planted: Planted, *arguments: str) -> None:
        """Plant a mistake, and see that its row tells it with its remedy and the exit status."""
        planted.plant(self)
        told = self.check(*arguments, planted.item)
        level = {1: "warning", 2: "error"}[planted.status]
        expected = planted.line.replace("{line}", str(self.next_line))
        lines = [one for one in told.found if expected in one["text"]]
        assert [one for one in lines if one["level"] == level and planted.remedy in one["remedy"]], told.found
        assert told.status == planted.status, told.found


def healthy(directory: Path, patch: Any) -> Scene:
    """A host whose offline rows are all fine, but for its users."""
    for name in ("mock", "volume/repos", "volume/packages", "plugins", "plugin-conf"):
        (directory / name).mkdir(parents=True)
    scene = Scene(
        directory,
        {
            "server": "https://127.0.0.1:9/kojihub",
            "topurl": "http://127.0.0.1:9/kojifiles",
            "topdir": directory / "volume",
            "workdir": directory / "work",
            "state_dir": directory / "state",
            "mockdir": directory / "mock",
            "mock_config_dir": directory / "mock-conf",
            "mockpath": directory / "bin-mock",
            "log_file": directory / "kojid.log",
            "task_log_dir": directory / "tasks",
            "pluginpath": directory / "plugins",
            "plugin_config_dir": directory / "plugin-conf",
            "user": "me",
            "password": "secret",
            "minspace": 1,
            "max_load": 0,  # the machine is shared with other tests
            "minspace_workdir": 1,
            "minspace_log": 1,
            "mininodes": 1,
        },
        patch,
    )
    scene.program("bin-mock", _MOCK.format(mockdir=directory / "mock"))
    return scene
