"""Sources from version control for a task: allowed at all, fetched, and shown to the callbacks of plugins.

    scm = allowed_source(self, url, scratch=scratch)
    sourcedir = check_out(self, scm, scmdir, build_tag=tag, scratch=scratch, buildroot=broot)

Contract 8 and 5.8. Whatever is in the checkout afterwards is anybody's: no link in it is to be followed by root.
"""

from __future__ import annotations

import os
from typing import Any, Dict

from kojid.sources.scm import SCM
from kojid.system import phases

LOG = "checkout.log"


def allowed_source(handler: Any, url: str, *, scratch: Any = None) -> SCM:
    """The source that a URL names, if configuration and policy allow it (contract 8.3).

    Args:
        handler: the task.
        url: as it was asked for.
        scratch: whether the build is a scratch build; the policy may ask.

    Raises:
        koji.GenericError: it is no URL of version control.
        koji.BuildError: it is not allowed.
    """
    options = handler.options
    scm = SCM(url, allow_password=options.allow_password_in_scm_url)
    scm.assert_allowed(
        allowed=options.allowed_scms,
        session=handler.session,
        by_config=options.allowed_scms_use_config,
        by_policy=options.allowed_scms_use_policy,
        policy_data=_policy_data(handler, scratch) if options.allowed_scms_use_policy else None,
    )
    return scm


def _policy_data(handler: Any, scratch: Any) -> Dict[str, Any]:
    channel = handler.session.getChannel(handler.taskinfo["channel_id"], strict=True)
    return {"user_id": handler.taskinfo["owner"], "channel": channel["name"], "scratch": scratch}


@phases.during("checkout")
def check_out(
    handler: Any, scm: SCM, scmdir: str, *, build_tag: Any, scratch: Any, buildroot: Any = None, log: str = LOG
) -> str:
    """Fetch a source, with the callbacks preSCMCheckout and postSCMCheckout around it (contract 5.8, 8.4).

    Args:
        handler: the task; the log is written to its working directory and streamed to its directory on the hub.
        scm: the source.
        scmdir: the directory for it; there already, and not behind a link.
        build_tag: for the callbacks: what the method's contract says, a dictionary in most.
        scratch: for the callbacks.
        buildroot: for the callbacks; left out where there is none.
        log: name of the log.

    Returns:
        The directory of the sources, below `scmdir`. It belongs to the daemon's own user, callbacks rely on that.

    Raises:
        koji.BuildError: it can't be fetched. koji.CallbackError: a callback failed. HostFault: see `SCM.checkout`.
    """
    shown = {"scminfo": scm.get_info(), "build_tag": build_tag, "scratch": scratch}
    if buildroot is not None:
        shown["buildroot"] = buildroot
    handler.run_callbacks("preSCMCheckout", **shown)
    logfile = os.path.join(handler.workdir, log)
    srcdir = scm.checkout(scmdir, handler.session, handler.getUploadDir(), logfile)
    handler.run_callbacks("postSCMCheckout", srcdir=srcdir, **shown)
    return srcdir
