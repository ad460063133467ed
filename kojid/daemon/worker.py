"""The task process: runs the handler and tells the hub how it ended (contract 5.1)."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import traceback
from typing import Any, Callable, Optional
from xmlrpc.client import Fault

import koji
import koji.tasks
from koji.xmlrpcplus import dumps

from kojid.daemon import tasklog
from kojid.errors import HostFault
from kojid.hub import capabilities
from kojid.system import forks
from kojid.tasks import base

_log = logging.getLogger("koji.TaskManager")
_SHOWN = 500  # characters of a result in the log: enough to recognise it (contract 11.2, item 24)

# Calls after which the hub is likely to have something for this host: they wake the daemon's loop.
WAKING_CALLS = frozenset({"host.subtask", "host.subtask2", "host.taskSetWait"})
# What the daemon is told when the task gave itself back (hubs that know no refusals).
GIVEN_BACK = b"f"


class Stopped(SystemExit):
    """The daemon ends this task: nothing is reported, the daemon frees or has lost it."""


def main(handler: Any, session: Any, events: int, options: Any) -> None:
    """Run `handler` in this fresh process with its own hub session, and leave nothing open.

    Args:
        handler: the instance made by the daemon; its session is replaced.
        session: the task's subsession.
        events: write end of the pipe to the daemon.
        options: the daemon's settings.
    """
    tasklog.begin(handler.id, options.task_log_dir)
    _take_signals()
    forks.become_subreaper()
    session.after_call = _notifier(events)
    session.opts["patient"] = True
    handler.session = session
    try:
        perform(handler, session)
    except (SystemExit, KeyboardInterrupt, koji.tasks.ServerExit):
        _log.info("task %s (%s) was stopped", handler.id, handler.method)
    except koji.AuthError as error:
        _log.warning("task %s (%s): its outcome could not be reported: %s", handler.id, handler.method, error)
    finally:
        _log_out(session)


def _take_signals() -> None:
    """TERM and INT end the handler by an exception that its `finally` blocks see; USR2 wakes a wait (contract 1.4)."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    base.install_wakeup()


def _stop(_number: int, _frame: Any) -> None:
    raise Stopped(0)


def _notifier(events: int) -> Callable[[str], None]:
    def tell(method: str) -> None:
        if method in WAKING_CALLS:
            with contextlib.suppress(OSError):
                os.write(events, b"!")
        elif method == "host.freeTasks":
            with contextlib.suppress(OSError):
                os.write(events, GIVEN_BACK)

    return tell


def _log_out(session: Any) -> None:
    with contextlib.suppress(Exception):
        session.logout()


def perform(handler: Any, session: Any) -> None:
    """Run the handler and send its outcome; used for foreground tasks in the daemon, too.

    Raises:
        SystemExit, KeyboardInterrupt, ServerExit: nothing was sent, the caller decides.
    """
    try:
        response = encode(handler.run())
    except (SystemExit, KeyboardInterrupt, koji.tasks.ServerExit):
        raise
    except koji.tasks.ServerRestart:
        session.host.freeTasks([handler.id])
    except (koji.tasks.RefuseTask, HostFault) as refusal:
        _refuse(handler, session, str(refusal))
    except BaseException as error:  # whatever a handler raises is its task's failure
        fault = fault_of(error)
        _log.info("FAULT: task %s (%s): %s", handler.id, handler.method, fault.faultString)
        _send(session.host.failTask, handler, _dump(fault))
    else:
        _log.info("RESPONSE: %r", _shortened(response))
        _send(session.host.closeTask, handler, response)


def encode(result: Any) -> str:
    """A handler's result as the hub stores it: an XML-RPC response of one value (contract 5.1)."""
    return str(dumps((result,), methodresponse=1, allow_none=1))


def _dump(fault: Fault) -> str:
    return str(dumps(fault))


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


def _refuse(handler: Any, session: Any, why: str) -> None:
    _log.warning("Refusing task %s: %s", handler.id, why)
    if capabilities.of(session).takes_refusals:
        session.host.refuseTask(handler.id, msg=why)
    else:
        session.host.freeTasks([handler.id])


def fault_of(error: BaseException) -> Fault:
    """How an exception travels to the hub: koji's own under their code, others with their traceback (contract 5.1)."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, koji.GenericError):
        return Fault(error.faultCode, str(error))
    text = "".join(traceback.format_exception(*sys.exc_info())).rstrip()
    _log.warning("TRACEBACK: %s", text)
    return Fault(getattr(error, "faultCode", 1), text)


def _send(call: Callable[[int, str], Any], handler: Any, xml: str) -> None:
    """Report the outcome; when the reply was lost, the hub's own state of the task decides (contract 11.1, item 3).

    A task that was canceled or given to another host meanwhile has no outcome of ours to report.
    """
    try:
        call(handler.id, xml)
    except koji.ActionNotAllowed as refusal:
        _log.info(
            "task %s (%s) is no longer this host's, its outcome is dropped: %s", handler.id, handler.method, refusal
        )
    except koji.RetryError:
        state = _state(handler)
        if state not in (koji.TASK_STATES["CLOSED"], koji.TASK_STATES["FAILED"]):
            raise
        _log.info("the reply to the end of task %s was lost; the hub has it as %s", handler.id, koji.TASK_STATES[state])


def _state(handler: Any) -> Optional[int]:
    info = handler.session.getTaskInfo(handler.id)
    return None if info is None else int(info["state"])
