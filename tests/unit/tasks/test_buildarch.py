from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Type

import koji
import pytest

from kojid.tasks.buildarch import BuildArchTask
from tests.support.faketask import (
    HOST,
    REPO,
    TAG,
    FakeBuildRoot,
    ScriptedSession,
    make_handler,
    make_packages,
    sequence,
)

SRPM = "tasks/306/306/hello-1.0-1.src.rpm"


def hub(**more: Any) -> ScriptedSession:
    answers = {
        "repoInfo": REPO,
        "getAverageBuildDuration": 8.238201,
        "host.setTaskWeight": None,
        "host.getHost": HOST,
        "getBuildConfig": TAG,
        "getTaskInfo": {"arch": "noarch"},
    }
    return ScriptedSession(answers, **more)


@pytest.fixture(autouse=True)
def volume(options: Any, packages: Dict[str, Path]) -> Path:
    path = Path(options.topdir, "work", SRPM)
    path.parent.mkdir(parents=True)
    path.write_bytes(packages["hello-1.0-1.src.rpm"].read_bytes())
    return path


@pytest.fixture(autouse=True)
def _results(broots: Type[FakeBuildRoot], packages: Dict[str, Path]) -> None:
    broots.rpms.update(packages)


def run(session: ScriptedSession, options: Any, arch: str = "x86_64", keep_srpm: bool = True, **opts: Any) -> Any:
    params = [SRPM, 2, arch, keep_srpm, opts or {"repo_id": 4}]
    return make_handler(BuildArchTask, "buildArch", params, session, options, task_id=307).run()


def binaries(packages: Dict[str, Path]) -> list[str]:
    return sorted(name for name in packages if not name.endswith(".src.rpm"))


def test_a_package_is_built_and_handed_over(
    options: Any, broots: Type[FakeBuildRoot], packages: Dict[str, Path]
) -> None:
    session = hub()
    result = run(session, options)
    top = "tasks/307/307"
    assert result == {
        "rpms": [f"{top}/{name}" for name in binaries(packages)],
        "srpms": [f"{top}/hello-1.0-1.src.rpm"],
        "logs": [f"{top}/build.log", f"{top}/root.log", f"{top}/noarch_rpmdiff.json"],
        "brootid": 16,
    }
    (broot,) = broots.made
    assert (broot.tag, broot.br_arch, broot.task_id, broot.more) == (2, "x86_64", 307, {"repo_id": 4})
    assert [call[0] for call in broot.calls] == ["init", "build"]
    assert broot.calls[1] == ("build", str(Path(options.topdir, "work", SRPM)), "x86_64")
    assert broot.workdir == f"{options.workdir}/tasks/307/307"
    assert broot.expired == 1
    for name in packages:
        assert session.uploads[f"{top}/{name}"] == packages[name].read_bytes()


def test_the_hub_is_asked_as_recorded(options: Any, broots: Any) -> None:
    session = hub()
    run(session, options)
    recorded = sequence("buildArch")
    assert session.names == recorded[: recorded.index("getBuildConfig") + 1]
    assert session.arguments("getAverageBuildDuration") == [(("hello",), {"age": 6})]
    assert session.arguments("host.setTaskWeight") == [((307, 1.501716291875), {})]
    assert session.arguments("getBuildConfig") == [((2,), {"event": 186})]


def test_noarch_packages_come_with_their_hashes(options: Any) -> None:
    session = hub()
    run(session, options)
    hashes = json.loads(session.uploads["tasks/307/307/noarch_rpmdiff.json"])
    assert list(hashes) == ["307"]
    assert list(hashes["307"]) == ["hello-data-1.0-1.noarch.rpm"]
    assert len(hashes["307"]["hello-data-1.0-1.noarch.rpm"]) == 64


def test_no_noarch_package_no_hashes(options: Any, broots: Any) -> None:
    del broots.rpms["hello-data-1.0-1.noarch.rpm"]
    session = hub()
    assert not any(path.endswith("json") for path in run(session, options)["logs"])
    assert "tasks/307/307/noarch_rpmdiff.json" not in session.uploads


def test_an_arch_that_does_not_keep_it_leaves_the_source_package(options: Any) -> None:
    session = hub()
    assert run(session, options, keep_srpm=False)["srpms"] == []
    assert "tasks/307/307/hello-1.0-1.src.rpm" not in session.uploads


@pytest.mark.parametrize(("seconds", "weight"), [(4800.0, 2.5), (10**9, 19.5), (None, None), (0, None), (-5, None)])
def test_the_weight_grows_with_the_usual_duration(options: Any, seconds: Any, weight: Any) -> None:
    session = hub(getAverageBuildDuration=seconds)
    run(session, options)
    assert session.arguments("host.setTaskWeight") == ([((307, weight), {})] if weight else [])


def test_a_hub_that_knows_no_age_is_asked_without(options: Any) -> None:
    session = hub(getAverageBuildDuration=iter([koji.ParameterError("age"), 4800.0]))
    run(session, options)
    assert session.arguments("getAverageBuildDuration")[1] == (("hello",), {})


def test_noarch_prefers_the_arch_of_the_task(options: Any, broots: Type[FakeBuildRoot]) -> None:
    both = {**TAG, "arches": "x86_64 i686"}
    session = hub(getTaskInfo={"arch": "i386"}, getBuildConfig=both, host_getHost={**HOST, "arches": "x86_64 i386"})
    run(session, options, "noarch")
    assert broots.made[0].br_arch == "i386"
    assert broots.made[0].calls[1][2] == "noarch"


def test_a_tag_without_an_arch_of_this_host_is_refused(options: Any) -> None:
    with pytest.raises(koji.BuildError, match="does not support any arches of tag"):
        run(hub(getBuildConfig={**TAG, "arches": "s390x"}), options, "noarch")


class TestWhatFails:
    def failed(self, options: Any, message: str, session: Any = None, **more: Any) -> None:
        with pytest.raises(koji.BuildError, match=message):
            run(session or hub(), options, **more)

    def test_no_repository(self, options: Any) -> None:
        self.failed(options, "A repo id must be provided", scratch=True)

    def test_a_package_that_is_not_there(self, options: Any, volume: Path) -> None:
        volume.unlink()
        self.failed(options, "SRPM file missing")

    def test_a_broken_package(self, options: Any, volume: Path) -> None:
        volume.write_bytes(b"\xed\xab\xee\xdb and then nothing")
        self.failed(options, "is not an rpm package or is damaged")

    def test_a_binary_package(self, options: Any, volume: Path, packages: Dict[str, Path]) -> None:
        volume.write_bytes(packages["hello-data-1.0-1.noarch.rpm"].read_bytes())
        self.failed(options, "not a source package")

    def test_no_source_package_came_out(self, options: Any, broots: Any) -> None:
        del broots.rpms["hello-1.0-1.src.rpm"]
        self.failed(options, "no srpm files found for task 307")
        assert broots.made[0].expired == 1

    def test_several_source_packages_came_out(self, options: Any, broots: Any) -> None:
        broots.rpms["other-1.0-1.src.rpm"] = broots.rpms["hello-1.0-1.src.rpm"]
        self.failed(options, "multiple srpm files found for task 307")

    def test_a_source_package_without_vendor(self, options: Any, broots: Any, tmp_path: Path) -> None:
        plain = make_packages(tmp_path / "rpms", "plain", vendor="")
        broots.rpms["hello-1.0-1.src.rpm"] = plain["plain-1.0-1.src.rpm"]
        self.failed(options, "The build system failed to set the vendor tag")

    @pytest.mark.parametrize("step", ["init", "build"])
    def test_a_buildroot_whose_build_fails_is_over(self, options: Any, broots: Any, step: str) -> None:
        broots.fail[step] = koji.BuildError("error building package (arch x86_64)")
        self.failed(options, "error building package")
        assert broots.made[0].expired == 1

    def test_the_cause_is_told_even_if_the_buildroot_can_not_be_expired(self, options: Any, broots: Any) -> None:
        broots.fail["build"] = koji.BuildError("the cause")
        broots.expire = lambda _self: 1 / 0
        self.failed(options, "the cause")


def test_links_in_the_result_directory_are_never_uploaded(
    options: Any, broots: Type[FakeBuildRoot], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the host")

    def leave(self: FakeBuildRoot) -> None:
        for name, path in self.rpms.items():
            Path(self.resultdir(), name).write_bytes(path.read_bytes())
        Path(self.resultdir(), "evil.x86_64.rpm").symlink_to(secret)
        Path(self.resultdir(), "leftover.txt").write_text("unexpected")

    broots._leave_results = leave  # type: ignore[method-assign]
    session = hub()
    result = run(session, options)
    assert not any("evil" in path or "leftover" in path for path in [*session.uploads, *result["rpms"]])
