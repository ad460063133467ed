"""The daemon's start: configuration, log, login, lock, and then the loop (contract 1.3)."""

from __future__ import annotations

import logging
import os
import resource
import sys
from pathlib import Path
from typing import List

import koji

from kojid import __version__
from kojid.cli import arguments, logsetup
from kojid.cli.arguments import Invocation
from kojid.config import loader
from kojid.config.options import BY_NAME, Options
from kojid.daemon import entry, exporter, reattach
from kojid.daemon.daemon import Daemon
from kojid.daemon.keeper import Keeper
from kojid.daemon.ledger import Ledger, LedgerInUse
from kojid.daemon.program import Program, Terminated, raise_on_term
from kojid.errors import ConfigError, KojidError, LoginError, explain
from kojid.plugins.loader import recheck
from kojid.system import background, locks

_log = logging.getLogger("koji.build")
_DETACHED_SECONDS = 10.0  # for the process that went into the background to be gone from the foreground
_FORMER_SECONDS = 45.0  # a former daemon notices within a cycle, and then ends its tasks


def start(argv: List[str]) -> int:
    """Run the daemon with these command-line arguments; returns the exit status (contract 1.5)."""
    invocation = arguments.parse(argv)
    try:
        options = _configure(invocation)
        _prepare(options)
    except KojidError as error:
        return _refuse(error)
    try:
        return _run(invocation, options)
    except KojidError as error:
        return _refuse(error, logged=True)


def _configure(invocation: Invocation) -> Options:
    """Read the configuration and set up the log as it says."""
    loaded = loader.load(invocation.config, invocation.overrides)
    options = loaded.options
    options.debug_xmlrpc = invocation.debug_xmlrpc
    logsetup.log_to_file(options.log_file)
    logsetup.set_levels(options, verbose=invocation.verbose, debug=invocation.debug, debug_task=invocation.debug_task)
    if invocation.foreground:
        logsetup.log_to_stderr()
    if options.admin_emails:
        logsetup.mail_errors(options.admin_emails)
    for warning in [*loaded.warnings, *invocation.warnings, *exporter.check(options)]:
        _log.warning("%s", warning)
        if not invocation.foreground:
            print(f"kojid: warning: {warning}", file=sys.stderr)
    return options


def _prepare(options: Options) -> None:
    """Make the working directory, and tell the koji library where the volume is (contract 1.3, side effects)."""
    try:
        Path(options.workdir).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the workdir {options.workdir} cannot be made: {error.strerror}", "set workdir to a place that is writable"
        ) from error
    koji.BASEDIR = options.topdir
    koji.pathinfo.topdir = options.topdir


def _run(invocation: Invocation, options: Options) -> int:
    if invocation.foreground and invocation.skip_main:
        return _try_login(invocation, options)
    ledger = Ledger(Path(options.state_dir) / "ledger")
    raise_on_term()
    try:
        return _serve(invocation, options, ledger)
    except Terminated as signalled:
        # Told to stop before the loop turned: the tasks of the daemon before this one go, too.
        _log.info("%s received", signalled)
        reattach.end_all(ledger, options, "this host is told to stop")
        return 0


def _serve(invocation: Invocation, options: Options, ledger: Ledger) -> int:
    program = Program(sys.argv, lambda: _recheck(invocation, options), detached=not invocation.foreground)
    keeper = _enter(invocation, options, ledger)
    if not invocation.foreground:
        background.detach()
        ledger.open(_DETACHED_SECONDS)
    _apply_limits(options)
    if not reattach.living(ledger):
        _wait_for_former(options.workdir)
    _log.info("kojid %s on hub %s", __version__, options.server)
    return Daemon(keeper, options, ledger, program).run()


def _enter(invocation: Invocation, options: Options, ledger: Ledger) -> Keeper:
    """A session with the hub; from a daemon that runs here and is to be robbed, the ledger comes with its end."""
    try:
        ledger.open()
    except LedgerInUse:
        if not invocation.force_lock:
            raise
        keeper = entry.rob(options, ledger)
        _log.info("Waiting for another kojid to leave %s", options.state_dir)
        ledger.open(_FORMER_SECONDS)
        keeper.keep()
        return keeper
    return entry.enter(options, ledger, force=invocation.force_lock)


def _try_login(invocation: Invocation, options: Options) -> int:
    """Log in, take the lock and give both back; a daemon that runs is left alone, unless its lock is to be forced."""
    entry.log_in(options, force=invocation.force_lock).logout()
    return 0


def _recheck(invocation: Invocation, options: Options) -> None:
    """Whether the configuration, as it is now, can take the place of the one in use while tasks run.

    Raises:
        KojidError: it is wrong, or changes what can't change under running tasks.
    """
    new = loader.load(invocation.config, invocation.overrides).options
    for name in ("server", "state_dir"):
        if getattr(new, name) != getattr(options, name):
            raise ConfigError(f"{name} has changed", "that takes a graceful restart (SIGUSR1), or a stop and a start")
    if not os.access(Path(options.state_dir) / "ledger", os.W_OK):
        raise ConfigError(f"state_dir cannot be written now: {options.state_dir}", "is its file system read-only?")
    exporter.check(new)
    recheck(new)


def _wait_for_former(workdir: str) -> None:
    """Wait for what a daemon from which the lock was taken by force still runs here.

    Its tasks are given to this daemon under the same ids, and so with the same working directories, while it only
    learns of its end by its next call to the hub.
    """
    if locks.hold(Path(workdir), 0) is not None:
        return
    _log.info("Waiting for the processes of another kojid to leave %s", workdir)
    if locks.hold(Path(workdir), _FORMER_SECONDS) is None:
        _log.warning("processes of another kojid still use %s; their tasks may get into each other's way", workdir)


def _apply_limits(options: Options) -> None:
    """Apply the RLIMIT_ options, a warning each; one that can't be applied is skipped (contract 1.9)."""
    for name, value in loader.limits(options).items():
        soft, hard = loader.soft_and_hard(name, value)
        try:
            resource.setrlimit(getattr(resource, name), (soft, hard))
        except (OSError, ValueError) as error:
            _log.error("the limit %s could not be set to %s: %s", name, value, explain(error))
        else:
            _log.warning("Setting resource limit %s to %s %s", name, soft, hard)


def _refuse(error: KojidError, *, logged: bool = False) -> int:
    """Tell why the daemon does not start, on stderr and in the log."""
    words = "Error: " if isinstance(error, LoginError) else ""  # the stock daemon's, which scripts look for
    print(f"kojid: {words}{error}", file=sys.stderr)
    if not logged and not logging.getLogger("koji").handlers:
        # Without a configuration there is no log_file option: the default, or for tests what the environment says.
        logsetup.log_to_file(os.environ.get("KOJID_LOG_FILE") or BY_NAME["log_file"].default)
    for handler in logging.getLogger("koji").handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handle(_log.makeRecord(_log.name, logging.ERROR, "", 0, "%s", (error,), None))
    return error.exit_status
