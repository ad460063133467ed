from __future__ import annotations

import os
from pathlib import Path
from typing import Callable

import koji
import pytest

from kojid.buildroot.buildroot import BuildRoot
from tests.support.fakebuildroot import FakeMock, FakeSession

Make = Callable[..., BuildRoot]

# What rpm and rpmbuild in the chroot would do.
REBUILD = """
    top = root / "chroot_tmpdir/srpm_unpacked"
    if "-iv" in args:
        (top / "SPECS").mkdir()
        for name in {specs!r}:
            (top / "SPECS" / name).touch()
        sys.exit({unpacked})
    (top / "SRPMS").mkdir()
    (top / "SRPMS/x-1-1.src.rpm").write_text("new")
    sys.exit({built})
"""


def script(specs: list[str], unpacked: int = 0, built: int = 0) -> str:
    return REBUILD.format(specs=specs, unpacked=unpacked, built=built)


def test_a_source_package_is_made_anew(make: Make, session: FakeSession, mock: FakeMock) -> None:
    broot = make()
    mock.does(script(["x.spec"]))
    broot.rebuild_srpm("/chroot_tmpdir/srpm/x.src.rpm")
    chroot = ["--no-clean", "--target", "noarch", "--chroot", "--"]
    define = ["--define", "_topdir /chroot_tmpdir/srpm_unpacked"]
    assert [call[2:] for call in mock.calls] == [
        [*chroot, "rpm", *define, "-iv", "/chroot_tmpdir/srpm/x.src.rpm"],
        [*chroot, "rpmbuild", *define, "-bs", "--nodeps", "/chroot_tmpdir/srpm_unpacked/SPECS/x.spec"],
    ]
    assert broot.results().srpms == ["x-1-1.src.rpm"]
    assert session.states() == ["BUILDING"]


def test_warnings_of_the_unpacking_do_not_matter(make: Make, mock: FakeMock) -> None:
    broot = make()
    mock.does(script(["x.spec"], unpacked=1))
    broot.rebuild_srpm("/x.src.rpm")
    assert broot.results().srpms == ["x-1-1.src.rpm"]


@pytest.mark.parametrize(("specs", "unpacked", "text"), [
    ([], 0, "No spec file found"),
    (["a.spec", "b.spec"], 0, "Multiple spec files found: a.spec, b.spec"),
    ([], 1, "error building srpm, mock exited with status 1"),
])  # fmt: skip
def test_there_must_be_one_spec(
    make: Make, session: FakeSession, mock: FakeMock, specs: list[str], unpacked: int, text: str
) -> None:
    broot = make()
    mock.does(script(specs, unpacked=unpacked))
    with pytest.raises(koji.BuildError, match=text):
        broot.rebuild_srpm("/x.src.rpm")
    assert session.states() == ["BUILDING", "EXPIRED"]


def test_a_failing_rpmbuild_fails_it(make: Make, session: FakeSession, mock: FakeMock) -> None:
    broot = make()
    mock.does(script(["x.spec"], built=1))
    with pytest.raises(koji.BuildError, match="error building srpm, mock exited with status 1; see root.log"):
        broot.rebuild_srpm("/x.src.rpm")


def test_links_planted_in_the_chroot_lead_nowhere(tmp_path: Path, make: Make, mock: FakeMock) -> None:
    broot = make()
    (tmp_path / "host").mkdir()
    os.symlink(tmp_path / "host", Path(broot.rootdir()) / "chroot_tmpdir")
    with pytest.raises(koji.BuildrootError, match="can't be made"):
        broot.rebuild_srpm("/x.src.rpm")
    assert os.listdir(tmp_path / "host") == []


def test_a_link_is_no_source_package(tmp_path: Path, make: Make, mock: FakeMock) -> None:
    broot = make()
    mock.does(script(["x.spec"]).replace('(top / "SRPMS/x-1-1.src.rpm").write_text("new")',
                                         '(top / "SRPMS/x-1-1.src.rpm").symlink_to("/etc/passwd")'))  # fmt: skip
    broot.rebuild_srpm("/x.src.rpm")
    assert broot.results().srpms == []


def test_a_checkout_becomes_a_source_package(make: Make, session: FakeSession, mock: FakeMock) -> None:
    broot = make()
    checkout = Path(broot.rootdir()) / "chroot_tmpdir/scmroot/hello"
    for name in ("SOURCES", "SPECS"):
        (checkout / name).mkdir(parents=True)
    (checkout / "SPECS" / "hello.spec").touch()
    broot.build_srpm(f"{checkout}/SPECS/hello.spec", str(checkout), ["make", "-c", "sources"])
    assert [call[2:] for call in mock.calls] == [
        ["--no-clean", "--unpriv", "--cwd", "/chroot_tmpdir/scmroot/hello", "--chroot", "--", "make", "-c", "sources"],
        ["--no-clean", "--buildsrpm", "--spec", f"{checkout}/SPECS/hello.spec", "--sources", f"{checkout}/SOURCES",
         "--target", "noarch"],
    ]  # fmt: skip
    assert session.states() == ["BUILDING"]


def test_without_a_layout_or_a_command_the_checkout_itself_is_used(make: Make, mock: FakeMock) -> None:
    broot = make(support_rpm_source_layout=False)
    checkout = Path(broot.rootdir()) / "x"
    (checkout / "SOURCES").mkdir(parents=True)
    broot.build_srpm(f"{checkout}/x.spec", str(checkout), None)
    assert len(mock.calls) == 1
    assert mock.calls[0][mock.calls[0].index("--sources") + 1] == str(checkout)


@pytest.mark.parametrize("spoilt", ["checkout", "spec"])
def test_a_source_command_cant_have_mock_read_from_the_host(
    tmp_path: Path, make: Make, session: FakeSession, mock: FakeMock, spoilt: str
) -> None:
    host = tmp_path / "host"
    host.mkdir()
    (host / "x.spec").touch()
    broot = make()
    checkout = Path(broot.rootdir()) / "x"
    if spoilt == "checkout":
        checkout.symlink_to(host)
    else:
        checkout.mkdir()
        (checkout / "x.spec").symlink_to(host / "x.spec")
    with pytest.raises(koji.BuildError, match="the source command has spoilt the checkout"):
        broot.build_srpm(f"{checkout}/x.spec", str(checkout), ["true"])
    assert len(mock.calls) == 1
    assert session.states() == ["BUILDING", "EXPIRED"]


def test_sources_that_can_not_be_had_fail_it(make: Make, session: FakeSession, mock: FakeMock) -> None:
    broot = make()
    mock.does("sys.exit(2)")
    with pytest.raises(koji.BuildError, match="error retrieving sources, mock exited with status 2"):
        broot.build_srpm("/x.spec", broot.rootdir(), ["false"])
    assert session.states() == ["BUILDING", "EXPIRED"]
