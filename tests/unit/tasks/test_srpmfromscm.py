"""buildSRPMFromSCM, its steps: the checkout is a stand-in here, real ones are in tests/unit/sources and tests/e2e."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Any, Dict, List, Tuple, Type

import koji
import koji.plugin
import pytest

from kojid.sources.scm import SCM
from kojid.tasks import srpmfromscm
from kojid.tasks.srpmfromscm import BuildSRPMFromSCMTask
from tests.support.faketask import HOST, REPO, TAG, FakeBuildRoot, ScriptedSession, make_handler, sequence

URL = "git://host/rpms/hello.git#main"
SOURCE = {"url": URL, "source": "git://host/rpms/hello.git#0123456789"}
SPEC = "Name: hello\n"


def hub(**more: Any) -> ScriptedSession:
    answers = {"repoInfo": REPO, "getTag": TAG, "host.getHost": HOST, "getBuildConfig": TAG}
    return ScriptedSession(answers, **more)


class Broot(FakeBuildRoot):
    """With what a checkout in the chroot needs."""

    def make_tmpdir(self, name: str = "") -> str:
        path = Path(self.tmpdir()) / name
        path.mkdir(parents=True)
        return str(path)

    def build_srpm(self, specfile: str, sourcedir: str, source_cmd: Any) -> None:
        self._call("build_srpm", specfile, sourcedir, source_cmd)
        self._leave_results()


@pytest.fixture
def files() -> Dict[str, str]:
    """What the checkout holds."""
    return {"hello.spec": SPEC}


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch, files: Dict[str, str], packages: Dict[str, Path]) -> Type[Broot]:
    """The class of buildroots; checkouts need no server."""

    def checkout(scm: SCM, scmdir: str, session: Any = None, uploadpath: str = "", logfile: str = "") -> str:
        assert (uploadpath, os.path.basename(logfile)) == ("tasks/331/331", "checkout.log")
        directory = Path(scmdir, "hello")
        for name, text in files.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(text)
        return str(directory)

    monkeypatch.setattr(SCM, "checkout", checkout)
    monkeypatch.setattr(SCM, "get_source", lambda _scm: dict(SOURCE))
    monkeypatch.setattr(srpmfromscm, "give_to_mock", lambda _scmdir, _options: None)
    kind = type("Made", (Broot,), {"rpms": {"hello-1.0-1.src.rpm": packages["hello-1.0-1.src.rpm"]}, "made": []})
    monkeypatch.setattr("kojid.tasks.chroots.BuildRoot", kind)
    return kind


def run(session: ScriptedSession, options: Any, url: str = URL, **opts: Any) -> Any:
    params = [url, 2, opts or {"repo_id": 4, "scratch": None}]
    handler = make_handler(BuildSRPMFromSCMTask, "buildSRPMFromSCM", params, session, options, task_id=331)
    handler.taskinfo = {"id": 331, "method": "buildSRPMFromSCM", "arch": "noarch", "owner": 1, "channel_id": 9}
    options.allowed_scms = options.allowed_scms or "host:/rpms/*:no:"
    return handler.run()


def test_a_checkout_becomes_a_source_package(options: Any, made: Type[Broot]) -> None:
    session = hub()
    assert run(session, options) == {
        "srpm": "tasks/331/331/hello-1.0-1.src.rpm",
        "logs": ["tasks/331/331/build.log", "tasks/331/331/root.log"],
        "brootid": 16,
        "source": SOURCE,
    }
    assert session.arguments("getTag") == [((2,), {"strict": True, "event": 186})]
    (broot,) = made.made
    assert broot.more == {"repo_id": 4, "install_group": "srpm-build", "setup_dns": True}
    checkout = f"{broot.rootdir()}/chroot_tmpdir/scmroot/hello"
    assert broot.calls == [("init",), ("build_srpm", f"{checkout}/hello.spec", checkout, None)]
    assert broot.expired == 1


def test_the_hub_is_asked_as_recorded(options: Any) -> None:
    """A real builder asked for the channel, too; here only a policy needs that."""
    session = hub(getChannel={"id": 9, "name": "default"}, evalPolicy="allow none")
    options.allowed_scms_use_policy = True
    run(session, options)
    recorded = sequence("buildSRPMFromSCM")[1:]
    expected = recorded[: recorded.index("getBuildConfig") + 1]
    assert [name for name in session.names if name != "evalPolicy"] == expected


def test_the_source_command_is_the_configurations(options: Any, made: Type[Broot]) -> None:
    options.allowed_scms = "host:/rpms/*:no:fedpkg,sources"
    run(hub(), options)
    assert made.made[0].calls[-1][-1] == ["fedpkg", "sources"]


def test_the_layout_of_rpm(options: Any, made: Type[Broot], files: Dict[str, str]) -> None:
    files.clear()
    files.update({"SPECS/hello.spec": SPEC, "SOURCES/x": ""})
    run(hub(), options)
    assert made.made[0].calls[-1][1].endswith("/hello/SPECS/hello.spec")


def test_the_layout_of_rpm_can_be_turned_off(options: Any, files: Dict[str, str]) -> None:
    files.clear()
    files["SPECS/hello.spec"] = SPEC
    options.support_rpm_source_layout = False
    with pytest.raises(koji.BuildError, match="No spec file found"):
        run(hub(), options)


def test_of_several_specs_the_one_named_after_the_checkout(
    options: Any, made: Type[Broot], files: Dict[str, str]
) -> None:
    files["other.spec"] = "Name: other\n"
    run(hub(), options)
    assert made.made[0].calls[-1][1].endswith("/hello/hello.spec")


@pytest.mark.parametrize("name", ["hello.spec", "SPECS/hello.spec"])
def test_the_spec_is_checked(options: Any, made: Type[Broot], files: Dict[str, str], name: str) -> None:
    files.clear()
    files[name] = "Name: hello\nVendor: Somebody\n"
    with pytest.raises(koji.BuildError, match=r"Vendor is not allowed .*hello.spec, line 2"):
        run(hub(), options)
    assert made.made[0].calls == [("init",)]
    assert made.made[0].expired == 1


def test_what_is_not_allowed_costs_no_buildroot(options: Any, made: Type[Broot]) -> None:
    with pytest.raises(koji.BuildError, match="other:/rpms/hello.git is not in the list of allowed SCMs"):
        run(hub(), options, "git://other/rpms/hello.git#main")
    assert made.made == []


def test_the_policy_is_asked_with_owner_channel_and_scratch(options: Any) -> None:
    options.allowed_scms_use_policy = True
    options.allowed_scms_use_config = False
    session = hub(getChannel={"id": 9, "name": "default"}, evalPolicy="deny not here")
    with pytest.raises(koji.BuildError, match="SCM: host:/rpms/hello.git is not allowed, reason: not here"):
        run(session, options, repo_id=4, scratch=True)
    ((name, data), _) = session.arguments("evalPolicy")[0]
    assert name == "build_from_scm"
    assert data["scm_host"] == "host" and data["scm_type"] == "GIT" and data["scm_url"] == URL
    assert (data["user_id"], data["channel"], data["scratch"]) == (1, "default", True)


def test_a_repo_is_needed(options: Any) -> None:
    with pytest.raises(koji.BuildError, match="A repo id must be provided"):
        run(hub(), options, scratch=True)


def test_credentials_are_shown_in_the_buildroot(options: Any, made: Type[Broot], tmp_path: Path) -> None:
    options.scm_credentials_dir = str(tmp_path)
    run(hub(), options)
    assert made.made[0].more["bind_opts"] == {"dirs": {str(tmp_path): "/credentials"}}
    assert made.made[0].more["internal_dev_setup"] is True


def test_credentials_that_are_not_there_are_left_out(options: Any, made: Type[Broot], tmp_path: Path) -> None:
    options.scm_credentials_dir = str(tmp_path / "none")
    run(hub(), options)
    assert "bind_opts" not in made.made[0].more


def test_callbacks_see_the_source_and_find_the_buildroot(
    options: Any, made: Type[Broot], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As rpmautospec does: by the argument, or as the variable `broot` of the frame of `handler`."""
    seen: List[Tuple[str, Dict[str, Any], Any]] = []

    def callback(cbtype: str, **kwargs: Any) -> None:
        frame = inspect.currentframe()
        while frame is not None and frame.f_code.co_name != "handler":
            frame = frame.f_back
        assert frame is not None and type(frame.f_locals["self"]).__name__ == "BuildSRPMFromSCMTask"
        seen.append((cbtype, kwargs, frame.f_locals["broot"]))

    for kind in ("preSCMCheckout", "postSCMCheckout"):
        monkeypatch.setitem(koji.plugin.callbacks, kind, [callback])
    run(hub(), options)
    (before, first, broot), (after, second, _) = seen
    assert (before, after) == ("preSCMCheckout", "postSCMCheckout")
    assert broot is first["buildroot"] is made.made[0]
    assert first["build_tag"] == TAG and first["scratch"] is None and first["taskinfo"]["id"] == 331
    assert first["scminfo"]["repository"] == "/rpms/hello.git"
    assert "srcdir" not in first and second["srcdir"].endswith("/chroot_tmpdir/scmroot/hello")


def test_a_subclass_may_change_the_sources(options: Any, made: Type[Broot]) -> None:
    class Patching(BuildSRPMFromSCMTask):
        def patch_scm_source(self, sourcedir: str, logfile: str, opts: Dict[str, Any]) -> None:
            Path(sourcedir, "hello.spec").unlink()

    params = [URL, 2, {"repo_id": 4}]
    handler = make_handler(Patching, "buildSRPMFromSCM", params, hub(), options, task_id=331)
    handler.taskinfo = {"arch": "noarch"}
    options.allowed_scms = "host:*"
    with pytest.raises(koji.BuildError, match="No spec file found"):
        handler.run()
