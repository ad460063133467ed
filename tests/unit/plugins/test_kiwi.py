"""The handlers of kiwi: what they ask of hub, mock and kiwi-ng, and what becomes of each end (contract 6.13)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Dict, List

import koji
import pytest
from koji.tasks import RefuseTask

from kojid.config.options import Options
from kojid.errors import BuildFailed, HostFault
from kojid.plugins.shipped import kiwi
from kojid.plugins.shipped.kiwi import KiwiBuildTask, KiwiCreateImageTask
from kojid.tasks.parts import Part
from tests.support import imagebroot
from tests.support.faketask import REPO, TAG, TARGET, ScriptedSession, Subtasks, make_handler, task_options
from tests.support.imagebroot import COMMON, ImageBroot

URL = "git://example.com/images#main"
TEXT = '<image name="tiny"><preferences><version>1.0</version></preferences></image>'
PACKAGES = "bash|(none)|5.2|1|x86_64|(none)|GPL\n"
BUILD = {"id": 77, "name": "tiny", "version": "1.0", "release": "1", "nvr": "tiny-1.0-1", "volume_name": "DEFAULT"}


def kiwi_ng(broot: ImageBroot, args: List[str]) -> int:
    """Leaves what the real one does, as far as the builder looks at it."""
    log = broot.root / args[args.index("--logfile") + 1].lstrip("/")
    log.write_text("[ INFO ]: all is well\n")
    if "bundle" in args:
        bundle = broot.root / args[args.index("--bundle-dir") + 1].lstrip("/")
        bundle.mkdir(parents=True)
        (bundle / "tiny.x86_64-1.0-1.tar.xz").write_text("an archive")
        (bundle / "tiny.x86_64-1.0-1.packages").write_text(PACKAGES)
    return 0


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return task_options(tmp_path, topurl="http://hub/files")


@pytest.fixture
def broots(monkeypatch: pytest.MonkeyPatch) -> Any:
    return imagebroot.install(monkeypatch, {"kiwi-ng": kiwi_ng, "make": None})


@pytest.fixture
def checkouts(monkeypatch: pytest.MonkeyPatch) -> List[Dict[str, Any]]:
    return imagebroot.sources(monkeypatch, kiwi, {"sub/tiny.kiwi": TEXT, "b.kiwi": "<image"})


def create(session: Any, options: Options, opts: Any = None, path: str = "sub/tiny.kiwi") -> Any:
    params = ["tiny", "1.0", "1", "x86_64", *COMMON, URL, path, opts]
    return make_handler(KiwiCreateImageTask, "createKiwiImage", params, session, options).run()


def test_the_command_lines_are_those_that_kiwi_documents(options: Options, broots: Any, checkouts: Any) -> None:
    opts = {
        "scratch": True, "profile": "small", "type": "oem", "type_attr": ["a=b", "c=d"], "make_prep": True,
        "result_bundle_name_format": "%N-%I", "mount_dev": True,
    }  # fmt: skip
    create(session := ScriptedSession(), options, opts)
    (broot,) = broots.made
    within = "/chroot_tmpdir"
    assert broot.ran == [
        (f"{within}/sources/sub", ["make", "prep"]),
        (within, ["kiwi-ng", "--profile", "small", "--type", "oem", "--kiwi-file", "tiny.x86_64.kiwi", "--debug",
                  "--logfile", "/tmp/image-root.x86_64.log", "system", "build", "--description", "sources/sub",
                  "--target-dir", "/builddir/result/image", "--set-type-attr", "a=b", "--set-type-attr", "c=d"]),
        (within, ["kiwi-ng", "--debug", "--logfile", "/tmp/kiwi-result-bundle.x86_64.log", "result", "bundle",
                  "--target-dir", "/builddir/result/image", "--bundle-dir", "/builddir/result/bundle", "--id", "1",
                  "--bundle-format", "%N-%I"]),
    ]  # fmt: skip
    assert (broot.tag, broot.arch, broot.expired) == (2, "x86_64", 1)
    assert broot.more == {
        "repo_id": 4, "install_group": "kiwi-build", "setup_dns": True, "bind_opts": {"dirs": {"/dev": "/dev"}},
    }  # fmt: skip
    assert checkouts[0]["log"] == "checkout-x86_64.log" and checkouts[0]["build_tag"] == 2
    assert session.names == []


def test_the_result_names_what_was_uploaded(options: Options, broots: Any, checkouts: Any) -> None:
    session = ScriptedSession()
    made = create(session, options, {"scratch": True})
    files = ["tiny.x86_64-1.0-1.packages", "tiny.x86_64-1.0-1.tar.xz"]
    assert made == {
        "arch": "x86_64", "task_id": 305, "name": "tiny", "version": "1.0", "release": "1", "rpmlist": [],
        "files": files,
        "logs": ["checkout-x86_64.log", "image-root.x86_64.log", "kiwi-result-bundle.x86_64.log", "root.log",
                 "tiny.x86_64.kiwi"],
    }  # fmt: skip
    assert {path.rsplit("/", 1)[1] for path in session.uploads} == {*files, "tiny.x86_64.kiwi"}
    assert not (broots.made[0].root / "chroot_tmpdir/sources/sub/tiny.kiwi").exists()
    assert broots.made[0].more["bind_opts"] == {"dirs": {}}


@pytest.mark.parametrize(
    ("opts", "urls"),
    [
        ({}, ["http://hub/files/repos/demo-build/4/x86_64"]),
        ({"repos": ["http://a/"]}, ["http://a/"]),
        ({"repos": ["http://a/"], "use_buildroot_repo": True}, ["http://a/", "http://hub/files/repos/demo-build/4/x86_64"]),
    ],
)  # fmt: skip
def test_the_build_tags_repository_serves_unless_others_are_asked_for(
    options: Options, broots: Any, checkouts: Any, opts: Dict[str, Any], urls: List[str]
) -> None:
    session = ScriptedSession()
    create(session, options, {"scratch": True, **opts})
    text = next(bytes(data).decode() for path, data in session.uploads.items() if path.endswith(".kiwi"))
    assert [part.split('"')[0] for part in text.split('<source path="')[1:]] == urls
    assert "<release-version>1.0</release-version>" in text


def test_the_hub_gets_the_packages_that_are_in_the_image(
    options: Options, broots: Any, checkouts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of kiwi's cache, which also has what only the making of the image needed."""
    cached = [
        {"name": name, "version": "5.2", "release": "1", "arch": "x86_64", "payloadhash": name}
        for name in ("bash", "bootstrapper")
    ]
    monkeypatch.setattr(KiwiCreateImageTask, "getImagePackages", lambda _self, _broot, cache: cached if cache else [])
    made = create(ScriptedSession(), options, {"scratch": False})
    assert made["rpmlist"] == cached[:1]


def test_an_image_of_no_packages_is_a_fault(options: Options, broots: Any, checkouts: Any) -> None:
    with pytest.raises(koji.BuildError, match="no packages found"):
        create(ScriptedSession(), options)
    assert broots.made[0].expired == 1


def failing(text: str, status: int = 1) -> Any:
    def program(broot: ImageBroot, args: List[str]) -> int:
        if text:
            (broot.root / "tmp/image-root.x86_64.log").write_text(text)
        return status

    return program


def test_kiwis_own_errors_are_quoted(options: Options, broots: Any, checkouts: Any) -> None:
    lines = [f"[ DEBUG ]: {number}" for number in range(50)]
    lines[20] = "[ ERROR ]: No match for argument: nothing"
    broots.programs["kiwi-ng"] = failing("\n".join(lines))
    with pytest.raises(BuildFailed) as caught:
        create(ScriptedSession(), options)
    text = str(caught.value)
    assert text.startswith("Kiwi failed, mock exited with status 1; see image-root.x86_64.log for more information")
    assert "No match for argument: nothing" in text and "DEBUG ]: 19" not in text and "DEBUG ]: 21" in text


@pytest.mark.parametrize(("status", "fault"), [(1, BuildFailed), (60, HostFault), (2, HostFault)])
def test_without_a_log_of_kiwi_the_status_is_mocks(
    options: Options, broots: Any, checkouts: Any, status: int, fault: Any
) -> None:
    broots.programs["kiwi-ng"] = failing("", status)
    with pytest.raises(fault, match="Kiwi failed, mock exited"):
        create(ScriptedSession(), options)


def test_a_group_without_kiwi_is_named(options: Options, broots: Any, checkouts: Any) -> None:
    del broots.programs["kiwi-ng"]
    with pytest.raises(koji.BuildError, match="kiwi-ng is not in the buildroot: the group kiwi-build of demo-build"):
        create(ScriptedSession(), options)
    assert checkouts == []


def test_links_out_of_the_buildroot_are_not_followed(
    options: Options, broots: Any, checkouts: Any, tmp_path: Path
) -> None:
    """Neither in place of the description, which `make prep` may have changed, nor among the results."""
    secret = tmp_path / "secret"
    secret.write_text(TEXT.replace("tiny", "secret"))

    def plant(broot: ImageBroot, _args: List[str]) -> int:
        description = Path(broot.tmpdir(), "sources/sub/tiny.kiwi")
        description.unlink()
        description.symlink_to(secret)
        return 0

    def leave(broot: ImageBroot, args: List[str]) -> int:
        kiwi_ng(broot, args)
        if "bundle" in args:
            (broot.root / "builddir/result/bundle/more.iso").symlink_to(secret)
        return 0

    broots.programs.update({"kiwi-ng": leave, "make": plant})
    with pytest.raises(koji.GenericError, match="can't be used"):
        create(ScriptedSession(), options, {"scratch": True, "make_prep": True})
    shutil.rmtree(broots.made[0].root)
    session = ScriptedSession()
    made = create(session, options, {"scratch": True})
    assert "more.iso" not in made["files"] and not [path for path in session.uploads if path.endswith("more.iso")]


@pytest.mark.parametrize(
    ("path", "words"),
    [("../tiny.kiwi", "can't be used"), ("/etc/passwd", "can't be used"), ("b.kiwi", "can't be parsed as XML")],
)
def test_a_description_elsewhere_is_refused(
    options: Options, broots: Any, checkouts: Any, path: str, words: str
) -> None:
    with pytest.raises(koji.GenericError, match=words):
        create(ScriptedSession(), options, path=path)


def test_the_arches_of_the_targets_build_tag_decide_which_host_takes_it(options: Options) -> None:
    session = ScriptedSession(getBuildConfig=TAG)
    params = ["tiny", "1.0", "1", "x86_64", *COMMON, URL, "tiny.kiwi", {}]
    handler = make_handler(KiwiCreateImageTask, "createKiwiImage", params, session, options)
    assert handler.checkHost({"arches": "x86_64"}) and not handler.checkHost({"arches": "s390x"})
    assert session.arguments("getBuildConfig")[0] == ((2,), {})


@pytest.mark.parametrize(
    ("url", "program"),
    [(URL, "git"), ("git+ssh://example.com/a#b", "git"), ("svn://example.com/a#b", "svn"), ("cvs://a/b?c#d", "cvs")],
)
def test_a_host_that_can_not_fetch_sources_does_not_take_it(
    options: Options, monkeypatch: pytest.MonkeyPatch, url: str, program: str
) -> None:
    monkeypatch.setattr(Part, "is_here", lambda part: part.name != program)
    child = ["tiny", "1.0", "1", "x86_64", *COMMON, url, "tiny.kiwi", {}]
    for cls, method, params in (
        (KiwiBuildTask, "kiwiBuild", ["demo", [], url, "tiny.kiwi"]),
        (KiwiCreateImageTask, "createKiwiImage", child),
    ):
        handler = make_handler(cls, method, params, ScriptedSession(), options)
        for ask in (handler.run, lambda handler=handler: handler.checkHost({"arches": "x86_64"})):
            with pytest.raises(RefuseTask, match=f"{method} needs {program}, not installed here; install"):
                ask()


class TestKiwiBuild:
    def build(self, options: Options, session: Any, subtasks: Subtasks, *params: Any) -> Any:
        session.answer_all(subtasks.answers())
        given = list(params) or ["demo", [], URL, "sub/tiny.kiwi"]
        return make_handler(KiwiBuildTask, "kiwiBuild", given, session, options).run()

    def hub(self, **more: Any) -> ScriptedSession:
        answers = {
            "getBuildTarget": TARGET, "getBuildConfig": {**TAG, "arches": "x86_64 i686"}, "getRepo": REPO,
            "getTag": TAG, "repo.request": {"repo": REPO}, "getNextRelease": "5", "listBuilds": [],
            "host.moveImageBuildToScratch": None,
        }  # fmt: skip
        return ScriptedSession(answers, **more)

    def test_makes_an_image_for_each_arch_of_the_tag(self, options: Options, checkouts: Any) -> None:
        subtasks = Subtasks({"x86_64": {"task_id": 900}, "i386": {"task_id": 901}})
        opts = {"scratch": True, "profile": "small", "version": "9"}
        said = self.build(options, self.hub(), subtasks, "demo", [], URL, "sub/tiny.kiwi", opts)
        assert said.startswith("Scratch image build results in: ")
        for arch, task in zip(("x86_64", "i386"), subtasks.spawned):
            assert (task["method"], task["label"], task["arch"]) == ("createKiwiImage", arch, arch)
            assert task["arglist"][:7] == ["tiny-small", "9", "5", arch, TARGET, 2, REPO]
            assert task["arglist"][7:9] == [URL, "sub/tiny.kiwi"]
            assert task["arglist"][9] == {**opts, "optional_arches": []}

    def test_dev_is_shown_where_the_tag_has_no_container(self, options: Options, checkouts: Any) -> None:
        config = {**TAG, "extra": {"mock.new_chroot": False}}
        subtasks = Subtasks({"x86_64": {"task_id": 900}})
        self.build(
            options, self.hub(getBuildConfig=config), subtasks, "demo", ["x86_64"], URL, "sub/tiny.kiwi", {"scratch": 1}
        )
        assert subtasks.spawned[0]["arglist"][9]["mount_dev"] is True

    def test_a_description_that_is_wrong_begins_no_build(self, options: Options, checkouts: Any) -> None:
        session = self.hub()
        with pytest.raises(koji.GenericError, match="can't be parsed as XML"):
            self.build(options, session, Subtasks({}), "demo", ["x86_64"], URL, "b.kiwi")
        assert not any(name.startswith("host.") for name in session.names)
