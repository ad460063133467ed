"""Kickstart files: read with what they include from the checkout, given other repositories, never the host's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import koji
import pytest

from kojid.tasks.images.kickstart import Kickstart, Source, override_repos

pytest.importorskip("pykickstart", reason="needs pykickstart, the extra images")

TEXT = """\
lang en_US.UTF-8
repo --name=theirs --baseurl=http://example.com/theirs
part / --size 1024 --ondisk sda
bootloader --location=mbr --append="quiet rhgb"
%packages
bash
%end
"""


def written(directory: Path, **files: str) -> Path:
    for name, text in files.items():
        path = directory / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def read(directory: Path, **files: str) -> Kickstart:
    return Kickstart(Source(written(directory, **files), "main"))


def test_repositories_and_the_tree_are_put_in(tmp_path: Path) -> None:
    kickstart = read(tmp_path, main=TEXT)
    kickstart.use_repos([("koji-demo-build-4", "http://hub/repos/demo-build/4/x86_64")])
    kickstart.use_url("http://hub/tree")
    text = kickstart.text()
    assert 'repo --name="koji-demo-build-4" --baseurl=http://hub/repos/demo-build/4/x86_64' in text
    assert "theirs" not in text and 'url --url="http://hub/tree"' in text
    assert "bash" in text.split("%packages")[1]
    assert kickstart.root_disk() == "sda"
    assert kickstart.boot_arguments() == "quiet rhgb"


def test_a_file_may_lack_what_only_some_images_need(tmp_path: Path) -> None:
    kickstart = read(tmp_path, main="lang en_US.UTF-8\n%packages\n%end\n")
    assert kickstart.root_disk() is None
    assert kickstart.boot_arguments() == ""


def test_a_root_on_btrfs_is_found(tmp_path: Path) -> None:
    text = "part btrfs.1 --fstype=btrfs --size=2000 --ondisk=vda\nbtrfs none --data=0 btrfs.1\n"
    text += "btrfs / --subvol --name=r x\n"
    assert read(tmp_path, main=text).root_disk() == "vda"


def test_includes_come_from_the_checkout(tmp_path: Path) -> None:
    kickstart = read(
        tmp_path,
        main="%include parts/packages.ks # more\n%post\n%include parts/script\n%end\n",
        parts__packages_ks="",
        **{
            "parts__packages.ks": "%packages\n%include names\n%end",
            "parts__names": "gawk\n",
            "parts__script": "echo hi\n",
        },
    )
    text = kickstart.text()
    assert "gawk" in text and "echo hi" in text


@pytest.mark.parametrize(
    "name", ["/etc/hostname", "../outside", "http://example.com/x", "file:///etc/hostname", "link", "sub/../../outside"]
)
def test_nothing_else_is_included(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").write_text("a secret of the host\n")
    checkout = written(tmp_path / "checkout", main=f"%include {name}\n", sub__x="")
    (checkout / "link").symlink_to("../outside")
    with pytest.raises(koji.GenericError) as fault:
        Kickstart(Source(checkout, "main"))
    assert "secret" not in str(fault.value)


def test_includes_that_go_round_in_circles_end(tmp_path: Path) -> None:
    with pytest.raises(koji.LiveCDError, match="included too deep"):
        read(tmp_path, main="%include main\n")


@pytest.mark.parametrize("path", ["nothing", "../main", "/etc/hostname", ""])
def test_the_file_itself_lies_in_the_checkout(tmp_path: Path, path: str) -> None:
    written(tmp_path, main=TEXT)
    (tmp_path / "checkout").mkdir()
    with pytest.raises((koji.BuildError, koji.LiveCDError), match="does not exist|Failed to read"):
        Source(tmp_path / "checkout", path).original()


@pytest.mark.parametrize("text", ["nonsense --here\n", "%packages\n", "%include 'open\n"])
def test_a_wrong_file_is_the_askers_fault(tmp_path: Path, text: str) -> None:
    with pytest.raises(koji.ApplianceError, match="Failed to parse kickstart file 'main'"):
        Kickstart(Source(written(tmp_path, main=text), "main", koji.ApplianceError))


def test_the_syntax_can_be_told(tmp_path: Path) -> None:
    written(tmp_path, main="lang en_US.UTF-8\n")
    assert "en_US" in Kickstart(Source(tmp_path, "main"), "RHEL8").text()
    with pytest.raises(koji.LiveCDError, match="Failed to parse"):
        Kickstart(Source(tmp_path, "main"), "NONESUCH1")


@pytest.mark.parametrize("wanted", ["http://a,http://b,http://a", ["http://a", "http://b", "http://a"]])
def test_repositories_of_the_asker_are_numbered(wanted: Any) -> None:
    assert override_repos(wanted) == [("koji-override-0", "http://a"), ("koji-override-1", "http://b")]
