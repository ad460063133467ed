"""Logging in and out, subsessions and the lock of an exclusive session (contract 3)."""

from __future__ import annotations

import hmac
import secrets
import time
from typing import Any, Dict, List, Optional, Union

import koji

from kojid.sandbox.hub import releases
from kojid.sandbox.hub.database import Row, time_text
from kojid.sandbox.hub.kernel import Context, Session, export
from kojid.sandbox.hub.sessions import client_address
from kojid.sandbox.hub.users import find_user

SessionInfo = Dict[str, Any]

_CLOSED = {"expired": True, "exclusive": False, "closed": True}


@export("login")
def login(
    ctx: Context,
    user: str,
    password: str,
    opts: Optional[Row] = None,
    renew: bool = False,
    exclusive: bool = False,
) -> Optional[SessionInfo]:
    """Log in with a password (contract 3.1); the answer is what every login gives: id, key, header-auth.

    Raises:
        koji.AuthError: wrong name or password, or this session is logged in already.
    """
    del opts  # names another client address, which this hub takes from nobody
    _not_logged_in(ctx)
    row = ctx.db.one("SELECT id, password FROM users WHERE name = ?", (user,))
    known = (row or {}).get("password") or ""
    if row is None or not known or not hmac.compare_digest(known.encode(), str(password).encode()):
        raise koji.AuthError("invalid username or password")
    return _open_or_renew(ctx, row["id"], koji.AUTHTYPES["NORMAL"], renew, exclusive)


@export("sslLogin")
def ssl_login(
    ctx: Context,
    proxyuser: Optional[str] = None,
    proxyauthtype: Optional[int] = None,
    renew: bool = False,
    exclusive: Optional[bool] = None,
) -> Optional[SessionInfo]:
    """Log in with the client certificate of the connection, whose CN names the user (contract 3.3).

    Raises:
        koji.AuthError: no certificate, an unknown user, or no right to log in another one.
    """
    _not_logged_in(ctx)
    name = ctx.request.certificate
    if not ctx.request.login or not name:
        raise koji.AuthError("could not verify client: NONE")
    if proxyuser:
        if name not in ctx.settings.proxy_users:
            raise koji.AuthError(f"{name} is not authorized to login other users")
        name = proxyuser
    row = ctx.db.one("SELECT id FROM users WHERE name = ?", (name,))
    if row is None:
        raise koji.AuthError(f"Unknown user: {name}")
    authtype = koji.AUTHTYPES["SSL"] if proxyauthtype is None else int(proxyauthtype)
    return _open_or_renew(ctx, row["id"], authtype, renew, bool(exclusive))


@export("logout")
def logout(ctx: Context, session_id: Optional[int] = None) -> None:
    """Close this session, or one's own or (as admin) anybody's by id, and its subsessions.

    Raises:
        koji.AuthError: not logged in.
        koji.ActionNotAllowed: another user's session.
    """
    session = _logged_in(ctx)
    if session_id and not ctx.has_permission("admin"):
        owner = ctx.db.value("SELECT user_id FROM sessions WHERE id = ?", (session_id,))
        if owner != session.user_id:
            raise koji.ActionNotAllowed("only admins or owner may logout other session")
    closed = session_id or session.id
    ctx.db.update("sessions", {"id": closed}, **_CLOSED)
    ctx.db.update("sessions", {"master": closed}, **_CLOSED)


@export("logoutChild")
def logout_child(ctx: Context, session_id: int) -> None:
    """Close a subsession of this session; another's is left alone without a word (contract 3.6)."""
    session = _logged_in(ctx)
    ctx.db.update("sessions", {"id": session_id, "master": session.id}, **_CLOSED)


@export("subsession")
def subsession(ctx: Context) -> SessionInfo:
    """Open a subsession; a subsession's subsession belongs to the same master (contract 3.6)."""
    session = _logged_in(ctx)
    return _open(ctx, session.user_id, session.authtype, session.master or session.id)


@export("exclusiveSession")
def exclusive_session(ctx: Context, force: bool = False) -> None:
    """Take the user's lock; with `force` from whoever has it, whose session is closed (contract 3.2, 3.5).

    Raises:
        koji.AuthLockError: another session has it, even an expired one, and `force` is not set.
        koji.GenericError: this is a subsession, or has the lock already.
    """
    session = _logged_in(ctx)
    if session.exclusive:
        raise koji.GenericError("session is already exclusive")
    _take_lock(ctx, session.id, session.master, session.user_id, force)


@export("sharedSession")
def shared_session(ctx: Context) -> None:
    """Give the user's lock back."""
    ctx.db.update("sessions", {"id": _logged_in(ctx).id}, exclusive=False)


@export("getSessionInfo", reads=True)
def get_session_info(
    ctx: Context, details: bool = False, user_id: Union[int, str, None] = None
) -> Union[Row, List[Row], None]:
    """This session's data, or with `user_id` the unexpired sessions of a user; `details` adds id and hostip.

    Raises:
        koji.ActionNotAllowed: another user's sessions.
    """
    if ctx.session is None:
        return None
    if user_id is None:
        row = ctx.db.one("SELECT * FROM sessions WHERE id = ?", (ctx.session.id,))
        assert row is not None
        return _described(row, details)
    owner = find_user(ctx, user_id)["id"]
    if owner != ctx.session.user_id and not ctx.has_permission("admin"):
        raise koji.ActionNotAllowed("only admins or owners may see all active sessions")
    rows = ctx.db.all("SELECT * FROM sessions WHERE user_id = ? AND expired = 0 ORDER BY id", (owner,))
    return [_described(row, details) for row in rows]


@export("showSession", reads=True)
def show_session(ctx: Context) -> str:
    """This session in words."""
    if ctx.session is None:
        return "session: not logged in"
    return f"session {ctx.session.id}: {ctx.session!r}"


def _described(row: Row, details: bool) -> Row:
    shown = {name: row[name] for name in ("authtype", "callnum", "exclusive", "expired", "master", "user_id")}
    shown["exclusive"] = row["exclusive"] or None
    for name in ("start", "update", "renew"):
        shown[f"{name}_time"] = time_text(row[f"{name}_time"])
        shown[f"{name}_ts"] = row[f"{name}_time"]
    if details:
        shown.update(id=row["id"], hostip=row["hostip"])
    return shown


def _logged_in(ctx: Context) -> Session:
    if ctx.session is None:
        raise koji.AuthError("Not logged in")
    return ctx.session


def _not_logged_in(ctx: Context) -> None:
    if ctx.session is not None and not ctx.session.expired:
        raise koji.AuthError("Already logged in")


def _open_or_renew(ctx: Context, user_id: int, authtype: int, renew: bool, exclusive: bool) -> Optional[SessionInfo]:
    user = find_user(ctx, user_id)
    if user["status"] != koji.USER_STATUS["NORMAL"]:
        raise koji.AuthError(f"logins by {user['name']} are not allowed")
    old = ctx.session
    if not renew or old is None:
        info = _open(ctx, user_id, authtype)
        if exclusive:
            _take_lock(ctx, info["session-id"], None, user_id)
        return info
    if old.user_id != user_id:
        raise koji.AuthError(f"session {old.id} is not {user['name']}'s")
    renewed = _renew(ctx, old)
    if renewed is not None and exclusive and not old.exclusive:
        _take_lock(ctx, old.id, old.master, user_id)
    return renewed


def _open(ctx: Context, user_id: int, authtype: int, master: Optional[int] = None) -> SessionInfo:
    key = _new_key(user_id)
    address = client_address(ctx.settings, ctx.request)
    session_id = ctx.db.insert("sessions", user_id=user_id, key=key, authtype=authtype, hostip=address, master=master)
    return _info(ctx, session_id, key)


def _renew(ctx: Context, old: Session) -> Optional[SessionInfo]:
    """A new key for the same session; None when its master has been closed meanwhile (contract 3.5).

    The call numbers go on as they were: that is what hubs do that look at them.
    """
    if old.master is not None:
        closed = ctx.db.value("SELECT closed FROM sessions WHERE id = ?", (old.master,), default=True)
        if closed:
            return None
    now = time.time()
    key = _new_key(old.user_id)
    ctx.db.update("sessions", {"id": old.id}, key=key, expired=False, update_time=now, renew_time=now)
    return _info(ctx, old.id, key)


def _take_lock(ctx: Context, session_id: int, master: Optional[int], user_id: int, force: bool = False) -> None:
    if master is not None:
        raise koji.GenericError("subsessions cannot become exclusive")
    held = {"user_id": user_id, "exclusive": True, "closed": False}
    if force:
        ctx.db.update("sessions", held, **_CLOSED)
    elif ctx.db.one(
        "SELECT id FROM sessions WHERE user_id = ? AND exclusive = 1 AND closed = 0 AND id != ?",
        (user_id, session_id),
    ):
        raise koji.AuthLockError("Cannot get exclusive session")
    ctx.db.update("sessions", {"id": session_id}, exclusive=True)


def _new_key(user_id: int) -> str:
    return f"{user_id}-{secrets.token_urlsafe(18)}"


def _info(ctx: Context, session_id: int, key: str) -> SessionInfo:
    info: SessionInfo = {"session-id": session_id, "session-key": key}
    if releases.has(ctx.settings.version, releases.HEADERS):
        info["header-auth"] = True
    return info
