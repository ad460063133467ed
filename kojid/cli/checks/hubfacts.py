"""What the hub says of this host, without its lock: a daemon at work does not notice (contract 3.2).

While a session has the lock of a user, the hub lets no other session of that user do anything but log out. So the login
is tried, and what anybody may know is asked without one.
"""

from __future__ import annotations

import contextlib
import copy
import functools
from typing import Any, Dict, List, Mapping, Optional

import koji

from kojid.config.options import Options
from kojid.errors import LoginError
from kojid.hub import resume
from kojid.hub import session as hub
from kojid.hub.causes import explain_call_error, is_transport_error
from kojid.hub.client import HubSession

_CALL_SECONDS = 10
_OWN_CCACHE = "MEMORY:kojid-check"  # the daemon's file stays as it is


class HubFacts:
    """Asks the hub, each thing once.

    Args:
        options: the daemon's settings.

    Attributes:
        user: who this host is to the hub; only there without `trouble`.
        locked: whether another session has the lock of this host; only there without `trouble`.
    """

    def __init__(self, options: Options) -> None:
        self._options = copy.copy(options)
        self._options.timeout = _CALL_SECONDS
        self._options.ccache = _OWN_CCACHE
        self._login: Optional[HubSession] = None
        self.user = ""
        self.locked = False

    @functools.cached_property
    def trouble(self) -> Optional[LoginError]:
        """Why this host can't log in; None when it can."""
        try:
            self._login = hub.login(self._options)
            self._identify(self._login)
        except LoginError as error:
            return error
        except Exception as error:
            if not isinstance(error, koji.GenericError) and not is_transport_error(error):
                raise
            return LoginError(f"Unable to log in: {explain_call_error(error)}", "look into the hub's log")
        return None

    def _identify(self, login: HubSession) -> None:
        """Who that login is, which the hub does not tell while another session has the lock."""
        try:
            self.user = str(login.getLoggedInUser()["name"])
        except koji.AuthLockError:
            self.locked = True
            self.user = resume.identity(self._options).partition(" ")[2]
            row = self.session.getUser(self.user)  # a principal is not yet a name
            self.user = str(row["name"]) if row else self.user

    @functools.cached_property
    def session(self) -> Any:
        """A session that is not logged in, for what anybody may ask; not to be used when there is `trouble`."""
        address = self._login.baseurl if self._login is not None else self._options.server
        return HubSession(address, hub.session_options(self._options))

    @functools.cached_property
    def host(self) -> Optional[Mapping[str, Any]]:
        """The hub's row of this host; None when it has none."""
        found: Optional[Dict[str, Any]] = self.session.getHost(self.user)
        return found

    @functools.cached_property
    def channels(self) -> List[Mapping[str, Any]]:
        """The channels that the host is in."""
        return list(self.session.listChannels(hostID=self.host["id"])) if self.host else []

    @property
    def channel_names(self) -> List[str]:
        """Their names."""
        return sorted(str(channel["name"]) for channel in self.channels)

    def close(self) -> None:
        """Log out."""
        if self._login is not None:
            with contextlib.suppress(Exception):
                self._login.logout()
