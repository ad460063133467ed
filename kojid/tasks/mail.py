"""Sending mail through `smtphost`, with an end to every wait (contract 6.11).

What goes into a header comes from packages and people: line breaks in it must not become headers of their own.
"""

from __future__ import annotations

import logging
import smtplib
import socket
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formataddr, parseaddr
from typing import Any, Dict, List, Optional, Sequence, Union

import koji

TIMEOUT_SECONDS = 60.0
# Headers stay on one line, as filters expect them; folded at 78, a subject could even begin with an empty line.
_UNFOLDED = SMTP.clone(max_line_length=998)

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
    lines = [("From", _named([sender])), ("Subject", one_line(subject)), ("To", _named(recipients))]
    for name, values in headers.items():
        lines += [(name, one_line(value)) for value in (values if isinstance(values, list) else [values])]
    # encoded words may have 75 characters at most, whatever the line's length
    message = EmailMessage(policy=_UNFOLDED if all(text.isascii() for _name, text in lines) else SMTP)
    for name, text in lines:
        message[name] = text
    message.set_content(body, charset="utf-8", cte="8bit")  # addresses stay whole for filters and for grep
    return message


def address_of(recipient: str) -> Optional[str]:
    """The bare address in a recipient, None when mail can't be sent there: SMTP takes ASCII only."""
    _name, address = parseaddr(recipient)
    if address and address.isascii() and recipient.isprintable():
        return address
    logger.warning("Mail can't be addressed to %r", recipient)
    return None


def _named(recipients: Sequence[str]) -> str:
    """An address header's text: those that are addresses, with their names, in ASCII."""
    named = [formataddr(parseaddr(one)) for one in recipients if address_of(one)]
    return ", ".join(named) or "undisclosed-recipients:;"


def send(options: Any, recipients: Sequence[str], message: EmailMessage) -> None:
    """Send a message to all recipients.

    Args:
        options: smtphost (HOST or HOST:PORT), smtp_user and smtp_pass, from_addr.
        recipients: where it goes; one that is refused does not keep it from the others.
        message: from `compose`.

    Raises:
        koji.GenericError: the mail server can't be reached, or takes it for none of the recipients.
    """
    addresses = [address for address in map(address_of, recipients) if address]
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


def _own_name() -> str:
    name = socket.gethostname()
    return name if "." in name else "[127.0.0.1]"
