"""`createrepo`: the metadata of one arch of a repository, external repositories merged in (contract 9.3)."""

# Attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional, Tuple

import koji

from kojid.buildroot.logs import LogStreamer, follow
from kojid.hub.transfers import Item
from kojid.hub.upload import Uploader
from kojid.repos import createrepo, faults, merge, metadata, origins
from kojid.tasks.base import BaseTaskHandler
from kojid.tasks.newrepo import require_repos_dir


class CreaterepoTask(BaseTaskHandler):
    """Make the metadata of one arch."""

    Methods: ClassVar[List[str]] = ["createrepo"]
    _taskWeight = 1.5

    def handler(self, repo_id: int, arch: str, oldrepo: Optional[Dict[str, Any]]) -> Tuple[str, List[str]]:
        """Make it.

        Args:
            repo_id: the repository, which the hub has laid out.
            arch: of the repository, not of the task.
            oldrepo: an older repository whose metadata can be used again, if there is one.

        Returns:
            the upload directory and the names of the files in it.

        Raises:
            RefuseTask: the volume is not mounted here.
            HostFault: a tool is missing, or this host's disk or memory is full.
            koji.GenericError: the repository is not in the making, its directory is missing, or a command failed.
        """
        repo = self.session.repoInfo(repo_id, strict=True)
        if repo["state"] != koji.REPO_INIT:
            raise koji.GenericError(f"Repo {repo['id']} not in INIT state (got {repo['state']})")
        arch_dir = self._arch_dir(repo, arch)
        old_repodata = self._old_repodata(oldrepo, arch, arch_dir)
        tag = self.session.getTag(repo["tag_id"], event=repo["create_event"], strict=True)
        with faults.own_disk():
            repodata = self._make(repo, tag, arch_dir, old_repodata)
        self.run_callbacks("postCreateRepo", tag=tag["name"], repodir=str(self._out), repo_id=repo["id"], arch=arch)
        return self._upload(repodata)

    @property
    def _out(self) -> Path:
        return Path(self.workdir, "repo")

    def _arch_dir(self, repo: Dict[str, Any], arch: str) -> Path:
        path = self._repo_dir(repo) / arch
        if not path.is_dir():
            require_repos_dir(self.options)
            raise koji.GenericError(f"Repo directory missing: {path}")
        return path

    def _repo_dir(self, repo: Dict[str, Any]) -> Path:
        return Path(koji.PathInfo(self.options.topdir).repo(repo["id"], repo["tag_name"]))

    def _old_repodata(self, oldrepo: Optional[Dict[str, Any]], arch: str, arch_dir: Path) -> Optional[Path]:
        if not oldrepo or not self.options.createrepo_update or createrepo.is_empty(arch_dir):
            return None
        # It may be another tag's: what is asked for here has the tag's name with it.
        return self._repo_dir(self.session.repoInfo(oldrepo["id"], strict=True)) / arch / "repodata"

    def _make(self, repo: Dict[str, Any], tag: Dict[str, Any], arch_dir: Path, old_repodata: Optional[Path]) -> Path:
        external = self.session.getExternalRepoList(repo["tag_id"], event=repo["create_event"])
        databases = createrepo.wants_databases(self.options, tag.get("extra") or {})
        log = self._log(createrepo.LOG)
        with _Following(self, log) as streamer:
            repodata = createrepo.create(
                self.options,
                arch_dir,
                self._out,
                log=log,
                old_repodata=old_repodata,
                databases=databases and not external,  # a merge reads the lists
                on_tick=streamer.tick,
            )
        if external:
            return self._merge(repo, arch_dir, origins.external(external, arch_dir.name), databases)
        if createrepo.is_empty(arch_dir):
            createrepo.mark_empty(repodata)
        return repodata

    def _merge(self, repo: Dict[str, Any], arch_dir: Path, external: origins.External, databases: bool) -> Path:
        log = self._log(merge.LOG)
        target = merge.Target(arch_dir.name, repo["id"], arch_dir, Path(self.workdir), self._out, databases)
        timeout = float(self.options.command_timeout)
        with _Following(self, log) as streamer:
            return merge.merge(target, external, log=log, timeout=timeout, on_tick=streamer.tick)

    def _log(self, name: str) -> Path:
        return Path(self.workdir, name)

    def _upload(self, repodata: Path) -> Tuple[str, List[str]]:
        uploader = Uploader(self.session, self.getUploadDir())
        names = metadata.files(repodata)
        uploader.files([Item.of(repodata / name) for name in names])
        return self.getUploadDir(), names


class _Following:
    """Streams a command's log to the task's directory on the hub while the command runs, and its rest afterwards."""

    def __init__(self, handler: BaseTaskHandler, log: Path) -> None:
        uploader = Uploader(handler.session, handler.getUploadDir())
        self._streamer = follow(uploader.block, str(log))

    def __enter__(self) -> LogStreamer:
        return self._streamer

    def __exit__(self, *_outcome: Any) -> None:
        self._streamer.finish()
