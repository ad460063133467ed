"""What the hub says of this host, without the lock: a daemon at work does not notice (contract 3.2)."""

from __future__ import annotations

import contextlib
import copy
import functools
from typing import Any, Dict, List, Mapping, Optional

import koji

from kojid.config.options import Options
from kojid.errors import LoginError
from kojid.hub import session as hub
from kojid.hub.causes import explain_call_error, is_transport_error

_CALL_SECONDS = 10
_OWN_CCACHE = "MEMORY:kojid-check"  # the daemon's file stays as it is


class HubFacts:
    """Asks the hub, each thing once.

    Args:
        options: the daemon's settings.
    """

    def __init__(self, options: Options) -> None:
        self._options = copy.copy(options)
        self._options.timeout = _CALL_SECONDS
        self._options.ccache = _OWN_CCACHE

    @functools.cached_property
    def trouble(self) -> Optional[LoginError]:
        """Why there is no session; None when there is one."""
        try:
            self._session = hub.login(self._options)
            self.user = str(self._session.getLoggedInUser()["name"])
        except LoginError as error:
            return error
        except Exception as error:
            if not isinstance(error, koji.GenericError) and not is_transport_error(error):
                raise
            return LoginError(f"Unable to log in: {explain_call_error(error)}", "look into the hub's log")
        return None

    @property
    def session(self) -> Any:
        """The session; only to be used when there is no `trouble`."""
        return self._session

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
        if getattr(self, "_session", None) is not None:
            with contextlib.suppress(Exception):
                self._session.logout()
