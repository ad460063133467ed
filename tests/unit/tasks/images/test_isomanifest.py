"""The list of what is in an ISO image, against what the tool that wrote the image was given."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path
from typing import Dict, List

import pytest

from kojid.tasks.images.isomanifest import NotAnImage, manifest


def image(directory: Path, *options: str, **files: bytes) -> bytes:
    if shutil.which("xorrisofs") is None:
        pytest.skip("needs xorriso")
    for name, content in files.items():
        path = directory / "tree" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    out = directory / "image.iso"
    command = ["xorrisofs", "-quiet", "-o", str(out), *options, str(directory / "tree")]
    subprocess.run(command, check=True, capture_output=True)
    return out.read_bytes()


def listed(text: str) -> Dict[str, int]:
    lines = text.split("\nSize(bytes)  File Name\n")[1].splitlines()
    return {line[13:]: int(line[:10]) for line in lines}


def test_files_are_listed_with_their_sizes_below_what_the_image_says_of_itself(tmp_path: Path) -> None:
    options = ["-R", "-V", "MYVOL", "-A", "an app", "-publisher", "us"]
    files = {"README": b"x" * 5000, "LiveOS__a-long-name.squashfs.img": b"", "LiveOS__deep__er__file": b"abc"}
    data = image(tmp_path, *options, **files)
    text = manifest(io.BytesIO(data))
    assert "Volume ID: MYVOL\n" in text and "Publisher ID: US\n" in text and "Application ID: AN APP\n" in text
    assert listed(text) == {
        "/": 2048,
        "/README": 5000,
        "/LiveOS/": 2048,
        "/LiveOS/a-long-name.squashfs.img": 0,
        "/LiveOS/deep/": 2048,
        "/LiveOS/deep/er/": 2048,
        "/LiveOS/deep/er/file": 3,
    }


def test_names_that_need_more_than_one_record_are_whole(tmp_path: Path) -> None:
    name = "n" * 200 + ".txt"
    assert f"/{name}" in listed(manifest(io.BytesIO(image(tmp_path, "-R", **{name: b"1"}))))


def test_directories_that_were_moved_for_being_deep_are_where_they_belong(tmp_path: Path) -> None:
    path = "/".join(f"d{number}" for number in range(12))
    data = image(tmp_path, "-R", **{f"{path}/file".replace("/", "__"): b"12345"})
    assert listed(manifest(io.BytesIO(data)))[f"/{path}/file"] == 5


def test_an_image_without_rock_ridge_has_short_names(tmp_path: Path) -> None:
    data = image(tmp_path, "--norock", "-iso-level", "1", README=b"abc", **{"notes.txt": b""})
    names: List[str] = list(listed(manifest(io.BytesIO(data))))
    assert names == ["/", "/NOTES.TXT", "/README"]


@pytest.mark.parametrize("data", [b"", b"no image" * 10000, bytes(32768) + b"\x01CD001\x01" + bytes(4096)])
def test_what_is_no_image_is_told_from_one(data: bytes) -> None:
    with pytest.raises(NotAnImage):
        manifest(io.BytesIO(data))


def test_a_damaged_image_ends_in_a_fault_and_not_in_a_loop(tmp_path: Path) -> None:
    data = bytearray(image(tmp_path, "-R", dir__file=b"abc"))
    root = 16 * 2048 + 156
    block = int.from_bytes(data[root + 2 : root + 6], "little")
    position = block * 2048
    while position < (block + 1) * 2048 and data[position]:
        data[position + 2 : position + 6] = block.to_bytes(4, "little")  # everything is the root
        data[position + 25] = 2
        position += data[position]
    with pytest.raises(NotAnImage, match="without end"):
        manifest(io.BytesIO(bytes(data)))


def test_an_image_that_is_cut_off_is_a_fault(tmp_path: Path) -> None:
    data = image(tmp_path, "-R", dir__file=b"abc")
    with pytest.raises(NotAnImage, match="it ends before"):
        manifest(io.BytesIO(data[: 18 * 2048]))
