"""The heart of the hub: the table of exported methods, the context of one call, and the call itself.

A method of the hub is a function `f(ctx, ...)` with the hub's own argument names (clients pass them as keywords),
registered by `@export("name")` when its module is imported. Each call is one transaction: what it wrote is kept when
it returns and undone when it raises. A method that only reads says `@export("name", reads=True)`; it runs beside all
others and can't write. Errors are the koji library's exceptions: their fault codes travel (contract 13).
"""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import traceback
import xmlrpc.client
from dataclasses import dataclass, field, replace
from typing import IO, Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, TypeVar

import koji

from kojid.sandbox.hub import releases
from kojid.sandbox.hub.database import Database, Row, Store
from kojid.sandbox.hub.settings import Settings

logger = logging.getLogger("kojid.sandbox.hub")
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Method:
    """An exported method: its function, and whether it only reads or manages transactions itself."""

    name: str
    function: Callable[..., Any]
    signature: inspect.Signature
    reads: bool = False
    own_transactions: bool = False


METHODS: Dict[str, Method] = {}

#: Calls that may be made again with the number of a call whose reply was lost (contract 3.4).
RETRY_ALLOWED = frozenset(
    {
        "host.taskWait",
        "host.taskUnwait",
        "host.taskSetWait",
        "host.updateHost",
        "host.setBuildRootState",
        "repoExpire",
        "repoDelete",
        "repoProblem",
    }
)


def export(name: str, *, reads: bool = False, own_transactions: bool = False) -> Callable[[Function], Function]:
    """Register a function as a method of the hub.

    Args:
        name: what clients call it, e.g. "host.getTasks".
        reads: it writes nothing; it then never waits for writers.
        own_transactions: it is called without `ctx.db` and opens transactions with `ctx.kernel` itself.
    """

    def register(function: Function) -> Function:
        if name in METHODS:
            raise ValueError(f"{name} is exported twice")
        METHODS[name] = Method(name, function, inspect.signature(function), reads, own_transactions)
        return function

    return register


@dataclass(frozen=True)
class Request:
    """Who calls, as far as the transport knows.

    Args:
        address: the client's address.
        certificate: the common name of its verified certificate, None without one.
        login: whether it came to the URL that certificates are for (`/ssllogin`).
        session: id, key and call number (None: not given) of the session it claims, None without one.
        query: the URL's query, single-valued (uploads).
        body: the request's body, for uploads; length in bytes.
    """

    address: str = "127.0.0.1"
    certificate: Optional[str] = None
    login: bool = False
    session: Optional[Tuple[int, str, Optional[int]]] = None
    query: Mapping[str, str] = field(default_factory=dict)
    body: IO[bytes] = field(default_factory=io.BytesIO)
    length: int = 0


@dataclass
class Session:
    """A session in good standing: of a user, or of a build host's user."""

    id: int
    user_id: int
    user_name: str
    authtype: int
    host_id: Optional[int] = None
    exclusive: bool = False
    master: Optional[int] = None
    expired: bool = False
    permissions: Sequence[str] = ()
    _noted: bool = False
    callnum: Optional[int] = None

    def note_call(self, db: Database, method: str) -> None:
        """Keep the call's number with what the call wrote: one that changed nothing can be made again.

        Raises:
            koji.RetryError: the same call, sent a second time, was faster (contract 3.4).
        """
        if self.callnum is None:
            return
        known = "callnum IS NULL OR callnum < :callnum"
        if self._noted or method in RETRY_ALLOWED:
            known = "1"
        sql = f"UPDATE sessions SET callnum = :callnum WHERE id = :id AND ({known})"
        if not db.execute(sql, {"callnum": self.callnum, "id": self.id}).rowcount:
            raise koji.RetryError(f"call {self.callnum} (method {method}) of session {self.id} was made already")
        self._noted = True


@dataclass
class Context:
    """One call: its transaction, its session, the hub's settings.

    `db` belongs to this call only; don't keep it. `ctx.kernel` is for methods that open transactions themselves.
    """

    db: Database
    session: Optional[Session]
    settings: Settings
    kernel: Kernel
    request: Request
    method: str
    _event: Optional[int] = None
    _afterwards: List[Callable[[], None]] = field(default_factory=list)

    def event(self) -> int:
        """This transaction's event id; the event is made at the first use."""
        if self._event is None:
            self._event = self.db.insert("events")
        return self._event

    def user_id(self) -> int:
        """The calling user.

        Raises:
            koji.ActionNotAllowed: nobody is logged in.
        """
        if self.session is None:
            raise koji.ActionNotAllowed("you must be logged in for this operation")
        return self.session.user_id

    def has_permission(self, *permissions: str) -> bool:
        """Whether the caller holds one of these permissions; admin holds all."""
        held = self.session.permissions if self.session else ()
        return "admin" in held or any(name in held for name in permissions)

    def require(self, *permissions: str) -> None:
        """Let the call go on only if the caller holds one of these permissions.

        Raises:
            koji.ActionNotAllowed: it does not.
        """
        if not self.has_permission(*permissions):
            who = f"logged in as {self.session.user_name}" if self.session else "user not logged in"
            raise koji.ActionNotAllowed(f"{' or '.join(permissions)} permission required ({who})")

    def host(self) -> int:
        """The calling build host's id (contract 12: these calls need an exclusive session).

        Raises:
            koji.AuthError: no host is logged in, or its session is not exclusive.
        """
        if self.session is None:
            raise koji.AuthError("Not logged-in")
        if self.session.host_id is None:
            raise koji.AuthError(f"User {self.session.user_id} is not a host")
        if not self.session.exclusive:
            raise koji.AuthError("This method requires an exclusive session")
        return self.session.host_id

    def owned_task(self, task_id: int) -> Row:
        """The task's row; it has to be OPEN on the calling host.

        Raises:
            koji.GenericError: there is no such task.
            koji.ActionNotAllowed: it is not open, or another host's.
        """
        host_id = self.host()
        row = self.db.one("SELECT * FROM task WHERE id = ?", (task_id,))
        if row is None:
            raise koji.GenericError(f"No such task: {task_id}")
        if row["state"] != koji.TASK_STATES["OPEN"] or row["host_id"] != host_id:
            raise koji.ActionNotAllowed(f"host {host_id} does not own task {task_id}")
        return row

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call another exported method inside this transaction."""
        return lookup(method).function(self, *args, **kwargs)

    def after_commit(self, action: Callable[[], None]) -> None:
        """Have `action` done when this call's transaction is kept, never when it is undone."""
        self._afterwards.append(action)


def lookup(name: str) -> Method:
    """The exported method of that name.

    Raises:
        koji.GenericError: there is none (contract 4.4: clients recognise "Invalid method").
    """
    method = METHODS.get(name)
    if method is None:
        raise koji.GenericError(f"Invalid method: {name}")
    return method


class Kernel:
    """Settings, database and methods together.

    Args:
        settings: of this hub.
        store: its database.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self.store = store

    def known(self, name: str) -> Method:
        """A method as clients of this hub know it: with the arguments that it has in the hub's release.

        Raises:
            koji.GenericError: there is none, or not yet.
        """
        method = lookup(name)
        releases.check_known(self.settings.version, name)
        return replace(method, signature=releases.signature(self.settings.version, name, method.signature))

    def names(self) -> List[str]:
        """The names of all methods that clients of this hub know."""
        return sorted(filter(self._knows, METHODS))

    def _knows(self, name: str) -> bool:
        try:
            releases.check_known(self.settings.version, name)
        except koji.GenericError:
            return False
        return True

    def call(
        self,
        request: Request,
        name: str,
        params: Sequence[Any] = (),
        on_session: Optional[Callable[[str], None]] = None,
    ) -> Any:
        """Make one call as the client behind `request` and return its result.

        Args:
            params: positional parameters; a last dict with `__starstar` holds keyword arguments.
            on_session: told the caller's user name once it is known.

        Raises:
            koji.GenericError: or a class of its family; see `fault` for what else can come out.
        """
        from kojid.sandbox.hub.sessions import recognize

        session = recognize(self, request, name)
        if session is not None and on_session is not None:
            on_session(session.user_name)
        return self.perform(request, session, name, params)

    def perform(self, request: Request, session: Optional[Session], name: str, params: Sequence[Any]) -> Any:
        """Make one call for a session that has been looked at already (the parts of a multiCall)."""
        method = self.known(name)
        args, kwargs = koji.decode_args(*params)
        if method.own_transactions:
            ctx = Context(_NO_DATABASE, session, self.settings, self, request, name)
            return _run(method, ctx, args, kwargs)
        with self.transaction(request, session, name, reads=method.reads) as ctx:
            return _run(method, ctx, args, kwargs)

    @contextlib.contextmanager
    def transaction(
        self, request: Request, session: Optional[Session] = None, method: str = "", *, reads: bool = False
    ) -> Iterator[Context]:
        """A context with a transaction of its own; writes are kept when the block ends well."""
        with self.store.reading() if reads else self.store.writing() as db:
            ctx = Context(db, session, self.settings, self, request, method)
            yield ctx
            if session is not None and db.changed:
                session.note_call(db, method)
        for action in ctx._afterwards:
            action()


def _run(method: Method, ctx: Context, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    try:
        method.signature.bind(ctx, *args, **kwargs)
    except TypeError as error:
        raise koji.ParameterError(f"{method.name}: {error}") from None
    return method.function(ctx, *args, **kwargs)


class _NoDatabase(Database):
    def __init__(self) -> None:
        """Stands where a method manages its own transactions."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("this method opens its own transactions")


_NO_DATABASE = _NoDatabase()


def fault(error: BaseException) -> xmlrpc.client.Fault:
    """What a client is told of an error: koji's errors by their code, others as code 1 with the traceback."""
    if isinstance(error, xmlrpc.client.Fault):
        return error
    if isinstance(error, koji.GenericError):
        return xmlrpc.client.Fault(error.faultCode, str(error))
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return xmlrpc.client.Fault(1, text)
