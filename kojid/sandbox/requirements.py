"""What a sandbox needs of the machine: root, programs, Python modules; what is missing is named by its package."""

from __future__ import annotations

import importlib.util
import os
import shutil
from typing import Dict, List

from kojid.sandbox.errors import SandboxError

# Program or module -> the Debian package and the Fedora package that has it.
_PROGRAMS = {
    "rpmbuild": ("rpm", "rpm-build"),
    "createrepo_c": ("createrepo-c", "createrepo_c"),
    "dnf": ("dnf", "dnf"),
    "cc": ("gcc", "gcc"),
    "patch": ("patch", "patch"),
}
_MODULES = {
    "rpm": ("python3-rpm", "python3-rpm"),
    "dnf": ("python3-dnf", "python3-dnf"),
}
_PYTHON = {"koji": "koji", "cheroot": "kojid[sandbox]", "cryptography": "kojid[sandbox]"}

#: They name other certificate authorities than the sandbox's, or another profile of the koji client.
FOREIGN_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "KOJI_PROFILE")


def check() -> None:
    """Look whether a sandbox can work here.

    Raises:
        SandboxError: not root, or something is missing; it names the packages to install.
    """
    if os.geteuid() != 0:
        raise SandboxError(
            "the sandbox needs root: a build makes a chroot, with mounts and users of its own",
            "run it as root, or with sudo",
        )
    packages = missing_packages()
    if packages:
        raise SandboxError(f"packages are missing: {' '.join(packages)}", f"{_installer()} {' '.join(packages)}")


def check_modules() -> None:
    """Look whether the Python packages that the sandbox's own code imports are there.

    Raises:
        SandboxError: some are missing; it says how to install them.
    """
    missing = sorted({package for module, package in _PYTHON.items() if importlib.util.find_spec(module) is None})
    if missing:
        words = " ".join(f"'{package}'" for package in missing)
        raise SandboxError(f"Python packages are missing: {' '.join(missing)}", f"pip install {words}")


def missing_packages() -> List[str]:
    """The distribution packages that have to be installed, by name."""
    column = 0 if is_debian() else 1
    absent = [names[column] for program, names in _PROGRAMS.items() if shutil.which(program) is None]
    absent += [names[column] for module, names in _MODULES.items() if importlib.util.find_spec(module) is None]
    return sorted(set(absent))


def is_debian() -> bool:
    """Whether this machine installs its packages with apt."""
    return shutil.which("apt-get") is not None


def _installer() -> str:
    return "apt-get install --no-install-recommends" if is_debian() else "dnf install"


def environment() -> Dict[str, str]:
    """The environment of the sandbox's processes: ours, less what would replace its own authority or profile."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN_VARIABLES}
