"""A stand-in for mock that really installs a chroot and really runs rpmbuild in it.

For the sandbox and for tests on machines that mock is not packaged for. It takes the calls that a builder makes
(contract 7.4), leaves the files and exit statuses that mock leaves, and falls into the same traps. It is no replacement
for mock: one isolation, no bootstrap, no caches, no plugins but bind mounts.
"""

from pathlib import Path

__all__ = ["ensure_accounts", "install"]


def install(prefix: Path) -> Path:
    """Installs the set-uid wrapper at `prefix/bin/mock`; see `kojid.sandbox.mock.installation.install`."""
    from kojid.sandbox.mock.installation import install as install_wrapper

    return install_wrapper(prefix)


def ensure_accounts() -> None:
    """Makes group mock and user kojibuilder; see `kojid.sandbox.mock.installation.ensure_accounts`."""
    from kojid.sandbox.mock.installation import ensure_accounts as make_accounts

    make_accounts()
