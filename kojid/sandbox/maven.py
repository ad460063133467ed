"""Maven in a sandbox, on demand: a Java and Maven for its chroots, and a Maven repository for what is built in them.

Both come from the machine's Debian packages, as the sandbox's distribution does; nothing reaches the network. A step
that is done already is found done.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Dict, List, Set, Tuple

from kojid.sandbox import client, content, distro
from kojid.sandbox.distro import generator, mavenrepo
from kojid.sandbox.errors import SandboxError
from kojid.sandbox.layout import Layout
from kojid.sandbox.steps import Steps

TAG = "maven-tools"
GROUP = "maven-build"
_LABEL = {"group_id": "org.debian", "artifact_id": "maven-repository"}


def add(made: Layout, steps: Steps, session: Any) -> None:
    """Have the build tag make Maven builds; its repository is to be made anew then.

    Args:
        made: the sandbox, with its distribution.
        steps: told what is done.
        session: an admin's.

    Raises:
        SandboxError: Debian packages are missing, or a step failed; the next call goes on from there.
    """
    try:
        with steps.step("Java and Maven from this machine's packages"):
            tools = distro.make_more(made.distro / "maven", mavenrepo.CHROOT_PACKAGES, progress=steps.note)
            content.add_tag(session, TAG, maven_include_all=True)  # artifacts come in several versions
            parents = [row["name"] for row in session.getInheritanceData(content.BUILD_TAG)]
            content.inherit(session, content.BUILD_TAG, [*parents, *({TAG} - set(parents))])
            if not session.listTagged(TAG, type="rpm"):
                content.import_distribution(session, tools, TAG)
            base = distro.make(made.distro).groups["srpm-build"]
            content.set_groups(session, content.BUILD_TAG, {GROUP: [*base, *mavenrepo.CHROOT_PACKAGES]})
            session.editTag2(content.BUILD_TAG, maven_support=True)
        with steps.step("a Maven repository from Debian's own"):
            if not session.listTagged(TAG, type="maven"):
                _import_artifacts(session, steps)
    except distro.DistributionError as error:
        raise SandboxError(f"Maven can't be added: {error}") from error


def _import_artifacts(session: Any, steps: Steps) -> None:
    """Import what builds take from Debian's Maven repository, as one build, and tag it at last."""
    version = generator.debian_version()
    build: Dict[str, Any] = {"name": "-".join(_LABEL.values()), "version": version, "release": "1", "epoch": None}
    nvr = f"{build['name']}-{version}-1"
    content.add_packages(session, TAG, [build["name"]])
    session.createMavenBuild(build, {**_LABEL, "version": version})
    present = _present(session, nvr)
    with tempfile.TemporaryDirectory(prefix="kojid-maven-") as scratch:
        found = mavenrepo.artifacts(Path(scratch) / "repository")
        wanted: List[Tuple[Dict[str, str], Path, str]] = []
        for number, (path, relative) in enumerate(found):
            *group, artifact, its_version, name = relative.split("/")
            info = {"group_id": ".".join(group), "artifact_id": artifact, "version": its_version}
            if (*info.values(), name) not in present:
                wanted.append((info, path, f"sandbox-import/{nvr}/{number}"))
        for _info, path, directory in wanted:
            client.upload(session, path, directory)
    with session.multicall(strict=True) as calls:
        for info, path, directory in wanted:
            calls.importArchive(f"{directory}/{path.name}", nvr, "maven", info)
    session.tagBuildBypass(TAG, nvr)
    steps.note(f"{nvr} with {len(found)} files is in tag {TAG}")


def _present(session: Any, nvr: str) -> Set[Tuple[str, ...]]:
    """What an import that was cut off has left."""
    rows = session.listArchives(buildID=session.getBuild(nvr, strict=True)["id"], type="maven")
    return {(row["group_id"], row["artifact_id"], row["version"], row["filename"]) for row in rows}
