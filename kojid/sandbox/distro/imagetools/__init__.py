"""Packages that stand in for livecd-tools, appliance-tools and lorax, which Debian lacks.

Their tools hold a builder to the documented command line: anything else ends with status 2. They fetch the packages
that the kickstart file names from the repositories that it names, and leave files, logs and a cache where the real
tools leave them: a real ISO image, written by xorriso; a disk and its description; anaconda's logs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Tuple

from kojid.sandbox.distro import build
from kojid.sandbox.distro.generator import Distribution

SOURCE_NAME = "sandbox-image-tools"
#: The Debian package that has to be in the distribution as well, to be made with `make_more`.
REQUIRES = "xorriso"
# Package, the path of its tool.
_TOOLS: Tuple[Tuple[str, str], ...] = (
    ("livecd-tools", "/usr/bin/livecd-creator"),
    ("appliance-tools", "/usr/bin/appliance-creator"),
    ("lorax", "/usr/sbin/livemedia-creator"),
)
#: The package groups with which buildroots of images are made.
GROUPS: Dict[str, List[str]] = {
    "livecd-build": ["livecd-tools"],
    "appliance-build": ["appliance-tools"],
    "livemedia-build": ["lorax"],
}
_HEAD = f"""\
Name: {SOURCE_NAME}
Version: 1
Release: 1
Summary: Stand-ins for image tools
License: LGPL-2.1-or-later
BuildArch: noarch
AutoReqProv: no

%description
For the sandbox.
"""
_PACKAGE = """
%package -n {name}
Summary: Stands for {name}
Requires: {requires}
%description -n {name}
For the sandbox.

%files -n {name}
%attr(0755, root, root) {path}
"""


def make(out: Path) -> Distribution:
    """Make the packages.

    Args:
        out: directory for them; made when missing.

    Raises:
        MissingPackages: rpmbuild is not on this machine. DistributionError: it failed.
    """
    sources = out / "SOURCES"
    sources.mkdir(parents=True)
    spec, install = [_HEAD], ["", "%install"]
    for number, (name, path) in enumerate(_TOOLS):
        tool = Path(path).name
        (sources / tool).write_text("#!/bin/bash\n" + _text("common") + _text(tool))
        spec.append(_PACKAGE.format(name=name, path=path, requires=REQUIRES))
        spec[0] = spec[0].replace("AutoReqProv", f"Source{number}: {tool}\nAutoReqProv")
        install.append(f"install -D -m 0755 %{{SOURCE{number}}} %{{buildroot}}{path}")
    spec_file = out / f"{SOURCE_NAME}.spec"
    spec_file.write_text("\n".join([*spec, *install, ""]))
    built = build.rpmbuild(spec_file, out, "-ba")
    srpms = [path for path in built if path.name.endswith(".src.rpm")]
    return Distribution(out, [path for path in built if path not in srpms], srpms,
                        [name for name, _path in _TOOLS], GROUPS, False)  # fmt: skip


def _text(name: str) -> str:
    return (Path(__file__).parent / f"{name}.sh").read_text()
