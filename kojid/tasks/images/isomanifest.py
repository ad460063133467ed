"""What is in an ISO 9660 image: the list that is uploaded beside it as manifest.log (contract 6.9).

The image comes out of a buildroot, so it is read here with bounds on everything and without a library. Names are those
of Rock Ridge where the image has them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO, Dict, Iterator, List, Optional, Set, Tuple

_SECTOR = 2048
_FIRST_DESCRIPTOR, _LAST_DESCRIPTOR = 16, 64
_IDENTIFIER = b"CD001"
_PRIMARY, _END = 1, 255
_ROOT_RECORD = slice(156, 190)
# Where the primary volume descriptor has them, in the order in which they are told.
_FIELDS = (
    ("Application ID", slice(574, 702)),
    ("Preparer ID", slice(446, 574)),
    ("Publisher ID", slice(318, 446)),
    ("System ID", slice(8, 40)),
    ("Volume ID", slice(40, 72)),
    ("Volumeset ID", slice(190, 318)),
)
_DIRECTORY, _CONTINUES = 0x02, 0x80
_RECORD = struct.Struct("<BB I4x I4x 7x B 2x 4x B")  # length, -, block, bytes, flags, length of the name
_LARGEST_DIRECTORY = 64 * 1024 * 1024
_MOST_ENTRIES = 1_000_000
_DEEPEST = 64
_MOST_CONTINUATIONS = 16


class NotAnImage(Exception):
    """It is no ISO 9660 image, or a damaged one."""


@dataclass
class _Entry:
    """A file or a directory, `name` being "." for a directory's own record."""

    name: str
    block: int
    size: int
    is_directory: bool


def manifest(image: BinaryIO) -> str:
    """The list of an image's files, with their sizes in bytes, below what the image says of itself.

    Args:
        image: open for reading.

    Raises:
        NotAnImage: it is none.
    """
    return _Reader(image).text()


class _Reader:
    def __init__(self, image: BinaryIO) -> None:
        self._image = image
        self._skip = 0  # bytes before the Rock Ridge entries of a record
        self._rock_ridge = False
        self._seen: Set[int] = set()
        self._left = _MOST_ENTRIES

    def text(self) -> str:
        descriptor = self._primary()
        lines = []
        for label, place in _FIELDS:
            value = descriptor[place].decode("utf-8", errors="replace").rstrip(" \0")
            if value:
                lines.append(f"{label}: {value}\n")
        lines.append("\nSize(bytes)  File Name\n")
        root = descriptor[_ROOT_RECORD]
        _length, _extended, block, size, _flags, _name = _RECORD.unpack_from(root)
        self._find_rock_ridge(block)
        for path, bytes_of_it in self._list("/", block, size, 0):
            lines.append(f"{bytes_of_it:<10d}   {path}\n")
        return "".join(lines)

    def _primary(self) -> bytes:
        for sector in range(_FIRST_DESCRIPTOR, _LAST_DESCRIPTOR):
            data = self._read(sector, _SECTOR)
            if data[1:6] != _IDENTIFIER:
                break
            if data[0] == _PRIMARY:
                if struct.unpack_from("<H", data, 128)[0] != _SECTOR:
                    raise NotAnImage("its blocks are not of 2048 bytes")
                return data
            if data[0] == _END:
                break
        raise NotAnImage("it has no primary volume descriptor")

    def _read(self, block: int, size: int) -> bytes:
        self._image.seek(block * _SECTOR)
        data = self._image.read(size)
        if len(data) < size:
            raise NotAnImage(f"it ends before block {block} does")
        return data

    def _find_rock_ridge(self, block: int) -> None:
        """The root's own record says whether there are Rock Ridge entries, and how far into the others they begin."""
        data = self._read(block, _SECTOR)
        length, system = data[0], _system_use(data[: data[0]])
        if length and system[:2] == b"SP" and len(system) >= 7 and system[4:6] == b"\xbe\xef":
            self._rock_ridge, self._skip = True, system[6]

    def _list(self, path: str, block: int, size: int, depth: int) -> Iterator[Tuple[str, int]]:
        if block in self._seen or depth > _DEEPEST:
            raise NotAnImage(f"the directories of {path} are nested without end")
        self._seen.add(block)
        for entry in self._entries(block, size):
            self._left -= 1
            if self._left < 0:
                raise NotAnImage(f"it has more than {_MOST_ENTRIES} files")
            if entry.name == ".":
                yield path, entry.size
            elif entry.is_directory:
                yield from self._list(f"{path}{entry.name}/", entry.block, entry.size, depth + 1)
            else:
                yield path + entry.name, entry.size

    def _entries(self, block: int, size: int) -> Iterator[_Entry]:
        """What a directory holds; parts of a file that is too large for one record are put together."""
        if size > _LARGEST_DIRECTORY:
            raise NotAnImage("a directory is too large")
        begun: Optional[_Entry] = None
        for record in _records(self._read(block, size)):
            found = self._entry(record)
            if found is None:
                continue
            if begun is not None and begun.name == found.name:
                found.size += begun.size
            begun = found if record[25] & _CONTINUES else None
            if begun is None:
                yield found

    def _entry(self, record: bytes) -> Optional[_Entry]:
        _length, _extended, block, size, flags, name_length = _RECORD.unpack_from(record)
        raw = record[33 : 33 + name_length]
        entry = _Entry("", block, size, bool(flags & _DIRECTORY))
        if raw == b"\x01":
            return None  # the parent
        fields = self._rock_ridge_fields(record) if self._rock_ridge else {}
        if b"RE" in fields:
            return None  # stands elsewhere, too deep for ISO 9660
        if b"CL" in fields:
            entry.block = struct.unpack_from("<I", fields[b"CL"])[0]
            entry.size, entry.is_directory = self._own_size(entry.block), True
        entry.name = "." if raw == b"\x00" else _name(fields.get(b"NM"), raw)
        return entry

    def _own_size(self, block: int) -> int:
        size: int = _RECORD.unpack_from(self._read(block, _SECTOR))[3]
        return size

    def _rock_ridge_fields(self, record: bytes) -> Dict[bytes, bytes]:
        """The contents of the entries by their signatures; of NM those of all, flags left out."""
        found: Dict[bytes, bytes] = {}
        areas: List[bytes] = [_system_use(record)[self._skip :]]
        for _turn in range(_MOST_CONTINUATIONS):
            if not areas:
                break
            for signature, content in _susp(areas.pop()):
                if signature == b"CE" and len(content) >= 24:
                    block, offset, length = struct.unpack_from("<I4xI4xI", content)
                    areas.append(self._read(block, offset + length)[offset:] if offset + length <= _SECTOR else b"")
                elif signature == b"NM":
                    found[signature] = found.get(signature, b"") + content[1:]
                else:
                    found.setdefault(signature, content)
        return found


def _records(data: bytes) -> Iterator[bytes]:
    """The records of a directory; none crosses the end of a block."""
    position = 0
    while position < len(data):
        length = data[position]
        if length == 0:
            position += _SECTOR - position % _SECTOR
            continue
        record = data[position : position + length]
        if length < 34 or len(record) < length or 33 + record[32] > length:
            raise NotAnImage("a directory is damaged")
        yield record
        position += length


def _system_use(record: bytes) -> bytes:
    """What stands behind a record's name."""
    end = 33 + record[32] if len(record) > 32 else 33
    return record[end + end % 2 :]


def _susp(area: bytes) -> Iterator[Tuple[bytes, bytes]]:
    """The entries of a system use area: signature and content."""
    position = 0
    while position + 4 <= len(area):
        length = area[position + 2]
        if length < 4 or area[position : position + 2] == b"ST":
            return
        yield area[position : position + 2], area[position + 4 : position + length]
        position += length


def _name(rock_ridge: Optional[bytes], raw: bytes) -> str:
    """The name without the version that ISO 9660 puts behind it."""
    data = rock_ridge or raw.split(b";")[0].rstrip(b".")
    text = data.decode("utf-8", errors="replace").replace("/", "_")
    return "".join(letter if letter.isprintable() else "?" for letter in text)
