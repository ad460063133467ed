"""What the package of kojid needs to be built and installed in a sandbox: Python and tools in a tag of their own."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import tarfile
from pathlib import Path

from kojid.sandbox import content, distro
from kojid.sandbox.distro import Distribution, build
from kojid.sandbox.distro.sources.package import srpm
from tests.support.sandbox import Sandbox

CHECKOUT = Path(__file__).resolve().parents[2]
TAG, BUILD_TAG, MORE_TAG = "pack", "pack-build", "pack-more"
#: Debian packages of this machine for what the spec file and python3-koji require.
DEBIAN_PACKAGES = (
    "createrepo-c", "git", "passwd", "python3", "python3-dateutil", "python3-dev", "python3-dnf", "python3-librepo",
    "python3-openssl", "python3-requests", "python3-rpm", "python3-six", "python3-systemd", "subversion",
)  # fmt: skip
# Debian has neither: the library comes from this environment, and mock is only there by name.
_LIBRARY = """\
Name: python3-koji
Version: {version}
Release: 1
Summary: The koji library of the environment that the tests run in
License: LGPL-2.1-only
BuildArch: noarch
AutoReqProv: no
Source0: library.tar
Requires: python3-requests
Requires: python3-dateutil
Requires: python3-six

%description
For the sandbox.

%package -n mock
Version: 6.0
Summary: Stands for mock, of which Debian has no package
%description -n mock
Has no files.

%install
mkdir -p %{{buildroot}}/usr/lib/python3/dist-packages
tar -C %{{buildroot}}/usr/lib/python3/dist-packages -xf %{{SOURCE0}}

%files
/usr/lib/python3/dist-packages/*

%files -n mock
"""


def furnish(box: Sandbox, directory: Path) -> None:
    """Make the tags and the target, with the further packages imported and a repository made."""
    session = box.admin
    for name in (TAG, MORE_TAG):
        content.add_tag(session, name)
    content.add_tag(session, BUILD_TAG, arches=content.machine_arch(), extra={"mock.use_bootstrap": False})
    content.inherit(session, BUILD_TAG, [TAG, MORE_TAG, content.BUILD_TAG])
    session.createBuildTarget(TAG, BUILD_TAG, TAG)
    content.add_packages(session, TAG, ["kojid"])
    more = distro.make_more(Path(f"/var/tmp/kojid-test-more-{os.geteuid()}"), DEBIAN_PACKAGES)
    for one in (more, library(directory)):
        content.import_distribution(session, one, MORE_TAG)
    regenerate(box)


def regenerate(box: Sandbox) -> int:
    """Have the build tag's repository made anew; returns its id."""
    return int(box.closed(box.admin.newRepo(BUILD_TAG), 180)[0])


def library(directory: Path) -> Distribution:
    """python3-koji from the library that runs here, and a package that is called mock."""
    top = directory / "library"
    (top / "SOURCES").mkdir(parents=True)
    with tarfile.open(top / "SOURCES/library.tar", "w") as archive:
        for name in ("koji", "defusedxml"):
            found = importlib.util.find_spec(name)
            if found is not None and found.origin is not None:
                archive.add(Path(found.origin).parent, name, filter=_without_bytecode)
    spec = top / "python3-koji.spec"
    spec.write_text(_LIBRARY.format(version=importlib.metadata.version("koji")))
    built = build.rpmbuild(spec, top, "-ba")
    sources = [path for path in built if path.name.endswith(".src.rpm")]
    rpms = [path for path in built if path not in sources]
    return Distribution(top, rpms, sources, [], {}, False)


def _without_bytecode(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in info.name else info


def own_source_package(directory: Path, version: str) -> Path:
    """The source package of this checkout's last commit."""
    name = f"kojid-{version}"
    tarball = directory / f"{name}.tar.gz"
    command = ["git", "-c", f"safe.directory={CHECKOUT}", "archive", f"--prefix={name}/", f"--output={tarball}", "HEAD"]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True)
    return srpm(directory, "kojid", (CHECKOUT / "packaging/kojid.spec").read_text(), {tarball.name: tarball})
