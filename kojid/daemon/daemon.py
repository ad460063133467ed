"""The daemon: sets the parts up, keeps the loop turning, and leaves nothing behind at the end (contract 4.1)."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import time
from pathlib import Path
from typing import Any, Callable, Dict, Optional

import koji
import koji.tasks

from kojid.config.options import Options
from kojid.daemon import exporter, headline
from kojid.daemon.admission import Admission, Verdict
from kojid.daemon.beat import Beat
from kojid.daemon.certwatch import CertificateWatch
from kojid.daemon.control import Control
from kojid.daemon.cycle import Cycle, State
from kojid.daemon.exporter import Exporter
from kojid.daemon.figures import Figures
from kojid.daemon.housekeeping import Housekeeping
from kojid.daemon.keeper import Keeper
from kojid.daemon.ledger import Ledger
from kojid.daemon.limits import TimeLimits
from kojid.daemon.loop import Interrupted, Loop
from kojid.daemon.measure import Measure
from kojid.daemon.overview import Overview
from kojid.daemon.places import Places
from kojid.daemon.probes import Probes
from kojid.daemon.program import HELD_BACK, Program
from kojid.daemon.reattach import Reattachment
from kojid.daemon.schedule.assigned import Taker
from kojid.daemon.schedule.choice import HUB, scheduler_for
from kojid.daemon.status import StatusFile
from kojid.daemon.supervisor import Supervisor
from kojid.errors import KojidError, explain
from kojid.hub import capabilities
from kojid.hub.causes import explain_call_error, is_transport_error
from kojid.plugins import loader
from kojid.system import notify
from kojid.tasks import registry

_log = logging.getLogger("koji.build")
_FIRST_ANSWERS = 1.0  # seconds that the first cycle waits for the file systems
_LAST_CALLS = 5.0  # seconds for an answer of the hub at the end
_AFTER_TROUBLE = 0.1  # seconds, so that trouble that stays does not fill the log
_LONGEST_END = 30.0  # seconds; a process in the kernel's hands can outlive even KILL


def _settle_memory() -> None:
    """What is there now stays for good: no collection of garbage goes over it again.

    That would write to each of its pages, and a process that was forked would get a copy of all of them.
    """
    gc.collect()
    gc.freeze()


class Manager:
    """What foreground handlers get as their manager: `restart` and `restartVerify` use it (contract 6.12)."""

    def __init__(self, session: Any, options: Options, state: State, ledger: Ledger) -> None:
        self.session = session
        self.options = options
        self._state = state
        self._ledger = ledger

    @property
    def host_id(self) -> int:
        """This host's id on the hub."""
        return self._state.host_id

    @property
    def start_ts(self) -> float:
        """When this daemon's hub session began, seconds since the epoch."""
        return self._state.start_ts

    @property
    def tasks(self) -> Dict[int, Any]:
        """The open tasks of this host."""
        return self._state.tasks

    @property
    def restart_pending(self) -> bool:
        """Whether the daemon restarts once its tasks have ended."""
        return self._state.restart_pending

    @restart_pending.setter
    def restart_pending(self, value: bool) -> None:
        self._state.restart_pending = value
        try:
            self._ledger.plan_restart() if value else self._ledger.forget_restart()
        except OSError as error:
            _log.error("a crash would make this daemon forget the restart: %s", error.strerror or error)


class Daemon:
    """A running builder.

    Args:
        keeper: has the hub session, logged in and exclusive.
        options: the settings.
        ledger: open.
        program: how to start it anew.
    """

    def __init__(self, keeper: Keeper, options: Options, ledger: Ledger, program: Program) -> None:
        self._keeper = keeper
        self._session = keeper.session
        self._options = options
        self._ledger = ledger
        self._program = program
        exporter.prepare(options)
        self._loop = Loop()
        self._beat = Beat(options.sleeptime, time.monotonic())
        self._stopping: Optional[str] = None
        self._reloading = False

    def run(self) -> int:
        """Run until told to stop; returns the exit status (contract 1.5)."""
        _log.info("Starting up")
        self._set_up()
        notify.ready()
        code = self._turn()
        notify.stopping(f"ending {len(self._supervisor.jobs)} tasks")
        self._shut_down()
        self._status_file.write(self._state.verdict, {}, self._supervisor.jobs)
        self._close()
        self._exporter.withdraw()
        return code

    def _close(self) -> None:
        """Let go of whom this program serves: it ends, or is replaced."""
        self._control.close()
        self._supervisor.close()
        self._loop.close()

    def _set_up(self) -> None:
        state = State(*self._keeper.identify(), restart_pending=self._ledger.restart_planned())
        self._state = state
        handlers = loader.load(registry.handlers(), self._options.plugin, self._options.pluginpath, self._options)
        self._supervisor = Supervisor(self._loop, self._options, self._event, self._ledger)
        self._reattachment = Reattachment(self._ledger, self._supervisor, self._session)
        limits = TimeLimits(self._options, self._supervisor, Places(self._options, self._ledger))
        probes = Probes(self._loop, self._options, self._supervisor, self._event)
        self._probes = probes
        self._status_file = StatusFile(self._options, probes)
        housekeeping = Housekeeping(self._session, self._options, self._supervisor, probes, self._news)
        self._manager = manager = Manager(self._session, self._options, state, self._ledger)
        taker = Taker(self._session, self._options, handlers, self._supervisor, manager)
        certificate = CertificateWatch(self._options)
        judge = Admission(self._options, probes, certificate.trouble)
        self._cycle = Cycle(
            self._session,
            self._options,
            state,
            self._supervisor,
            housekeeping,
            taker,
            judge,
            self._reattachment,
            limits,
        )
        measure = Measure(self._supervisor, self._options.mockdir, self._ledger.directory)
        self._figures = Figures(self._session, self._options, state, probes, certificate, housekeeping)
        overview = Overview(
            self._session,
            state,
            self._beat,
            self._supervisor,
            self._status_file,
            certificate,
            housekeeping,
            measure,
            self._figures,
        )
        self._control = Control(self._loop, self._ledger.directory, overview.answer)
        self._supervisor.close_in_children(self._control.abandon)
        self._supervisor.close_in_children(self._session.abandon)
        self._supervisor.close_in_children(probes.abandon)
        self._exporter = Exporter(self._loop, self._supervisor, self._options, self._ledger.directory)
        self._check_host()
        self._take_signals()
        self._reattachment.begin()
        self._exporter.begin()
        self._feed_watchdog()
        _settle_memory()
        probes.wait(_FIRST_ANSWERS)

    def _take_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.on_signal(number, self._stopper(signal.Signals(number).name), urgent=True)
        self._loop.on_signal(signal.SIGUSR1, self._restart_gracefully)
        self._loop.on_signal(signal.SIGHUP, self._reload)
        # The program before this one may have held them back, when it was replaced in place.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)

    def _feed_watchdog(self) -> None:
        """Tell systemd that the loop turns, twice in each of its intervals."""
        interval = notify.watchdog_interval()
        if interval is not None:
            notify.alive()
            self._loop.at(time.monotonic() + interval / 2, self._feed_watchdog)

    def _check_host(self) -> None:
        """Say at start what would keep this host from its work, rather than cycle by cycle (contract 11.1, item 1)."""
        self._check_hub()
        try:
            Path(self._options.mock_config_dir).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            _log.error("%s cannot be made, no build can run: %s", self._options.mock_config_dir, error.strerror)
        if not os.path.isdir(self._options.mockdir):
            _log.error("mockdir %s does not exist: this host takes no task until it does", self._options.mockdir)
        if os.geteuid() != 0:
            _log.warning("not running as root: buildroots can't be made")

    def _check_hub(self) -> None:
        try:
            hub = capabilities.of(self._session)
        except (koji.GenericError, OSError) as error:
            _log.warning("the hub does not tell its version: %s", explain(error))
            return
        if not hub.assigns_tasks and scheduler_for(self._options, hub) == HUB:
            _log.error("the hub is version %s and assigns no tasks; set scheduler = auto to get some", hub)

    def _event(self) -> None:
        self._beat.event(time.monotonic())

    def _news(self) -> None:
        """Something has changed of which tasks and load do not tell."""
        self._beat.event(time.monotonic(), whole=True)

    def _stopper(self, name: str) -> Callable[[], None]:
        def stop() -> None:
            _log.info("%s received", name)
            self._stopping = name

        return stop

    def _restart_gracefully(self) -> None:
        self._manager.restart_pending = True  # noted before it is told: a crash after the line must not lose it
        _log.info("Initiating graceful restart")
        self._news()

    def _reload(self) -> None:
        """Check the configuration, and if it will do begin anew with it; the tasks go on (design, decision 7)."""
        if self._state.restart_pending:
            _log.warning("SIGHUP: a graceful restart is under way, it will read the configuration")
            return
        try:
            self._program.check()
        except KojidError as error:
            _log.error("SIGHUP: the configuration can't be used, nothing changes: %s", error)
            return
        _log.info("SIGHUP: starting anew with the configuration as it is now; tasks go on")
        self._reloading = True

    def _turn(self) -> int:
        """The loop; returns the exit status."""
        code = 0
        try:
            while self._stopping is None and not self._reloading:
                if time.monotonic() >= self._beat.next:
                    self._one_cycle()
                self._attend()
        except (Interrupted, SystemExit, KeyboardInterrupt, koji.tasks.ServerExit):
            pass
        except koji.tasks.ServerRestart:
            self._start_anew()
        except koji.AuthExpired:
            _log.error("Session expired")
            code = 1
        except koji.AuthError as error:
            _log.error("Authentication error: %s", explain(error))
            code = 1
        else:
            if self._stopping is None:
                self._replace()
        _log.info("Exiting")
        return code

    def _attend(self) -> None:
        """Let the loop run what has happened; trouble in one of its callbacks does not end the daemon."""
        try:
            self._loop.turn(self._beat.next)
        except Exception as error:
            _log.exception("what has just happened could not be seen to: %s", explain(error))
            time.sleep(_AFTER_TROUBLE)

    def _one_cycle(self) -> None:
        """A cycle and the time of the next; what goes wrong in it costs the cycle, never the daemon."""
        due, begun, well = self._beat.next, time.monotonic(), False
        whole = self._beat.whole(begun)
        try:
            with self._loop.interruptible():
                took = self._cycle.run(whole=whole)
                self._beat.poll = float(self._options.taskpoll) if self._cycle.may_poll() else 0.0
        except (koji.tasks.ServerRestart, koji.tasks.ServerExit):
            raise
        except koji.RetryError as error:
            # The hub did it already and the answer was lost: the next cycle sees the result (contract 11.1, item 3).
            _log.warning("a reply of the hub was lost: %s", explain(error))
            self._pause(self._beat.failed(time.monotonic()))
        except (koji.AuthError, koji.AuthExpired):
            raise
        except Exception as error:
            told = explain_call_error(error) if is_transport_error(error) else explain(error)
            _log.error("this cycle failed: %s", told, exc_info=_log.isEnabledFor(logging.DEBUG))
            self._pause(self._beat.failed(time.monotonic()))
        else:
            pause, well = self._beat.done(time.monotonic(), again=took, whole=whole), True
            notify.status(self._status_line())
            self._status_file.write(self._state.verdict, self._state.tasks, self._supervisor.jobs)
            if pause:
                self._pause(pause)
        self._figures.cycle(begun - due, time.monotonic() - begun, well=well, whole=whole)

    def _pause(self, seconds: float) -> None:
        _log.debug("Sleeping for %g", round(seconds, 2))

    def _status_line(self) -> str:
        room = self._probes.answer("mockdir").room
        return headline.line(
            self._state.verdict,
            len(self._state.tasks),
            self._options.maxjobs,
            room.free_mb if room else None,
            self._supervisor.jobs,
        )

    def _start_anew(self) -> None:
        """Restart in place: same program, same arguments; the lock is given back first (contract 11.1, item 13)."""
        _log.info("Restarting")
        self._let_go()
        self._close()
        self._program.execute()

    def _replace(self) -> None:
        """Begin anew in place with the same hub session; tasks do not notice."""
        notify.reloading("starting anew, tasks go on")
        self._keeper.settle()
        self._close()
        self._program.execute()

    def _let_go(self) -> None:
        with contextlib.suppress(Exception):
            self._session.logout()
        self._keeper.forget()
        self._ledger.forget_restart()

    def _shut_down(self) -> None:
        """End every task, give them back to the hub, and leave (contract 4.1, after the loop)."""
        _log.info("Shutting down, please wait...")
        self._ledger.forget_restart()
        self._state.verdict = Verdict(False, "the daemon was told to stop", "stopping", time.time())
        # before the first cycle the hub's list is not known, but what was taken up is
        tasks = set(self._state.tasks) or {job.task_id for job in self._supervisor.jobs}
        for job in self._supervisor.jobs:
            self._supervisor.end(job)
        deadline = time.monotonic() + _LONGEST_END
        while self._supervisor.busy() and time.monotonic() < deadline:
            self._loop.turn(time.monotonic() + 0.1)
            self._supervisor.reap()
        self._session.opts["timeout"] = _LAST_CALLS  # a hub that does not answer must not hold up the end
        try:
            free = self._reattachment.settle(sorted(tasks))
            if free:
                self._session.host.freeTasks(free)
                self._reattachment.freed(free)
            self._session.host.updateHost(0.0, False)
        except Exception as error:
            _log.warning("the hub was not told of the end, it will notice: %s", explain(error))
            if isinstance(error, OSError):
                return  # out of reach: a logout would only wait as long again
        self._let_go()
