"""Reading and editing repomd.xml: what a directory of metadata consists of, with sizes and checksums.

It is edited as text, so that all that its maker has written and that does not change stays as it was.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, List, NamedTuple

_DATA = re.compile(r'[ \t]*<data type="([^"]+)">.*?</data>\n?', re.DOTALL)
_FIELDS = ("checksum", "open-checksum", "timestamp", "size", "open-size")


class Malformed(ValueError):
    """repomd.xml is not of the form that is known here."""


class Facts(NamedTuple):
    """What repomd.xml says of a file.

    Args:
        checksum, whole_checksum: SHA-256, of the file and of what is packed in it.
        size, whole_size: in bytes, of the same.
        timestamp: when it was written, in seconds since the epoch.
    """

    checksum: str
    whole_checksum: str
    size: int
    whole_size: int
    timestamp: int


class Repomd:
    """A repomd.xml.

    Args:
        text: of it.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._data: Dict[str, str] = {}
        for found in _DATA.finditer(text):
            if found.group(1) in self._data:
                raise Malformed(f"{found.group(1)} is there twice")
            self._data[found.group(1)] = found.group(0)

    @property
    def kinds(self) -> List[str]:
        """The types of the metadata, such as primary, in their order."""
        return list(self._data)

    def name(self, kind: str) -> str:
        """The name of the file with one kind of metadata. Raises Malformed."""
        return self._field(kind, r'<location href="repodata/([^"/]+)"')

    def checksum(self, kind: str) -> str:
        """The SHA-256 of that file. Raises Malformed: it has another checksum."""
        return self._field(kind, r'<checksum type="sha256">([0-9a-f]{64})<')

    def set(self, kind: str, name: str, facts: Facts) -> None:
        """Have one kind of metadata be another file. Raises Malformed."""
        values = (facts.checksum, facts.whole_checksum, facts.timestamp, facts.size, facts.whole_size)
        changed = self._entry(kind)
        self.checksum(kind)
        for field, value in zip(_FIELDS, values):
            changed = _put(changed, rf"(<{field}[^>]*>)[^<]*(</{field}>)", str(value))
        changed = _put(changed, r'(<location href="repodata/)[^"]+(")', name)
        self.text = self.text.replace(self._data[kind], changed)
        self._data[kind] = changed

    def _entry(self, kind: str) -> str:
        if kind not in self._data:
            raise Malformed(f"it has no {kind}")
        return self._data[kind]

    def _field(self, kind: str, pattern: str) -> str:
        found = re.search(pattern, self._entry(kind))
        if not found:
            raise Malformed(f"what it says of {kind} is not understood")
        return found.group(1)


def _put(text: str, pattern: str, value: str) -> str:
    changed, count = re.subn(pattern, rf"\g<1>{value}\g<2>", text)
    if count != 1:
        raise Malformed(f"it has {pattern} {count} times")
    return changed


def read(repodata: Path) -> Repomd:
    """The repomd.xml of a directory. Raises OSError, Malformed."""
    try:
        return Repomd((repodata / "repomd.xml").read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise Malformed(str(error)) from error
