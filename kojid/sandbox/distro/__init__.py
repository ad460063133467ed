"""A small RPM distribution made from the machine's own packages.

One RPM per installed Debian package that a build needs, plus a filesystem, a release and an rpm-config package: no
RPM mirror is asked for anything. With a compiler in it, a real source package is configured, compiled and packed.
`kojid.sandbox.distro.sources` makes source packages to build with it.
"""

from kojid.sandbox.distro.errors import DistributionError, MissingPackages
from kojid.sandbox.distro.generator import Distribution, make
from kojid.sandbox.distro.more import make_more

__all__ = ["Distribution", "DistributionError", "MissingPackages", "make", "make_more"]
