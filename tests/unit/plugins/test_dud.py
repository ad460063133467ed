"""The handlers of driver update disks: what they ask of hub, mock and the tools in the chroot (contract 6.13)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

import koji
import pytest
from koji.tasks import RefuseTask

from kojid.config.options import Options
from kojid.errors import BuildFailed
from kojid.plugins.shipped import dud
from kojid.plugins.shipped.dud import DudBuildTask, DudCreateImageTask
from kojid.system.files import UnsafeFile
from kojid.tasks.parts import Part
from tests.support import imagebroot
from tests.support.faketask import REPO, TAG, TARGET, ScriptedSession, Subtasks, make_handler, task_options
from tests.support.imagebroot import COMMON, ImageBroot

URL = "git://example.com/notes#main"
ISO = "dd-driver-2.0-1.x86_64.iso"


def xorrisofs(broot: ImageBroot, args: List[str]) -> int:
    Path(broot.tmpdir(), args[args.index("-o") + 1]).write_text("an image")
    return 0


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return task_options(tmp_path)


@pytest.fixture
def broots(monkeypatch: pytest.MonkeyPatch) -> Any:
    return imagebroot.install(monkeypatch, {"dnf": None, "createrepo_c": None, "xorrisofs": xorrisofs})


@pytest.fixture
def checkouts(monkeypatch: pytest.MonkeyPatch) -> List[Dict[str, Any]]:
    return imagebroot.sources(monkeypatch, dud, {"README": "x", ".git/config": "url", "sub/.svn/entries": "y"})


def create(session: Any, options: Options, opts: Any = None, packages: Any = ("hello", "world-1.0")) -> Any:
    params = ["driver", "2.0", "1", "x86_64", *COMMON, packages, opts]
    return make_handler(DudCreateImageTask, "createDudIso", params, session, options).run()


def test_packages_are_fetched_one_by_one_and_made_a_repository_on_an_image(options: Options, broots: Any) -> None:
    session = ScriptedSession()
    made = create(session, options, {"scratch": True, "alldeps": True})
    (broot,) = broots.made
    rpms = "/chroot_tmpdir/dd/rpms/x86_64"
    assert broot.ran == [
        (rpms, ["/usr/bin/dnf", "download", "--resolve", "--alldeps", "hello"]),
        (rpms, ["/usr/bin/dnf", "download", "--resolve", "--alldeps", "world-1.0"]),
        ("/chroot_tmpdir", ["/usr/bin/createrepo_c", "-q", "--workers=1", "./dd/rpms/x86_64/"]),
        ("/chroot_tmpdir", ["/usr/bin/xorrisofs", "-quiet", "-lR", "-V", "OEMDRV", "-input-charset", "utf8", "-o", ISO,
                            "./dd", "-v"]),
    ]  # fmt: skip
    assert made == {
        "arch": "x86_64", "task_id": 305, "name": "driver", "version": "2.0", "release": "1", "rpmlist": [],
        "files": [ISO], "logs": ["root.log"],
    }  # fmt: skip
    assert {path.rsplit("/", 1)[1] for path in session.uploads} == {ISO}
    top = broot.root / "chroot_tmpdir/dd"
    assert (top / "rhdd3").read_text() == "Driver Update Disk version 3"
    assert (top / "src").is_dir() and (top / "rpms/x86_64/repodata").is_dir()
    assert broot.more == {
        "repo_id": 4, "install_group": "dud-build", "setup_dns": True, "bind_opts": {"dirs": {"/dev": "/dev"}},
    }  # fmt: skip


def test_sources_are_on_the_disk_without_what_version_control_keeps(
    options: Options, broots: Any, checkouts: Any
) -> None:
    made = create(ScriptedSession(), options, {"scratch": True, "scmurl": URL})
    top = broots.made[0].root / "chroot_tmpdir/dd/sources"
    found = sorted(str(path.relative_to(top)) for path in top.rglob("*"))
    assert found == ["README", "sub"]
    assert checkouts[0]["scmdir"] == str(top.parent) and made["logs"] == ["checkout-x86_64.log", "root.log"]


def test_the_older_name_of_createrepo_serves_as_well(options: Options, broots: Any) -> None:
    broots.programs["createrepo"] = broots.programs.pop("createrepo_c")
    create(ScriptedSession(), options, {"scratch": True})
    assert broots.made[0].ran[2][1][0] == "/usr/bin/createrepo"


@pytest.mark.parametrize("tool", ["dnf", "createrepo_c", "xorrisofs"])
def test_a_group_that_lacks_a_tool_is_named(options: Options, broots: Any, tool: str) -> None:
    del broots.programs[tool]
    with pytest.raises(koji.BuildError, match=f"{tool} is not in the buildroot: the group dud-build of demo-build"):
        create(ScriptedSession(), options)
    assert broots.made[0].expired == 1


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("dnf", "while getting the involved rpm 'hello'"),
        ("createrepo_c", "while creating ISO repodata"),
        ("xorrisofs", "while xorrisofs"),
    ],
)
def test_the_status_of_each_tool_counts(options: Options, broots: Any, tool: str, words: str) -> None:
    broots.programs[tool] = lambda _broot, _args: 3
    with pytest.raises(BuildFailed, match=f"DUD build failed {words}, mock exited with status 3"):
        create(ScriptedSession(), options)


def test_a_link_in_the_place_of_the_image_is_not_followed(options: Options, broots: Any, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the host")

    def plant(broot: ImageBroot, _args: List[str]) -> int:
        Path(broot.tmpdir(), ISO).symlink_to(tmp_path / "secret")
        return 0

    broots.programs["xorrisofs"] = plant
    session = ScriptedSession()
    with pytest.raises(UnsafeFile):
        create(session, options, {"scratch": True})
    assert session.uploads == {}


@pytest.mark.parametrize("packages", [[], None, "hello", ["--installroot=/"], [7]])
def test_what_names_no_packages_is_refused(options: Options, broots: Any, packages: Any) -> None:
    with pytest.raises(koji.GenericError, match="list of packages|no package can be named"):
        create(ScriptedSession(), options, packages=packages)
    assert broots.made == []


def test_version_control_matters_only_where_it_is_asked_for(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Part, "is_here", lambda part: False)
    for opts, fetches in (({}, False), (None, False), ({"scmurl": URL}, True)):
        for cls, method, params in (
            (DudBuildTask, "dudBuild", ["driver", "2.0", [], "demo", ["hello"], opts]),
            (DudCreateImageTask, "createDudIso", ["driver", "2.0", "1", "x86_64", *COMMON, ["hello"], opts]),
        ):
            handler = make_handler(cls, method, params, ScriptedSession(getBuildConfig=TAG), options)
            if not fetches:
                assert handler.checkHost({"arches": "x86_64"})
                continue
            with pytest.raises(RefuseTask, match=f"{method} needs git, not installed here; install git"):
                handler.checkHost({"arches": "x86_64"})


class TestDudBuild:
    def build(self, options: Options, subtasks: Subtasks, *params: Any) -> Any:
        answers = {
            "getBuildTarget": TARGET, "getBuildConfig": {**TAG, "arches": "x86_64 i686"}, "getRepo": REPO,
            "getTag": TAG, "repo.request": {"repo": REPO}, "getNextRelease": "5", "listBuilds": [],
            "host.moveImageBuildToScratch": None, **subtasks.answers(),
        }  # fmt: skip
        return make_handler(DudBuildTask, "dudBuild", list(params), ScriptedSession(answers), options).run()

    def test_makes_a_disk_for_each_arch(self, options: Options, checkouts: Any) -> None:
        fault = {"faultCode": 1005, "faultString": "no packages"}
        subtasks = Subtasks({"x86_64": {"task_id": 900}, "i386": fault})
        opts = {"scratch": True, "alldeps": False, "scmurl": URL, "optional_arches": ["i386"]}
        said = self.build(options, subtasks, "driver", "2.0", [], "demo", ["hello"], opts)
        assert said.startswith("Scratch image build results in: ")
        assert [task["arglist"] for task in subtasks.spawned] == [
            ["driver", "2.0", "5", arch, *COMMON, ["hello"], opts] for arch in ("x86_64", "i386")
        ]

    def test_a_version_with_a_hyphen_is_none(self, options: Options) -> None:
        with pytest.raises(koji.ApplianceError, match="may not have a hyphen"):
            self.build(options, Subtasks({}), "driver", "2-0", [], "demo", ["hello"])
