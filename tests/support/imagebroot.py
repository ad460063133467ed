"""A buildroot for tests of image tools: its chroot is a directory, its mock does what the test says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, ClassVar, Dict, List, Optional, Set, Tuple

import pytest

from kojid.buildroot import failures
from kojid.tasks import chroots
from tests.support.faketask import REPO, TARGET

#: A program of the chroot: gets the buildroot and its arguments, returns its exit status.
Program = Callable[["ImageBroot", List[str]], int]


class ImageBroot:
    """What the handlers ask of a buildroot.

    A test sets `programs`, by name: what they do, None for one that is there and does nothing.
    """

    made: ClassVar[List[ImageBroot]] = []
    programs: ClassVar[Dict[str, Optional[Program]]] = {}

    def __init__(self, session: Any, options: Any, tag: Any, arch: str, task_id: int, **more: Any) -> None:
        self.session, self.tag, self.arch, self.more = session, tag, arch, more
        self.id, self.tag_name = 16, "demo-build"
        self.workdir: Optional[str] = None
        self.logs: Set[str] = {"root.log"}
        self.ran: List[Tuple[str, List[str]]] = []
        self.expired = 0
        self.root = Path(options.mockdir, "demo-build-16-4", "root")
        self.evidence = failures.Evidence(self._no_log)
        self.made.append(self)

    def _no_log(self, name: str) -> Any:
        raise FileNotFoundError(name)

    def rootdir(self) -> str:
        return str(self.root)

    def tmpdir(self, within: bool = False) -> str:
        return "/chroot_tmpdir" if within else f"{self.root}/chroot_tmpdir"

    def make_tmpdir(self, name: str = "") -> str:
        Path(self.tmpdir(), name).mkdir(parents=True, exist_ok=True)
        return f"{self.tmpdir()}/{name}".rstrip("/")

    def init(self) -> None:
        for directory in ("usr/bin", "tmp", "chroot_tmpdir"):
            (self.root / directory).mkdir(parents=True)
        for name in self.programs:
            (self.root / "usr/bin" / name).touch()

    def follow_log(self, path: str) -> None:
        self.logs.add(path.rsplit("/", 1)[1])

    def mock(self, args: List[str]) -> int:
        option, cwd, *rest = args
        assert option == "--cwd" and rest[:2] == ["--chroot", "--"]
        self.ran.append((cwd, rest[2:]))
        program = self.programs.get(rest[2].rsplit("/", 1)[-1])
        return (program(self, rest[3:]) if program else 0) << 8

    def expire(self) -> None:
        self.expired += 1

    def markExternalRPMs(self, rpms: List[Dict[str, Any]]) -> None:
        for rpm in rpms:
            rpm["marked"] = True


def install(monkeypatch: pytest.MonkeyPatch, programs: Dict[str, Optional[Program]]) -> Any:
    """Have tasks make such buildroots, with these programs; returns their class."""

    class Own(ImageBroot):
        made: ClassVar[List[ImageBroot]] = []

    Own.programs = dict(programs)
    monkeypatch.setattr(chroots, "BuildRoot", Own)
    return Own


def sources(monkeypatch: pytest.MonkeyPatch, plugin: Any, files: Dict[str, str]) -> List[Dict[str, Any]]:
    """Have a plugin's checkouts give these files, in a directory `sources`; returns what is asked of each checkout."""
    asked: List[Dict[str, Any]] = []

    def check_out(_handler: Any, scm: str, scmdir: str, **more: Any) -> str:
        asked.append({"scm": scm, "scmdir": scmdir, **more})
        top = Path(scmdir, "sources")
        for name, text in files.items():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(text)
        return str(top)

    monkeypatch.setattr(plugin, "allowed_source", lambda _handler, url, scratch=None: url)
    monkeypatch.setattr(plugin, "check_out", check_out)
    return asked


COMMON = [TARGET, TARGET["build_tag"], REPO]
