"""The spec file: one source package whose sub-packages are the whole distribution."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Iterable, List, Sequence, Tuple

from kojid.sandbox.distro.staging import Staged

SOURCE_NAME = "sandbox-distribution"

_HEAD = """\
# Written by kojid's sandbox from the machine's own Debian packages. SANDBOX_STAGE is the tree
# that holds their files; as macros, it and the build root would make every source package differ.
%global debug_package %{{nil}}
%global __os_install_post %{{nil}}
%global _build_id_links none
%global _binary_payload w3.zstdio
%global _unpackaged_files_terminate_build 0
%global _missing_build_ids_terminate_build 0
%global _buildhost sandbox
%global use_source_date_epoch_as_buildtime 1
%global clamp_mtime_to_source_date_epoch 1

Name: {name}
Version: {version}
Release: {release}
Summary: The sandbox's RPM distribution, made from Debian packages
License: Various
AutoReqProv: no

%description
Sub-packages with the files of the Debian packages on the machine that made them. It serves builds in kojid's
sandbox and is no distribution to install.

{packages}
%install
mkdir -p "$RPM_BUILD_ROOT"
cp -al "$SANDBOX_STAGE"/. "$RPM_BUILD_ROOT"/

{files}"""


@dataclass
class RpmPackage:
    """One binary package of the distribution; `provides` and `requires` are relations as RPM writes them."""

    name: str
    version: str
    release: str
    files: Staged
    epoch: str = ""
    noarch: bool = False
    summary: str = ""
    provides: List[str] = field(default_factory=list)
    requires: List[str] = field(default_factory=list)


def rpm_version(version: str) -> Tuple[str, str, str]:
    """Epoch, version and release of an RPM for a Debian version, as `("1", "2.36", "9+deb12u1")`.

    What RPM does not allow in them becomes a dot; a native package (no revision) has release 1.
    """
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "", version
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, "1"
    return epoch, _allowed(upstream), _allowed(revision)


def _allowed(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+~_^]", ".", text)


def quoted(path: str) -> str:
    """A path as a %files line takes it: blanks and macros lose their meaning."""
    return '"' + path.replace("%", "%%") + '"'


def _preamble(package: RpmPackage) -> str:
    lines = [f"%package -n {package.name}", f"Summary: {package.summary or package.name}"]
    if package.epoch:
        lines.append(f"Epoch: {package.epoch}")
    lines += [f"Version: {package.version}", f"Release: {package.release}", "AutoReqProv: no"]
    if package.noarch:
        lines.append("BuildArch: noarch")
    lines += [f"Provides: {name}" for name in sorted(set(package.provides))]
    lines += [f"Requires: {name}" for name in sorted(set(package.requires))]
    return "\n".join([*lines, "", f"%description -n {package.name}", package.summary or package.name, "", ""])


def _files(package: RpmPackage) -> str:
    lines = [f"%files -n {package.name}", "%defattr(-,root,root,-)"]
    lines += [f"%dir {quoted(path)}" for path in sorted(set(package.files.directories))]
    lines += [quoted(path) for path in sorted(package.files.files)]
    return "\n".join([*lines, "", ""])


def spec_text(version: str, release: str, packages: Sequence[RpmPackage], name: str = SOURCE_NAME) -> str:
    """The whole spec file; build it with SANDBOX_STAGE=DIR in the environment."""
    return _HEAD.format(name=name, version=version, release=release,
                        packages=_joined(map(_preamble, packages)), files=_joined(map(_files, packages)))  # fmt: skip


def _joined(parts: Iterable[str]) -> str:
    return "".join(parts)
