"""`buildMaven`: sources from version control are built and deployed by Maven in a buildroot (contract 6.8, 7.9)."""

# Method and attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional, Tuple

import koji

from kojid.buildroot.chrootfiles import make_directory
from kojid.tasks import mavensources
from kojid.tasks.base import BaseBuildTask
from kojid.tasks.checkouts import LOG, allowed_source, check_out
from kojid.tasks.chroots import buildroot
from kojid.tasks.mavensources import PATCH_LOG
from kojid.tasks.parts import OptionalParts, Part, program
from kojid.tasks.srpm import give_to_mock

# Inside the chroot.
_SOURCES, _OUTPUT, _PATCHES = "maven/build", "maven/output", "maven/patches"
_HOME = "builddir/.m2"
_REPOSITORY = f"{_HOME}/repository"
_ARCHIVES = ("scm-sources", "patches")
_MEMORY = "-Xmx"
_USUAL_MEMORY = "-Xmx2048m"

Row = Dict[str, Any]


class BuildMavenTask(OptionalParts, BaseBuildTask):
    """Build with Maven."""

    Methods: ClassVar[List[str]] = ["buildMaven"]
    _taskWeight = 1.5
    parts: ClassVar[Tuple[Part, ...]] = (program(mavensources.PATCH, "patch"),)

    def require_parts(self) -> None:
        """Raise RefuseTask when there are patches and this host has no program to apply them with."""
        opts = self.params[2] if len(self.params) > 2 else None
        if isinstance(opts, dict) and opts.get("patches"):
            super().require_parts()

    def handler(self, url: str, build_tag: Row, opts: Optional[Row] = None) -> Row:
        """Check out, apply patches, run mvn, and upload what it has deployed.

        Args:
            url: the source (contract 8.1).
            build_tag: the build tag, as the hub describes it.
            opts: repo_id, which has to be there; goals, profiles, properties, envs, patches (a source), packages,
                jvm_options, maven_options, deps (task ids and name-version-releases), scratch.

        Returns:
            maven_info (group_id, artifact_id, version), buildroot_id, logs, and files: names by directory.

        Raises:
            koji.BuildError: a source is not allowed or can't be fetched, a patch does not apply, there is no Maven in
                the buildroot, or the POM tells too little.
            koji.BuildrootError: the build fails, or it used artifacts that the hub does not know.
        """
        opts = dict(opts or {})
        scm = allowed_source(self, url, scratch=opts.get("scratch"))
        patches = allowed_source(self, opts["patches"], scratch=opts.get("scratch")) if opts.get("patches") else None
        if not opts.get("repo_id"):
            raise koji.BuildError("A repo_id must be provided")
        pom = mavensources.pom_file(opts.get("maven_options") or [])
        event = self.session.repoInfo(opts["repo_id"], strict=True)["create_event"]
        config = self.session.getBuildConfig(build_tag["id"], event=event)
        arch = self.find_arch("noarch", self.session.host.getHost(), config)
        with buildroot(self, build_tag["id"], arch, **_buildroot_options(opts)) as broot:
            self._install(broot, opts.get("packages"))
            _require_maven(broot, build_tag)
            _make_directories(broot)
            about = {"build_tag": build_tag, "scratch": opts.get("scratch"), "buildroot": broot}
            sourcedir = check_out(self, scm, f"{broot.rootdir()}/{_SOURCES}", **about)
            mavensources.zip_tree(sourcedir, self._archive("scm-sources"))
            give_to_mock(f"{broot.rootdir()}/{_SOURCES}", self.options)
            if patches is not None:
                self._patch(patches, f"{broot.rootdir()}/{_PATCHES}", sourcedir, about)
            self._run_maven(broot, sourcedir, opts)
            info = mavensources.read_pom(broot.rootdir(), broot.path_without_to_within(sourcedir), pom)
            logs, files = self._upload(f"{broot.rootdir()}/{_OUTPUT}", info)
            logs += [*sorted(broot.logs), LOG, *([PATCH_LOG] if patches is not None else [])]
            return {"maven_info": info, "buildroot_id": broot.id, "logs": logs, "files": files}

    def _archive(self, kind: str) -> Path:
        """Where an archive of sources is kept until the build has ended, out of its reach."""
        return Path(str(self.workdir), f"{kind}.zip")

    def _install(self, broot: Any, packages: Any) -> None:
        if packages:
            self.session.host.setBuildRootState(broot.id, "BUILDING")
            broot.install(packages)

    def _patch(self, scm: Any, patchdir: str, sourcedir: str, about: Row) -> None:
        scm.use_common = False  # patches have nothing in common with others
        checkout = check_out(self, scm, patchdir, log=PATCH_LOG, **about)
        mavensources.zip_tree(checkout, self._archive("patches"))
        give_to_mock(patchdir, self.options)
        mavensources.apply_patches(self, checkout, sourcedir, scm.url)

    def _run_maven(self, broot: Any, sourcedir: str, opts: Row) -> None:
        root, outputdir = broot.rootdir(), f"{broot.rootdir()}/{_OUTPUT}"
        for relative in (_OUTPUT, _HOME):
            give_to_mock(f"{root}/{relative}", self.options)
        broot.writeMavenSettings(f"/{_HOME}/settings.xml", outputdir)
        broot.mavenBuild(
            sourcedir, outputdir, f"{root}/{_REPOSITORY}", props=opts.get("properties"), profiles=opts.get("profiles"),
            options=opts.get("maven_options"), goals=opts.get("goals"),
        )  # fmt: skip

    def _upload(self, outputdir: str, info: Dict[str, str]) -> Tuple[List[str], Dict[str, List[str]]]:
        """Upload what was deployed and the archives of the sources; returns logs and files."""
        logs: List[str] = []
        files: Dict[str, List[str]] = {}
        for below, names in mavensources.collect(outputdir).items():
            self.upload_files([os.path.join(outputdir, below, name) for name in names], below)
            logs += [os.path.join(below, name) for name in names if name.endswith(".log")]
            kept = [name for name in names if not name.endswith(".log")]
            if kept:
                files[below] = kept
        archives = [self._rename_archive(kind, info) for kind in _ARCHIVES if self._archive(kind).exists()]
        self.upload_files(map(str, archives))
        own = [path.name for path in archives]
        files[""] = [*(name for name in files.get("", []) if name not in own), *own]
        return logs, files

    def _rename_archive(self, kind: str, info: Dict[str, str]) -> Path:
        """Give an archive of sources the name of what was built from them."""
        path = self._archive(kind)
        return path.rename(path.with_name(f"{info['artifact_id']}-{info['version']}-{kind}.zip"))


def _buildroot_options(opts: Row) -> Row:
    jvm_options = list(opts.get("jvm_options") or [])
    if not any(option.startswith(_MEMORY) for option in jvm_options):
        jvm_options.append(_USUAL_MEMORY)
    return {
        "repo_id": opts["repo_id"],
        "install_group": "maven-build",
        "setup_dns": True,
        "maven_opts": jvm_options,
        "maven_envs": opts.get("envs"),
        "deps": opts.get("deps"),
    }


def _require_maven(broot: Any, build_tag: Row) -> None:
    if not os.path.lexists(f"{broot.rootdir()}/usr/bin/mvn"):
        raise koji.BuildError(
            "/usr/bin/mvn was not found in the buildroot: the group maven-build of the tag"
            f" {build_tag.get('name', build_tag['id'])} has to install it"
        )


def _make_directories(broot: Any) -> None:
    try:
        for relative in (_SOURCES, _OUTPUT, _PATCHES, _REPOSITORY):
            make_directory(broot.rootdir(), relative)
    except OSError as error:
        raise koji.BuildrootError(f"/{relative} can't be made in the buildroot: {error.strerror}") from error
