"""Sending mail through `smtphost`, with an end to every wait (contract 6.11).

What goes into a header comes from packages and people: line breaks in it must not become headers of their own.
"""

from __future__ import annotations

import logging
import smtplib
import socket
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, Dict, List, Sequence, Union

import koji

TIMEOUT_SECONDS = 60.0

logger = logging.getLogger("koji.build.BaseTaskHandler")


def one_line(text: Any) -> str:
    """The text fit for a header: control characters and line breaks become blanks."""
    return "".join(c if c.isprintable() else " " for c in str(text)).strip()


def compose(
    sender: str,
    recipients: Sequence[str],
    subject: str,
    headers: Dict[str, Union[Any, List[Any]]],
    body: str,
) -> EmailMessage:
    """Put a message together: UTF-8, CRLF on the wire.

    Args:
        sender: for From.
        recipients: for To.
        subject: for Subject.
        headers: more of them; a list stands for several of one name.
        body: text with plain newlines.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = _addresses(one_line(sender), otherwise="kojid")
    message["Subject"] = one_line(subject)
    message["To"] = _addresses(", ".join(map(one_line, recipients)), otherwise="undisclosed-recipients:;")
    for name, values in headers.items():
        for value in values if isinstance(values, list) else [values]:
            message[name] = one_line(value)
    message.set_content(body, charset="utf-8")
    return message


def _addresses(text: str, *, otherwise: str) -> str:
    """The text if it can stand in an address header; Python's parser stumbles over some that are malformed."""
    try:
        probe = EmailMessage(policy=SMTP)
        probe["To"] = text
        lines = probe.as_bytes().split(b"\r\n\r\n")[0].split(b"\r\n")
    except Exception:
        lines = []
    # A malformed one can be folded so that its second line is no continuation, but a header of its own.
    if not lines or any(not line.startswith((b" ", b"\t")) for line in lines[1:] if line):
        logger.warning("This is no list of mail addresses: %r", text)
        return otherwise
    return text


def send(options: Any, recipients: Sequence[str], message: EmailMessage) -> None:
    """Send a message to all recipients.

    Args:
        options: smtphost (HOST or HOST:PORT), smtp_user and smtp_pass, from_addr.
        recipients: where it goes; one that is refused does not keep it from the others.
        message: from `compose`.

    Raises:
        koji.GenericError: the mail server can't be reached, or takes it for none of the recipients.
    """
    addresses = [recipient for recipient in recipients if _deliverable(recipient)]
    if not addresses:
        raise koji.GenericError(f"No mail can be sent to: {', '.join(map(one_line, recipients))}")
    try:
        # local_hostname keeps smtplib from asking the DNS for our own name, without a time limit
        with smtplib.SMTP(options.smtphost, timeout=TIMEOUT_SECONDS, local_hostname=_own_name()) as server:
            if options.smtp_user is not None and options.smtp_pass is not None:
                server.login(options.smtp_user, options.smtp_pass)
            refused = server.sendmail(options.from_addr, addresses, message.as_bytes())
    except (smtplib.SMTPException, OSError) as error:
        raise koji.GenericError(f"Mail could not be sent through {options.smtphost}: {error}") from error
    for recipient, reason in refused.items():
        logger.warning("%s did not take mail for %s: %s", options.smtphost, recipient, reason)


def _deliverable(recipient: str) -> bool:
    """Whether an address can be put on the wire: SMTP takes ASCII, and one that it does not must not stop the rest."""
    if recipient.isascii() and recipient.isprintable() and recipient.strip():
        return True
    logger.warning("Mail can't be addressed to %r", recipient)
    return False


def _own_name() -> str:
    name = socket.gethostname()
    return name if "." in name else "[127.0.0.1]"
