from __future__ import annotations

import koji
import pytest

from kojid.sources import speccheck

HEAD = "Name: hello\nVersion: 1.0\nRelease: 1\nSummary: Hello\nLicense: MIT\n"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Vendor: Somebody", "Vendor"),
        ("  packager : Somebody", "packager"),
        ("Distribution: Mine", "Distribution"),
        ("%define vendor Somebody", "vendor"),
        ("%global packager Somebody", "packager"),
        ("%{?x:%define distribution Mine}", "distribution"),
    ],
)
def test_what_only_the_builder_sets_is_refused_wherever_it_stands(line: str, name: str) -> None:
    with pytest.raises(koji.BuildError, match=rf"^{name} is not allowed to be .* in spec file \(hello.spec, line 6\)"):
        speccheck.check(f"{HEAD}{line}\n%description\nHello.\n", "hello.spec")


def test_a_subpackage_may_not_either() -> None:
    with pytest.raises(koji.BuildError, match="line 9"):
        speccheck.check(f"{HEAD}%description\nHello.\n%package doc\nVendor: Somebody\n", "hello.spec")


@pytest.mark.parametrize(
    "text",
    [
        "# Vendor: Somebody\n",
        "%description\nVendor: this is text\n",
        "%prep\ncat > x <<END\nVendor: Somebody\nEND\n",
        "%changelog\n- %%define vendor dropped\n- %define vendor dropped\n",
        "%define vendorlib 1\n",
        "%define my_vendor 1\n",
        "Requires: %{vendor}\nVendorless: x\n",
        "%description\n%%define vendor x\n",
    ],
)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    speccheck.check(HEAD + text, "hello.spec")
