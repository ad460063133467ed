"""Sources in version control: the koji library's URLs and allow rules, with a checkout that is safe (contract 8).

The library's own checkout runs as root, with root's environment and without an end; this one does not (contract 11,
items 10 and 22). The commands are in `scmcommands`, where and as whom they run in `scmworkplace`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, Dict, Optional
from urllib.parse import urlsplit, urlunsplit

import koji
import koji.daemon

from kojid.config.options import Options
from kojid.errors import BuildFailed
from kojid.sources import begun, gitextras, scmcommands, scmurl
from kojid.sources.scmcommands import Plan
from kojid.sources.scmlog import LogFeed
from kojid.sources.scmworkplace import Workplace, workplace
from kojid.system.directories import is_directory_beneath


def is_scm_url(source: str) -> bool:
    """Whether a build's source is a URL of a version control system rather than an uploaded package (contract 8)."""
    return bool(SCM.is_scm_url(source))


class SCM(koji.daemon.SCM):
    """A source in version control, as plugins know it (contract 8.1, 10.2).

    Args:
        url: scheme://[user[:password]@]host[:port]/path/to/repo?path/to/module#revision
        allow_password: whether it may hold a password.

    Attributes:
        url, scheme, user, host, repository, module, revision, scmtype, use_common, source_cmd: as the library's.
        options: the daemon's options; the class has those that `use_options` was given.
        sourcedir: where the sources are, after a checkout.

    Raises:
        koji.GenericError: it is no such URL, or a part of it could be misunderstood by a command.
    """

    options: ClassVar[Any] = begun.options

    def __init__(self, url: str, allow_password: bool = False) -> None:
        try:
            super().__init__(scmurl.check_text(url), allow_password=allow_password)
        except ValueError as error:
            raise koji.GenericError(f"Invalid SCM URL: {url!r}: {error}") from error
        self.sourcedir = ""
        self._commit = ""
        self._rules: Optional[Dict[str, Any]] = None
        # the scheme of a URL that urlsplit knows keeps it from taking the rest for something else
        path = urlsplit(url.replace(self.scheme, "http://", 1)).path
        scmurl.check_parts(self.scmtype, self.user, self.host, self.repository, self.module, self.revision, path)

    @classmethod
    def use_options(cls, options: Any) -> None:
        """Set the options for all sources of this process; plugins make sources without passing any."""
        cls.options = options

    def assert_allowed(
        self,
        allowed: str = "",
        session: Any = None,
        by_config: bool = True,
        by_policy: bool = False,
        policy_data: Optional[Dict[str, Any]] = None,
    ) -> None:
        """Refuse a source that configuration or policy does not allow, and take over what they say (contract 8.3).

        Args:
            allowed: the text of the option allowed_scms.
            session: the hub, for its policy build_from_scm.
            by_config, by_policy: which of both decide; both must agree when both do.
            policy_data: what the policy is asked with besides the source.

        Raises:
            koji.BuildError: it is not allowed.
        """
        rules = {"allowed": allowed, "session": session, "by_config": by_config, "by_policy": by_policy,
                 "policy_data": policy_data}  # fmt: skip
        super().assert_allowed(**rules)
        self._rules = rules  # submodules have to keep to them too

    def checkout(
        self,
        scmdir: str,
        session: Any = None,
        uploadpath: Optional[str] = None,
        logfile: Optional[str] = None,
    ) -> str:
        """Fetch the sources (contract 8.4).

        Args:
            scmdir: the directory for them; it is there.
            session: the hub, which gets the log while it grows.
            uploadpath: where to, below the hub's work directory.
            logfile: what the commands say is appended to this file; by default to one beside `scmdir`.

        Returns:
            The directory of the sources, below `scmdir`.

        Raises:
            koji.BuildError: a command failed; the log says why.
            HostFault: this host can't do it: a program or the user is missing, or there is no space.
        """
        scmdir = os.path.abspath(scmdir)
        feed = LogFeed(Path(logfile or f"{scmdir}-checkout.log"), session, uploadpath)
        plan = scmcommands.plan(self, scmdir)
        try:
            with workplace(self.options or Options(), Path(scmdir), feed) as place:
                self._fetch(place, plan)
        except Exception:  # a task that is being stopped does not wait for the hub
            feed.finish()
            raise
        feed.finish()
        relative = os.path.join(plan.directory, plan.module).rstrip("/")
        if not is_directory_beneath(scmdir, relative):
            raise koji.BuildError(f"There is no directory {plan.module or relative} in {plan.remote}")
        if self.use_common:
            _link_common(scmdir, relative)
        self.sourcedir = f"{scmdir}/{relative}"
        return self.sourcedir

    def _fetch(self, place: Workplace, plan: Plan) -> None:
        place.allow_protocols(plan.protocols)
        place.run(self.scmtype, plan.clone)
        if plan.update:
            try:
                for command in plan.update:
                    place.run(self.scmtype, command, plan.directory)
            except BuildFailed:
                # not the name of a ref: a commit, shortened perhaps
                place.run(self.scmtype, plan.recovery, plan.directory)
        if self.scmtype.startswith("GIT"):
            gitextras.fetch(place, plan, self._check_submodule)
            self._commit = place.ask(["git", "rev-parse", "HEAD"], plan.directory)
            if ":" in (self.user or ""):
                # what runs in the buildroot can read the checkout's settings, and need not know the password
                public = plan.remote.replace(f"{self.user}@", "", 1)
                place.ask(["git", "config", "--local", "remote.origin.url", public], plan.directory)
        if self.use_common:
            place.run(self.scmtype, plan.common)

    def _check_submodule(self, url: str) -> None:
        """A submodule has to be allowed as its parent was."""
        submodule = type(self)(url, allow_password=False)
        if self._rules is not None:
            submodule.assert_allowed(**self._rules)

    def get_source(self) -> Dict[str, str]:
        """Where the sources came from, to be called after the checkout.

        Returns:
            url: the URL as it was given; source: for git the URL with the commit that was checked out and without
            the user, else the URL as it was given.
        """
        if not self.scmtype.startswith("GIT"):
            return {"url": self.url, "source": self.url}
        if not self._commit:
            raise koji.GenericError("Error getting commit hash for git: nothing has been checked out")
        source = urlunsplit((self.scheme[: -len("://")], self.host, self.repository, self.module, self._commit))
        return {"url": self.url, "source": source}


def _link_common(scmdir: str, relative: str) -> None:
    """Have `../common`, seen from the sources, be the directory `common` of the checkout."""
    depth = relative.count("/")
    link = f"{scmdir}/{os.path.dirname(relative)}/{scmcommands.COMMON}" if depth else ""
    if link and not os.path.lexists(link):
        os.symlink("../" * depth + scmcommands.COMMON, link)
