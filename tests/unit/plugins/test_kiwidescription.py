"""kiwi's descriptions: what the hub is told of them, and what is made of them for a build (contract 6.13)."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any, Dict

import koji
import pytest

from kojid.plugins import kiwidescription
from kojid.plugins.kiwidescription import Image

PLAIN = """<?xml version="1.0"?>
<!-- by a packager -->
<image schemaversion="7.4" name="tiny">
  <preferences profiles="cloud"><timezone>UTC</timezone></preferences>
  <preferences><version>1.2.3</version><packagemanager>dnf</packagemanager></preferences>
  <repository type="rpm-md"><source path="https://elsewhere/"/></repository>
  <packages type="image"><package name="bash"/></packages>
</image>
"""


def tree(text: str) -> bytes:
    return f'<image name="tiny"><preferences><version>1</version></preferences>{text}</image>'.encode()


def prepare(files: Dict[str, bytes], path: str = "config.kiwi", **more: Any) -> ElementTree.Element:
    values = {"name": "tiny", "version": "2.0", "releasever": "40", "repos": ["http://hub/repo"], **more}
    return ElementTree.fromstring(kiwidescription.prepare(files.__getitem__, path, **values))


def paths(top: ElementTree.Element) -> list[Any]:
    return [source.get("path") for source in top.iter("source")]


def test_name_and_version_are_the_descriptions_own() -> None:
    assert kiwidescription.image(PLAIN.encode(), "a/config.kiwi") == Image("tiny", "1.2.3", None)


def test_of_several_profiles_the_one_that_is_marked_counts() -> None:
    text = tree('<profiles><profile name="a"/><profile name="b" image="true"/><profile name="c"/></profiles>')
    assert kiwidescription.image(text, "config.kiwi").profile == "b"


@pytest.mark.parametrize(
    ("text", "fault", "words"),
    [
        ("<image", koji.GenericError, "config.kiwi can't be parsed as XML"),
        ("<appliance/>", koji.GenericError, "config.kiwi doesn't contain <image> tag"),
        ("<image name='x'/>", koji.BuildError, "doesn't contain preferences/version"),
        ("<image><preferences><version/></preferences></image>", koji.BuildError, "preferences/version"),
        ("<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><image>&b;</image>", koji.GenericError, "the entity b"),
        ("<!DOCTYPE a [<!ENTITY b 'cc'>]><image>&b;</image>", koji.GenericError, "declares the entity b"),
    ],
)
def test_what_is_no_description_is_told_so(text: str, fault: Any, words: str) -> None:
    with pytest.raises(fault, match=words):
        kiwidescription.image(text.encode(), "sub/config.kiwi")


def test_the_builds_repositories_take_the_place_of_all_others() -> None:
    top = prepare({"config.kiwi": PLAIN.encode()}, repos=["http://b/", "http://a/", "http://b/"])
    assert paths(top) == ["http://a/", "http://b/"]
    assert {one.get("type") for one in top.iter("repository")} == {"rpm-md"}
    assert [one.get("name") for one in top.iter("package")] == ["bash"]


def test_name_version_and_releasever_are_the_builds() -> None:
    top = prepare({"config.kiwi": PLAIN.encode()}, name="tiny-cloud")
    assert top.get("name") == "tiny-cloud"
    assert [one.text for one in top.iter("version")] == ["2.0"]
    first, second = top.findall("preferences")
    assert (first.find("release-version"), second.findtext("release-version")) == (None, "40")


def test_a_releasever_that_is_there_is_replaced() -> None:
    text = PLAIN.replace("<packagemanager>", "<release-version>old</release-version><packagemanager>")
    assert [one.text for one in prepare({"config.kiwi": text.encode()}).iter("release-version")] == ["40"]


def test_includes_are_put_in_without_their_repositories() -> None:
    files = {
        "sub/config.kiwi": tree('<include from="this://parts/a.xml"/><include from="this://./b.xml"/>'),
        "sub/parts/a.xml": b'<image><repository><source path="x"/></repository><packages><package name="a"/></packages>'
        b'<include from="this://c.xml"/></image>',
        "sub/parts/c.xml": b'<image><packages><package name="c"/></packages></image>',
        "sub/b.xml": b'<image><packages><package name="b"/></packages></image>',
    }
    top = prepare(files, "sub/config.kiwi")
    assert sorted(str(one.get("name")) for one in top.iter("package")) == ["a", "b", "c"]
    assert paths(top) == ["http://hub/repo"] and not list(top.iter("include"))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("file:///etc/passwd", "Unhandled include protocol in include path: file:///etc/passwd"),
        ("https://example.com/x", "Unhandled include protocol"),
        ("this://../../outside.xml", "includes what is outside of its sources"),
        ("this://config.kiwi", "includes itself"),
        ("this://other.xml", "needs to contain <image> tag"),
    ],
)
def test_what_can_not_be_included_is_told_so(source: str, words: str) -> None:
    files = {"sub/config.kiwi": tree(f'<include from="{source}"/>'), "sub/other.xml": b"<packages/>"}
    with pytest.raises(koji.GenericError, match=words):
        prepare(files, "sub/config.kiwi")


def test_descriptions_are_read_beneath_their_checkout_only(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "sub").mkdir(parents=True)
    (tmp_path / "secret").write_text("of the host")
    (checkout / "sub/real.kiwi").write_text("real")
    (checkout / "config.kiwi").symlink_to("sub/real.kiwi")
    (checkout / "out.kiwi").symlink_to(tmp_path / "secret")
    assert kiwidescription.read_beneath(checkout, "sub/real.kiwi") == b"real"
    for path in ("out.kiwi", "../secret", "/etc/passwd", "sub", "none.kiwi"):
        with pytest.raises(koji.GenericError, match="Kiwi description .*can't be"):
            kiwidescription.read_beneath(checkout, path)


def test_a_description_has_a_largest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kiwidescription, "_LARGEST", 3)
    (tmp_path / "config.kiwi").write_text("1234")
    with pytest.raises(koji.GenericError, match="larger than 3 bytes"):
        kiwidescription.read_beneath(tmp_path, "config.kiwi")


def test_kiwis_list_of_packages_is_read() -> None:
    text = "bash|(none)|5.2|1|x86_64|(none)|GPL\ngpg-pubkey\nlibc6|1|2.36|9|x86_64|(none)|LGPL\n"
    assert kiwidescription.package_list(text) == {("bash", "5.2", "1", "x86_64"), ("libc6", "2.36", "9", "x86_64")}
