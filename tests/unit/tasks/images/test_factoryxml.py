"""What ImageFactory is told and tells in XML."""

from __future__ import annotations

from xml.etree import ElementTree

import koji
import pytest

from kojid.tasks.images import factoryxml

EXTRA = "<package name='x'><extra>{}</extra></package>"
DOMAIN = (
    "<domain><name>factory-build-1</name><devices><disk><driver name='qemu' type='raw'/><source file='/x/y.body'/>"
    "</disk><interface><source bridge='virbr0'/></interface></devices></domain>"
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("RHEL-5.11", ("RHEL-5", "U11")),
        ("RHEL-9.4", ("RHEL-9", "4")),
        ("Fedora-40", ("Fedora", "40")),
        ("Fedora-rawhide", ("Fedora", "rawhide")),
        ("CentOS-7.9", ("CentOS-7", "9")),
        ("SL-6.4", ("SL-6", "4")),
    ],
)
def test_distributions(text: str, wanted: object) -> None:
    assert factoryxml.distro_of(text) == wanted


@pytest.mark.parametrize("text", ["RHEL-8", "Debian-12", "", None, "Fedora 40", "Other-1.2"])
def test_what_is_no_distribution_is_told(text: object) -> None:
    with pytest.raises(koji.BuildError, match="Unknown or unsupported distro given"):
        factoryxml.distro_of(text)


def test_a_template_quotes_what_it_is_given() -> None:
    text = factoryxml.template("n-1-1.armhfp", "armhfp", "http://x/?a=1&b=<2>", "Fedora-40", "20 GB")
    top = ElementTree.fromstring(text)
    assert top.findtext("os/install/url") == "http://x/?a=1&b=<2>"
    assert (top.findtext("os/arch"), top.findtext("disk/size")) == ("armv7l", "20 GB")
    assert "%{SIGMD5},%{BUILDTIME}\\n'" in (top.findtext("os/icicle/extra_command") or "")
    assert top.find("packages") is None


@pytest.mark.parametrize(("size", "wanted"), [(None, "10"), (7, "7"), ("7G", "7G"), (" 8 ", "8")])
def test_sizes(size: object, wanted: str) -> None:
    top = ElementTree.fromstring(factoryxml.template("n", "x86_64", "u", "Fedora-40", size))
    assert top.findtext("disk/size") == wanted


def test_a_machine_has_the_image_of_the_hub() -> None:
    text = factoryxml.domain(DOMAIN, "n-1-1.x86_64", "n-1-1.x86_64.raw.xz", "raw-xz", known_to_qemu=False)
    assert "/x/y.body" not in text and 'bridge="virbr0"' in text
    assert '<source file="n-1-1.x86_64.raw.xz" />' in text and "type-warning" in text
    with pytest.raises(koji.ApplianceError, match="no description"):
        factoryxml.domain("", "n", "n.raw", "raw", known_to_qemu=True)


def test_packages_are_those_of_the_system() -> None:
    lines = [
        "bash,5.2,1,x86_64,(none),700,d41d8,1700000000",
        "vim,9,2,x86_64,2,7,abc,1",
        "gpg-pubkey,1,1,(none),0,0,x,1",
    ]
    found = factoryxml.packages("<icicle>{}</icicle>".format("".join(map(EXTRA.format, lines))))
    assert [(one["name"], one["epoch"], one["size"]) for one in found] == [("bash", None, 700), ("vim", 2, 7)]
    assert found[0]["payloadhash"] == "d41d8" and found[0]["buildtime"] == 1700000000


@pytest.mark.parametrize("text", ["", "<icicle/>", f"<icicle>{EXTRA.format('a,b')}</icicle>"])
def test_a_list_of_packages_that_is_none_is_told(text: str) -> None:
    with pytest.raises(koji.ApplianceError, match="ImageFactory has"):
        factoryxml.packages(text)
