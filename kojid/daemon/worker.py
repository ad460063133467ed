"""The task process: runs the handler and tells the hub how it ended (contract 5.1)."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import traceback
from typing import Any, Callable, Iterator, Optional
from xmlrpc.client import Fault

import koji
import koji.tasks
from koji.xmlrpcplus import dumps

from kojid.daemon import outcomes, score, tasklog
from kojid.daemon.desk import Desk
from kojid.daemon.records import Outcome
from kojid.errors import HostFault
from kojid.hub import capabilities
from kojid.redaction import redact
from kojid.sources import begun
from kojid.system import forks, phases
from kojid.tasks import base

_log = logging.getLogger("koji.TaskManager")
_RESERVED = 8  # file descriptors: a connection, and the outcome on disk
_SHOWN = 500  # characters of a result in the log: enough to recognise it (contract 11.2, item 24)


class Overdue(koji.GenericError):  # type: ignore[misc]
    """The daemon has the task fail: it took too long, or has come to a stand."""


class Stopped(SystemExit):
    """The daemon ends this task: nothing is reported, the daemon frees or has lost it."""


def main(handler: Any, session: Any, options: Any, desk: Desk) -> None:
    """Run `handler` in this fresh process with its own hub session, and leave nothing open.

    Args:
        handler: the instance made by the daemon; its session is replaced.
        session: the task's subsession.
        options: the daemon's settings.
        desk: the way to the daemon and the ledger.
    """
    tasklog.begin(handler.id, options.task_log_dir, handler.method, getattr(handler, "params", None) or ())
    _take_signals(desk)
    forks.become_subreaper()
    begun.begin(options)
    desk.attend(session)
    session.opts["patient"] = True
    handler.session = session
    phases.listen(desk.phase)
    phases.enter("at work")
    desk.step("running")
    try:
        with _reserve() as give_up:
            perform(handler, session, desk, give_up)
    except (SystemExit, KeyboardInterrupt, koji.tasks.ServerExit):
        _log.info("task %s (%s) was stopped", handler.id, handler.method)
    except koji.AuthError as error:
        _log.warning("task %s (%s): its outcome could not be reported: %s", handler.id, handler.method, error)
    finally:
        if not desk.daemon_knows:  # it closes the sessions of all that have ended by one request
            _log_out(session)
        desk.leave()


def _take_signals(desk: Desk) -> None:
    """TERM and INT end the handler by an exception that its `finally` blocks see; USR2 wakes a wait (contract 1.4).

    USR1 is the daemon's: the handler fails with the reason that is in the ledger.
    """

    def fail(_number: int, _frame: Any) -> None:
        why = desk.verdict()
        if why is not None:
            raise Overdue(why)

    signal.signal(signal.SIGUSR1, fail)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    base.install_wakeup()


def _stop(_number: int, _frame: Any) -> None:
    raise Stopped(0)


def _log_out(session: Any) -> None:
    with contextlib.suppress(Exception):
        session.logout()


@contextlib.contextmanager
def _reserve() -> Iterator[Callable[[], None]]:
    """Keep some file descriptors: a handler that uses up all others can still be told to the hub."""
    with contextlib.ExitStack() as kept:
        with contextlib.suppress(OSError):
            for _ in range(_RESERVED):
                kept.callback(os.close, os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        yield kept.close


def _nothing() -> None:
    """Foreground tasks have nothing in reserve."""


def perform(handler: Any, session: Any, desk: Optional[Desk] = None, ended: Callable[[], None] = _nothing) -> None:
    """Run the handler, call `ended`, and send the outcome; for foreground tasks in the daemon, too, without a desk.

    Raises:
        SystemExit, KeyboardInterrupt, ServerExit: nothing was sent, the caller decides.
    """
    outcome = _run(handler, session)
    ended()
    if desk is not None:
        desk.keep(outcome)
    taken = outcomes.deliver(session, handler.id, handler.method, outcome)
    score.ended(handler.method, score.OUTCOMES[outcome.call] if taken else score.DROPPED)
    if desk is not None:
        desk.delivered()


def _run(handler: Any, session: Any) -> Outcome:
    """Run the handler and put its end into the words of contract 5.1."""
    try:
        response = encode(handler.run())
    except (SystemExit, KeyboardInterrupt, koji.tasks.ServerExit):
        raise
    except koji.tasks.ServerRestart:
        return Outcome("freeTasks", [[handler.id]])
    except (koji.tasks.RefuseTask, HostFault) as refusal:
        _log.warning("Refusing task %s: %s", handler.id, refusal)
        if isinstance(refusal, HostFault):
            score.fault(handler.method, score.HOST)
        if capabilities.of(session).takes_refusals:
            return Outcome("refuseTask", [handler.id], {"msg": str(refusal)})
        return Outcome("freeTasks", [[handler.id]])
    except BaseException as error:  # whatever a handler raises is its task's failure
        fault = fault_of(error)
        score.fault(handler.method, _kind(error))
        _log.info("FAULT: task %s (%s): %s", handler.id, handler.method, fault.faultString)
        return Outcome("failTask", [handler.id, dump_fault(fault)])
    _log.info("RESPONSE: %r", _shortened(response))
    return Outcome("closeTask", [handler.id, response])


def _kind(error: BaseException) -> str:
    """Whose fault a failure is: a fault of koji's types is the task's own, whatever else the handler's code's."""
    if isinstance(error, Overdue):
        return score.LIMIT
    return score.PACKAGE if isinstance(error, (koji.GenericError, Fault)) else score.INTERNAL


def encode(result: Any) -> str:
    """A handler's result as the hub stores it: an XML-RPC response of one value (contract 5.1)."""
    return str(dumps((result,), methodresponse=1, allow_none=1))


def dump_fault(fault: Fault) -> str:
    """A fault as the hub stores it."""
    return str(dumps(fault))


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


def fault_of(error: BaseException) -> Fault:
    """How an exception travels to the hub: koji's own under their code, others with their traceback (contract 5.1)."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, koji.GenericError):
        return Fault(error.faultCode, redact(str(error)))
    text = "".join(traceback.format_exception(*sys.exc_info())).rstrip()
    _log.warning("TRACEBACK: %s", text)
    return Fault(getattr(error, "faultCode", 1), redact(text))
