"""saveFailedTree: which tree, where it goes, and who is at fault when it can't be saved (contract 6.13)."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any, List

import koji
import pytest

from kojid.config.options import Options
from kojid.errors import ConfigError, HostFault
from kojid.plugins.shipped import save_failed_tree
from kojid.plugins.shipped.save_failed_tree import SaveFailedTreeTask
from tests.support.faketask import HOST, REPO, TAG, ScriptedSession, make_handler, task_options

ROW = {
    "id": 16, "task_id": 300, "tag_id": 2, "tag_name": "demo-build", "repo_id": 4, "arch": "x86_64",
    "host_id": HOST["id"], "host_name": HOST["name"],
}  # fmt: skip
ARCHIVE = "tasks/305/305/broot-16.tar.gz"


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return task_options(tmp_path, plugin_config_dir=str(tmp_path))


@pytest.fixture
def root(options: Options) -> Path:
    root = Path(options.mockdir) / "demo-build-16-4" / "root"
    (root / "builddir/build").mkdir(parents=True)
    (root / "builddir/build/log").write_text("why it failed")
    (root / "etc").mkdir()
    (root / "etc/krb5.keytab").write_text("key")
    return root


def hub(**more: Any) -> ScriptedSession:
    return ScriptedSession({"getBuildroot": ROW, "host.getHost": HOST, "repoInfo": REPO, "getBuildConfig": TAG}, **more)


def run(session: Any, options: Options, *params: Any) -> Any:
    return make_handler(SaveFailedTreeTask, "saveFailedTree", [16, *params], session, options).run()


def names(session: ScriptedSession, root: Path) -> List[str]:
    data = gzip.decompress(bytes(session.uploads[ARCHIVE]))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return ["/" + member.name.partition("/root/")[2] for member in tar if f"{member.name}" != str(root).lstrip("/")]


def test_the_build_directory_is_saved_and_with_full_all(options: Options, root: Path) -> None:
    session = hub()
    assert run(session, options) is None
    assert names(session, root) == ["/builddir", "/builddir/build", "/builddir/build/log"]
    run(session, options, True)
    assert set(names(session, root)) == {
        "/builddir",
        "/builddir/build",
        "/builddir/build/log",
        "/etc",
        "/etc/krb5.keytab",
    }


def test_filters_and_the_volume_come_from_the_file(options: Options, root: Path, tmp_path: Path) -> None:
    text = "[filters]\npaths = */etc/*.keytab */builddir/build\n[general]\nvolume = big\n"
    (tmp_path / "save_failed_tree.conf").write_text(text)
    session = hub()
    run(session, options, True)
    assert set(names(session, root)) == {"/builddir", "/etc"}
    assert {call.kwargs.get("volume") for call in session.called("rawUpload")} == {"big"}


def test_the_samples_old_spelling_is_read_and_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "save_failed_tree.conf").write_text("[global]\nvolume = old\n")
    assert save_failed_tree.read(str(tmp_path), warn=True).volume == "old"
    assert "[global] volume belongs into [general]" in caplog.text
    (tmp_path / "save_failed_tree.conf").write_text("[global]\nvolume = old\n[general]\nvolume = new\n")
    assert save_failed_tree.read(str(tmp_path)).volume == "new"


def test_the_sample_is_right(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sample = Path(__file__).parents[3].joinpath("etc/plugins/save_failed_tree.conf").read_text()
    (tmp_path / "save_failed_tree.conf").write_text(sample)
    settings = save_failed_tree.read(str(tmp_path), warn=True)
    assert settings.filters == ("*/tmp/krb5cc*", "*/etc/*.keytab") and settings.volume is None
    assert not caplog.records


def test_another_hosts_buildroot_is_left_to_it(options: Options, root: Path) -> None:
    with pytest.raises(HostFault, match="buildroot 16 is on another host, builder7"):
        run(hub(getBuildroot={**ROW, "host_id": 7, "host_name": "builder7"}), options)


def test_a_tree_that_is_gone_or_is_a_link_is_told(options: Options, tmp_path: Path) -> None:
    with pytest.raises(koji.GenericError, match=r"Buildroot directory is missing: .*/root/builddir"):
        run(hub(), options)
    root = Path(options.mockdir) / "demo-build-16-4" / "root"
    root.mkdir(parents=True)
    (root / "builddir").symlink_to("/etc")
    with pytest.raises(koji.GenericError, match="Buildroot directory is missing"):
        run(hub(), options)


def test_a_buildroot_that_the_hub_does_not_know_is_told(options: Options) -> None:
    with pytest.raises(koji.GenericError, match="Nonexistent buildroot: 16"):
        run(hub(getBuildroot=None), options)


def test_a_wrong_file_stops_the_start_and_fails_the_task(options: Options, root: Path, tmp_path: Path) -> None:
    (tmp_path / "save_failed_tree.conf").write_text("volume = x\n")
    with pytest.raises(ConfigError, match="save_failed_tree.conf"):
        save_failed_tree.check(options)
    with pytest.raises(koji.GenericError, match="the host that has the buildroot can't save it"):
        run(hub(), options)


def test_an_archive_of_another_length_on_the_hub_fails_the_task(options: Options, root: Path) -> None:
    with pytest.raises(koji.GenericError, match="the hub has 3 bytes"):
        run(hub(checkUpload={"size": 3, "mtime": 0}), options)
