"""Source packages to build with the distribution: GNU hello, and small ones that succeed or fail on purpose."""

from kojid.sandbox.distro.sources import samples
from kojid.sandbox.distro.sources.hello import SourcePackage, hello
from kojid.sandbox.distro.sources.package import srpm

__all__ = ["SourcePackage", "hello", "samples", "srpm"]
