"""The parent task of every image build: one way from the target to the tag (contract 6.9).

A family says which subtasks there are and how their results are named; spawning, waiting, optional arches, wrapper
packages, import, scratch and tagging are done here. All of it can run a second time: subtasks are found by their
labels, the build and its release by the task.
"""

# Method and argument names are the library's: handlers of plugins call them.
# ruff: noqa: N802

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, ClassVar, Dict, List, Mapping, Optional, Sequence, Tuple

import koji
import koji.tasks

from kojid.system import logfields
from kojid.tasks.base import BaseTaskHandler
from kojid.tasks.newbuild import NewBuild
from kojid.tasks.parts import OptionalParts

Row = Dict[str, Any]


class MultiPlatformTask(BaseTaskHandler, koji.tasks.MultiPlatformTask):
    """A task that has subtasks per architecture; `buildWrapperRPM` is the library's, waiting and uploads are ours."""


@dataclass(frozen=True)
class Place:
    """Where an image is built and goes.

    Args:
        target: the build target, as the hub describes it.
        repo: the build tag's repository.
        arches: of the build tag, canonical.
    """

    target: Row
    repo: Row
    arches: Tuple[str, ...]

    @property
    def build_tag(self) -> int:
        """Id of the build tag."""
        return int(self.target["build_tag"])

    @property
    def arguments(self) -> List[Any]:
        """What every subtask is told of it: target_info, build_tag, repo_info."""
        return [self.target, self.build_tag, self.repo]


@dataclass(frozen=True)
class Image:
    """What was asked for.

    Args:
        name, version: of the image.
        release: None leaves it to the hub.
        opts: the task's options; read here: scratch, skip_tag, specfile, optional_arches.
    """

    name: str
    version: str
    release: Optional[str]
    opts: Mapping[str, Any]

    @property
    def scratch(self) -> bool:
        """Whether the files are put aside."""
        return bool(self.opts.get("scratch"))

    @property
    def optional_arches(self) -> Sequence[str]:
        """Arches that may fail."""
        return self.opts.get("optional_arches") or ()


@dataclass(frozen=True)
class Children:
    """The subtasks of an image build.

    Args:
        word: what is built, as the task's result calls it.
        method: of the subtasks.
        arches: one subtask each; an arch that is named twice counts once.
        arguments: what a subtask is called with, by the image's release and the arch.
        label: of a subtask, by its arch.
        wrapper_label: of the subtask that wraps what was made for an arch.
        by_arch: whether the hub gets the results by arch; else by the subtask's id.
        amend: called with the results by arch before the hub gets them; those of failed subtasks are left out.
    """

    word: str
    method: str
    arches: Sequence[str]
    arguments: Callable[[str, str], List[Any]]
    label: Callable[[str], str]
    wrapper_label: Callable[[str], str]
    by_arch: bool = False
    amend: Callable[[Dict[str, Row]], None] = lambda _made: None

    @classmethod
    def one(cls, word: str, method: str, arch: str, before: Sequence[Any], after: Sequence[Any]) -> Children:
        """The subtask of an image for one arch, labelled with the word.

        Args:
            word, method: as above.
            arch: of the image.
            before, after: what it is called with before release and arch, and after them.
        """
        return cls(
            word,
            method,
            [arch],
            arguments=lambda release, arch: [*before, release, arch, *after],
            label=lambda _arch: word,
            wrapper_label=lambda _arch: "rpm",
        )


class BuildImageTask(OptionalParts, MultiPlatformTask, NewBuild):
    """The parent task of an image build, which knows the build's record on the hub; plugins derive from it, too."""

    Methods: ClassVar[List[str]] = []

    def find_place(self, target: str, arches: Sequence[str] = ()) -> Place:
        """The target, the build tag's repository and its arches.

        Args:
            target: name of a build target.
            arches: those that are asked for.

        Raises:
            koji.GenericError: no such target.
            koji.BuildError: the tag has no arches, or not one that is asked for.
        """
        info: Row = self.session.getBuildTarget(target, strict=True)
        repo = self.getRepo(info["build_tag"])
        config = self.session.getBuildConfig(info["build_tag"])
        if not config["arches"]:
            raise koji.BuildError(f"No arches for tag {config['name']} [{config['id']}]")
        place = Place(info, repo, tuple(dict.fromkeys(map(koji.canonArch, config["arches"].split()))))
        for arch in arches:
            if koji.canonArch(arch) not in place.arches:
                raise koji.BuildError(f"Invalid arch for build tag: {arch}")
        return place

    def initImageBuild(
        self, name: str, version: str, release: Optional[str], target_info: Mapping[str, Any], opts: Mapping[str, Any]
    ) -> Row:
        """Have the hub begin an image build (contract 6.9).

        Args:
            name, version: of the image.
            release: the hub picks one if it is None.
            target_info: the build target; its `dest_tag_name` has to list the image's name as a package.
            opts: the task's; with `scratch` or `skip_tag` the list of packages does not matter.

        Returns:
            the build, with id and release.

        Raises:
            koji.BuildError: the destination tag does not list the package, or blocks it.
        """
        tag = target_info["dest_tag_name"]
        if not (opts.get("skip_tag") or opts.get("scratch")):
            package = self.session.getPackageConfig(tag, name)
            if package is None:
                raise koji.BuildError(f"package (image) {name} not in list for tag {tag}")
            if package["blocked"]:
                raise koji.BuildError(f"package (image) {name} is blocked for tag {tag}")
        data = {"name": name, "version": version, "release": release, "epoch": 0}
        build: Row = self.session.host.initImageBuild(self.id, data)
        return build

    def build_images(self, place: Place, image: Image, children: Children) -> str:
        """Build: begin the build, have the subtasks do the work, hand in what they made, tag it.

        Returns:
            the sentence that tells where it is.

        Raises:
            koji.BuildError: the destination tag does not take the image.
            koji.GenericError: all optional arches failed, and there are no others.
            any fault: of a subtask that may not fail.
        """
        build, is_complete = self._begin(place, image)
        made: Dict[str, int] = {}
        if not is_complete:
            with self.failing_with(build["id"] if build else None):
                release = build["release"] if build else self._release_of_scratch(image)
                logfields.put(NVR=f"{image.name}-{image.version}-{release}")
                made = self._spawn(release, children)
                results = self._wait_for(made, image.optional_arches)
                self._wrap(place, build, image.opts.get("specfile"), made, results, children)
                children.amend({arch: found for arch, found in results.items() if not has_failed(found)})
                keyed = {arch if children.by_arch else str(made[arch]): found for arch, found in results.items()}
                self._hand_over(build, keyed)
        if build and not image.opts.get("skip_tag"):
            self.tagBuild(build["id"], place.target["dest_tag"])
        return self._report(children.word, build, list(made.values()))

    def next_release(self, name: str, version: str) -> str:
        """The release that comes after those of the builds that there are."""
        return str(self.session.getNextRelease({"name": name, "version": version}))

    def _begin(self, place: Place, image: Image) -> Tuple[Optional[Row], bool]:
        """The build, None for a scratch build; and whether an earlier run of this task has completed it."""
        if image.scratch:
            return None, False
        earlier = self._earlier_run(image)
        if earlier and earlier["state"] == koji.BUILD_STATES["COMPLETE"]:
            self.logger.warning("An earlier run of this task has completed %s, going on from there", earlier["nvr"])
            return {**earlier, "id": earlier["build_id"]}, True
        # asked without a release, the hub would begin another build
        release = earlier["release"] if earlier else image.release
        return self.initImageBuild(image.name, image.version, release, place.target, image.opts), False

    def _earlier_run(self, image: Image) -> Optional[Row]:
        usable = [koji.BUILD_STATES[name] for name in ("BUILDING", "COMPLETE")]
        for row in self.session.listBuilds(taskID=self.id):
            if (row["name"], row["version"]) == (image.name, image.version) and row["state"] in usable:
                found: Row = row
                return found
        return None

    def _release_of_scratch(self, image: Image) -> str:
        return image.release or self.next_release(image.name, image.version)

    def _spawn(self, release: str, children: Children) -> Dict[str, int]:
        return {
            arch: self.session.host.subtask(
                method=children.method,
                arglist=children.arguments(release, arch),
                label=children.label(arch),
                parent=self.id,
                arch=arch,
            )
            for arch in dict.fromkeys(children.arches)
        }

    def _wait_for(self, made: Mapping[str, int], optional: Sequence[str]) -> Dict[str, Row]:
        """The results by arch; that of an optional arch which failed is its fault, {faultCode, faultString}."""
        canfail = [task_id for arch, task_id in made.items() if arch in optional]
        self.logger.debug("Waiting on image subtasks %r (%r can fail)", made, canfail)
        found = self.wait(list(made.values()), all=True, failany=True, canfail=canfail)
        results: Dict[str, Row] = {arch: found[task_id] for arch, task_id in made.items()}
        failed = {arch: str(result["faultString"]) for arch, result in results.items() if has_failed(result)}
        if len(failed) == len(results):
            raise koji.GenericError("\n".join(["all subtasks failed", *(f"{a}: {failed[a]}" for a in failed)]))
        for arch in failed:
            self.logger.warning("The optional arch %s of task %s failed: %s", arch, self.id, failed[arch])
        return results

    def _wrap(
        self,
        place: Place,
        build: Optional[Row],
        spec_url: Optional[str],
        made: Mapping[str, int],
        results: Mapping[str, Row],
        children: Children,
    ) -> None:
        """Build packages around the files, where that is asked for; each result gets its packages as `rpmresults`."""
        if not spec_url:
            return
        wrappers: Dict[str, int] = {}
        for arch, task_id in made.items():
            if not has_failed(results[arch]):
                task = self.session.getTaskInfo(task_id)
                wrappers[arch] = self.session.host.subtask(
                    method="wrapperRPM",
                    arglist=[spec_url, place.target, build, task, {"repo_id": place.repo["id"]}],
                    label=children.wrapper_label(arch),
                    parent=self.id,
                    arch="noarch",
                )
        found = self.wait(list(wrappers.values()), all=True, failany=True)
        for arch, task_id in wrappers.items():
            results[arch]["rpmresults"] = {**found[task_id], "task_id": task_id}

    def _hand_over(self, build: Optional[Row], results: Mapping[str, Row]) -> None:
        self.logger.debug("Image results for the hub: %r", results)
        if build is None:
            self.session.host.moveImageBuildToScratch(self.id, results)
        else:
            self.session.host.completeImageBuild(self.id, build["id"], results)

    def _report(self, word: str, build: Optional[Row], tasks: Sequence[int]) -> str:
        paths = koji.PathInfo(topdir=self.options.topdir)
        if build is not None:
            return f"{word} build results in: {paths.imagebuild(build)}"
        places = ", ".join(f"{paths.work()}/{paths.taskrelpath(task_id)}" for task_id in tasks)
        return f"Scratch {word} build results in: {places}"


def has_failed(result: Any) -> bool:
    """Whether a subtask's result is the fault of one that was allowed to fail."""
    return isinstance(result, dict) and "faultCode" in result
