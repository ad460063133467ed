"""Writes RPM files of any number quickly: a real header that rpm and createrepo_c read, and no payload.

path.write_bytes(rpm("name", "1.0", "1", "x86_64"))
"""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path
from typing import Iterable, List, Sequence, Tuple, Union

_INT16, _INT32, _STRING, _BINARY, _STRINGS, _TEXT = 3, 4, 6, 7, 8, 9
_MAGIC = b"\x8e\xad\xe8\x01\0\0\0\0"
_LEAD = b"\xed\xab\xee\xdb"
_SIGNATURES, _IMMUTABLE = 62, 63
_PAYLOAD = gzip.compress(b"", mtime=0)
_BUILT = 1700000000
_DAY = 86400

Value = Union[str, bytes, Sequence[str], Sequence[int]]
Tag = Tuple[int, int, Value]


def rpm(name: str, version: str, release: str, arch: str, *, files: int = 25, changes: int = 6) -> bytes:
    """A package; its dependencies, texts and files go by its name.

    Args:
        name, version, release, arch: what it is.
        files: how many it lists.
        changes: how many entries its changelog has.
    """
    paths = sorted([f"/usr/bin/{name}", *(f"/usr/share/{name}/{n}/part-{n * 7919 % 9973}" for n in range(files - 1))])
    main = _header(
        [
            *_texts(name, version, release, arch),
            *_dependencies(name, f"{version}-{release}"),
            *_files(paths),
            (1009, _INT32, [1000 * files]),
            (1080, _INT32, [_BUILT - _DAY * number for number in range(changes)]),
            (1081, _STRINGS, [f"A Tester <tester@example.com> - {version}-{changes - n}" for n in range(changes)]),
            (
                1082,
                _STRINGS,
                [f"- Change <{number}> & more of {name}, since it was wanted" for number in range(changes)],
            ),
        ],
        _IMMUTABLE,
    )
    signatures = _header(
        [
            (1000, _INT32, [len(main) + len(_PAYLOAD)]),
            (1004, _BINARY, _md5(main + _PAYLOAD)),
            (273, _STRING, hashlib.sha256(main).hexdigest()),
        ],
        _SIGNATURES,
    )
    nvr = f"{name}-{version}-{release}"
    lead = struct.pack(">4sBBHH66sHH16s", _LEAD, 3, 0, 0, 1, nvr.encode()[:65], 1, 5, b"")
    return lead + signatures + b"\0" * (-len(signatures) % 8) + main + _PAYLOAD


def payloadhash(package: bytes) -> str:
    """What the hub knows the content of such a package by (sigmd5)."""
    start = package.index(_MAGIC, package.index(_MAGIC) + 1)
    return _md5(package[start:]).hex()


def write(directory: Path, *nvras: str) -> List[Path]:
    """Write packages by their N-V-R.A; where they are."""
    paths = []
    for nvra in nvras:
        nvr, _, arch = nvra.rpartition(".")
        name, version, release = nvr.rsplit("-", 2)
        path = directory / f"{nvra}.rpm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rpm(name, version, release, arch))
        paths.append(path)
    return paths


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data).digest()


def _texts(name: str, version: str, release: str, arch: str) -> List[Tag]:
    return [
        (100, _STRINGS, ["C"]),
        (1000, _STRING, name),
        (1001, _STRING, version),
        (1002, _STRING, release),
        (1004, _TEXT, f"The package {name}"),
        (
            1005,
            _TEXT,
            f"The package {name} is for tests & measurements.\n<{hashlib.sha256(name.encode()).hexdigest()}>",
        ),
        (1006, _INT32, [_BUILT]),
        (1007, _STRING, "host.example.com"),
        (1014, _STRING, "MIT"),
        (1016, _TEXT, "Unspecified"),
        (1020, _STRING, f"https://example.com/{name}"),
        (1021, _STRING, "linux"),
        (1022, _STRING, arch),
        (1044, _STRING, f"{name}-{version}-{release}.src.rpm"),
        (1046, _INT32, [100]),
        (1124, _STRING, "cpio"),
        (1125, _STRING, "gzip"),
        (1126, _STRING, "9"),
    ]


def _dependencies(name: str, version: str) -> List[Tag]:
    requires = [f"lib{name[:6]}{number}.so.{number}()(64bit)" for number in range(8)]
    provides = [name, f"lib{name}.so.1()(64bit)", f"lib{name}-more.so.1()(64bit)"]
    return [
        (1047, _STRINGS, provides),
        (1112, _INT32, [8, 0, 0]),
        (1113, _STRINGS, [version, "", ""]),
        (1049, _STRINGS, requires),
        (1048, _INT32, [0] * len(requires)),
        (1050, _STRINGS, [""] * len(requires)),
    ]


def _files(paths: Sequence[str]) -> List[Tag]:
    count = len(paths)
    parents = [path.rpartition("/")[0] + "/" for path in paths]
    directories = sorted(set(parents))
    return [
        (1028, _INT32, [1000] * count),
        (1030, _INT16, [0o100644] * count),
        (1033, _INT16, [0] * count),
        (1034, _INT32, [_BUILT] * count),
        (1035, _STRINGS, [hashlib.sha256(path.encode()).hexdigest() for path in paths]),
        (1036, _STRINGS, [""] * count),
        (1037, _INT32, [0] * count),
        (1039, _STRINGS, ["root"] * count),
        (1040, _STRINGS, ["root"] * count),
        (1045, _INT32, [0xFFFFFFFF] * count),
        (1095, _INT32, [1] * count),
        (1096, _INT32, list(range(1, count + 1))),
        (1097, _STRINGS, [""] * count),
        (1116, _INT32, [directories.index(parent) for parent in parents]),
        (1117, _STRINGS, [path.rpartition("/")[2] for path in paths]),
        (1118, _STRINGS, directories),
        (5011, _INT32, [8]),
    ]


def _header(tags: Iterable[Tag], region: int) -> bytes:
    store, index = b"", []
    for tag, kind, value in sorted(tags, key=lambda one: one[0]):
        data, count, width = _packed(kind, value)
        store += b"\0" * (-len(store) % width)
        index.append(struct.pack(">IIII", tag, kind, len(store), count))
        store += data
    trailer = struct.pack(">IIiI", region, _BINARY, -16 * (len(index) + 1), 16)
    index.insert(0, struct.pack(">IIII", region, _BINARY, len(store), 16))
    store += trailer
    return _MAGIC + struct.pack(">II", len(index), len(store)) + b"".join(index) + store


def _packed(kind: int, value: Value) -> Tuple[bytes, int, int]:
    """The bytes of a value, how many it counts for, and to what it is aligned."""
    if isinstance(value, str):
        return value.encode() + b"\0", 1, 1
    if isinstance(value, bytes):
        return value, len(value), 1
    if kind == _STRINGS:
        return b"".join(str(one).encode() + b"\0" for one in value), len(value), 1
    width = 2 if kind == _INT16 else 4
    return struct.pack(f">{len(value)}{'H' if width == 2 else 'I'}", *value), len(value), width
