"""A plugin that takes its bases and the buildroot from the daemon's script, as plugins for images do."""

import os

from __main__ import SCM, BaseBuildTask, BuildImageTask, BuildRoot

import koji
from koji.tasks import ServerExit


class StyledArchTask(BaseBuildTask):
    """Runs a command in a buildroot and uploads what it wrote."""

    Methods = ["styledArch"]
    _taskWeight = 2.0

    def checkHost(self, hostdata):
        return self.checkHostArch(self.params[0], hostdata)

    def handler(self, tag, arch, command, repo_id, bound=None):
        if not issubclass(ServerExit, Exception) or not SCM.is_scm_url("git://example.com/a#b"):
            raise koji.GenericError("these are not the stock names")
        binds = {"dirs": {bound: "/bound"}} if bound else None
        broot = BuildRoot(
            self.session,
            self.options,
            tag=tag,
            arch=arch,
            task_id=self.id,
            repo_id=repo_id,
            install_group="srpm-build",
            setup_dns=True,
            bind_opts=binds,
            internal_dev_setup=True,
            maven_opts=["-Xmx64m"],
            maven_envs={"STYLED": "yes"},
            deps=None,
        )
        broot.workdir = self.workdir
        broot.init()
        self.logger.info("buildroot %s of %s for %s", broot.id, broot.tag_name, broot.br_arch)
        koji.ensuredir(broot.tmpdir())
        with open(os.path.join(broot.tmpdir(), "wrapper"), "w") as wrapper:
            wrapper.write(command)
        inside = broot.path_without_to_within(os.path.join(broot.tmpdir(), "wrapper"))
        status = broot.mock(["--cwd", broot.tmpdir(within=True), "--chroot", "--", "sh", inside])
        if status != 0:
            broot.expire()
            raise koji.GenericError(f"the command failed: {broot._mockResult(status, logfile='mock_output.log')}")
        output = os.path.join(broot.rootdir(), "builddir/output")
        uploaded = []
        for top, _dirs, files in os.walk(output):
            for name in files:
                self.uploadFile(os.path.join(top, name), remoteName=name)
                uploaded.append(name)
        installed = broot.getPackageList()
        again = BuildRoot(self.session, self.options, broot.id)
        broot.expire()
        return {
            "files": sorted(uploaded),
            "logs": sorted(broot.logs),
            "packages": len(installed),
            "rpms": installed,
            "same": (again.name, again.rootdir()) == (broot.name, broot.rootdir()),
            "upload": broot.getUploadPath(),
        }


class StyledImageTask(BuildImageTask):
    """The parent: begins an image build and has one subtask per arch."""

    Methods = ["styledImage"]

    def handler(self, name, version, arches, target, opts=None):
        opts = opts or {}
        info = self.session.getBuildTarget(target, strict=True)
        repo = self.getRepo(info["build_tag"])
        build = None
        if not opts.get("scratch"):
            build = self.initImageBuild(name, version, "1", info, opts)
        try:
            tasks = {
                arch: self.session.host.subtask(
                    method="styledArch",
                    arglist=[info["build_tag"], arch, opts["command"], repo["id"]],
                    label=arch,
                    parent=self.id,
                    arch=arch,
                )
                for arch in arches
            }
            results = self.wait(list(tasks.values()), all=True, failany=True)
        except Exception:
            if build:
                self.session.host.failBuild(self.id, build["id"])
            raise
        made = {}
        for arch, task in tasks.items():
            result = results[task]
            made[arch] = dict(result, task_id=task, arch=arch, name=name, version=version, release="1", rpmlist=result["rpms"])
        if opts.get("scratch"):
            self.session.host.moveImageBuildToScratch(self.id, made)
        else:
            self.session.host.completeImageBuild(self.id, build["id"], made)
            arguments = [info["dest_tag"], build["id"], False, None, True]
            self.wait(self.session.host.subtask(method="tagBuild", arglist=arguments, label="tag", parent=self.id, arch="noarch"))
        return {arch: result["files"] for arch, result in made.items()}
