from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, List

import koji
import koji.tasks
import pytest
import requests

from kojid.errors import HostFault
from kojid.system.files import UnsafeFile
from kojid.tasks import base
from kojid.tasks.base import BaseBuildTask, BaseTaskHandler
from tests.support.faketask import HOST, TAG, ScriptedSession


class Echo(BaseTaskHandler):
    Methods: ClassVar[List[str]] = ["echo"]

    def handler(self, word: str, times: int = 1) -> str:
        Path(self.workdir, "used").touch()
        if word == "TypeError":
            len(times)  # type: ignore[arg-type]
        return word * times


class Builder(BaseBuildTask):
    Methods: ClassVar[List[str]] = ["builder"]


def echo(options: Any, *params: Any, session: Any = None) -> Any:
    return Echo(307, "echo", list(params), session or ScriptedSession(), options)


class TestRunning:
    def test_parameters_by_position_and_by_name(self, options: Any) -> None:
        assert echo(options, "a", 3).run() == "aaa"
        assert echo(options, "a", {"times": 2, "__starstar": True}).run() == "aa"

    def test_parameters_that_do_not_fit_are_the_callers_fault(self, options: Any) -> None:
        with pytest.raises(koji.ParameterError):
            echo(options, "a", 1, 2).run()

    def test_a_type_error_inside_is_not(self, options: Any) -> None:
        with pytest.raises(TypeError, match="has no len"):
            echo(options, "TypeError").run()

    def test_the_working_directory_is_fresh_and_goes_away(self, options: Any) -> None:
        handler = echo(options, "a")
        assert handler.workdir == f"{options.workdir}/tasks/307/307"
        left = Path(handler.workdir, "left", "over")
        left.mkdir(parents=True)
        handler.createWorkdir()
        assert not left.exists()
        handler.run()
        assert not Path(handler.workdir).exists()

    def test_a_working_directory_that_cannot_be_made_is_this_hosts_fault(self, options: Any) -> None:
        handler = echo(options, "a")
        Path(options.workdir).mkdir(parents=True, exist_ok=True)
        Path(options.workdir, "tasks").write_text("in the way")
        with pytest.raises(HostFault, match="tasks/307/307 can't be made: Not a directory"):
            handler.run()

    def test_a_working_directory_that_can_not_be_removed_costs_no_result(
        self, options: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        handler = echo(options, "a")
        removed: List[Path] = []

        def remove(path: Path) -> None:
            removed.append(path)
            if len(removed) > 1:
                raise HostFault(f"{path} can't be removed: {path}/x is mounted")

        monkeypatch.setattr(base, "remove_tree", remove)
        assert handler.run() == "a"
        assert "is mounted" in caplog.text

    def test_a_method_that_is_not_its_own_is_refused(self, options: Any) -> None:
        with pytest.raises(koji.GenericError, match="not supported"):
            Echo(307, "other", [], None, options)


class TestFilesOfTheVolume:
    @pytest.fixture
    def served(self, monkeypatch: pytest.MonkeyPatch, options: Any) -> List[str]:
        asked: List[str] = []

        def download(url: str, target: Path, *, seconds: float) -> None:
            asked.append(url)
            target.write_text(url)

        monkeypatch.setattr(base, "download", download)
        options.topurl = "http://h/kojifiles"
        return asked

    def test_are_fetched_once(self, options: Any, served: List[str]) -> None:
        handler = echo(options, "a")
        path = handler.localPath("work/tasks/1/1/a b.src.rpm")
        assert path == f"{handler.workdir}/local/work/tasks/1/1/a b.src.rpm"
        assert handler.localPath("work/tasks/1/1/a b.src.rpm") == path
        assert served == ["http://h/kojifiles/work/tasks/1/1/a%20b.src.rpm"]

    @pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "work/../../x"])
    def test_stay_where_they_belong(self, options: Any, served: List[str], path: str) -> None:
        with pytest.raises(koji.GenericError, match="Invalid path"):
            echo(options, "a").localPath(path)
        assert served == []

    def test_are_read_in_place_without_a_topurl(self, options: Any) -> None:
        assert echo(options, "a").localPath("work/x") == f"{options.topdir}/work/x"


class TestUploads:
    def test_go_to_the_directory_of_the_task(self, options: Any, tmp_path: Path) -> None:
        session = ScriptedSession()
        handler = echo(options, "a", session=session)
        (tmp_path / "x.log").write_bytes(b"content")
        (tmp_path / "empty.log").touch()
        assert handler.uploadFile(str(tmp_path / "x.log")) == "tasks/307/307/x.log"
        handler.uploadFile(str(tmp_path / "x.log"), "sub/dir/", "y.log")
        handler.uploadFile(str(tmp_path / "empty.log"))
        assert session.uploads == {
            "tasks/307/307/x.log": b"content",
            "tasks/307/307/sub/dir/y.log": b"content",
            "tasks/307/307/empty.log": b"",
        }

    def test_out_of_a_buildroot_follow_no_link(self, options: Any, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_text("of the host")
        result = Path(options.mockdir, "tag-1-2", "result")
        result.mkdir(parents=True)
        (result / "x.log").symlink_to(secret)
        session = ScriptedSession()
        with pytest.raises(UnsafeFile):
            echo(options, "a", session=session).uploadFile(f"{result}/x.log")
        assert session.uploads == {}

    @pytest.mark.parametrize(("flatten", "below"), [(False, "sub/"), (True, "")])
    def test_of_a_tree_leave_out_what_is_no_file(self, options: Any, tmp_path: Path, flatten: bool, below: str) -> None:
        tree = tmp_path / "tree"
        (tree / "sub").mkdir(parents=True)
        (tree / "a").write_bytes(b"a")
        (tree / "sub" / "b").write_bytes(b"b")
        (tree / "empty").touch()
        (tree / "link").symlink_to("/etc/passwd")
        os.mkfifo(tree / "fifo")
        session = ScriptedSession()
        echo(options, "a", session=session).uploadTree(f"{tree}/", flatten=flatten)
        assert session.uploads == {"tasks/307/307/a": b"a", f"tasks/307/307/{below}b": b"b"}


def test_a_tree_changes_hands_without_following_links(options: Any, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "file").touch()
    (tree / "link").symlink_to("/nowhere/at/all")
    uid, gid = (12345, 12345) if os.getuid() == 0 else (os.getuid(), os.getgid())
    echo(options, "a").chownTree(str(tree), uid, gid)
    for path in (tree, tree / "sub", tree / "sub" / "file", tree / "link"):
        assert (path.lstat().st_uid, path.lstat().st_gid) == (uid, gid)


class TestWhetherThisHostSuits:
    def suits(self, options: Any, answer: Any, arches: str = "x86_64", tag: Any = 2) -> Any:
        session = ScriptedSession(getBuildConfig=answer)
        handler = Builder(307, "builder", ["srpm", tag], session, options)
        return handler.checkHost({**HOST, "arches": arches}), session

    @pytest.mark.parametrize(
        ("tag_arches", "host_arches", "suits"),
        [
            ("x86_64", "x86_64 i386", True),
            ("i686", "x86_64 i386", True),
            ("i686", "i686", False),
            ("s390x", "x86_64", False),
            ("", "x86_64", True),
            (None, "x86_64", True),
        ],
    )
    def test_is_a_matter_of_arches(self, options: Any, tag_arches: Any, host_arches: str, suits: bool) -> None:
        answer, session = self.suits(options, {**TAG, "arches": tag_arches}, host_arches)
        assert answer is suits
        assert session.arguments("getBuildConfig") == [((2,), {})]

    @pytest.mark.parametrize("tag", [{"id": 7, "name": "x"}, {"name": "x"}])
    def test_takes_a_tag_as_a_dictionary(self, options: Any, tag: Any) -> None:
        _answer, session = self.suits(options, TAG, tag=tag)
        assert session.arguments("getBuildConfig") == [((tag.get("id", "x"),), {})]

    def test_is_left_to_the_task_when_there_is_no_such_tag(self, options: Any) -> None:
        assert self.suits(options, koji.GenericError("Invalid tagInfo: 2"))[0] is True
        assert self.suits(options, None)[0] is True

    def test_is_left_to_the_task_when_its_parameters_are_wrong(self, options: Any) -> None:
        assert Builder(307, "builder", [], ScriptedSession(), options).checkHost(HOST) is True

    @pytest.mark.parametrize(
        "trouble",
        [
            requests.exceptions.ConnectionError("refused"),
            koji.RetryError("no"),
            koji.ServerOffline("database outage"),
            koji.AuthExpired("session expired"),
        ],
    )
    def test_stays_open_when_the_hub_can_not_say(self, options: Any, trouble: Exception) -> None:
        """A refusal would be for good; an error leaves the task for the next cycle."""
        with pytest.raises(type(trouble)):
            self.suits(options, trouble)
