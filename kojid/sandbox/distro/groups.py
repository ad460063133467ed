"""The package groups that build tags carry, for the hub and as a comps file for createrepo."""

from __future__ import annotations

from typing import Dict, List, Sequence
from xml.sax.saxutils import escape

from kojid.sandbox.distro import synthetic
from kojid.sandbox.distro.selection import BASE, COMPILER, WELCOME


def package_groups(names: Sequence[str], *, compiler: bool) -> Dict[str, List[str]]:
    """The groups by name. `build` holds the compiler; source packages are made without it.

    Args:
        names: the packages that the distribution has.
        compiler: whether it has a compiler.
    """
    base = sorted({*synthetic.NAMES, *BASE, *WELCOME} & set(names))
    build = sorted({*base, *(COMPILER if compiler else ())})
    return {"build": build, "srpm-build": base, "wrapper-rpm-build": base}


def comps(groups: Dict[str, List[str]]) -> str:
    """The groups as a comps document, every package mandatory."""
    return ('<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN"'
            ' "comps.dtd">\n<comps>\n' + "".join(_group(name, groups[name]) for name in sorted(groups))
            + "</comps>\n")  # fmt: skip


def _group(name: str, packages: Sequence[str]) -> str:
    rows = "".join(f'      <packagereq type="mandatory">{escape(package)}</packagereq>\n' for package in packages)
    label = escape(name)
    return (f"  <group>\n    <id>{label}</id>\n    <name>{label}</name>\n    <description>{label}</description>\n"
            "    <default>true</default>\n    <uservisible>false</uservisible>\n"
            f"    <packagelist>\n{rows}    </packagelist>\n  </group>\n")  # fmt: skip
