"""`newRepo`: the hub lays out a repository for a tag, and subtasks make its metadata, arch by arch (contract 9.2)."""

# Attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Dict, Iterator, List, Optional, Sequence, Tuple

import koji
from koji.tasks import RefuseTask

from kojid.hub import capabilities
from kojid.hub.upload import Uploader
from kojid.repos import clone
from kojid.tasks.base import BaseTaskHandler


@dataclass(frozen=True)
class Repo:
    """A repository and where it lies on the mounted volume.

    Args:
        info: as the hub describes it; at least id, tag_id and create_event.
        path: its directory.
    """

    info: Dict[str, Any]
    path: Path


class NewRepoTask(BaseTaskHandler):
    """Make a repository for a tag."""

    Methods: ClassVar[List[str]] = ["newRepo"]
    _taskWeight = 0.1

    def handler(
        self,
        tag: Any,
        event: Optional[int] = None,
        src: Optional[bool] = None,
        debuginfo: Optional[bool] = None,
        separate_src: Optional[bool] = None,
        opts: Optional[Dict[str, Any]] = None,
    ) -> Tuple[int, int]:
        """Make the repository.

        Args:
            tag: id, name or a dictionary with them.
            event: the tag as it was at this event; as it is now if None.
            src, debuginfo, separate_src: what callers of before 1.35 say instead of `opts`.
            opts: the repository's options; the tag's own if None.

        Returns:
            the repository's id and the event that it stands for.

        Raises:
            RefuseTask: the volume is not mounted here.
            koji.GenericError: the hub's directory is not to be seen here, or an arch failed.
        """
        tag_info = self.session.getTag(tag, strict=True, event=event)
        opts = self._options(opts, {"src": src, "debuginfo": debuginfo, "separate_src": separate_src})
        require_repos_dir(self.options)
        hub = capabilities.of(self.session)
        when = {} if event is None else {"event": event}
        asked = {"opts": opts} if hub.makes_repos_on_request else _older_options(tag_info, opts)
        repo_id, event_id = self.session.host.repoInit(tag_info["id"], task_id=self.id, **asked, **when)
        new = Repo({"id": repo_id, "tag_id": tag_info["id"], "create_event": event_id}, self._path(repo_id, tag_info))
        arches = _arches(new.path)
        old = self._old_repo(tag_info)
        data = self._clone(old, new, arches)
        cloned = list(data)
        data.update(self._create(new, old, [arch for arch in arches if arch not in data]))
        updates: Dict[str, Any] = {}
        if old and cloned and hub.notes_cloned_repodata:
            updates["repo_json_updates"] = clone.repo_json_updates(old.info["id"], cloned)
        if event is not None and not hub.makes_repos_on_request:
            updates["expire"] = True  # else it would pass for the tag's latest one there
        self.session.host.repoDone(repo_id, data, **updates)
        return repo_id, event_id

    def _options(self, opts: Optional[Dict[str, Any]], legacy: Dict[str, Optional[bool]]) -> Optional[Dict[str, Any]]:
        given = {name: bool(value) for name, value in legacy.items() if value is not None}
        if not given:
            return opts
        if opts is not None:
            raise koji.ParameterError("opts parameter cannot be combined with legacy options")
        self.logger.warning("newRepo was asked with the parameters of before 1.35: %s", ", ".join(given))
        return given

    def _path(self, repo_id: int, tag: Dict[str, Any]) -> Path:
        return Path(koji.PathInfo(self.options.topdir).repo(repo_id, tag["name"]))

    # -- an older repository to start from

    def _old_repo(self, tag: Dict[str, Any]) -> Optional[Repo]:
        """The latest repository of the tag, or else of a related one; None when it would not be used."""
        if not self.options.createrepo_update:
            return None
        for candidate in self._related_tags(tag):
            found = self.session.getRepo(candidate["id"])
            if found:
                return Repo({**found, "tag_id": candidate["id"]}, self._path(found["id"], candidate))
        return None

    def _related_tags(self, tag: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
        """The tag, those that its extra `repo.oldrepo_hint` names, and its parents, the nearest first."""
        yield tag
        hints = tag["extra"].get("repo.oldrepo_hint") or []
        for hint in hints if isinstance(hints, list) else [hints]:
            related = self.session.getTag(hint, strict=False)
            if related:
                yield related
            else:
                self.logger.warning("oldrepo_hint refers to invalid tag: %s", hint)
        parents = self.session.getFullInheritance(tag["id"])
        for link in sorted(parents, key=lambda link: int(link["currdepth"])):
            yield {"id": link["parent_id"], "name": link["name"]}

    def _clone(self, old: Optional[Repo], new: Repo, arches: Sequence[str]) -> Dict[str, Any]:
        """Take over the metadata of arches in which nothing has changed; what `host.repoDone` wants of them."""
        data: Dict[str, Any] = {}
        if old is None or not self.options.copy_old_repodata:
            return data
        uploader = Uploader(self.session, self.getUploadDir())
        for arch in clone.arches_to_clone(self.session, old.info, new.info, old.path, new.path, arches):
            try:
                data[arch] = clone.upload(uploader, old.path, arch)
            except (koji.GenericError, OSError) as error:  # noqa: PERF203 - one arch that fails is made the usual way
                self.logger.warning("Repodata of %s can't be taken over from repo %s: %s", arch, old.info["id"], error)
        return data

    # -- the subtasks

    def _create(self, new: Repo, old: Optional[Repo], arches: Sequence[str]) -> Dict[str, Any]:
        """Have subtasks make the metadata of arches; their results by arch."""
        subtasks = {}
        for arch in arches:
            subtasks[arch] = self.session.host.subtask(
                method="createrepo",
                arglist=[new.info["id"], arch, old.info if old else None],
                label=arch,
                parent=self.id,
                arch="noarch",
            )
        if not subtasks:
            return {}
        results = self.wait(list(subtasks.values()), all=True, failany=True)
        return {arch: results[task_id] for arch, task_id in subtasks.items()}


def _older_options(tag: Dict[str, Any], opts: Optional[Dict[str, Any]]) -> Dict[str, bool]:
    """What hubs up to 1.34 take instead of `opts`: only what is wanted, and they do not look at the tag's extra."""
    wanted = dict(opts or {})
    wanted["debuginfo"] = wanted.get("debuginfo") or bool(tag["extra"].get("with_debuginfo"))
    return {f"with_{name}": True for name in ("src", "debuginfo", "separate_src") if wanted.get(name)}


def require_repos_dir(options: Any) -> None:
    """Refuse the task when the volume's repositories are not to be seen from here, so that another host tries."""
    repos = Path(options.topdir, "repos")
    if not repos.is_dir():
        raise RefuseTask(f"No access to repos dir {repos}")


def _arches(path: Path) -> List[str]:
    """The arches that the hub has laid out; raises koji.GenericError when its directory is not there."""
    if not path.is_dir():
        raise koji.GenericError(f"Repo directory missing: {path}")
    return sorted(below.name for below in path.iterdir() if below.name != "groups" and (below / "pkglist").is_file())
