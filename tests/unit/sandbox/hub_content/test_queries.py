"""History, searches, notifications and the quick import, as a client or an admin's script asks for them."""

from __future__ import annotations

import json
from pathlib import Path

import koji
import pytest

from kojid.sandbox.hub.content import bootstrap
from kojid.sandbox.hub.kernel import Kernel
from tests.support import needs_rpm, sandboxhub
from tests.support.sandboxhub import Caller
from tests.unit.sandbox.hub_content.tinyrpm import TinyRpms


def test_history_tells_who_did_what_and_what_still_holds(admin: Caller) -> None:
    admin("createEmptyBuild", "tiny", "1.0", "1", None)
    admin("tagBuildBypass", "demo", "tiny-1.0-1")
    admin("untagBuild", "demo", "tiny-1.0-1")
    (row,) = admin("queryHistory", tables=["tag_listing"], tag="demo")["tag_listing"]
    assert (row["name"], row["tag.name"], row["creator_name"], row["revoker_name"]) == (
        "tiny",
        "demo",
        "admin",
        "admin",
    )
    assert (row["active"], row["create_ts"] < row["revoke_ts"]) == (None, True)
    assert admin("queryHistory", package="tiny", active=True)["tag_listing"] == []
    everything = admin("queryHistory", tag="demo")
    assert "tag_packages" in everything
    assert "build_target_config" in everything
    assert "user_perms" not in everything
    assert admin("queryHistory", tables=["tag_config"], afterEvent=admin("getLastEvent")["id"]) == {"tag_config": []}
    assert len(admin("queryHistory", tables=["tag_packages"], editor="admin")["tag_packages"]) == 1
    with pytest.raises(koji.GenericError, match="No such history table"):
        admin("queryHistory", tables=["sessions"])
    with pytest.raises(koji.GenericError, match="No such history filter"):
        admin("queryHistory", unheard="of")


def test_things_are_found_by_parts_of_their_names(admin: Caller) -> None:
    admin("createEmptyBuild", "tiny", "1.0", "1", None)
    assert admin("search", "TI*", "package", "glob") == [{"id": 1, "name": "tiny"}]
    assert [row["name"] for row in admin("search", "-build$", "tag", "regexp")] == ["demo-build"]
    assert [row["name"] for row in admin("search", "tiny-1.0-1", "build", "exact")] == ["tiny-1.0-1"]
    assert admin("search", "demo", "host", "exact") == []
    with pytest.raises(koji.GenericError, match="search type"):
        admin("search", "x", "file", "glob")
    with pytest.raises(koji.GenericError, match="regular expression"):
        admin("search", "(", "tag", "regexp")


def test_what_nothing_refers_to_is_told(admin: Caller) -> None:
    admin("createEmptyBuild", "tiny", "1.0", "1", None)
    assert [row["name"] for row in admin("untaggedBuilds")] == ["tiny"]
    admin("tagBuildBypass", "demo", "tiny-1.0-1")
    assert admin("untaggedBuilds", name="tiny") == []
    assert [row["name"] for row in admin("buildReferences", "tiny-1.0-1")["tags"]] == ["demo"]


def test_a_build_has_nothing_of_other_types(admin: Caller) -> None:
    build = admin("createEmptyBuild", "tiny", "1.0", "1", None)
    assert [admin(f"get{kind}Build", build) for kind in ("Maven", "Win", "Image")] == [None, None, None]
    assert admin("listArchives", build, queryOpts={"order": "filename"}) == []
    with pytest.raises(koji.GenericError, match="no such maven build"):
        admin("getMavenBuild", build, strict=True)
    with pytest.raises(koji.ParameterError):
        admin("listArchives", unheard=1)


def test_who_asked_to_be_told_is_told_once(kernel: Kernel, admin: Caller) -> None:
    admin("createNotification", "user", "tiny", "demo", False)
    (row,) = admin("getBuildNotifications", "user")
    assert (row["package_id"], row["tag_id"], row["email"]) == (1, 1, "user@example.com")
    with pytest.raises(koji.GenericError, match="already exists"):
        admin("createNotification", "user", "tiny", "demo", False)
    with pytest.raises(koji.ActionNotAllowed):
        Caller(kernel, "user")("createNotification", "admin", None, None, False)


@needs_rpm
def test_a_distribution_is_imported_beside_the_hub(tmp_path: Path, tiny: TinyRpms) -> None:
    settings = sandboxhub.test_settings(tmp_path)
    settings.hub_dir.mkdir(parents=True)
    (settings.hub_dir / "settings.json").write_text(settings.dump())
    groups = tmp_path / "groups.json"
    groups.write_text(json.dumps({"build": ["tiny"]}))
    command = ["--dir", str(settings.dir), "--tag", "bootstrap", "--groups", str(groups), str(tiny.srpm)]
    assert bootstrap.main([*command, *map(str, tiny.rpms)]) == 0
    kernel = sandboxhub.kernel_for_tests(tmp_path)
    admin = Caller(kernel, "admin")
    assert [row["nvr"] for row in admin("listTagged", "bootstrap")] == ["tiny-1.0-1"]
    assert [row["name"] for row in admin("getTagGroups", "bootstrap")] == ["build"]
    kernel.store.close()


@needs_rpm
def test_an_import_that_fails_says_why(tmp_path: Path, tiny: TinyRpms, capsys: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.main(["--dir", str(tmp_path / "new"), "--tag", "t", str(tiny.noarch)]) == 1
    assert "No such build: tiny-1.0-1.src.rpm" in capsys.readouterr().err
