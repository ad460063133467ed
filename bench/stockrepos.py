"""newRepo and createrepo as a builder does them that has the koji library and createrepo_c, for `bench.peer`.

The stock daemon's handlers are no part of the library; these do what contract 9.2 and 9.3 say of them: for each arch a
copy of the older metadata, `createrepo_c --update --skip-stat`, and the upload of what comes out, one file after
another. The library does the rest. Older metadata is not taken over: `copy_old_repodata` is off, as it is by default.
"""

# Attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

import os
import shutil
from typing import Any, ClassVar, Dict, List, Optional, Tuple

import koji
import koji.daemon
import koji.tasks


class NewRepo(koji.tasks.BaseTaskHandler):  # type: ignore[misc]
    """A repository, its arches made by subtasks."""

    Methods: ClassVar[List[str]] = ["newRepo"]
    _taskWeight = 0.1

    def handler(self, tag: Any, event: Optional[int] = None, opts: Any = None) -> Tuple[int, int]:
        """Have the hub lay it out, and wait for the metadata of all arches."""
        info = self.session.getTag(tag, strict=True, event=event)
        repo_id, event_id = self.session.host.repoInit(info["id"], opts=opts, task_id=self.id)
        place = koji.PathInfo(self.options.topdir).repo(repo_id, info["name"])
        arches = [name for name in os.listdir(place) if os.path.isfile(f"{place}/{name}/pkglist")]
        older = self.session.getRepo(info["id"])
        children = {}
        for arch in arches:
            children[arch] = self.session.host.subtask(
                method="createrepo", arglist=[repo_id, arch, older], label=arch, parent=self.id, arch="noarch"
            )
        results = self.wait(list(children.values()), all=True, failany=True)
        self.session.host.repoDone(repo_id, {arch: results[child] for arch, child in children.items()})
        return repo_id, event_id


class CreateRepo(koji.tasks.BaseTaskHandler):  # type: ignore[misc]
    """The metadata of one arch."""

    Methods: ClassVar[List[str]] = ["createrepo"]
    _taskWeight = 1.5

    def handler(self, repo_id: int, arch: str, older: Optional[Dict[str, Any]]) -> Tuple[str, List[str]]:
        """Make it with createrepo_c, databases included, and upload it."""
        repo = self.session.repoInfo(repo_id, strict=True)
        top = koji.PathInfo(self.options.topdir).repo(repo_id, repo["tag_name"])
        out = f"{self.workdir}/repo"
        koji.ensuredir(out)
        argv = ["/usr/bin/createrepo_c", "--error-exit-val", "-vd", "-o", out, "-i", f"{top}/{arch}/pkglist"]
        if os.path.exists(f"{top}/groups/comps.xml"):
            argv += ["-g", f"{top}/groups/comps.xml"]
        if older:
            found = self.session.repoInfo(older["id"], strict=True)
            before = koji.PathInfo(self.options.topdir).repo(found["id"], found["tag_name"])
            shutil.copytree(f"{before}/{arch}/repodata", f"{out}/repodata")
            argv += ["--update", "--skip-stat"]
        argv.append(f"{top}/{arch}")
        log = f"{self.workdir}/createrepo.log"
        status = koji.daemon.log_output(self.session, argv[0], argv, log, self.getUploadDir(), logerror=True)
        if not koji.util.isSuccess(status):
            raise koji.GenericError(f"createrepo_c ended with {status}")
        self.session.getExternalRepoList(repo["tag_id"], event=repo["create_event"])
        self.session.getTag(repo["tag_id"], event=repo["create_event"], strict=True)
        names = os.listdir(f"{out}/repodata")
        for name in names:
            self.session.uploadWrapper(f"{out}/repodata/{name}", self.getUploadDir(), name)
        return self.getUploadDir(), names
