"""scmpolicy: after a checkout the hub's policy `scm` decides whether this source may be built (contract 10.3).

The policy is asked with what is known of the source (scm_host, scm_repository, scm_revision, …) and with the branches
of the server that hold the commit. For other systems than git there are no branches: the policy decides by the rest.
"""

from __future__ import annotations

import logging
import re
from typing import Any, Dict

import koji
from koji.plugin import callback

from kojid.config.options import Options
from kojid.sources import gitbranches, scm

_log = logging.getLogger("koji.plugins.scmpolicy")


@callback("postSCMCheckout")  # type: ignore[untyped-decorator]
def assert_scm_policy(_cbtype: str, *_args: Any, **kwargs: Any) -> None:
    """Fail a task whose source the policy does not allow.

    Args:
        kwargs: taskinfo, session, scminfo, build_tag, scratch and srcdir (contract 5.8).

    Raises:
        koji.ActionNotAllowed: the policy says no. koji.GenericError: the branches can't be told.
    """
    taskinfo, session = kwargs["taskinfo"], kwargs["session"]
    data = policy_data(kwargs)
    _log.info("Checking SCM policy for task %s", taskinfo["id"])
    _log.debug("Policy data: %r", data)
    try:
        session.host.assertPolicy("scm", data)
    except koji.ActionNotAllowed:
        _log.warning("SCM policy check for task %s: DENIED", taskinfo["id"])
        raise
    _log.info("SCM policy check for task %s: PASSED", taskinfo["id"])


def policy_data(kwargs: Dict[str, Any]) -> Dict[str, Any]:
    """What the policy is asked with; arguments of the callback as above."""
    info = kwargs["scminfo"]
    options = scm.SCM.options or Options()
    is_git = info["scmtype"].startswith("GIT")
    data = {
        "build_tag": kwargs["build_tag"],
        "method": kwargs["taskinfo"]["method"],
        "scratch": kwargs["scratch"],
        "branches": gitbranches.containing_head(options, kwargs["srcdir"]) if is_git else [],
        "user_id": kwargs["taskinfo"]["owner"],
    }
    # url becomes scm_url, and scmtype scm_type
    return {**data, **{re.sub("^(scm_?)?", "scm_", key): value for key, value in info.items()}}
