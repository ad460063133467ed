"""The runroot handler: what it asks of hub and mock, and what becomes of each end (contract 6.13)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, ClassVar, Dict, List, Optional, Set

import koji
import pytest

from kojid.buildroot import failures
from kojid.config.options import Options
from kojid.errors import BuildrootFailed, ConfigError, HostFault
from kojid.plugins.shipped import runroot
from kojid.plugins.shipped.runroot import RunRootTask
from kojid.tasks import chroots
from tests.support.faketask import HOST, REPO, TAG, ScriptedSession, Subtasks, make_handler, task_options


class Broot:
    """A buildroot whose mock does what the test says."""

    made: ClassVar[List[Broot]] = []
    does: ClassVar[Callable[[Broot], int]]

    def __init__(self, session: Any, options: Any, tag: Any, arch: str, task_id: int, **more: Any) -> None:
        self.session, self.tag, self.arch, self.more = session, tag, arch, more
        self.id = 16
        self.workdir: Optional[str] = None
        self.config: Dict[str, Any] = {"extra": {}}
        self.logs: Set[str] = set()
        self.followed: List[str] = []
        self.calls: List[Any] = []
        self.root = Path(options.mockdir, "demo-build-16-4", "root")
        self.evidence = failures.Evidence(self._no_log)
        self.made.append(self)

    def _no_log(self, name: str) -> Any:
        raise FileNotFoundError(name)

    def rootdir(self) -> str:
        return str(self.root)

    def init(self) -> None:
        self.calls.append("init")
        (self.root / "builddir").mkdir(parents=True, exist_ok=True)

    def install(self, names: Any) -> None:
        self.calls.append(("install", list(names)))

    def follow_log(self, path: str) -> None:
        self.followed.append(path)

    def mock(self, args: List[str]) -> int:
        self.calls.append(("mock", args))
        return type(self).does(self)

    def expire(self) -> None:
        self.calls.append("expire")


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return task_options(tmp_path, plugin_config_dir=str(tmp_path))


@pytest.fixture
def broots(monkeypatch: pytest.MonkeyPatch) -> Any:
    class Own(Broot):
        made: ClassVar[List[Broot]] = []
        does = staticmethod(ends_with(0))

    monkeypatch.setattr(chroots, "BuildRoot", Own)
    return Own


def ends_with(code: int, output: Optional[str] = "") -> Callable[[Broot], int]:
    def run(broot: Broot) -> int:
        if output is not None:
            (broot.root / "builddir/runroot.log").write_text(output)
            broot.logs.add("runroot.log")
        return code << 8

    return run


def hub(**more: Any) -> ScriptedSession:
    answers = {"getRepo": REPO, "repoInfo": REPO, "getBuildConfig": TAG, "host.getHost": HOST}
    return ScriptedSession({**answers, "host.setBuildRootState": None, "host.setTaskWeight": None}, **more)


def run(session: Any, options: Options, arch: str = "x86_64", command: Any = "true", **opts: Any) -> Any:
    params = koji.encode_args("demo-build", arch, command, **opts)
    return make_handler(RunRootTask, "runroot", list(params), session, options).run()


def test_a_command_runs_in_a_buildroot_of_the_tags_newest_repo(options: Options, broots: Any) -> None:
    session = hub()
    assert run(session, options, command=["/usr/bin/env", "x"]) == "env completed successfully"
    (broot,) = broots.made
    assert (broot.tag, broot.arch) == ("demo-build", "x86_64")
    assert broot.more == {"repo_id": 4, "setup_dns": True, "internal_dev_setup": None}
    assert session.names == ["getRepo", "host.setBuildRootState"]
    assert session.arguments("host.setBuildRootState") == [((16, "BUILDING"), {})]
    init, (_, args), expire = broot.calls
    assert (init, expire) == ("init", "expire")
    assert args[:4] == ["--chroot", "--", "/bin/sh", "-c"] and "/usr/bin/env x" in args[4]
    assert broot.followed == ["/builddir/runroot.log"] and broot.config["extra"] == {}


def test_packages_are_installed_before_the_command(options: Options, broots: Any) -> None:
    run(hub(), options, packages=["lorax", "pungi"])
    assert broots.made[0].calls[1] == ("install", ["lorax", "pungi"])


@pytest.mark.parametrize(("asked", "weight"), [(3, 3.0), (0.1, 0.5)])
def test_a_weight_is_told_and_has_a_least(options: Options, broots: Any, asked: float, weight: float) -> None:
    session = hub()
    run(session, options, weight=asked)
    assert session.arguments("host.setTaskWeight") == [((305, weight), {})]


def test_the_personality_can_be_the_hosts_own_which_is_never_empty(options: Options, broots: Any) -> None:
    run(hub(), options, skip_setarch=True)
    assert broots.made[0].calls[1][1][:3] == ["--arch", os.uname().machine, "--chroot"]


@pytest.mark.parametrize("new_chroot", [True, False])
def test_the_kind_of_chroot_takes_the_place_of_the_tags(options: Options, broots: Any, new_chroot: bool) -> None:
    run(hub(), options, new_chroot=new_chroot)
    assert broots.made[0].config["extra"] == {"mock.new_chroot": new_chroot}


def test_noarch_is_the_first_arch_of_the_tag_that_the_host_has(options: Options, broots: Any) -> None:
    tag = {**TAG, "arches": "s390x i686 x86_64"}
    run(hub(getBuildConfig=tag, host_getHost={**HOST, "arches": "x86_64 i386"}), options, "noarch")
    assert broots.made[0].arch == "i386"


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ({"host_getHost": {**HOST, "arches": ""}}, "No arch list for this host"),
        ({"getBuildConfig": {**TAG, "arches": None}}, "No arch list for tag: demo-build"),
        ({"getBuildConfig": {**TAG, "arches": "s390x"}}, r"host does not match tag arches: demo-build \(s390x\)"),
    ],
)
def test_noarch_without_a_common_arch_is_a_build_error(
    options: Options, broots: Any, answers: Dict[str, Any], text: str
) -> None:
    with pytest.raises(koji.BuildError, match=text):
        run(hub(**answers), options, "noarch")


def test_a_repo_that_is_not_there_is_waited_for(options: Options, broots: Any) -> None:
    children = Subtasks({"waitrepo": {**REPO, "id": 9}})
    session = hub(getRepo=None)
    session.answer_all(children.answers())
    run(session, options)
    assert children.spawned == [
        {"method": "waitrepo", "arglist": ["demo-build", None, None], "parent": 305, "label": "waitrepo"}
    ]
    assert broots.made[0].more["repo_id"] == 9


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"tag_name": "other", "tag_id": 5}, r"build tag \(demo-build\) does not match repo tag \(other\)"),
        ({"state": koji.REPO_STATES["DELETED"]}, "repos in the DELETED state may not be used by runroot"),
    ],
)
def test_a_repo_of_another_tag_or_a_deleted_one_is_a_build_error(
    options: Options, broots: Any, change: Dict[str, Any], text: str
) -> None:
    with pytest.raises(koji.BuildError, match=text):
        run(hub(repoInfo={**REPO, **change}), options, repo_id=4)


def test_an_expired_repo_will_do(options: Options, broots: Any) -> None:
    session = hub(repoInfo={**REPO, "state": koji.REPO_STATES["EXPIRED"]})
    run(session, options, repo_id=4)
    assert session.names[0] == "repoInfo"


def test_a_failing_command_is_told_with_the_end_of_its_log(options: Options, broots: Any) -> None:
    broots.does = staticmethod(ends_with(3, "first\nno space\n"))
    with pytest.raises(BuildrootFailed) as caught:
        run(hub(), options, command="LANG=C /bin/make all")
    assert str(caught.value) == "make exited with status 3\nThe last lines of runroot.log:\n  first\n  no space"
    assert broots.made[0].calls[-1] == "expire"


def test_a_command_that_says_nothing_fails_in_the_stock_words(options: Options, broots: Any) -> None:
    broots.does = staticmethod(ends_with(2))
    with pytest.raises(koji.BuildrootError, match=r"^true exited with status 2$"):
        run(hub(), options)


def test_mock_that_fails_before_the_command_begins_is_the_hosts_fault(options: Options, broots: Any) -> None:
    broots.does = staticmethod(ends_with(2, output=None))
    with pytest.raises(HostFault, match="could not run the command in the buildroot"):
        run(hub(), options)
    broots.does = staticmethod(ends_with(1, output=None))
    with pytest.raises(BuildrootFailed, match="could not run the command in the buildroot"):
        run(hub(), options)


def test_an_empty_log_is_uploaded_too(options: Options, broots: Any) -> None:
    def quiet(broot: Broot) -> int:
        (broot.root / "builddir/runroot.log").touch()
        return 0

    broots.does = staticmethod(quiet)
    session = hub()
    run(session, options)
    assert session.uploads == {"tasks/305/305/runroot.log": b""}


def test_a_log_that_a_package_has_planted_is_not_taken_for_the_commands(
    options: Options, broots: Any, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    init = broots.init

    def plant(broot: Broot) -> None:
        init(broot)
        (broot.root / "builddir/runroot.log").symlink_to(tmp_path / "secret")

    def look(broot: Broot) -> int:
        assert not os.path.lexists(broot.root / "builddir/runroot.log")
        return ends_with(0)(broot)

    broots.init, broots.does = plant, staticmethod(look)
    run(hub(), options)
    assert (tmp_path / "secret").read_text() == "secret"


@pytest.mark.parametrize("path", ["/etc/hostname", "etc/hostname", "/link/hostname"])
def test_further_logs_are_only_looked_for_inside(options: Options, broots: Any, path: str) -> None:
    """The host has these files, the chroot has not, or has a link (contract 11, item 19)."""

    def plant(broot: Broot) -> int:
        (broot.root / "link").symlink_to("/etc")
        return ends_with(0)(broot)

    broots.does = staticmethod(plant)
    session = hub()
    with pytest.raises(koji.GenericError, match="true completed successfully, but these logs can't be had: /"):
        run(session, options, upload_logs=[path])
    assert "tasks/305/305/hostname" not in session.uploads
    assert broots.made[0].followed[1] == "/" + path.lstrip("/")


@pytest.mark.parametrize("logs", [["../x"], [""], ["/"], [3], ["/a/../../b"], ["/a\nb"]])
def test_what_is_no_path_of_a_log_is_refused_before_anything_is_made(
    options: Options, broots: Any, logs: List[Any]
) -> None:
    with pytest.raises(koji.ParameterError, match="upload_logs"):
        run(hub(), options, upload_logs=logs)
    assert broots.made == []


def test_databases_of_the_hosts_rpm_are_removed_inside_only(
    options: Options, broots: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    init = broots.init

    def leave(broot: Broot) -> None:
        init(broot)
        (broot.root / "var/lib/rpm").mkdir(parents=True)
        for name in ("__db.001", "Packages"):
            (broot.root / "var/lib/rpm" / name).touch()

    broots.init = leave
    run(hub(), options)
    assert os.listdir(broots.made[0].root / "var/lib/rpm") == ["Packages"]


def test_a_wrong_configuration_stops_the_start_and_gives_tasks_back(
    options: Options, broots: Any, tmp_path: Path
) -> None:
    (tmp_path / "runroot.conf").write_text("[paths]\ndefault_mounts = /mnt/x\n")
    with pytest.raises(ConfigError, match="runroot.conf"):
        runroot.check(options)
    with pytest.raises(HostFault, match=r"runroot can't be done here: .*runroot\.conf"):
        run(hub(), options)


def test_default_mounts_that_fail_are_the_hosts_fault_and_asked_ones_the_tasks(
    options: Options, broots: Any, tmp_path: Path
) -> None:
    text = f"[path1]\nmountpoint = /mnt/x\npath = {tmp_path}/absent\nfstype = none\noptions = bind,ro\n"
    (tmp_path / "runroot.conf").write_text("[paths]\ndefault_mounts = /mnt/x\n" + text)
    session = hub()
    with pytest.raises(HostFault, match="a default mount of runroot.conf fails"):
        run(session, options)
    assert b"No such directory" in bytes(session.uploads["tasks/305/305/do_mounts.log"])
    (tmp_path / "runroot.conf").write_text("[paths]\nsafe_roots = /mnt/x\n" + text)
    with pytest.raises(koji.GenericError, match="Unable to mount /mnt/x/y"):
        run(hub(), options, mounts=["/mnt/x/y"])
    assert all(broot.calls == ["init", "expire"] for broot in broots.made)
