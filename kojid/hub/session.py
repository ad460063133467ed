"""Logging in: which way, with what settings, and what to say when the hub does not let this host in (contract 3)."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from pathlib import Path
from typing import Any, Dict, Optional

import koji

from kojid.errors import LoginError
from kojid.hub import certificates, probe
from kojid.hub.causes import explain_call_error, is_transport_error
from kojid.hub.client import READ_TIMEOUT, HubSession
from kojid.hub.handshake import BROKEN_OFF
from kojid.system import apart

__all__ = ["HubSession", "login", "session_options", "take_lock"]

logger = logging.getLogger("koji")

NO_METHOD = "No username/password/certificate supplied and Kerberos missing or not configured"


def session_options(options: Any) -> Dict[str, Any]:
    """The settings of a hub session that kojid's options hold (contract 3.2); those that are unset are left out."""
    settings: Dict[str, Any] = koji.grab_session_options(options)
    settings["timeout"] = getattr(options, "timeout", None) or READ_TIMEOUT
    settings["topurl"] = getattr(options, "topurl", None)
    settings["untrusted"] = [str(getattr(options, name, None) or "") for name in ("mockdir", "workdir")]
    return settings


def login(options: Any, *, patient: bool = False) -> HubSession:
    """Log in to the hub by client certificate, else password, else Kerberos (contract 3.1).

    Args:
        options: kojid's options.
        patient: whether calls of the session are repeated when they do not get through. Logging in is tried once.

    Raises:
        LoginError: there is no way to log in, or it failed; the message says why.
    """
    session = HubSession(options.server, session_options(options))
    if options.cert and os.path.exists(options.cert):
        _by_certificate(session, options)
    elif options.user:
        _by_password(session, options)
    elif koji.reqgssapi is not None:
        _by_kerberos(session, options)
    else:
        raise LoginError(NO_METHOD, _unused_certificate(options))
    session.opts["patient"] = patient
    return session


def _unused_certificate(options: Any) -> str:
    return f"cert = {options.cert} is set, but there is no such file" if options.cert else ""


def _unreachable(session: HubSession, error: BaseException) -> LoginError:
    cause = explain_call_error(error, session.opts.get("serverca"))
    return LoginError(f"Unable to connect to server URL {session.baseurl}: {cause}")


def _by_certificate(session: HubSession, options: Any) -> None:
    serverca: Optional[str] = options.serverca or None
    report = certificates.inspect_apart(options.cert, serverca)
    for warning in report.warnings:
        logger.warning(warning)
    try:
        session.ssl_login(options.cert, None, serverca)
    except (koji.GenericError, OSError) as error:
        cause = session.last_error or error  # the library passes on its text alone
        told = _certificate_failure(session, options, cause)
        raise LoginError(f"Unable to log in: {told}", f"hub {session.baseurl}, certificate {options.cert}") from cause


def _certificate_failure(session: HubSession, options: Any, error: BaseException) -> str:
    serverca: Optional[str] = options.serverca or None
    told = explain_call_error(error, serverca)
    if told == BROKEN_OFF:
        refusal = probe.refusal(session.baseurl, options.cert, serverca)
        if refusal is not None:
            return explain_call_error(refusal, serverca)
    return told


def _by_password(session: HubSession, options: Any) -> None:
    _check_authorities(options)
    try:
        done = session.login()
    except koji.GenericError as error:
        raise LoginError("Unable to log in. Bad credentials?", f"the hub says: {error}") from error
    except Exception as error:
        if not is_transport_error(error):
            raise
        raise _unreachable(session, error) from error
    if not done:
        raise LoginError("Unable to log in. Bad credentials?")


def _check_authorities(options: Any) -> None:
    if options.serverca:
        apart.ask(certificates.inspect_authorities, options.serverca)


def _by_kerberos(session: HubSession, options: Any) -> None:
    _check_authorities(options)
    principal = options.krb_principal or host_principal(options.host_principal_format)
    _drop_empty_ccache(options.ccache)
    try:
        # The library tries as often as max_retries says, with its own long pauses; here once is enough.
        with session.overriding(max_retries=1):
            session.gssapi_login(principal, options.keytab, options.ccache)
    except (koji.GenericError, OSError) as error:
        raise _kerberos_failure(session, options, principal, error) from session.last_error or error


def host_principal(form: str) -> str:
    return form % socket.getfqdn() if "%s" in form else form


def _drop_empty_ccache(ccache: Optional[str]) -> None:
    """Remove a credential cache of size 0, as a crash of the machine leaves it: Kerberos does not start over itself."""
    path = Path(ccache[len("FILE:") :] if ccache and ccache.startswith("FILE:") else ccache or "")
    with contextlib.suppress(OSError):
        if path.is_file() and path.stat().st_size == 0:
            path.unlink()


def _kerberos_failure(session: HubSession, options: Any, principal: str, error: Exception) -> LoginError:
    cause = session.last_error or error
    told = explain_call_error(cause, session.opts.get("serverca"))
    hint = f"principal {principal}, keytab {options.keytab}"
    unused = _unused_certificate(options)
    if unused:
        hint = f"{hint}; {unused}"
    if "Cannot contact any KDC" in told:
        return LoginError(f"Could not connect to Kerberos authentication service: {told}", hint)
    if is_transport_error(cause) and "HTTP status 401" not in told:
        return _unreachable(session, cause)
    return LoginError(f"Kerberos authentication failed: {told}", hint)


def take_lock(session: Any, *, force: bool) -> None:
    """Make the session the exclusive one of this host's user (contract 3.2).

    Args:
        session: a session that is logged in.
        force: end the exclusive session that another daemon holds, or that a crash has left.

    Raises:
        LoginError: the lock is held and not forced, or the hub could not be asked.
    """
    try:
        session.exclusiveSession(force=force)
    except koji.AuthLockError as error:
        raise LoginError(
            "Unable to get lock. Trying using --force-lock",
            "another kojid runs for this host's user, or one ended without giving the lock back; "
            f"the hub says: {error}",
        ) from error
    except koji.GenericError as error:
        raise LoginError(f"Unable to get lock: {error}") from error
    except OSError as error:
        raise LoginError(f"Unable to get lock: {explain_call_error(error)}") from error
