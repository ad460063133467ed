"""Keeps the ledger's record of the hub session true: its key, and the numbers that its calls may use (contract 3.4).

A hub refuses a call whose number is not above that of the last one. Writing down every number would cost a disk write
a call, so numbers are reserved by the thousand: a daemon that resumes the session goes on above all of them.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import Any, Tuple

from kojid.daemon.ledger import Ledger
from kojid.daemon.records import SessionRecord

_log = logging.getLogger("koji.build.ledger")
_BLOCK = 1000
_MARGIN = 10  # renewing a session takes numbers of its own


class Keeper:
    """Watches one session.

    Args:
        ledger: where its record goes.
        session: logged in, or resumed.
        record: what is known of it.
    """

    def __init__(self, ledger: Ledger, session: Any, record: SessionRecord) -> None:
        self._ledger = ledger
        self.session = session
        self.record = record

    def keep(self) -> None:
        """Write the session down, now and whenever something of it changes."""
        self.session.before_call = self._reserve
        self.session.after_renewal = self._renewed
        self._reserve()

    def identify(self) -> Tuple[int, float]:
        """This host's id on the hub and when the session began; asked once a session.

        Raises:
            koji.AuthError: the session is not this host's, or not exclusive.
        """
        host_id, start_ts = self.record.host_id, self.record.start_ts
        if host_id is None or start_ts is None:
            host_id = int(self.session.host.getID())
            start_ts = float(self.session.getSessionInfo()["start_ts"])
            self._save(host_id=host_id, start_ts=start_ts)
        return host_id, start_ts

    def settle(self) -> None:
        """Give back the numbers that were not used, before this program is replaced by another."""
        self._save(numbers=(self.session.callnum or 0) + 1)

    def forget(self) -> None:
        """The session has ended, or is nobody's business any more."""
        self.session.before_call = self.session.after_renewal = None
        self._ledger.forget_session()

    def _reserve(self) -> None:
        number = self.session.callnum or 0
        if number + _MARGIN >= self.record.numbers:
            self._save(numbers=number + _BLOCK)

    def _renewed(self) -> None:
        self._save(info=dict(self.session.sinfo))

    def _save(self, **changes: Any) -> None:
        self.record = dataclasses.replace(self.record, **changes)
        try:
            self._ledger.save_session(self.record)
        except OSError as error:
            # Tasks go on; only a crash of the daemon would now cost them their session.
            _log.error("the hub session can't be written to the ledger: %s", error.strerror or error)
