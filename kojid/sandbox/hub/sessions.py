"""Sessions: recognising who calls, and the rules that a call has to keep (contract 3.3 to 3.6)."""

from __future__ import annotations

import time
from typing import List, Optional

import koji

from kojid.sandbox.hub.database import Database, Row
from kojid.sandbox.hub.kernel import RETRY_ALLOWED, Kernel, Request, Session
from kojid.sandbox.hub.settings import Settings

#: Calls by which an expired session is renewed.
LOGINS = frozenset({"login", "sslLogin"})
#: Calls that are open to a user's session although another one holds the user's lock.
IN_SPITE_OF_LOCK = frozenset({"exclusiveSession", "login", "logout"})
#: Seconds for which a session's time of last use may lag behind.
_TOUCH_INTERVAL = 1.0

_LOOKUP = """
    SELECT s.*, u.name AS user_name, u.status AS user_status, h.id AS host_id,
           (SELECT x.id FROM sessions x WHERE x.user_id = s.user_id AND x.exclusive = 1 AND x.closed = 0) AS lock_id
      FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN host h ON h.user_id = s.user_id
     WHERE s.id = ?"""


def recognize(kernel: Kernel, request: Request, method: str) -> Optional[Session]:
    """The session a request belongs to; None for a caller that claims none.

    Raises:
        koji.AuthError: unknown, closed, another key or another client address; a blocked user.
        koji.AuthExpired: it has to be renewed.
        koji.SequenceError, koji.RetryError: the call's number was used before (contract 3.4).
        koji.AuthLockError: another session holds this user's lock.
    """
    if request.session is None:
        return None
    session_id, key, callnum = request.session
    settings = kernel.settings
    with kernel.store.reading() as db:
        row = db.one(_LOOKUP, (session_id,))
        row = _in_good_standing(settings, request, row, key)
        permissions = permissions_of(db, row["user_id"])
    row["expired"] = row["expired"] or _is_due_for_renewal(settings, row)
    _touch(kernel, row)
    if row["expired"] and method not in LOGINS:
        raise koji.AuthExpired(f'session "{session_id}" has expired')
    session = Session(
        id=session_id,
        user_id=row["user_id"],
        user_name=row["user_name"],
        authtype=row["authtype"],
        host_id=row["host_id"],
        exclusive=row["exclusive"] or (row["lock_id"] is not None and row["lock_id"] == row["master"]),
        master=row["master"],
        expired=row["expired"],
        permissions=permissions,
        callnum=callnum if settings.strict_call_numbers else None,
    )
    check_call_number(session, row["callnum"], method)
    locked = row["lock_id"] is not None and not session.exclusive
    if locked and not session.expired and method not in IN_SPITE_OF_LOCK:
        raise koji.AuthLockError("User locked by another session")
    return session


def check_call_number(session: Session, last: Optional[int], method: str) -> None:
    """Refuse a call whose number is used up.

    Args:
        last: number of the newest call that this session has had written to the database.

    Raises:
        koji.SequenceError: a later call has been made already.
        koji.RetryError: this one has been made and has changed data (contract 3.4).
    """
    if session.callnum is None or last is None:
        return
    if last > session.callnum:
        raise koji.SequenceError(f"{last} > {session.callnum} (session {session.id})")
    if last == session.callnum and method not in RETRY_ALLOWED:
        raise koji.RetryError(f"unable to retry call {session.callnum} (method {method}) for session {session.id}")


def permissions_of(db: Database, user_id: int) -> List[str]:
    """The names of the permissions that a user holds, by itself or through its groups."""
    return db.values(
        """SELECT p.name FROM user_perms up JOIN permissions p ON p.id = up.perm_id
            WHERE up.active = 1 AND (up.user_id = :user OR up.user_id IN (
                  SELECT group_id FROM user_groups WHERE user_id = :user AND active = 1))
            GROUP BY p.id ORDER BY p.id""",
        {"user": user_id},
    )


def client_address(settings: Settings, request: Request) -> str:
    """The address that a session is bound to; "-" where the hub does not care."""
    return request.address if settings.check_client_ip else "-"


def _in_good_standing(settings: Settings, request: Request, row: Optional[Row], key: str) -> Row:
    address = client_address(settings, request)
    if row is None or row["closed"] or row["key"] != key or row["hostip"] != address:
        raise koji.AuthError("Invalid session or bad credentials")
    if row["user_status"] != koji.USER_STATUS["NORMAL"]:
        raise koji.AuthError(f"logins by {row['user_name']} are not allowed")
    return row


def _is_due_for_renewal(settings: Settings, row: Row) -> bool:
    allowed = settings.session_renewal_timeout * 60
    return allowed > 0 and time.time() > (row["renew_time"] or row["start_time"]) + allowed


def _touch(kernel: Kernel, row: Row) -> None:
    """Note the session's use, and its expiry with that of its subsessions."""
    now = time.time()
    if row["expired"]:
        with kernel.store.writing() as db:
            db.execute("UPDATE sessions SET expired = 1 WHERE ? IN (id, master)", (row["id"],))
    elif now - row["update_time"] > _TOUCH_INTERVAL:
        with kernel.store.writing() as db:
            db.update("sessions", {"id": row["id"]}, update_time=now)
        row["update_time"] = now
