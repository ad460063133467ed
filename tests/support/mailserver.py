"""A real SMTP server for tests, which keeps what it gets."""

from __future__ import annotations

import email
import email.policy
import socket
from email.message import EmailMessage
from types import TracebackType
from typing import Any, List, Optional, Type

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message


class _Keeper(Message):
    def __init__(self, mails: List[EmailMessage]) -> None:
        super().__init__()
        self._mails = mails

    def prepare_message(self, session: Any, envelope: Any) -> EmailMessage:
        made = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        assert isinstance(made, EmailMessage)
        made["X-Envelope-To"] = ", ".join(envelope.rcpt_tos)
        made["X-Envelope-From"] = envelope.mail_from
        return made

    def handle_message(self, message: Any) -> None:
        self._mails.append(message)


class MailServer:
    """The server; as a context manager it listens on a free port of the loopback."""

    def __init__(self) -> None:
        self.mails: List[EmailMessage] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._controller = Controller(_Keeper(self.mails), hostname="127.0.0.1", port=self.port)

    def __enter__(self) -> MailServer:
        self._controller.start()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._controller.stop()

    def about(self, words: str) -> List[EmailMessage]:
        """The mails whose subject has these words."""
        return [mail for mail in self.mails if words in str(mail["Subject"])]
