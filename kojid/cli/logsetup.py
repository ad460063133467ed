"""Where log records go: the daemon's file, stderr in the foreground, mail for errors (contract 1.8)."""

from __future__ import annotations

import getpass
import logging
import logging.handlers
import os
import re
import socket
import sys
from email.message import EmailMessage
from typing import List

from kojid.cli import journal
from kojid.config.options import Options
from kojid.daemon.tasklog import FILE_FORMAT, STDERR_FORMAT, TaskPrefix
from kojid.errors import ConfigError
from kojid.redaction import RedactingFormatter
from kojid.system import process

_MAIL_TIMEOUT = 30  # seconds; a mail server that does not answer must not keep its helper process for ever


def log_to_file(path: str) -> None:
    """Add the daemon's log; silently nothing where it can't be written (contract 1.3, step 1)."""
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        handler = logging.handlers.WatchedFileHandler(path)
    except OSError:
        return
    _add(handler, FILE_FORMAT)


def log_to_stderr() -> None:
    """Add stderr, for the foreground; where systemd leads it into the journal, the journal itself in its place."""
    handler = journal.handler()
    if handler is not None:
        _add(handler, journal.FORMAT)
    else:
        _add(logging.StreamHandler(sys.stderr), STDERR_FORMAT)


def _add(handler: logging.Handler, layout: str) -> None:
    handler.setFormatter(RedactingFormatter(layout))
    handler.addFilter(TaskPrefix())
    logging.getLogger("koji").addHandler(handler)


def level_of(options: Options) -> int:
    """The level that `log_level` names; WARNING when it is not set.

    Raises:
        ConfigError: it is not the name of a level.
    """
    if not options.log_level:
        return logging.WARNING
    found = logging.getLevelName(str(options.log_level).upper())
    if not isinstance(found, int):
        raise ConfigError(
            f"Invalid log level: {options.log_level}", "set log_level to DEBUG, INFO, WARNING, ERROR or CRITICAL"
        )
    return found


def set_levels(options: Options, *, verbose: bool, debug: bool, debug_task: bool) -> None:
    """Set the level of logger `koji` from `log_level` and the command line.

    Raises:
        ConfigError: `log_level` is not the name of a level.
    """
    level = level_of(options)
    if debug:
        level = logging.DEBUG
    elif verbose:
        level = logging.INFO
    logging.getLogger("koji").setLevel(level)
    if debug_task:
        logging.getLogger("koji.build.BaseTaskHandler").setLevel(logging.DEBUG)


class MailHandler(logging.Handler):
    """Mails ERROR records to the admins from a process of its own, so that no mail server can hold up the daemon.

    Args:
        recipients: the addresses.
    """

    def __init__(self, recipients: List[str]) -> None:
        super().__init__(logging.ERROR)
        self.recipients = recipients
        self.host = socket.getfqdn()

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record; trouble with the mail never reaches the caller."""
        text = self.format(record)
        try:
            process.fork(lambda: self._send(text), name="mail")
        except OSError:
            self.handleError(record)

    def _send(self, text: str) -> None:
        mail = EmailMessage()
        mail["Subject"] = f"{self.host}: error notice"
        mail["From"] = f"{getpass.getuser()}@{self.host}"
        mail["To"] = ", ".join(self.recipients)
        mail.set_content(text)
        import smtplib  # hosts that mail nothing need none of it

        with smtplib.SMTP("localhost", timeout=_MAIL_TIMEOUT) as server:
            server.send_message(mail)


def mail_errors(addresses: str) -> None:
    """Mail ERROR records to addresses separated by commas or blanks (contract 1.3, step 4)."""
    recipients = [address for address in re.split(r"[,\s]+", addresses) if address]
    if recipients:
        handler = MailHandler(recipients)
        handler.setFormatter(RedactingFormatter("%(pathname)s:%(lineno)d [%(levelname)s] %(message)s"))
        logging.getLogger("koji").addHandler(handler)
