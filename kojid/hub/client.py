"""The hub session: koji's ClientSession with bounded calls, sensible retries and no surprises at its end.

Of the library's session (contract 3.4 and 11.1) this changes: the time-out of 12 hours, the flat minute between
retries, the logout in its finaliser, the environment overruling serverca, and errors that a login swallows.
"""

from __future__ import annotations

import contextlib
import logging
import random
import time
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Sequence

import koji

from kojid.hub import lostreplies
from kojid.hub.transport import Transport

logger = logging.getLogger("koji")

READ_TIMEOUT = 300
# The hub moves, reads and links every file of a build or a repo within these calls before it answers.
LONG_CALLS = frozenset(
    {
        "host.completeBuild",
        "host.completeImageBuild",
        "host.completeMavenBuild",
        "host.distRepoMove",
        "host.importWrapperRPMs",
        "host.moveBuildToScratch",
        "host.moveImageBuildToScratch",
        "host.moveMavenBuildToScratch",
        "host.repoDone",
        "host.repoInit",
    }
)
LONG_READ_TIMEOUT = 3600
_JITTER = 0.2


class HubSession(koji.ClientSession):
    """A session with the hub.

    The constructor is the library's, because `subsession` makes its result with it; settings of our own travel in
    `opts`, and so to subsessions:

    - ``patient`` (bool): repeat calls that did not get through, up to ``max_retries`` times with growing pauses up to
      ``retry_interval`` seconds, and wait while the hub is offline if ``offline_retry`` says so. Tasks are patient.
      The daemon's own session makes one attempt per call; its loop does the waiting.
    - ``timeout`` (seconds): what reading an answer may take.

    Attributes:
        last_error: what the latest failed attempt ran into. The library's logins only pass on its text.
        after_call: called with the method's name after each call that went through; None for nobody.
    """

    callnum: Optional[int]
    last_error: Optional[BaseException] = None
    after_call: Optional[Callable[[str], None]] = None
    opts: Dict[str, Any]
    rsession: Optional[Transport]
    logged_in: bool

    def __init__(
        self,
        baseurl: str,
        opts: Optional[Mapping[str, Any]] = None,
        sinfo: Optional[Mapping[str, Any]] = None,
        auth_method: Optional[Mapping[str, Any]] = None,
    ) -> None:
        settings = dict(opts or {})
        settings["timeout"] = settings.get("timeout") or READ_TIMEOUT
        super().__init__(baseurl, opts=settings, sinfo=sinfo, auth_method=auth_method)

    def __del__(self) -> None:
        """Nothing: a session ends by `logout`, never because an object, or a copy of it after a fork, goes away."""

    def new_session(self) -> None:
        """Start anew with a fresh connection."""
        if self.rsession is not None:
            self.rsession.close()
        self.rsession = Transport(self.baseurl)

    def close(self) -> None:
        """Drop the connection; the session on the hub stays as it is."""
        if self.rsession is not None:
            self.rsession.close()

    def subsession(self) -> HubSession:
        """A session below this one, for a task (contract 3.6); it is patient."""
        made: HubSession = super().subsession()
        made.opts["patient"] = True
        return made

    @property
    def patient(self) -> bool:
        """Whether calls that did not get through are repeated."""
        return bool(self.opts.get("patient", False))

    @contextlib.contextmanager
    def overriding(self, **opts: Any) -> Iterator[None]:
        """Change settings for a while."""
        before = self.opts
        self.opts = {**before, **opts}
        try:
            yield
        finally:
            self.opts = {**self.opts, **{name: before[name] for name in opts if name in before}}
            for name in opts:
                if name not in before:
                    self.opts.pop(name, None)

    def _callMethod(  # noqa: N802 - the library's name
        self, name: str, args: Sequence[Any], kwargs: Optional[Mapping[str, Any]] = None, retry: bool = True
    ) -> Any:
        """Make a call; every call of the library comes through here.

        Raises:
            koji.GenericError: the hub's fault as the exception of its code (contract 13). RetryError only where a lost
                reply can't be made up for.
            requests.RequestException: the call did not get through.
        """
        if self.multicall:  # the old way of collecting calls: nothing is sent yet
            return super()._callMethod(name, args, kwargs, retry)
        limit = max(self.opts["timeout"], LONG_READ_TIMEOUT) if name in LONG_CALLS else self.opts["timeout"]
        with self.overriding(timeout=limit):
            try:
                answer = self._call(name, args, kwargs, retry)
            except koji.AuthExpired:
                if self.auth_method is None:
                    raise
                self._renew_session()
                answer = self._call(name, args, kwargs, retry)
            except koji.RetryError as error:
                answer = self._past_a_lost_reply(error, name, args, kwargs, retry)
        if self.after_call is not None:
            self.after_call(name)
        return answer

    def _past_a_lost_reply(
        self, error: koji.RetryError, name: str, args: Sequence[Any], kwargs: Optional[Mapping[str, Any]], retry: bool
    ) -> Any:
        """The answer to a call that the hub has done and refuses to do again (contract 3.4)."""
        if lostreplies.is_done(name):
            logger.info("The reply to %s was lost, the hub has done it", name)
            return None
        if lostreplies.is_repeatable(name, kwargs):
            logger.info("The reply to %s was lost, calling it again", name)
            return self._call(name, args, kwargs, retry)
        raise error

    def _renew_session(self) -> None:
        """Log in again under the same session id (contract 3.5)."""
        logger.info("The hub session has expired, renewing it")
        was_logged_in, number = self.logged_in, self.callnum or 0
        try:
            # without this the library's login is no call that is ever repeated
            with self.overriding(anon_retry=True):
                super()._renew_session()
        finally:
            # The library leaves a session for good as "not logged in" when the renewal fails once.
            self.logged_in = self.logged_in or was_logged_in
            # A renewed session is the same one to the hub, which goes on counting; the library starts at 0 again.
            self.callnum = max(self.callnum or 0, number)

    def _call(self, name: str, args: Sequence[Any], kwargs: Optional[Mapping[str, Any]], retry: bool) -> Any:
        # The call number is taken once: a repetition must be known as such to the hub (contract 3.4).
        handler, headers, request = self._prepCall(name, args, kwargs)
        self.retries = 0
        self.last_error = None
        failures = 0
        while True:
            self.retries += 1
            try:
                return self._sendCall(handler, headers, request)
            except koji.Fault as fault:
                error = koji.convertFault(fault)
                self.last_error = error
                if not (isinstance(error, koji.ServerOffline) and self._waits_for_offline_hub(retry)):
                    raise error from None
                pause = self._offline_pause(self.retries)
            except Exception as error:
                self.last_error = error
                self.new_session()
                failures += 1
                if not self._worth_repeating(error, failures, retry):
                    raise
                pause = self._pause(failures)
                logger.info("Try #%s for call %s (%s) failed: %s", self.retries, self.callnum, name, error)
            time.sleep(pause)

    def _waits_for_offline_hub(self, retry: bool) -> bool:
        return retry and self.patient and bool(self.opts.get("offline_retry", False))

    def _worth_repeating(self, error: Exception, failures: int, retry: bool) -> bool:
        if not (retry and self.patient) or koji.is_requests_cert_error(error):
            return False
        if not (self.logged_in or self.opts.get("anon_retry", False)):
            return False
        return failures <= int(self.opts.get("max_retries", 30))

    def _pause(self, failures: int) -> float:
        """Seconds before the next try: none, then 1, 2, 4 … up to retry_interval, give or take a fifth."""
        if failures <= 1:
            return 0.0
        return _with_jitter(min(2.0 ** min(failures - 2, 30), float(self.opts.get("retry_interval", 20))))

    def _offline_pause(self, tries: int) -> float:
        longest = float(self.opts.get("offline_retry_interval", self.opts.get("retry_interval", 20)))
        return _with_jitter(min(2.0 ** min(tries, 30), longest))


def _with_jitter(seconds: float) -> float:
    # Not for secrets: it only keeps a farm of builders from coming back in step.
    return seconds * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
