from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Dict, List

import koji
import koji.plugin
import koji.tasks
import pytest

from kojid.repos import createrepo
from kojid.tasks.createrepo import CreaterepoTask
from tests.support.faketask import REPO, TAG, ScriptedSession, make_handler, sequence

MAKING = {**REPO, "id": 6, "state": koji.REPO_INIT, "create_event": 344}


@pytest.fixture
def arch_dir(options: Any) -> Path:
    """The directory of a repository without packages, as the hub makes it."""
    path = Path(options.topdir, "repos", "demo-build", "6", "x86_64")
    path.mkdir(parents=True)
    (path / "pkglist").touch()
    (path / "blocklist").touch()
    return path


@pytest.fixture
def _tools() -> None:
    for tool in ("/usr/bin/createrepo_c", "/usr/bin/mergerepo_c"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")


def fill(arch_dir: Path, packages: Dict[str, Path]) -> None:
    names = sorted(name for name in packages if not name.endswith("src.rpm"))
    for name in names:
        shutil.copy(packages[name], arch_dir)
    (arch_dir / "pkglist").write_text("".join(f"{name}\n" for name in names))


def hub(**more: Any) -> ScriptedSession:
    answers = {
        "repoInfo": lambda repo, **_more: MAKING if repo == 6 else REPO,
        "getExternalRepoList": [],
        "getTag": TAG,
        "getTaskInfo": {"id": 407, "method": "createrepo"},
    }
    return ScriptedSession(answers, **more)


def run(session: ScriptedSession, options: Any, oldrepo: Any = None) -> Any:
    return make_handler(CreaterepoTask, "createrepo", [6, "x86_64", oldrepo], session, options, task_id=407).run()


@pytest.mark.usefixtures("_tools")
class TestMetadata:
    def test_of_packages_is_made_and_uploaded(self, options: Any, arch_dir: Path, packages: Dict[str, Path]) -> None:
        fill(arch_dir, packages)
        session = hub()
        directory, names = run(session, options)
        assert directory == "tasks/407/407"
        assert "repomd.xml" in names
        assert sorted(path for path in session.uploads if path != "tasks/407/407/createrepo.log") == [
            f"tasks/407/407/{name}" for name in sorted(names)
        ]
        assert b"createrepo_c" in session.uploads["tasks/407/407/createrepo.log"]

    def test_the_hub_is_asked_as_recorded(self, options: Any, arch_dir: Path, packages: Dict[str, Path]) -> None:
        fill(arch_dir, packages)
        session = hub()
        run(session, options, {"id": 4})
        # what the tag says of databases is looked at before they are made, so the reading calls have another order
        assert sorted(session.names) == sorted(sequence("createrepo"))
        assert session.names[0] == "repoInfo"
        assert session.arguments("repoInfo") == [((6,), {"strict": True}), ((4,), {"strict": True})]
        assert session.arguments("getExternalRepoList") == [((2,), {"event": 344})]

    def test_of_nothing_says_that_it_is_meant_so(self, options: Any, arch_dir: Path) -> None:
        session = hub()
        _directory, names = run(session, options, {"id": 4})
        assert "EMPTY_REPO" in names
        # an older repository is of no use then, and not asked for
        assert session.arguments("repoInfo") == [((6,), {"strict": True})]

    def test_external_repositories_are_merged_in(
        self, options: Any, arch_dir: Path, packages: Dict[str, Path], tmp_path: Path
    ) -> None:
        external = tmp_path / "external"
        shutil.copytree(arch_dir, external)
        fill(external, packages)
        createrepo.create(options, external, external, log=tmp_path / "log")
        url = f"file://{external}/"
        session = hub(getExternalRepoList=[{"url": url, "merge_mode": "koji", "arches": None}])
        _directory, names = run(session, options)
        assert any("pkgorigins" in name for name in names)
        assert "tasks/407/407/mergerepos.log" in session.uploads

    def test_callbacks_see_the_outcome(self, options: Any, arch_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: List[Any] = []

        def callback(cbtype: str, *_args: Any, **kwargs: Any) -> None:
            seen.append((cbtype, kwargs, sorted(path.name for path in Path(kwargs["repodir"]).iterdir())))

        monkeypatch.setitem(koji.plugin.callbacks, "postCreateRepo", [callback])
        session = hub()
        run(session, options)
        ((cbtype, kwargs, content),) = seen
        assert cbtype == "postCreateRepo"
        assert (kwargs["tag"], kwargs["repo_id"], kwargs["arch"]) == ("demo-build", 6, "x86_64")
        assert kwargs["taskinfo"]["id"] == 407
        assert kwargs["session"] is session
        assert content == ["repodata"]

    def test_a_command_that_fails_is_told_and_its_log_is_on_the_hub(
        self, options: Any, arch_dir: Path, packages: Dict[str, Path]
    ) -> None:
        fill(arch_dir, packages)
        (arch_dir / "pkglist").write_text("missing.rpm\n")
        session = hub()
        with pytest.raises(koji.GenericError, match="failed to create repo"):
            run(session, options)
        assert "tasks/407/407/createrepo.log" in session.uploads


def test_a_repository_that_is_not_in_the_making_is_left_alone(options: Any) -> None:
    with pytest.raises(koji.GenericError, match=r"Repo 6 not in INIT state \(got 1\)"):
        run(hub(repoInfo={**MAKING, "state": 1}), options)


def test_a_host_without_the_volume_leaves_it_to_another(options: Any) -> None:
    with pytest.raises(koji.tasks.RefuseTask, match="No access to repos dir"):
        run(hub(), options)


def test_a_directory_that_is_not_there_is_named(options: Any) -> None:
    Path(options.topdir, "repos").mkdir()
    with pytest.raises(koji.GenericError, match="Repo directory missing: .*/demo-build/6/x86_64"):
        run(hub(), options)
