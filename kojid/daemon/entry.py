"""Coming to the hub: with the session that a former daemon left, else by a new login (contract 3.1, 3.2, 3.5)."""

from __future__ import annotations

import contextlib
import logging
from typing import Any, Optional, Tuple

import koji

from kojid.config.options import Options
from kojid.daemon import reattach
from kojid.daemon.keeper import Keeper
from kojid.daemon.ledger import Ledger
from kojid.daemon.records import SessionRecord
from kojid.errors import KojidError, LoginError, explain
from kojid.hub import resume
from kojid.hub import session as hub
from kojid.hub.causes import is_transport_error

_log = logging.getLogger("koji.build")


def enter(options: Options, ledger: Ledger, *, force: bool) -> Keeper:
    """A session with the hub that holds this host's lock.

    Args:
        options: the settings.
        ledger: open.
        force: take the lock from whoever holds it.

    Raises:
        LoginError: the hub can't be reached, or does not let this host in.
        KojidError: what answers is no hub.
    """
    identity = resume.identity(options)
    kept = _go_on(options, ledger, identity)
    if kept is not None:
        return kept
    # Their subsessions ended with the old session: whatever they send now, the hub refuses.
    reattach.end_all(ledger, options, "the hub session that it belonged to is gone")
    keeper = Keeper(ledger, *_recorded(log_in(options, force=force), options))
    keeper.keep()
    return keeper


def rob(options: Options, ledger: Ledger) -> Keeper:
    """A session that takes the lock from a daemon which uses the ledger, and is not kept there yet.

    Raises: as `enter`.
    """
    return Keeper(ledger, *_recorded(log_in(options, force=True), options))


def _recorded(session: Any, options: Options) -> Tuple[Any, SessionRecord]:
    return session, SessionRecord(options.server, resume.identity(options), dict(session.sinfo), numbers=0)


def log_in(options: Options, *, force: bool) -> Any:
    """A new session with the lock (contract 3.2).

    Raises:
        LoginError: the hub can't be reached, does not let this host in, or another daemon has the lock.
        KojidError: the other side does not answer as a hub does.
    """
    session = hub.login(options)
    try:
        hub.take_lock(session, force=force)
    except LoginError:
        with contextlib.suppress(Exception):
            session.logout()  # a daemon that does not start leaves no session behind
        raise
    if session.echo("OK") != ["OK"]:
        raise KojidError(f"{options.server} does not answer as a hub does", "check the server option")
    return session


def _go_on(options: Options, ledger: Ledger, identity: str) -> Optional[Keeper]:
    """The recorded session, if there is one and the hub still takes it as the exclusive one of this host."""
    record = ledger.session()
    if record is None:
        return None
    if (record.server, record.identity) != (options.server, identity):
        _log.warning("the recorded hub session is of %s at %s: not used", record.identity, record.server)
        ledger.forget_session()
        return None
    keeper = Keeper(ledger, resume.resume(options, record.info, record.numbers), record)
    keeper.keep()
    _log.info("resuming hub session %s", record.info.get("session-id"))
    try:
        keeper.session.host.getID()  # needs the lock; renews the session when it has expired
    except Exception as error:
        if not _is_refusal(keeper.session, error) and record.host_id is not None:
            # An outage: the session may well be good, and the loop keeps trying.
            _log.warning("the hub does not answer, going on with the recorded session: %s", explain(error))
            return keeper
        _log.warning("the recorded hub session can't be resumed, logging in anew: %s", explain(error))
        keeper.forget()
        return None
    _log.info("resumed hub session %s", record.info.get("session-id"))
    return keeper


def _is_refusal(session: Any, error: Exception) -> bool:
    """Whether the hub said no, rather than nothing or that it is in trouble.

    A renewal that did not get through is told by the library as a refusal; the cause tells them apart.
    """
    cause = session.last_error or error
    return isinstance(error, koji.AuthError) and not is_transport_error(cause)
