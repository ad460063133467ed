"""kiwi's description of an image: what the hub has to know of it, and how it is made ready for a build (contract 6.13).

All of kiwi's XML is handled here. A description comes from version control and is nobody's to trust: it is read beneath
its checkout, which no link leads out of, is bounded in size, and may declare no entities.
"""

from __future__ import annotations

import posixpath
import xml.dom.minidom
from dataclasses import dataclass
from typing import Callable, FrozenSet, Iterable, Iterator, List, Optional, Set, Tuple
from xml.parsers import expat

import koji

from kojid.system.beneath import Directory, UnsafeFile, open_beneath

_LARGEST = 8 * 1024 * 1024  # bytes of a description
_HERE = "this://"  # what kiwi calls the directory of the description
_DEEPEST = 16  # includes within includes

#: Gives the content of a file by its path below the checkout.
Read = Callable[[str], bytes]


@dataclass(frozen=True)
class Image:
    """What a description says of its image.

    Args:
        name: the image's.
        version: likewise.
        profile: the profile that is marked as the image's own, if one is.
    """

    name: str
    version: str
    profile: Optional[str]


def read_beneath(checkout: Directory, path: str) -> bytes:
    """The content of a description.

    Args:
        checkout: directory of the checkout, itself trusted, or a descriptor of it.
        path: of the description, from there.

    Raises:
        koji.GenericError: there is none, it can't be read, is too large, or lies elsewhere.
    """
    try:
        with open_beneath(checkout, path, links=True) as opened:
            data = opened.read(_LARGEST + 1)
    except UnsafeFile as error:
        raise koji.GenericError(f"Kiwi description {path} can't be used: {error}") from error
    except OSError as error:
        raise koji.GenericError(f"Kiwi description {path} can't be read: {error.strerror}") from error
    if len(data) > _LARGEST:
        raise koji.GenericError(f"Kiwi description {path} is larger than {_LARGEST} bytes")
    return data


def image(data: bytes, path: str) -> Image:
    """Name, version and profile. Includes play no part: `make prep` may still have to write them.

    Args:
        data: the description.
        path: how to call it in messages.

    Raises:
        koji.GenericError: it is no description. koji.BuildError: it says no version.
    """
    top = _top(_parse(data, path), f"Kiwi description {posixpath.basename(path)} doesn't contain <image> tag.")
    version = ""
    for element in _below(top, "preferences", "version"):
        version = _text(element) or version
    if not version:
        raise koji.BuildError("Description file doesn't contain preferences/version")
    profiles = [one for one in _below(top, "profiles", "profile") if one.getAttribute("image") == "true"]
    return Image(top.getAttribute("name"), version, profiles[-1].getAttribute("name") if profiles else None)


def prepare(read: Read, path: str, *, name: str, version: str, releasever: str, repos: Iterable[str]) -> bytes:
    """The description that is built: with its includes in it, the build's repositories for its own, and the versions.

    Args:
        read: gives the description and what it includes.
        path: of the description, below the checkout.
        name: of the image.
        version: of the image.
        releasever: what repositories take for the release of the distribution.
        repos: URLs of the repositories that take the place of those that it names.

    Raises:
        koji.GenericError: it can't be read, is none, or includes what does not lie beside it.
        koji.BuildError: it says no version.
    """
    document = _parse(read(path), path)
    top = _top(document, f"Kiwi description {posixpath.basename(path)} doesn't contain <image> tag.")
    _include(document, top, read, path, frozenset([posixpath.normpath(path)]))
    for old in list(top.getElementsByTagName("repository")):
        _remove(old)
    for url in sorted(set(repos)):
        top.appendChild(_repository(document, url))
    top.setAttribute("name", name)
    _set_versions(document, top, version, releasever)
    return bytes(document.toxml(encoding="utf-8"))


def _parse(data: bytes, path: str) -> xml.dom.minidom.Document:
    def refuse(entity: str, *_rest: object) -> None:
        raise koji.GenericError(f"Kiwi description {posixpath.basename(path)} declares the entity {entity}.")

    guard = expat.ParserCreate()
    guard.EntityDeclHandler = refuse
    try:
        guard.Parse(data, True)
        return xml.dom.minidom.parseString(data)  # noqa: S318 - has no entities, see above
    except expat.ExpatError as error:
        raise koji.GenericError(
            f"Kiwi description {posixpath.basename(path)} can't be parsed as XML: {error}"
        ) from error


def _top(document: xml.dom.minidom.Document, problem: str) -> xml.dom.minidom.Element:
    found = document.getElementsByTagName("image")
    if not found:
        raise koji.GenericError(problem)
    return found[0]


def _below(top: xml.dom.minidom.Element, parent: str, name: str) -> Iterator[xml.dom.minidom.Element]:
    for element in top.getElementsByTagName(parent):
        yield from element.getElementsByTagName(name)


def _with(
    top: xml.dom.minidom.Element, parent: str, child: xml.dom.minidom.Element
) -> Iterator[xml.dom.minidom.Element]:
    return (element for element in top.getElementsByTagName(parent) if child in element.childNodes)


def _text(element: xml.dom.minidom.Element) -> str:
    return "".join(node.data for node in element.childNodes if node.nodeType == node.TEXT_NODE).strip()


def _set_text(document: xml.dom.minidom.Document, element: xml.dom.minidom.Element, text: str) -> None:
    while element.firstChild is not None:
        element.removeChild(element.firstChild)
    element.appendChild(document.createTextNode(text))


def _remove(element: xml.dom.minidom.Element) -> None:
    if element.parentNode is not None:
        element.parentNode.removeChild(element)


def _include(
    document: xml.dom.minidom.Document, top: xml.dom.minidom.Element, read: Read, path: str, seen: FrozenSet[str]
) -> None:
    """Put what a description includes at its end. Of an included one the repositories do not count."""
    for mark in list(top.getElementsByTagName("include")):
        included = _included_path(path, mark.getAttribute("from"))
        if included in seen or len(seen) > _DEEPEST:
            raise koji.GenericError(f"Kiwi description {included} includes itself.")
        other = _parse(read(included), included)
        root = _top(other, "Included file needs to contain <image> tag.")
        _include(other, root, read, included, seen | {included})
        for node in list(root.childNodes):
            if node.nodeName != "repository":
                top.appendChild(document.importNode(node, True))
        _remove(mark)


def _included_path(path: str, source: str) -> str:
    if not source.startswith(_HERE):
        raise koji.GenericError(f"Unhandled include protocol in include path: {source}.")
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(path), source[len(_HERE) :].lstrip("/")))
    if joined == ".." or joined.startswith("../"):
        raise koji.GenericError(f"Kiwi description {path} includes what is outside of its sources: {source}.")
    return joined


def _repository(document: xml.dom.minidom.Document, url: str) -> xml.dom.minidom.Element:
    repository = document.createElement("repository")
    repository.setAttribute("type", "rpm-md")
    source = document.createElement("source")
    source.setAttribute("path", url)
    repository.appendChild(source)
    return repository


def _set_versions(
    document: xml.dom.minidom.Document, top: xml.dom.minidom.Element, version: str, releasever: str
) -> None:
    versions = list(_below(top, "preferences", "version"))
    if not versions:
        raise koji.BuildError("Description file doesn't contain preferences/version")
    for element in versions:
        _set_text(document, element, version)
    releases: List[xml.dom.minidom.Element] = list(_below(top, "preferences", "release-version"))
    if not releases:
        releases = [document.createElement("release-version")]
        # in the part that has the version, which counts whatever profile is chosen
        next(iter(_with(top, "preferences", versions[0]))).appendChild(releases[0])
    for element in releases:
        _set_text(document, element, releasever)


def package_list(text: str) -> Set[Tuple[str, ...]]:
    """The packages in kiwi's list of what is in an image, a line each.

    Returns:
        name, version, release and arch of each.
    """
    rows = (line.split("|") for line in text.splitlines())
    return {(row[0], row[2], row[3], row[4]) for row in rows if len(row) > 4}
