"""Maven in a sandbox: a JDK and Maven for its chroots, and a Maven repository for what is built in them.

Both come from the machine's Debian packages, as the sandbox's distribution does; nothing reaches the network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Sequence

from kojid.sandbox import client, content
from kojid.sandbox.distro import Distribution, generator, mavenrepo

TAG = "maven-tools"
GROUP = "maven-build"
_LABEL = {"group_id": "org.debian", "artifact_id": "maven-repository"}


def lay_out(session: Any, tools: Distribution, base: Sequence[str], directory: Path) -> str:
    """Have the build tag make Maven builds; its repository is to be made anew then.

    Args:
        session: an admin's.
        tools: JDK and Maven as RPMs: `make_more` of `mavenrepo.CHROOT_PACKAGES`.
        base: the packages of a chroot without them.
        directory: for the artifacts; made here.

    Returns:
        The build that holds the artifacts.

    Raises:
        DistributionError: as `mavenrepo.artifacts`. SandboxError: as `content.import_distribution`.
    """
    content.add_tag(session, TAG, maven_include_all=True)  # artifacts come in several versions
    parents = [row["name"] for row in session.getInheritanceData(content.BUILD_TAG)]
    content.inherit(session, content.BUILD_TAG, [*parents, TAG])
    content.import_distribution(session, tools, TAG)
    content.set_groups(session, content.BUILD_TAG, {GROUP: [*base, *mavenrepo.CHROOT_PACKAGES]})
    session.editTag2(content.BUILD_TAG, maven_support=True)
    return import_artifacts(session, directory)


def import_artifacts(session: Any, directory: Path) -> str:
    """Import what builds take from Debian's Maven repository, as one build, and tag it; arguments as `lay_out`."""
    version = generator.debian_version()
    build: Dict[str, Any] = {"name": "-".join(_LABEL.values()), "version": version, "release": "1", "epoch": None}
    nvr = f"{build['name']}-{version}-1"
    content.add_packages(session, TAG, [build["name"]])
    session.createMavenBuild(build, {**_LABEL, "version": version})
    found = mavenrepo.artifacts(directory)
    for number, (path, _) in enumerate(found):
        client.upload(session, path, f"sandbox-import/{nvr}/{number}")
    with session.multicall(strict=True) as calls:
        for number, (path, relative) in enumerate(found):
            *group, artifact, artifact_version, _ = relative.split("/")
            info = {"group_id": ".".join(group), "artifact_id": artifact, "version": artifact_version}
            calls.importArchive(f"sandbox-import/{nvr}/{number}/{path.name}", nvr, "maven", info)
    session.tagBuildBypass(TAG, nvr)
    return nvr
