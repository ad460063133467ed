"""Stands in for ImageFactory and oz, which Debian lacks: Python libraries of the host's, and no programs in a chroot.

What is in `library` is for the module path of a daemon that is to find them. They hold it to the documented calls and
values: anything else raises. Instead of a virtual machine, an image is a small disk that names the packages; those are
fetched from the repositories of the kickstart file, and images of other forms are made by qemu-img and tar.
"""

from __future__ import annotations

from pathlib import Path

#: What has to be on the module path.
LIBRARY = Path(__file__).parent / "library"
