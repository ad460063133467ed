"""`buildSRPMFromSCM`: sources from version control become a source package in a buildroot (contract 6.4)."""

# Method and attribute names are koji's: subclasses and plugins know them.
# ruff: noqa: N815

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional

import koji

from kojid.sources import speccheck, specs
from kojid.system.files import open_beneath
from kojid.tasks.checkouts import LOG, allowed_source, check_out
from kojid.tasks.chroots import buildroot
from kojid.tasks.srpm import SourcePackageTask, give_to_mock

_LARGEST_SPEC = 32 * 1024 * 1024


class BuildSRPMFromSCMTask(SourcePackageTask):
    """Make a source package from version control."""

    Methods: ClassVar[List[str]] = ["buildSRPMFromSCM"]
    _taskWeight = 1.0

    def handler(self, url: str, build_tag: Any, opts: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """Check out, fetch further sources with the package's own command, and make the source package.

        Args:
            url: the source (contract 8.1).
            build_tag: id or name of the build tag.
            opts: repo_id, which has to be there; scratch.

        Returns:
            srpm and logs as paths below the hub's work directory, brootid, and source.

        Raises:
            koji.BuildError: the source is not allowed, can't be fetched, or does not make a source package.
        """
        opts = opts or {}
        scratch, repo_id = opts.get("scratch"), opts.get("repo_id")
        scm = allowed_source(self, url, scratch=scratch)
        if not repo_id:
            raise koji.BuildError("A repo id must be provided")
        event = self.session.repoInfo(repo_id, strict=True)["create_event"]
        tag = self.session.getTag(build_tag, strict=True, event=event)
        host = self.session.host.getHost()
        arch = self.find_arch("noarch", host, self.session.getBuildConfig(tag["id"], event=event))
        # Plugins find the buildroot as the variable `broot` of this very method (contract 10.4).
        with buildroot(self, tag["id"], arch, repo_id=repo_id, **self._buildroot_options()) as broot:
            scmdir = broot.make_tmpdir("scmroot")
            sourcedir = check_out(self, scm, scmdir, build_tag=tag, scratch=scratch, buildroot=broot)
            source = scm.get_source()
            give_to_mock(scmdir, self.options)
            self.patch_scm_source(sourcedir, os.path.join(str(self.workdir), LOG), opts)
            spec = specs.find_spec(Path(sourcedir), source_layout=self.options.support_rpm_source_layout)
            self.spec_sanity_checks(os.path.join(sourcedir, spec))
            broot.build_srpm(os.path.join(sourcedir, spec), sourcedir, scm.source_cmd)
            return self.srpm_result(broot, self.take_srpm(broot), source)

    def _buildroot_options(self) -> Dict[str, Any]:
        """With the network, and with the directory of credentials if there is one."""
        options: Dict[str, Any] = {"install_group": "srpm-build", "setup_dns": True}
        credentials = self.options.scm_credentials_dir
        if credentials and os.path.isdir(credentials):
            options["bind_opts"] = {"dirs": {credentials: "/credentials"}}
            options["internal_dev_setup"] = True
        return options

    def patch_scm_source(self, sourcedir: str, logfile: str, opts: Dict[str, Any]) -> None:
        """For subclasses: change the sources after the checkout. This one changes nothing.

        Args:
            sourcedir: where they are.
            logfile: the log of the checkout.
            opts: the task's options.
        """

    def spec_sanity_checks(self, filename: str) -> None:
        """Refuse a spec file that sets what only the builder sets.

        Args:
            filename: its path, in the checkout.

        Raises:
            koji.BuildError: it does, or is no plain file.
        """
        directory, name = os.path.split(filename)
        with open_beneath(Path(directory), name) as opened:
            text = opened.read(_LARGEST_SPEC + 1)
        if len(text) > _LARGEST_SPEC:
            raise koji.BuildError(f"The spec file {name} is too large")
        speccheck.check(text.decode("utf-8", errors="replace"), name)
