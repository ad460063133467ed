"""Maven in a buildroot: its settings, its command line, and what its local repository holds (contract 7.9)."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union, cast
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import koji
import koji.util

from kojid.buildroot import failures
from kojid.buildroot.chrootfiles import open_directory, write_file
from kojid.hub.volume import volume_url

if TYPE_CHECKING:
    from kojid.buildroot.buildroot import BuildRoot

_NAMESPACE = "http://maven.apache.org/POM/4.0.0"
# Archives of the sources, which lie at the top of the output directory and are no artifacts.
_SOURCE_ARCHIVES = ("scm-sources.zip", "patches.zip")


def write_settings(broot: BuildRoot, destfile: str, outputdir: str) -> None:
    """Write Maven's settings into the chroot.

    Args:
        broot: the buildroot.
        destfile: the file's path inside the chroot.
        outputdir: where artifacts are deployed to, as a path of the host below the chroot.

    Raises:
        OSError: a link is in the way in the chroot, or it can't be written.
    """
    text = settings(broot, broot.path_without_to_within(outputdir))
    write_file(broot.rootdir(), destfile.strip("/"), text.encode("utf-8"))


def settings(broot: BuildRoot, deploy_dir: str) -> str:
    """Maven's settings: all artifacts come from the repo or from the dependencies, and go to a directory.

    Args:
        broot: the buildroot; its `deps` are task ids and builds whose output is a repository each.
        deploy_dir: the directory inside the chroot.
    """
    dependencies = [_dependency(broot, dependency) for dependency in broot.deps or []]
    top = Element("settings", xmlns=_NAMESPACE)
    _add(top, {"interactiveMode": "false"})
    mirror_id = f"koji-maven-repo-{broot.tag_name}-{broot.repoid}"
    relative = f"{koji.PathInfo(topdir='').repo(broot.repoid, broot.tag_name)}/maven".lstrip("/")
    mirror = {
        "id": mirror_id,
        "name": f"Maven repository of {broot.tag_name}, repo {broot.repoid}",
        "url": volume_url(broot.options.topurl, relative),
        "mirrorOf": ",".join(["*", *(f"!{name}" for name, _url, _snapshots in dependencies)]),
    }
    mirrors = SubElement(top, "mirrors")
    _add(SubElement(mirrors, "mirror"), mirror)
    for name, url, _snapshots in dependencies:
        if url.startswith("http://"):
            # Maven 3.8.1 and later use repositories without encryption only as mirrors that somebody has named.
            _add(SubElement(mirrors, "mirror"), {"id": name, "name": name, "url": url, "mirrorOf": name})
    profile = SubElement(SubElement(top, "profiles"), "profile")
    name = f"koji-task-{broot.task_id}"
    _add(profile, {"id": name})
    deployment = f"koji-output::default::file://{deploy_dir}"
    _add(SubElement(profile, "properties"), {"altDeploymentRepository": deployment})
    for group, single in (("repositories", "repository"), ("pluginRepositories", "pluginRepository")):
        if dependencies:
            _add_repositories(SubElement(profile, group), single, dependencies)
    _add(SubElement(top, "activeProfiles"), {"activeProfile": name})
    indent(top)
    return f"{tostring(top, encoding='unicode')}\n"


def _add(parent: Element, texts: Mapping[str, str]) -> None:
    for tag, text in texts.items():
        SubElement(parent, tag).text = text


def _add_repositories(parent: Element, tag: str, repositories: Sequence[Tuple[str, str, bool]]) -> None:
    for name, url, snapshots in repositories:
        entry = SubElement(parent, tag)
        _add(entry, {"id": name, "name": name, "url": url, "layout": "default"})
        for kind, enabled in (("releases", True), ("snapshots", snapshots)):
            policy = {"enabled": str(enabled).lower(), "updatePolicy": "never", "checksumPolicy": "fail"}
            _add(SubElement(entry, kind), policy)


def _dependency(broot: BuildRoot, dependency: Any) -> Tuple[str, str, bool]:
    """Id and URL of a dependency's repository, and whether it may hold snapshots, as only a task's may."""
    paths = koji.PathInfo(topdir=broot.options.topurl)
    if isinstance(dependency, int):
        return f"koji-task-{dependency}-repo", paths.task(dependency), True
    return f"koji-build-{dependency}-repo", paths.mavenbuild(koji.parse_NVR(dependency)), False


def build(
    broot: BuildRoot,
    sourcedir: str,
    outputdir: str,
    repodir: str,
    *,
    props: Optional[Mapping[str, Optional[str]]] = None,
    profiles: Optional[Sequence[str]] = None,
    options: Optional[Sequence[str]] = None,
    goals: Optional[Sequence[str]] = None,
) -> int:
    """Run Maven in the chroot and tell the hub which artifacts it took from where.

    Args:
        broot: the buildroot.
        sourcedir, outputdir, repodir: the sources, what is deployed and Maven's local repository, as paths of the host.
        props: system properties; None as a value leaves one without a value.
        profiles: the profiles that are on.
        options: more options of mvn.
        goals: what to do before deploying.

    Returns:
        mock's raw status; the hub has been told either way.

    Raises:
        koji.BuildrootError: the build succeeded with artifacts that the hub does not know.
    """
    broot.session.host.setBuildRootState(broot.id, "BUILDING")
    defines = [f"-D{name}" if value is None else f"-D{name}={value}" for name, value in (props or {}).items()]
    chosen = [f"-P{','.join(profiles)}"] if profiles else []
    words = ["/usr/bin/mvn", "-C", *(options or []), *chosen, *defines, *(goals or []), "deploy"]
    inside = broot.path_without_to_within(sourcedir)
    status = broot.mock(["--no-clean", "--chroot", "--unpriv", "--cwd", inside, "--", *words])
    try:
        _record(broot, repodir, outputdir, failed=bool(status))
    except koji.GenericError as error:
        if not status:
            raise
        broot.logger.warning("The packages of %s can't be recorded: %s", broot.name, error)
    return status


def _record(broot: BuildRoot, repodir: str, outputdir: str, *, failed: bool) -> None:
    """Tell the hub what Maven has used; after a failure unknown artifacts, too, must not hide its cause."""
    ignored = broot.options.maven_repo_ignore
    broot.session.host.updateMavenBuildRootList(
        broot.id,
        broot.task_id,
        artifacts(repodir, ignored, broot.rootdir()),
        ignore=artifacts(outputdir, ignored, broot.rootdir()),
        project=True,
        ignore_unknown=failed,
        extra_deps=broot.deps,
    )


def artifacts(repodir: str, ignored: Union[str, Sequence[str]], root: str) -> List[Dict[str, Any]]:
    """The artifacts in a local repository: maven_info and files of each (contract 7.9); links are left out.

    Args:
        repodir: its path on the host.
        ignored: patterns of names, and of paths below the repository, that do not count.
        root: the chroot, as a path of the host; below it no link is followed, as what runs there may have put one in
            the place of a directory.

    Raises:
        koji.BuildrootError: a file lies where no artifact does, or the repository is no directory of the chroot.
    """
    found = []
    relative = os.path.relpath(repodir, root)
    base, below = (root, relative) if relative.split("/")[0] != ".." else (repodir, "")
    try:
        with open_directory(base, below) as top:
            for path, _directories, names, descriptor in os.fwalk(".", follow_symlinks=False, dir_fd=top):
                relative = path[len("./") :]
                files = list(_files(relative, sorted(names), descriptor, ignored))
                if files:
                    found.append({"maven_info": _maven_info(relative, files), "files": files})
    except OSError as error:
        if not os.path.lexists(repodir):
            return []
        raise koji.BuildrootError(f"the Maven repository {repodir} can't be listed: {error}") from error
    return found


def _files(
    relative: str, names: Sequence[str], directory: int, ignored: Union[str, Sequence[str]]
) -> Iterator[Dict[str, Any]]:
    for name in names:
        whole = os.path.join(relative, name)
        if koji.util.multi_fnmatch(name, ignored) or koji.util.multi_fnmatch(whole, ignored):
            continue
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if stat.S_ISREG(status.st_mode) and not (relative == "" and name in _SOURCE_ARCHIVES):
            yield {"path": relative, "filename": name, "size": status.st_size}


def _maven_info(relative: str, files: Sequence[Mapping[str, Any]]) -> Dict[str, str]:
    parts = relative.split("/")
    if len(parts) < 3:
        names = ", ".join(str(file["filename"]) for file in files)
        raise koji.BuildrootError(
            f"there are files in an unexpected place of the Maven repository: {relative} ({names})"
        )
    return {"group_id": ".".join(parts[:-2]), "artifact_id": parts[-2], "version": parts[-1]}


class MavenCalls:
    """The part of a buildroot that plugins and tasks call for Maven."""

    def writeMavenSettings(self, destfile: str, outputdir: str) -> None:  # noqa: N802 - plugins call it so
        """Write Maven's settings to a path inside the chroot; see `write_settings`."""
        write_settings(cast("BuildRoot", self), destfile, outputdir)

    def mavenBuild(  # noqa: N802 - plugins call it so
        self,
        sourcedir: str,
        outputdir: str,
        repodir: str,
        props: Optional[Dict[str, Optional[str]]] = None,
        profiles: Optional[List[str]] = None,
        options: Optional[List[str]] = None,
        goals: Optional[List[str]] = None,
    ) -> None:
        """Build with Maven; arguments as for `build`. Raises BuildrootFailed, HostFault: see `failures`."""
        broot = cast("BuildRoot", self)
        status = build(
            broot, sourcedir, outputdir, repodir, props=props, profiles=profiles, options=options, goals=goals
        )
        broot._check(failures.MAVEN, status)

    def getMavenPackageList(self, repodir: str) -> List[Dict[str, Any]]:  # noqa: N802 - plugins call it so
        """The artifacts of Maven's local repository, a path of the host; see `artifacts`."""
        broot = cast("BuildRoot", self)
        return artifacts(repodir, broot.options.maven_repo_ignore, broot.rootdir())
