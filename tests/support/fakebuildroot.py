"""A hub session, a mock and rpm packages for tests of buildroots and repos: recorded, scripted and tiny."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path
from typing import Any, Callable, Optional

import pytest

from kojid.config.options import Options
from tests.support import options
from tests.support.fakehub import FakeMultiCall

REPO = {
    "id": 4,
    "tag_id": 2,
    "tag_name": "demo-build",
    "create_event": 186,
    "state": 1,
    "dist": False,
    "opts": {"src": False, "debuginfo": False, "separate_src": False, "maven": False},
}
CONFIG = {"id": 2, "name": "demo-build", "arches": "x86_64", "extra": {"mock.use_bootstrap": False}}


class FakeSession:
    """Answers the calls that a buildroot makes, keeps what is uploaded, and records both.

    Set `answers[NAME]` to a value, an exception or a function to answer a call otherwise.
    """

    def __init__(self) -> None:
        self.opts: dict[str, Any] = {}
        self.retries = 0
        self.requests = 0
        self.hub_version = (1, 35, 3)
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.files: dict[str, bytearray] = {}
        self.blocks: list[tuple[str, int, int]] = []
        self.upload_errors: list[Exception] = []
        self.answers: dict[str, Any] = {
            "repoInfo": REPO,
            "getBuildConfig": CONFIG,
            "getExternalRepoList": [],
            "host.newBuildRoot": 16,
            "host.setBuildRootState": None,
            "host.setBuildRootList": None,
            "host.updateBuildRootList": None,
            "listTaggedRPMS": [[], []],
        }
        self.host = _Namespace(self, "host.")

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **kwargs: self.callMethod(name, *args, **kwargs)

    def callMethod(self, name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "rawUpload":
            return self._raw_upload(*args, **kwargs)
        self.calls.append((name, args, kwargs))
        if name == "checkUpload":
            return {"size": len(self.files["/".join(args)]), "mtime": 0.0}
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer(*args, **kwargs) if callable(answer) else answer

    def multicall(self, strict: bool = False) -> FakeMultiCall:
        return FakeMultiCall(self, strict)

    def _one(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if name != "uploadFile":
            return self.callMethod(name, *args, **kwargs)
        path, filename, size, _digest, offset, data = args
        content = base64.b64decode(data)
        assert size == len(content)
        if offset == -1:  # a whole file
            self.files[f"{path}/{filename}"] = bytearray()
        self._raw_upload(content, max(offset, 0), path, filename, overwrite=True)
        return True

    def _raw_upload(self, data: bytes, offset: int, path: str, name: str, **options: Any) -> dict[str, Any]:
        """As the hub does it: the file is cut off at the offset, then written to (contract 12)."""
        if self.upload_errors:
            raise self.upload_errors.pop(0)
        assert options["overwrite"]
        content = self.files.setdefault(f"{path}/{name}", bytearray())
        assert offset <= len(content), f"{name}: a hole would be left before {offset}"
        del content[offset:]
        content += data
        self.blocks.append((name, offset, len(data)))
        digest = f"{zlib.adler32(data) & 0xFFFFFFFF:08x}"
        return {"size": len(data), "fileverify": "adler32", "offset": offset, "hexdigest": digest}

    def uploaded(self, name: str, task_id: int = 306) -> Optional[bytes]:
        content = self.files.get(f"tasks/{task_id % 10000}/{task_id}/{name}")
        return None if content is None else bytes(content)

    def named(self, name: str) -> list[tuple[Any, ...]]:
        """The positional arguments of every call of that name."""
        return [args for called, args, _ in self.calls if called == name]

    def states(self) -> list[str]:
        return [args[1] for args in self.named("host.setBuildRootState")]


class _Namespace:
    def __init__(self, session: FakeSession, prefix: str) -> None:
        self._session = session
        self._prefix = prefix

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: self._session.callMethod(self._prefix + name, *args, **kwargs)


MOCK = """\
#!{python}
import os, pathlib, sys, time
from collections import defaultdict
config_opts = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
args = sys.argv[1:]
config = args[args.index("-r") + 1]
exec(pathlib.Path(config).read_text())
base = pathlib.Path(config_opts["basedir"], config_opts["root"])
root, result = base / "root", base / "result"
with open({calls!r}, "a") as calls:
    print(repr(args), file=calls)

def log(name, text):
    result.mkdir(parents=True, exist_ok=True)
    with open(result / name, "a") as out:
        out.write(text)

{body}
"""


class FakeMock:
    """A script in mock's place. It reads the configuration as mock does and runs `body`.

    The body finds `args`, `root`, `result` (paths) and `log(name, text)`; it ends by itself or with sys.exit.
    """

    def __init__(self, directory: Path, body: str = "") -> None:
        self.path = directory / "mock"
        self._calls = directory / "mock-calls"
        self.does(body)

    def does(self, body: str) -> None:
        text = MOCK.format(python=sys.executable, calls=str(self._calls), body=textwrap.dedent(body))
        self.path.write_text(text)
        self.path.chmod(0o755)

    @property
    def calls(self) -> list[list[str]]:
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        return [eval(line) for line in lines]


def buildroot_options(directory: Path, **overrides: Any) -> Options:
    """Options whose every directory lies in the test's own; the fake mock is the mock."""
    places = {"mockdir": "mockdir", "workdir": "work", "mock_config_dir": "etc", "topdir": "mnt", "mockpath": "mock"}
    values: dict[str, Any] = {name: str(directory / place) for name, place in places.items()}
    # The suite may run as root, and then mock is started as this user.
    values.update(topurl=None, mockuser="root")
    values.update(overrides)
    return options(**values)


TOOLS = ("rpmbuild", "rpm", "createrepo_c", "mergerepo_c")


def need(*programs: str) -> None:
    """Skip the test where one of the programs is missing."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


SPEC = """\
Name: {name}
Version: {version}
Release: 1
Summary: A test package
License: MIT
{extra}
%description
A test package.
%files
"""


def make_rpm(directory: Path, name: str, version: str = "1", extra: str = "BuildArch: noarch") -> Path:
    """A binary rpm with nothing in it."""
    need("rpmbuild")
    top = directory / f"top-{name}-{version}"
    top.mkdir(parents=True)
    spec = top / f"{name}.spec"
    spec.write_text(SPEC.format(name=name, version=version, extra=extra))
    defines = ["--define", f"_topdir {top}", "--define", f"_dbpath {top}/db"]
    subprocess.run(["rpmbuild", "-bb", "--quiet", *defines, str(spec)], check=True, capture_output=True)
    return next((top / "RPMS").rglob("*.rpm"))


def install_rpms(root: Path, *rpms: Path, database: str = "var/lib/rpm") -> None:
    """Note packages as installed in a chroot's rpm database."""
    need("rpm")
    path = root / database
    path.mkdir(parents=True, exist_ok=True)
    command = ["rpm", "--dbpath", str(path), "-i", "--justdb", "--nodeps", "--ignorearch", *map(str, rpms)]
    subprocess.run(command, check=True, capture_output=True)
