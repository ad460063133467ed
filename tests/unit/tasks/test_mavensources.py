"""The sources of Maven builds: their archives, patches, POMs, and what a build leaves."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, List

import koji
import pytest

from kojid.tasks import mavensources
from tests.support.faketask import ScriptedSession

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
<parent><groupId>org.parent</groupId><artifactId>parent</artifactId><version>9</version></parent>
<artifactId>parser</artifactId><version>{version}</version></project>"""


class TestArchives:
    def test_hold_files_and_links_but_nothing_of_version_control(self, tmp_path: Path) -> None:
        top = tmp_path / "hello"
        for name in ("a/b.txt", ".git/config", "sub/.svn/x", "sub/c", ".gitignore"):
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(name)
        (top / "a/b.txt").chmod(0o755)
        os.utime(top / "sub/c", (0, 0))
        (top / "link").symlink_to("a/b.txt")
        (top / "directory").symlink_to("a")
        (top / "outside").symlink_to("/etc/passwd")
        mavensources.zip_tree(f"{top}/", tmp_path / "out.zip")
        with zipfile.ZipFile(tmp_path / "out.zip") as archive:
            infos = {info.filename: info for info in archive.infolist()}
            assert set(infos) == {
                f"hello/{name}" for name in ("a/b.txt", "sub/c", ".gitignore", "link", "directory", "outside")
            }
            assert archive.read("hello/outside") == b"/etc/passwd" and archive.read("hello/directory") == b"a"
        assert stat.S_ISLNK(infos["hello/link"].external_attr >> 16)
        assert infos["hello/a/b.txt"].external_attr >> 16 & 0o777 == 0o755
        assert infos["hello/sub/c"].date_time[0] == 1980

    def test_take_names_that_are_no_text(self, tmp_path: Path) -> None:
        top = tmp_path / "hello"
        top.mkdir()
        Path(os.fsdecode(os.path.join(os.fsencode(top), b"\xff"))).write_text("x")
        mavensources.zip_tree(str(top), tmp_path / "out.zip")
        assert zipfile.ZipFile(tmp_path / "out.zip").testzip() is None


class TestPatches:
    @pytest.fixture
    def handler(self, tmp_path: Path) -> Any:
        if not shutil.which("patch"):
            pytest.skip("needs patch")
        (tmp_path / "work").mkdir()
        (tmp_path / "patches").mkdir()
        (tmp_path / "sources").mkdir()
        (tmp_path / "sources/words").write_text("one\n")
        options = SimpleNamespace(command_timeout=60, mockuser="root", scm_home="")
        return SimpleNamespace(
            workdir=str(tmp_path / "work"), session=ScriptedSession(), options=options, getUploadDir=lambda: ""
        )

    @pytest.fixture(autouse=True)
    def _unprivileged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mavensources.os, "geteuid", lambda: 1000)

    def patch(self, tmp_path: Path, name: str, before: str, after: str) -> None:
        text = f"--- a/words\n+++ b/words\n@@ -1 +1 @@\n-{before}\n+{after}\n"
        (tmp_path / "patches" / name).write_text(text)

    def apply(self, handler: Any, tmp_path: Path) -> str:
        mavensources.apply_patches(handler, str(tmp_path / "patches"), str(tmp_path / "sources"), "git://host/p")
        return (tmp_path / "sources/words").read_text()

    def test_are_applied_in_the_order_of_their_names(self, handler: Any, tmp_path: Path) -> None:
        self.patch(tmp_path, "2.patch", "two", "three")
        self.patch(tmp_path, "1.patch", "one", "two")
        (tmp_path / "patches/README").write_text("no patch")
        assert self.apply(handler, tmp_path) == "three\n"
        assert (tmp_path / "work/patches.log").read_text().count("patching file words") == 2
        assert os.listdir(tmp_path / "sources") == ["words"]

    def test_that_do_not_apply_are_named_with_the_reason(self, handler: Any, tmp_path: Path) -> None:
        self.patch(tmp_path, "1.patch", "elsewhere", "two")
        with pytest.raises(koji.BuildError, match=r"1\.patch.*see patches\.log") as fault:
            self.apply(handler, tmp_path)
        assert "Hunk #1 FAILED" in str(fault.value)

    def test_none_at_all_is_a_fault(self, handler: Any, tmp_path: Path) -> None:
        (tmp_path / "patches/link.patch").symlink_to("/etc/passwd")
        with pytest.raises(koji.BuildError, match="no patches found at git://host/p"):
            self.apply(handler, tmp_path)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ([], "pom.xml"),
        (["-X", "-f", "a.xml"], "a.xml"),
        (["--file", "b.xml"], "b.xml"),
        (["--file=c.xml"], "c.xml"),
        (["-f=d.xml"], "d.xml"),
        (["-fe.xml"], "e.xml"),
        (["-fae"], "pom.xml"),
        (["-fn", "-fsub/pom.xml"], "sub/pom.xml"),
    ],
)
def test_the_pom_is_the_one_that_mvn_is_told(options: List[str], name: str) -> None:
    assert mavensources.pom_file(options) == name


def test_an_option_without_its_file_is_a_fault() -> None:
    with pytest.raises(koji.BuildError, match="-f option requires a file path"):
        mavensources.pom_file(["-f"])


class TestPoms:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        sources = tmp_path / "root/maven/build/hello"
        (sources / "sub").mkdir(parents=True)
        (sources / "pom.xml").write_text(POM.format(version="1.0"))
        (sources / "sub/pom.xml").write_text(POM.format(version="2.0"))
        (tmp_path / "secret.xml").write_text(POM.format(version="3.0"))
        (sources / "link.xml").symlink_to(tmp_path / "secret.xml")
        return tmp_path / "root"

    @pytest.mark.parametrize(
        ("name", "version"),
        [("pom.xml", "1.0"), ("sub", "2.0"), ("sub/../pom.xml", "1.0"), ("/maven/build/hello/sub/pom.xml", "2.0")],
    )
    def test_say_what_they_are(self, root: Path, name: str, version: str) -> None:
        found = mavensources.read_pom(str(root), "/maven/build/hello", name)
        assert found == {"group_id": "org.parent", "artifact_id": "parser", "version": version}

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("none.xml", "none.xml does not exist"),
            ("link.xml", "link.xml can't be read"),
            ("../../../../secret.xml", "does not exist"),
        ],
    )
    def test_are_read_from_the_chroot_only(self, root: Path, name: str, text: str) -> None:
        with pytest.raises(koji.BuildError, match=text):
            mavensources.read_pom(str(root), "/maven/build/hello", name)

    @pytest.mark.parametrize(
        ("content", "text"),
        [
            ("<project>", "can't be read"),
            ("<project><artifactId>x</artifactId></project>", "could not extract groupId"),
            (POM.format(version="1/../../2"), "the version of pom.xml can't be part of a name"),
            (POM.format(version=""), "the version of pom.xml can't be part of a name"),
        ],
    )
    def test_that_say_too_little_are_faults(self, root: Path, content: str, text: str) -> None:
        (root / "maven/build/hello/pom.xml").write_text(content)
        with pytest.raises(koji.BuildError, match=text):
            mavensources.read_pom(str(root), "/maven/build/hello", "pom.xml")


def test_what_was_deployed_is_listed_by_directory(tmp_path: Path) -> None:
    for name in ("top.txt", "org/a/1/a-1.jar", "org/a/1/a-1.pom", "org/a/maven-metadata.xml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert mavensources.collect(str(tmp_path)) == {
        "": ["top.txt"],
        "org/a": ["maven-metadata.xml"],
        "org/a/1": ["a-1.jar", "a-1.pom"],
    }
    (tmp_path / "org/a/1/link").symlink_to("/etc")
    with pytest.raises(koji.BuildError, match="unexpected file in the output of the build: org/a/1/link"):
        mavensources.collect(str(tmp_path))
