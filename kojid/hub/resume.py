"""Going on with a hub session that another process opened, instead of logging in (contract 3.3, 3.5)."""

from __future__ import annotations

import os
from typing import Any, Dict, Mapping

import koji

from kojid.hub import certificates
from kojid.hub.client import HubSession
from kojid.hub.session import host_principal, session_options


def identity(options: Any) -> str:
    """Who logs in with these options and how, in words; a session belongs to one of them (contract 3.1).

    Raises:
        LoginError: the certificate can't be used.
    """
    if options.cert and os.path.exists(options.cert):
        return f"certificate {certificates.inspect_apart(options.cert, options.serverca or None).subject_cn}"
    if options.user:
        return f"user {options.user}"
    return f"principal {options.krb_principal or host_principal(options.host_principal_format)}"


def resume(options: Any, info: Mapping[str, Any], number: int) -> HubSession:
    """A session that the hub knows already; no call is made.

    Args:
        options: kojid's options; they say how the session is renewed when it expires.
        info: what the hub gave when the session was opened, or renewed the last time.
        number: of the next call; higher than that of any call so far (contract 3.4).
    """
    session = HubSession(options.server, session_options(options), sinfo=dict(info))
    session.auth_method = _auth_method(options)
    if session.auth_method["method"] != "login":
        # as those logins leave a session behind: calls go to https, with the certificate
        session.baseurl = "https://" + session.baseurl.partition("://")[2]
    if session.auth_method["method"] == "ssl_login":
        session.opts.update(cert=options.cert, serverca=options.serverca or None)
    session.authtype = _AUTHTYPES[session.auth_method["method"]]
    session.callnum = number
    session.exclusive = True
    session.opts["patient"] = False
    return session


_AUTHTYPES = {
    "ssl_login": koji.AUTHTYPES["SSL"],
    "login": koji.AUTHTYPES["NORMAL"],
    "gssapi_login": koji.AUTHTYPES["GSSAPI"],
}


def _auth_method(options: Any) -> Dict[str, Any]:
    """What the library remembers of a login, to repeat it."""
    if options.cert and os.path.exists(options.cert):
        given = {"cert": options.cert, "ca": None, "serverca": options.serverca or None}
        return {"method": "ssl_login", "kwargs": {**given, "proxyuser": None, "proxyauthtype": None}}
    if options.user:
        return {"method": "login", "kwargs": {"opts": None}}
    principal = options.krb_principal or host_principal(options.host_principal_format)
    given = {"principal": principal, "keytab": options.keytab, "ccache": options.ccache}
    return {"method": "gssapi_login", "kwargs": {**given, "proxyuser": None, "proxyauthtype": None}}
