"""What task handlers talk to, small and in memory: a hub that answers from a script, buildroots, uploads.

`ScriptedSession` records every call in order, so that a test can hold a handler against the call sequences recorded
from a real builder (`tests/data/sequences`).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, ClassVar, Dict, Iterator, List, Optional, Tuple

import koji.tasks
import pytest

from kojid.buildroot.results import Results, collect
from kojid.config.options import Options
from kojid.tasks.wakeup import current_wakeup
from tests.support import options
from tests.support.fakehub import FakeSession

NOT_THE_HANDLER = ("host.closeTask", "host.failTask", "logout", "subsession", "rawUpload", "uploadFile", "checkUpload")
SEQUENCES = Path(__file__).parents[1] / "data" / "sequences"

TASK = {"id": 305, "owner": 1, "method": "build", "arch": "noarch", "parent": None, "host_id": 1, "channel_id": 9}
TARGET = {
    "id": 1,
    "name": "demo",
    "build_tag": 2,
    "build_tag_name": "demo-build",
    "dest_tag": 1,
    "dest_tag_name": "demo",
}
TAG = {"id": 2, "name": "demo-build", "arches": "x86_64", "extra": {}, "locked": False}
HOST = {"id": 1, "name": "builder1", "arches": "x86_64", "capacity": 4.0}
REPO = {
    "id": 4,
    "create_event": 186,
    "create_ts": 1795376040.2,
    "tag_id": 2,
    "tag_name": "demo-build",
    "state": 1,
    "opts": {"src": False, "maven": False, "debuginfo": False, "separate_src": False},
}


class ScriptedSession(FakeSession):
    """A hub session whose answers a test gives by method name; a method without an answer fails the test.

    An answer is a value, an exception to raise, a function to call with the call's arguments, or an iterator of those,
    the last of which stays. Uploads need none.

    Args:
        answers: the answers.
        more: more of them; keyword names cannot have dots, so `host_taskWait` stands for `host.taskWait`.
    """

    def __init__(self, answers: Optional[Dict[str, Any]] = None, **more: Any) -> None:
        super().__init__()
        self.answer_all(answers or {})
        self.answer_all({re.sub("^(host|repo)_", r"\1.", name): answer for name, answer in more.items()})

    def answer_all(self, answers: Dict[str, Any]) -> None:
        """Add answers, or replace those that were given before."""
        for name, answer in answers.items():
            self.answer(name, *(answer if isinstance(answer, Iterator) else [answer]))

    @property
    def names(self) -> List[str]:
        """The methods called, in order; uploads are left out."""
        return [call.name for call in self.calls if call.name not in NOT_THE_HANDLER]

    def arguments(self, name: str) -> List[Tuple[Tuple[Any, ...], Dict[str, Any]]]:
        """With what a method was called, each time."""
        return [(call.args, call.kwargs) for call in self.called(name)]


class Subtasks:
    """The hub's side of subtasks: each ends while it is waited for, with the result that the test gives for its label.

    Args:
        results: label to result; an exception is raised when the results are fetched.
    """

    def __init__(self, results: Dict[Any, Any], first_id: int = 900) -> None:
        self.results = results
        self.first_id = first_id
        self.spawned: List[Dict[str, Any]] = []
        self._asked = False

    def answers(self) -> Dict[str, Any]:
        return {
            "host.subtask": self.subtask,
            "host.taskSetWait": None,
            "host.taskWait": self.task_wait,
            "host.taskWaitResults": self.wait_results,
        }

    def ids(self) -> List[int]:
        return [self.first_id + number for number in range(len(self.spawned))]

    def task_wait(self, _task: int) -> List[List[int]]:
        """Nothing has ended when asked first, everything when asked again; the daemon's signal comes in between."""
        self._asked = not self._asked
        if self._asked:
            current_wakeup().notify()
            return [[], self.ids()]
        return [self.ids(), []]

    def subtask(self, *args: Any, **request: Any) -> int:
        self.spawned.append({**dict(zip(("method", "arglist", "parent"), args)), **request})
        return self.first_id + len(self.spawned) - 1

    def wait_results(self, _task: int, ids: List[int], canfail: Any = None) -> List[List[Any]]:
        pairs = []
        for task_id in ids:
            result = self.results[self.spawned[task_id - self.first_id].get("label")]
            if isinstance(result, BaseException):
                raise result
            pairs.append([task_id, result])
        return pairs


class FakeBuildRoot:
    """A buildroot without a chroot: its calls are recorded, its results are files that the test has put there.

    A test subclasses it, or sets `rpms` (name to path of a package) and `fail` (method name to exception).
    """

    rpms: ClassVar[Dict[str, Path]] = {}
    fail: ClassVar[Dict[str, BaseException]] = {}
    made: ClassVar[List[FakeBuildRoot]] = []

    def __init__(self, session: Any, opts: Options, tag: int, arch: str, task_id: int, **more: Any) -> None:
        self.session = session
        self.tag, self.br_arch, self.task_id, self.more = tag, arch, task_id, more
        self.id = 16
        self.workdir: Optional[str] = None
        self.logs = {"root.log", "build.log"}
        self.calls: List[Tuple[Any, ...]] = []
        self.expired = 0
        self.top = Path(opts.mockdir) / "demo-build-16-4"
        (self.top / "result").mkdir(parents=True)
        (self.top / "root").mkdir()
        type(self).made.append(self)

    def rootdir(self) -> str:
        return str(self.top / "root")

    def resultdir(self) -> str:
        return str(self.top / "result")

    def tmpdir(self, within: bool = False) -> str:
        return "/chroot_tmpdir" if within else f"{self.rootdir()}/chroot_tmpdir"

    def getUploadPath(self) -> str:
        return str(koji.pathinfo.taskrelpath(self.task_id))

    def results(self) -> Results:
        return collect(self.resultdir())

    def init(self) -> None:
        self._call("init")

    def build(self, srpm: str, arch: Optional[str] = None) -> None:
        self._call("build", srpm, arch)
        self._leave_results()

    def rebuild_srpm(self, srpm: str) -> None:
        self._call("rebuild_srpm", srpm)
        self._leave_results()

    def expire(self) -> None:
        self.expired += 1

    def _call(self, name: str, *args: Any) -> None:
        self.calls.append((name, *args))
        if name in self.fail:
            raise self.fail[name]

    def _leave_results(self) -> None:
        for name, path in self.rpms.items():
            Path(self.resultdir(), name).write_bytes(path.read_bytes())


def task_options(tmp_path: Path, **overrides: Any) -> Options:
    """Options whose directories are the test's own."""
    for name in ("work", "mock", "top"):
        (tmp_path / name).mkdir(exist_ok=True)
    paths = {"workdir": str(tmp_path / "work"), "mockdir": str(tmp_path / "mock"), "topdir": str(tmp_path / "top")}
    return options(**{**paths, "topurl": None, **overrides})


def make_handler(cls: Any, method: str, params: List[Any], session: Any, opts: Any, task_id: int = 305) -> Any:
    """A handler as the daemon makes it, with a working directory."""
    handler = cls(task_id, method, params, session, opts)
    handler.createWorkdir()
    return handler


def sequence(name: str) -> List[str]:
    """The calls of a handler as recorded from a real builder, "call x3" unfolded.

    Uploads and the daemon's own calls at the end are left out, as are values and outcomes.

    Args:
        name: of a file in `tests/data/sequences`.
    """
    calls: List[str] = []
    for word in (SEQUENCES / f"{name}.txt").read_text(encoding="utf-8").split(">"):
        parts = word.split()
        times = int(parts[1][1:]) if len(parts) > 1 and re.fullmatch(r"x\d+", parts[1]) else 1
        calls += [parts[0].split("=")[0]] * times
    return [call for call in calls if call not in NOT_THE_HANDLER]


SPEC = """
Name: {name}
Version: 1.0
Release: 1
Summary: A test package
License: MIT
{tags}
%description
A test package.
%files
%package data
Summary: Data
{data_arch}
%description data
Data.
%files data
"""


def require_rpm() -> None:
    """Skip a test that reads packages where this Python has no rpm bindings: they come with the system's own only."""
    pytest.importorskip("rpm", reason="needs rpm's Python bindings")


def make_packages(
    directory: Path, name: str = "hello", tags: str = "", *, source_only: bool = True, vendor: str = "Koji"
) -> Dict[str, Path]:
    """Real packages by file name, made with rpmbuild; skips the test where there is none, or nothing to read them.

    Args:
        directory: where to build them.
        name: the package's name.
        tags: more lines of the spec's head.
        source_only: leave out the binary packages (one of the builder's arch and one noarch).
        vendor: what stands in their headers.
    """
    require_rpm()
    if shutil.which("rpmbuild") is None:
        pytest.skip("needs rpmbuild")
    directory.mkdir(parents=True, exist_ok=True)
    spec = directory / f"{name}.spec"
    data_arch = "" if "BuildArch" in tags else "BuildArch: noarch"
    spec.write_text(SPEC.format(name=name, tags=tags, data_arch=data_arch), encoding="utf-8")
    command = ["rpmbuild", "-bs" if source_only else "-ba", "--define", f"_topdir {directory}", "--nodeps", str(spec)]
    for define in ("packager Koji", "distribution Koji", f"vendor {vendor or '%{nil}'}"):
        command += ["--define", define]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return {path.name: path for path in directory.glob("**/*.rpm")}
