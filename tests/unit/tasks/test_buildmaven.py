"""buildMaven, its steps: checkout and mvn are stand-ins here, real ones are in tests/e2e."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any, ClassVar, Dict, Iterable, List, Type

import koji
import pytest
from koji.tasks import RefuseTask

from kojid.sources.scm import SCM
from kojid.tasks import buildmaven, mavensources
from kojid.tasks.buildmaven import BuildMavenTask
from kojid.tasks.parts import Part
from tests.support.faketask import HOST, REPO, TAG, FakeBuildRoot, ScriptedSession, make_handler

URL, PATCHES = "git://host/java/parser#main", "git://host/java/patches#main"
POM = "<project><groupId>org.example</groupId><artifactId>parser</artifactId><version>1.0</version></project>"


class Broot(FakeBuildRoot):
    """With mvn in it, which deploys a jar."""

    has_mvn: ClassVar[bool] = True

    def init(self) -> None:
        super().init()
        if self.has_mvn:
            Path(self.rootdir(), "usr/bin").mkdir(parents=True)
            Path(self.rootdir(), "usr/bin/mvn").symlink_to("/etc/alternatives/mvn")

    def path_without_to_within(self, path: str) -> str:
        return "/" + os.path.relpath(path, self.rootdir())

    def install(self, packages: List[str]) -> None:
        self._call("install", *packages)

    def writeMavenSettings(self, destfile: str, outputdir: str) -> None:
        self._call("settings", destfile, outputdir)

    def mavenBuild(self, sourcedir: str, outputdir: str, repodir: str, **more: Any) -> None:
        self._call("mvn", os.path.basename(sourcedir), more)
        assert Path(repodir).is_dir() and os.listdir(outputdir) == []
        for name in ("org/example/parser/1.0/parser-1.0.jar", "build.log"):
            Path(outputdir, name).parent.mkdir(parents=True, exist_ok=True)
            Path(outputdir, name).write_text(name)


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> Type[Broot]:
    """The class of buildroots; checkouts need no server."""

    def checkout(scm: SCM, scmdir: str, session: Any = None, uploadpath: str = "", logfile: str = "") -> str:
        directory = Path(scmdir, "parser")
        directory.mkdir()
        name = "1.patch" if scm.url == PATCHES else "pom.xml"
        assert os.path.basename(logfile) == ("patches.log" if scm.url == PATCHES else "checkout.log")
        assert not (scm.url == PATCHES and scm.use_common)
        (directory / name).write_text(POM)
        return str(directory)

    monkeypatch.setattr(SCM, "checkout", checkout)
    monkeypatch.setattr(buildmaven, "give_to_mock", lambda _directory, _options: None)
    kind = type("Made", (Broot,), {"made": [], "fail": {}})
    monkeypatch.setattr("kojid.tasks.chroots.BuildRoot", kind)
    return kind


def run(options: Any, session: Any = None, **opts: Any) -> Any:
    answers = {"repoInfo": REPO, "host.getHost": HOST, "getBuildConfig": TAG, "host.setBuildRootState": None}
    session = session or ScriptedSession(answers)
    params = [URL, TAG, {"repo_id": 4, **opts}]
    handler = make_handler(BuildMavenTask, "buildMaven", params, session, options, task_id=331)
    handler.taskinfo = {"id": 331, "method": "buildMaven", "arch": "noarch", "owner": 1, "channel_id": 9}
    options.allowed_scms = options.allowed_scms or "host:/java/*"
    return handler.run()


def test_what_mvn_deploys_is_the_result(options: Any, made: Type[Broot]) -> None:
    assert run(options, goals=["verify"], properties={"a": None}, profiles=["p"], maven_options=["-X"]) == {
        "maven_info": {"group_id": "org.example", "artifact_id": "parser", "version": "1.0"},
        "buildroot_id": 16,
        "logs": ["build.log", "build.log", "root.log", "checkout.log"],
        "files": {"org/example/parser/1.0": ["parser-1.0.jar"], "": ["parser-1.0-scm-sources.zip"]},
    }
    (broot,) = made.made
    assert broot.more == {
        "repo_id": 4,
        "install_group": "maven-build",
        "setup_dns": True,
        "maven_opts": ["-Xmx2048m"],
        "maven_envs": None,
        "deps": None,
    }
    assert broot.calls == [
        ("init",),
        ("settings", "/builddir/.m2/settings.xml", f"{broot.rootdir()}/maven/output"),
        ("mvn", "parser", {"props": {"a": None}, "profiles": ["p"], "options": ["-X"], "goals": ["verify"]}),
    ]
    assert broot.expired == 1


def test_the_limit_of_memory_can_be_another(options: Any, made: Type[Broot]) -> None:
    run(options, jvm_options=["-Xmx1g", "-ea"], envs={"A": "1"}, deps=[7])
    more = made.made[0].more
    assert (more["maven_opts"], more["maven_envs"], more["deps"]) == (["-Xmx1g", "-ea"], {"A": "1"}, [7])


def test_packages_are_installed_first(options: Any, made: Type[Broot]) -> None:
    run(options, packages=["zstd", "git"])
    assert made.made[0].calls[1] == ("install", "zstd", "git")


def test_patches_are_fetched_kept_and_applied(
    options: Any, made: Type[Broot], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    applied = []
    monkeypatch.setattr(mavensources, "apply_patches", lambda _handler, *where: applied.append(where))
    uploaded: Dict[str, List[str]] = {}

    def keep(_self: Any, filenames: Iterable[str], relPath: Any = None) -> None:
        for path in map(Path, filenames):
            if path.suffix == ".zip":
                uploaded[path.name] = zipfile.ZipFile(path).namelist()

    monkeypatch.setattr(BuildMavenTask, "upload_files", keep)
    result = run(options, patches=PATCHES)
    root = made.made[0].rootdir()
    assert applied == [(f"{root}/maven/patches/parser", f"{root}/maven/build/parser", PATCHES)]
    assert result["logs"][-2:] == ["checkout.log", "patches.log"]
    assert uploaded == {"parser-1.0-scm-sources.zip": ["parser/pom.xml"], "parser-1.0-patches.zip": ["parser/1.patch"]}
    assert result["files"][""] == list(uploaded)


def test_a_host_without_patch_leaves_patches_to_another(options: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Part, "is_here", lambda _part: False)
    run(options)
    with pytest.raises(RefuseTask, match="buildMaven needs /usr/bin/patch, not installed here; install patch"):
        run(options, patches=PATCHES)
    handler = BuildMavenTask(331, "buildMaven", [URL, TAG, {"patches": PATCHES}], ScriptedSession(), options)
    with pytest.raises(RefuseTask):
        handler.checkHost(HOST)


def test_a_chroot_without_mvn_is_the_tags_fault(options: Any, made: Type[Broot]) -> None:
    made.has_mvn = False
    with pytest.raises(koji.BuildError, match="/usr/bin/mvn was not found .* group maven-build of the tag demo-build"):
        run(options)
    assert made.made[0].expired == 1


def test_a_link_in_the_way_is_not_followed(options: Any, made: Type[Broot], tmp_path: Path) -> None:
    def plant(self: Broot, *packages: str) -> None:
        Path(self.rootdir(), "maven").symlink_to(tmp_path)

    made.install = plant  # type: ignore[method-assign,assignment]
    with pytest.raises(koji.BuildrootError, match="/maven/build can't be made in the buildroot"):
        run(options, packages=["evil"])


@pytest.mark.parametrize(
    ("opts", "text"),
    [
        ({"repo_id": None}, "A repo_id must be provided"),
        ({"patches": "git://elsewhere/java/patches#main"}, "is not in the list of allowed SCMs"),
        ({"maven_options": ["--file"]}, "--file option requires a file path"),
    ],
)
def test_what_is_asked_for_is_looked_at_before_a_buildroot_is_made(
    options: Any, made: Type[Broot], opts: Dict[str, Any], text: str
) -> None:
    with pytest.raises(koji.BuildError, match=text):
        run(options, ScriptedSession(), **opts)
    assert made.made == []
