"""The spec file of the distribution."""

from __future__ import annotations

import pytest

from kojid.sandbox.distro.spec import RpmPackage, quoted, rpm_version, spec_text
from kojid.sandbox.distro.staging import Staged


@pytest.mark.parametrize(
    ("debian", "rpm"),
    [
        ("5.2.15-2+b8", ("", "5.2.15", "2+b8")),
        ("1:2.36-9+deb12u1", ("1", "2.36", "9+deb12u1")),
        ("1.2~rc1-3~bpo", ("", "1.2~rc1", "3~bpo")),
        ("3.0", ("", "3.0", "1")),
        ("1.0-2-3", ("", "1.0.2", "3")),
    ],
)
def test_versions(debian: str, rpm: tuple[str, str, str]) -> None:
    assert rpm_version(debian) == rpm


def test_paths_are_quoted_and_their_macros_disarmed() -> None:
    assert quoted("/usr/share/a b/%x") == '"/usr/share/a b/%%x"'


def test_a_sub_package_has_its_relations_and_files() -> None:
    files = Staged(["/usr/lib/tool", "/usr/lib/tool"], ["/usr/bin/tool", "/usr/bin/["])
    package = RpmPackage("tool", "1.0", "2", files, epoch="3", noarch=True, provides=["b", "a", "a"], requires=["c"])
    text = spec_text("12", "1.abc", [package])
    assert "Name: sandbox-distribution\nVersion: 12\nRelease: 1.abc\n" in text
    preamble = text[text.index("%package -n tool") : text.index("%description -n tool")].splitlines()
    assert preamble == ["%package -n tool", "Summary: tool", "Epoch: 3", "Version: 1.0", "Release: 2",
                        "AutoReqProv: no", "BuildArch: noarch", "Provides: a", "Provides: b", "Requires: c",
                        ""]  # fmt: skip
    assert text.endswith(
        '%files -n tool\n%defattr(-,root,root,-)\n%dir "/usr/lib/tool"\n"/usr/bin/["\n"/usr/bin/tool"\n\n'
    )
