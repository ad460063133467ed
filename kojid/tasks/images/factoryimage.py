"""`image` and `createImage`: disk images that ImageFactory installs in a virtual machine (contract 6.9)."""

# Attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional, Sequence, Tuple

import koji

from kojid.buildroot.repocontent import RepoContent
from kojid.tasks.images import factoryxml
from kojid.tasks.images.factory import IMGFAC, OZ, OzImageTask
from kojid.tasks.images.factoryformats import FORMS, Disk, factory_parameters, wanted
from kojid.tasks.images.kickstart import PYKICKSTART
from kojid.tasks.images.pipeline import BuildImageTask, Children, Image, Place
from kojid.tasks.parts import Part

Row = Dict[str, Any]

_OPTIONS = 8  # which of the parameters of createImage they are


def check_words(version: str, release: Optional[str]) -> None:
    """Refuse a version or a release with a hyphen (koji.ApplianceError)."""
    for what, text in (("Version", version), ("Release", release)):
        if text and "-" in text:
            raise koji.ApplianceError(f"The {what} may not have a hyphen")


class BuildBaseImageTask(BuildImageTask):
    """Build disk images."""

    Methods: ClassVar[List[str]] = ["image"]
    parts = (PYKICKSTART, IMGFAC, OZ)

    def handler(
        self, name: str, version: str, arches: Sequence[str], target: str, inst_tree: str, opts: Optional[Row] = None
    ) -> str:
        """Build them.

        Args:
            name, version: of the image.
            arches: of the image.
            target: name of the build target.
            inst_tree: URL of what is installed from; `$arch` in it stands for the arch.
            opts: release, scratch, skip_tag, specfile, optional_arches, and those of `createImage`.

        Returns:
            the sentence that tells where they are.

        Raises:
            koji.ActionNotAllowed: the hub's policy `build_rpm` does not allow it.
            koji.ApplianceError: version or release has a hyphen.
        """
        opts = dict(opts or {})
        place = self.find_place(target, arches)
        self._assert_policy(place, opts)
        check_words(version, opts.get("release"))
        children = Children(
            "image",
            "createImage",
            arches,
            arguments=lambda release, arch: [
                name, version, release, arch, *place.arguments, inst_tree.replace("$arch", arch), opts
            ],
            label=lambda arch: arch,
            wrapper_label=lambda arch: f"wrapper {arch}",
            by_arch=True,
            amend=lambda made: _once(made, os.path.basename(str(opts.get("kickstart") or ""))),
        )  # fmt: skip
        return self.build_images(place, Image(name, version, opts.get("release"), opts), children)

    def _assert_policy(self, place: Place, opts: Row) -> None:
        data = {
            "user_id": self.session.getTaskInfo(self.id)["owner"],
            "source": opts.get("ksurl"),
            "task_id": self.id,
            "build_tag": place.build_tag,
            "skip_tag": bool(opts.get("skip_tag")),
            "scratch": bool(opts.get("scratch")),
            "from_scm": False,
            "repo_id": opts.get("repo_id"),
            "target": place.target["name"],
        }
        if not opts.get("skip_tag"):
            data["tag"] = place.target["dest_tag"]
        self.session.host.assertPolicy("build_rpm", data)


def _once(made: Dict[str, Row], name: str) -> None:
    """Leave a file that several images have in the first of them: the hub imports each name once."""
    holders = [result["files"] for result in made.values() if name in result["files"]]
    for files in holders[1:]:
        files.remove(name)


class BaseImageTask(OzImageTask):
    """Have ImageFactory install an image, and turn it into the forms that are asked for."""

    Methods: ClassVar[List[str]] = ["createImage"]
    _taskWeight = 2.0
    supported_formats: Dict[str, Row] = {name: {"qemu": form.qemu} for name, form in FORMS.items()}  # noqa: RUF012

    def needed_parts(self) -> Sequence[Part]:
        """Those of all such tasks, and the converters of the forms that are asked for."""
        opts = self.params[_OPTIONS] if len(self.params) > _OPTIONS else None
        asked = opts.get("format") if isinstance(opts, dict) else None
        # what makes no sense fails when it is run
        forms = [FORMS[str(name)] for name in (asked if isinstance(asked, list) else []) if str(name) in FORMS]
        return list(dict.fromkeys([*self.parts, *(part for form in forms for part in form.parts)]))

    def handler(
        self, name: str, version: str, release: str, arch: str, target_info: Row, build_tag: int, repo_info: Row,  # noqa: ARG002
        inst_tree: str, opts: Optional[Row] = None,
    ) -> Row:  # fmt: skip
        """Make the image.

        Args:
            name, version, release, arch: of the image.
            target_info: the build target, as the hub describes it.
            build_tag: id of the build tag.
            repo_info: its repository.
            inst_tree: URL of what is installed from.
            opts: kickstart, ksurl, ksversion, repo, distro, disk_size, format, factory_parameter, ova_option,
                noverifyssl, scratch.

        Returns:
            the image's data (contract 6.9).

        Raises:
            koji.ApplianceError: ImageFactory or a converter failed, or a form is unknown.
            koji.BuildError: the kickstart file or the distribution is wrong.
        """
        self.opts, self.arch = dict(opts or {}), arch
        self.target_info, self.repo_info = target_info, repo_info
        self.imgname = f"{name}-{version}-{release}.{arch}"
        formats = wanted(self.opts.get("format"))
        steps = {form: FORMS[form].steps(self.opts) for form in formats if FORMS[form].targets}
        template = self.makeTemplate(self.imgname, inst_tree)
        files, script = self._prepare(inst_tree, template)
        parameters = {"offline_icicle": True, **factory_parameters(self.opts), "install_script": script}
        log = f"oz-{arch}.log"
        made = self.run_factory({"base": {"template": template, "parameters": parameters}, "targets": steps}, log)
        for form in formats:
            files += self._deliver(form, made)
        logs = [log, *([f"checkout-{arch}.log"] if self.opts.get("ksurl") else [])]
        data = {"arch": arch, "task_id": self.id, "logs": logs, "name": name, "version": version, "release": release}
        return {**data, "files": files, "rpmlist": self._packages(made["base"]["icicle"])}

    def _prepare(self, inst_tree: str, template: str) -> Tuple[List[str], str]:
        """Upload what the image is made after; returns the names of those files and the kickstart file's text."""
        tag = self.target_info["build_tag_name"]
        original = self.fetchKickstart(tag)
        kickstart = self.prepareKickstart(original, inst_tree)
        changed = self.writeKickstart(kickstart, f"koji-{tag}-{self.id}-base.ks")
        tdl = Path(self.workdir, f"tdl-{self.arch}.xml")
        tdl.write_text(template, encoding="utf-8")
        self.uploadFile(str(tdl))
        return [tdl.name, os.path.basename(original), os.path.basename(changed)], kickstart.text()

    def _deliver(self, name: str, made: Row) -> List[str]:
        """Make one form and upload it; returns the names of the files."""
        form = FORMS[name]
        image, files = f"{self.imgname}.{form.extension}", []
        if form.described:
            described = self.fixImageXML(name, f"libvirt-{name}-{self.arch}.xml", made["base"]["libvirt_xml"], image)
            self.uploadFile(described)
            files.append(os.path.basename(described))
        path = made["targets"].get(name) or made["base"]["data"]
        if form.convert:
            path = str(form.convert(Disk(self, Path(path), self.imgname, self.arch)))
        self.uploadFile(path, remoteName=image)
        return [*files, image]

    def _packages(self, icicle: str) -> List[Row]:
        """What is in the image; nothing for a scratch build, of which no hub keeps a record."""
        if self.opts.get("scratch"):
            return []
        found = factoryxml.packages(icicle)
        repo = self.session.repoInfo(self.repo_info["id"], strict=True)
        RepoContent(self.session, self.options, repo, koji.canonArch(self.arch)).mark_external(found)
        return found
