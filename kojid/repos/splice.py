"""Making the lists of a repo out of older ones and those of the packages that are new (contract 9.3, 1 to 3).

The outcome is what createrepo_c --update makes of the same packages: what belongs to a package is taken over as it is.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Pattern, Tuple
from xml.sax.saxutils import unescape

from kojid.repos import lists, repomd
from kojid.repos.contents import Changes
from kojid.repos.lists import ListWriter, PackageList
from kojid.repos.repomd import Facts, Malformed, Repomd

_LOCATION = re.compile(rb'<location (?:xml:base="([^"]*)" )?href="([^"]*)"/>')
# Where a repo's own packages have lain when external ones were merged in (contract 9.3, 4).
_OWN_BASE = re.compile(rb"file://.*/repo_\d+_premerge/?")
_PRIMARY_ID = re.compile(rb'<checksum type="sha256" pkgid="YES">([0-9a-f]{64})</checksum>')
_OTHER_ID = re.compile(rb'<package pkgid="([0-9a-f]{64})"')
_QUOTES = {"&quot;": '"', "&apos;": "'"}


class _Steps(NamedTuple):
    """How the lists are put together; all three of a repo have their packages in the same order.

    Args:
        old_ids: what the packages of the older lists are known by.
        kept: whether each of them stays.
        inserted: the new packages, by their number, that come before each of them that stays; behind the last at -1.
    """

    old_ids: List[bytes]
    kept: List[bool]
    inserted: Dict[int, List[int]]


class _Source(NamedTuple):
    """Where lists are: the directory, and what its repomd.xml says."""

    directory: Path
    repomd: Repomd

    def open(self, kind: str) -> PackageList:
        return PackageList(self.directory / self.repomd.name(kind), self.repomd.checksum(kind))


def splice(old: Path, fresh: Path, out: Path, changes: Changes) -> None:
    """Make the metadata of a repo.

    Args:
        old: metadata of an older repo, with databases and external packages or without; only read.
        fresh: metadata of the packages that are new, made by this host's createrepo_c, with the package groups of now;
            what is not a list of packages is moved from here.
        out: directory for the outcome; made when missing.
        changes: what has changed.

    Raises:
        Malformed: one of them is not of a form that is known here, or does not have what it should.
        OSError: something can't be read or written.
    """
    before, made = _Source(old, repomd.read(old)), _Source(fresh, repomd.read(fresh))
    out.mkdir(parents=True, exist_ok=True)
    steps = _Steps([], [], {})
    for kind in lists.KINDS:
        joined = _Join(kind, before, made, len(changes.wanted))
        packages = joined.primary(changes, steps) if kind == "primary" else joined.follow(steps)
        name, facts = joined.write(packages, out)
        made.repomd.set(kind, name, facts)
    for kind in set(made.repomd.kinds) - set(lists.KINDS):
        (fresh / made.repomd.name(kind)).rename(out / made.repomd.name(kind))
    (out / "repomd.xml").write_text(made.repomd.text, encoding="utf-8")


class _Join:
    """One kind of list, put together.

    Args:
        kind: such as primary.
        old, fresh: where the two lists are that it is made of.
        count: how many packages it is to have.
    """

    def __init__(self, kind: str, old: _Source, fresh: _Source, count: int) -> None:
        self._kind = kind
        self._old = old.open(kind)
        self._name = fresh.repomd.name(kind)
        new = fresh.open(kind)
        self._new = list(new.packages())
        self._count = count
        if not self._name.endswith(".gz"):
            raise Malformed(f"{self._name} is not packed with gzip")
        if not lists.same_form(self._old.head, new.head):
            raise Malformed(f"the older {kind} was made in another form than those of now")
        self._head = new.head
        self._foot = new.foot

    def write(self, packages: Iterator[bytes], out: Path) -> Tuple[str, Facts]:
        """Write the list; its name and what repomd.xml has to say of it."""
        unnamed = out / f".{self._kind}"
        written = 0
        with ListWriter(unnamed, self._head, self._foot, self._count) as writer:
            for package in packages:
                writer.add(package)
                written += 1
            facts = writer.finish()
        if written != self._count:
            raise Malformed(f"the new {self._kind} would have {written} packages instead of {self._count}")
        name = f"{facts.checksum}-{self._name.rpartition('-')[2]}"
        unnamed.rename(out / name)
        return name, facts

    def primary(self, changes: Changes, steps: _Steps) -> Iterator[bytes]:
        """The packages of the list by which it is decided what stays; notes the steps for the others."""
        if [_place(package)[0] for package in self._new] != list(changes.added):
            raise Malformed("the metadata of the new packages is not of those that are new")
        staying = set(changes.wanted).difference(changes.added)
        insertions = _insertions(changes)
        for number, package in enumerate(self._old.packages()):
            place, is_own = _place(package)
            stays = is_own and place in staying
            steps.old_ids.append(_id(_PRIMARY_ID, package))
            steps.kept.append(stays)
            if not stays:
                continue
            staying.remove(place)
            steps.inserted[number] = insertions.get(place, [])
            yield from (self._new[one] for one in steps.inserted[number])
            yield _LOCATION.sub(rb'<location href="\g<2>"/>', package, count=1)
        steps.inserted[-1] = insertions.get("", [])
        yield from (self._new[one] for one in steps.inserted[-1])

    def follow(self, steps: _Steps) -> Iterator[bytes]:
        """The packages of another list, in the same order."""
        for number, package in enumerate(self._old.packages()):
            if number >= len(steps.old_ids) or _id(_OTHER_ID, package) != steps.old_ids[number]:
                raise Malformed(f"the older {self._kind} has its packages in another order than primary")
            if steps.kept[number]:
                yield from (self._new[one] for one in steps.inserted[number])
                yield package
        yield from (self._new[one] for one in steps.inserted[-1])


def _insertions(changes: Changes) -> Dict[str, List[int]]:
    """Which new packages, by their number, come before the place of an older one; before "": behind all."""
    numbers = {place: number for number, place in enumerate(changes.added)}
    found: Dict[str, List[int]] = {}
    waiting: List[int] = []
    for place in (*changes.wanted, ""):
        if place in numbers:
            waiting.append(numbers[place])
        elif waiting:
            found[place], waiting = waiting, []
    return found


def _place(package: bytes) -> Tuple[str, bool]:
    """Where a package lies, and whether it is the repo's own rather than an external one."""
    found = _LOCATION.search(package)
    if not found:
        raise Malformed("a package has no location")
    place = found.group(2).decode("utf-8", "replace")
    is_own = not found.group(1) or _OWN_BASE.fullmatch(found.group(1)) is not None
    return (unescape(place, _QUOTES) if "&" in place else place), is_own


def _id(pattern: Pattern[bytes], package: bytes) -> bytes:
    found = pattern.search(package)
    if not found:
        raise Malformed("a package has no checksum")
    return found.group(1)
