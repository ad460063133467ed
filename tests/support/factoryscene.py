"""A sandbox in which ImageFactory's images can be made: a builder with its stand-in, a build tag with two arches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kojid.sandbox import content
from kojid.sandbox.layout import BUILDER
from tests.support.imagescene import ARCH, BARE_ARCH, BUILD_TAG, TAG, TARGET, regenerate
from tests.support.sandbox import Daemon, Sandbox

PLUGINS = Path(__file__).parents[1] / "data" / "plugins"
TREE = "http://127.0.0.1:1/tree/$arch/os"


def furnish(box: Sandbox, *packages: str, **options: Any) -> Daemon:
    """Start the sandbox's builder, make tags and target, and have a repository made; there is nothing for BARE_ARCH.

    Args:
        box: the sandbox.
        packages: names of images that the tag takes.
        options: of the builder.
    """
    daemon = box.daemon(BUILDER, plugin="withimagefactory", pluginpath=str(PLUGINS), maxjobs=20, **options).start()
    session = box.admin
    session.editHost(BUILDER, arches=f"{ARCH} {BARE_ARCH}")
    session.addHostToChannel(BUILDER, "image")
    content.add_tag(session, TAG)
    content.add_tag(session, BUILD_TAG, arches=f"{ARCH} {BARE_ARCH}", extra={"mock.use_bootstrap": False})
    content.inherit(session, BUILD_TAG, [TAG, content.BUILD_TAG])
    session.createBuildTarget(TARGET, BUILD_TAG, TAG)
    content.add_packages(session, TAG, list(packages))
    regenerate(box)
    return daemon


def kickstart(directory: Path, name: str, *packages: str) -> Path:
    """A kickstart file that names these packages."""
    path = directory / name
    listed = "\n".join(packages or ("bash", "grep"))
    path.write_text(f"lang en_US.UTF-8\nurl --url=http://127.0.0.1:1/theirs\n%packages\n{listed}\n%end\n")
    return path
