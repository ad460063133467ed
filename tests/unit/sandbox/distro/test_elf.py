"""No program of the distribution lacks a library."""

from __future__ import annotations

from pathlib import Path

import pytest

from kojid.sandbox.distro import elf
from kojid.sandbox.distro.errors import DistributionError

needs_elfdeps = pytest.mark.skipif(not elf.ELFDEPS.exists(), reason="rpm's elfdeps is not on this machine")


def test_a_missing_library_is_named_with_its_package() -> None:
    with pytest.raises(DistributionError, match=r"tool: libx\.so\.1\(\)\(64bit\)$"):
        elf.check({"tool": {"libx.so.1()(64bit)", "libc.so.6()(64bit)"}, "sound": set()}, {"libc.so.6()(64bit)"})
    elf.check({"tool": {"libc.so.6()(64bit)"}}, {"libc.so.6()(64bit)"})


def test_scripts_and_links_are_no_elf_files(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    (tmp_path / "program").write_bytes(b"\x7fELF...")
    (tmp_path / "link").symlink_to("program")
    assert elf.elf_files(tmp_path, ["/script", "/program", "/link", "/absent"]) == [tmp_path / "program"]


@needs_elfdeps
def test_a_real_program_needs_the_c_library() -> None:
    needs = elf.requires([Path("/usr/bin/env")])
    assert "libc.so.6()(64bit)" in needs
    assert not any(need.startswith("rtld") for need in needs)
    assert elf.requires([]) == set()
