from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any, Callable

import koji
import pytest

from kojid.buildroot.buildroot import BuildRoot
from kojid.errors import HostFault
from tests.support import needs_rpm
from tests.support.fakebuildroot import CONFIG, FakeMock, FakeSession, buildroot_options

Make = Callable[..., BuildRoot]


def test_a_new_one_is_recorded_configured_and_its_configuration_uploaded(
    tmp_path: Path, make: Make, session: FakeSession
) -> None:
    broot = make()
    config = (tmp_path / "etc/demo-build-16-4.cfg").read_bytes()
    assert session.uploaded("mock_config.log") == config
    assert b"# Koji buildroot id: 16\n" in config
    assert broot.logs == {"mock_config.log"}
    assert [name for name, _, _ in session.calls] == ["repoInfo", "getBuildConfig", "host.newBuildRoot"]


def test_it_has_the_attributes_that_plugins_use(tmp_path: Path, make: Make) -> None:
    broot = make()
    assert (broot.id, broot.name, broot.repoid, broot.event_id) == (16, "demo-build-16-4", 4, 186)
    assert (broot.tag_name, broot.tag_id, broot.br_arch, broot.target_arch) == ("demo-build", 2, "x86_64", "x86_64")
    assert broot.config["extra"] == CONFIG["extra"]
    assert broot.repo_info["tag_id"] == 2
    assert broot.getUploadPath() == "tasks/306/306"
    base = tmp_path / "mockdir/demo-build-16-4"
    assert (broot.rootdir(), broot.resultdir()) == (f"{base}/root", f"{base}/result")
    assert (broot.tmpdir(), broot.tmpdir(within=True)) == (f"{base}/root/chroot_tmpdir", "/chroot_tmpdir")


def test_everything_may_be_given_by_keyword(tmp_path: Path, session: FakeSession) -> None:
    broot = BuildRoot(session, buildroot_options(tmp_path), tag="demo-build", arch="x86_64", task_id=306, repo_id=4,
                      install_group="kiwi-build", setup_dns=True, bind_opts={"dirs": {"/dev": "/dev"}})  # fmt: skip
    assert broot.install_group == "kiwi-build"
    assert "install @kiwi-build" in (tmp_path / "etc/demo-build-16-4.cfg").read_text()


@pytest.mark.parametrize("data", [16, {"id": 16, "task_id": 306, "tag_id": 2, "tag_name": "demo-build", "repo_id": 4,
                                       "arch": "x86_64"}])  # fmt: skip
def test_an_existing_one_is_loaded_and_nothing_is_touched(tmp_path: Path, session: FakeSession, data: Any) -> None:
    session.answers["getBuildroot"] = {
        "id": 16, "task_id": 306, "tag_id": 2, "tag_name": "demo-build", "repo_id": 4, "arch": "x86_64",
    }  # fmt: skip
    broot = BuildRoot(session, buildroot_options(tmp_path), data)
    assert (broot.name, broot.task_id, broot.br_arch) == ("demo-build-16-4", 306, "x86_64")
    assert os.listdir(tmp_path) == []
    assert session.files == {}
    assert not session.named("host.newBuildRoot")


def test_when_it_can_not_be_configured_the_hub_is_told(tmp_path: Path, session: FakeSession) -> None:
    (tmp_path / "etc").touch()
    with pytest.raises(HostFault):
        BuildRoot(session, buildroot_options(tmp_path), "demo-build", "x86_64", 306, repo_id=4)
    assert session.states() == ["EXPIRED"]


def test_paths_are_translated_by_their_parts(make: Make) -> None:
    broot = make()
    root = broot.rootdir()
    assert broot.path_without_to_within(f"{root}/builddir/x") == "/builddir/x"
    assert broot.path_without_to_within(root) == "/"
    for outside in (f"{root}-bootstrap/x", "/etc", f"{root}/../result"):
        with pytest.raises(ValueError, match="not within"):
            broot.path_without_to_within(outside)


@needs_rpm
def test_init_makes_the_root_and_records_what_is_in_it(
    make: Make, session: FakeSession, mock: FakeMock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    broot = make()
    mock.does('log("root.log", "made\\n")')
    broot.init()
    assert [call[2:] for call in mock.calls] == [["--init"]]
    ((number, packages),) = session.named("host.setBuildRootList")
    assert number == 16
    assert [package["name"] for package in packages] == ["tiny"]
    assert os.uname().release in caplog.text
    assert session.uploaded("root.log") == b"made\n"


def test_a_failed_init_expires_it_and_says_why(make: Make, session: FakeSession, mock: FakeMock) -> None:
    broot = make()
    mock.does('log("root.log", "DEBUG util.py:459:  Error: no group\\n"); sys.exit(30)')
    with pytest.raises(
        koji.BuildrootError, match="could not init mock buildroot, mock exited with status 30; see root"
    ):
        broot.init()
    assert session.states() == ["EXPIRED"]
    assert not session.named("host.setBuildRootList")


@needs_rpm
def test_what_the_hub_has_been_told_is_not_told_again(make: Make, session: FakeSession, mock: FakeMock) -> None:
    broot = make()
    broot.init()
    broot.build("tiny.src.rpm")
    ((_, before),) = session.named("host.setBuildRootList")
    ((_, after),) = session.named("host.updateBuildRootList")
    assert [package["name"] for package in before] == ["tiny"]
    assert after == []
    assert len(session.named("getExternalRepoList")) == 1


@needs_rpm
def test_a_build_in_the_order_of_a_real_one(make: Make, session: FakeSession, mock: FakeMock) -> None:
    broot = make()
    broot.init()
    session.calls.clear()
    broot.build("/x.src.rpm", "i686")
    broot.expire()
    broot.expire()
    assert mock.calls[-1][2:] == ["--no-clean", "--target", "i686", "--rebuild", "/x.src.rpm"]
    assert [name for name, _, _ in session.calls] == [
        "host.setBuildRootState", "host.updateBuildRootList", "host.setBuildRootState",
    ]  # fmt: skip
    assert session.states() == ["BUILDING", "EXPIRED"]


@needs_rpm
def test_a_failed_build_is_recorded_and_says_why(make: Make, session: FakeSession, mock: FakeMock) -> None:
    broot = make()
    mock.does('log("build.log", "error: line 7: Unknown tag\\n"); sys.exit(1)')
    with pytest.raises(koji.BuildError) as caught:
        broot.build("/x.src.rpm", "x86_64")
    first, _, quoted = str(caught.value).splitlines()
    assert (
        first == "error building package (arch x86_64), mock exited with status 1; see build.log for more information"
    )
    assert quoted.strip() == "error: line 7: Unknown tag"
    assert session.named("host.updateBuildRootList")
    assert session.states() == ["BUILDING", "EXPIRED"]


def test_a_failed_build_whose_packages_can_not_be_listed_still_says_why(
    make: Make, session: FakeSession, mock: FakeMock
) -> None:
    broot = make()
    session.answers["host.updateBuildRootList"] = koji.GenericError("no such rpm")
    mock.does('log("build.log", "the cause\\n"); sys.exit(1)')
    with pytest.raises(koji.BuildError, match="the cause"):
        broot.build("/x.src.rpm", "x86_64")
    assert session.states() == ["BUILDING", "EXPIRED"]


def test_logs_are_sent_once_over_several_calls(make: Make, session: FakeSession, mock: FakeMock) -> None:
    broot = make()
    mock.does("""
        log("root.log", "call\\n")
        print("output")
        (root / "var/log").mkdir(parents=True, exist_ok=True)
        open(root / "var/log/dnf.log", "a").write("dnf\\n")
    """)
    for _ in range(3):
        assert broot.mock(["--install", "x"]) == 0
    assert session.uploaded("root.log") == b"call\n" * 3
    assert session.uploaded("dnf.log") == b"dnf\n" * 3
    assert session.uploaded("mock_output.log") == b"output\n" * 3
    assert [block for block in session.blocks if block[0] == "root.log"] == [
        ("root.log", 0, 5), ("root.log", 5, 5), ("root.log", 10, 5),
    ]  # fmt: skip
    assert broot.logs == {"mock_config.log", "root.log", "dnf.log", "mock_output.log"}


def test_logs_are_sent_while_mock_runs(tmp_path: Path, make: Make, session: FakeSession, mock: FakeMock) -> None:
    broot = make()
    go_on = tmp_path / "go-on"
    mock.does(f"""
        log("root.log", "first\\n")
        while not pathlib.Path({str(go_on)!r}).exists(): time.sleep(0.01)
        log("root.log", "second\\n")
    """)
    real = session.callMethod

    def watch(name: str, *args: Any, **kwargs: Any) -> Any:
        answer = real(name, *args, **kwargs)
        if session.uploaded("root.log") == b"first\n":
            go_on.touch()
        return answer

    session.callMethod = watch  # type: ignore[method-assign]
    assert broot.mock(["--init"]) == 0
    assert session.uploaded("root.log") == b"first\nsecond\n"


def test_a_task_taken_away_ends_mock(make: Make, session: FakeSession, mock: FakeMock) -> None:
    broot = make()
    mock.does('log("root.log", "x\\n"); time.sleep(60)')
    session.upload_errors = [koji.ActionNotAllowed("host 1 does not own task 306")]
    with pytest.raises(koji.ActionNotAllowed):
        broot.mock(["--init"])


def test_timestamps_come_along_when_wanted(make: Make, session: FakeSession, mock: FakeMock) -> None:
    broot = make(log_timestamps=True)
    mock.does('log("root.log", "12345")')
    broot.mock(["--init"])
    stamps = session.uploaded("root.log-ts.log")
    assert stamps is not None
    assert [line.split()[1] for line in stamps.decode().splitlines()] == ["0", "5"]
    assert "root.log-ts.log" in broot.logs


def test_without_a_working_directory_mock_runs_all_the_same(
    make: Make, session: FakeSession, mock: FakeMock, caplog: pytest.LogCaptureFixture
) -> None:
    broot = make(log_timestamps=True)
    broot.workdir = None
    mock.does('log("root.log", "x")')
    assert broot.mock(["--init"]) == 0
    assert broot.logs == {"mock_config.log", "root.log"}
    assert "needs a working directory" in caplog.text


def test_plugins_can_put_a_status_into_words(make: Make) -> None:
    broot = make()
    assert broot._mockResult(1 << 8, logfile="x.log") == "mock exited with status 1; see x.log for more information"
    assert broot._mockResult(9) == "mock was killed by signal 9; see root.log for more information"


def test_plugins_can_send_logs_of_their_own(tmp_path: Path, make: Make, session: FakeSession) -> None:
    broot = make()
    log = tmp_path / "own.log"
    log.write_bytes(b"0123456789")
    with open(log, "rb") as opened:
        broot.incremental_log("own.log", opened)
        with open(log, "ab") as out:
            out.write(b"more")
        broot.incremental_log("own.log", opened)
    broot.single_log(str(log), name="whole.log")
    assert session.uploaded("own.log") == session.uploaded("whole.log") == b"0123456789more"
    assert broot.logs >= {"own.log", "whole.log"}


def test_results_are_listed_and_opened_without_following_links(tmp_path: Path, make: Make) -> None:
    broot = make()
    result = Path(broot.resultdir())
    (result / "a-1.x86_64.rpm").write_bytes(b"rpm")
    os.symlink("/etc/passwd", result / "b-1.x86_64.rpm")
    found = broot.results()
    assert (found.rpms, found.unexpected) == (["a-1.x86_64.rpm"], ["b-1.x86_64.rpm"])
    with broot.open_result("a-1.x86_64.rpm") as opened:
        assert opened.read() == b"rpm"
    with pytest.raises(koji.GenericError):
        broot.open_result("b-1.x86_64.rpm")


def test_a_missing_result_directory_is_the_buildroots_fault(make: Make) -> None:
    broot = make()
    os.rmdir(broot.resultdir())
    with pytest.raises(koji.BuildrootError, match="results can't be listed"):
        broot.results()
