"""The hub session: koji's ClientSession with bounded calls, sensible retries and no surprises at its end.

Of the library's session (contract 3.4 and 11.1) this changes: the time-out of 12 hours, the flat minute between
retries, the logout in its finaliser, the environment overruling serverca, and errors that a login swallows.
"""

from __future__ import annotations

import contextlib
import logging
import random
import re
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, Mapping, NoReturn, Optional, Sequence

import koji
import requests

from kojid.errors import HostFault
from kojid.hub import lostreplies, meter
from kojid.hub.causes import explain_call_error, is_broken_off, is_transport_error
from kojid.hub.guarded import GuardedUploads
from kojid.hub.lostreplies import Found, Memory, Proven, Rule
from kojid.hub.transport import Transport, environment_proxies

logger = logging.getLogger("koji")

READ_TIMEOUT = 300
IMPATIENT_READ_TIMEOUT = 60  # seconds: the daemon's loop, and a task while mock runs, do nothing else meanwhile
_LOGOUT_TIMEOUT = 10
_WHOLE_ANSWER = 4  # times the time limit, as a task's call may well bring megabytes over a slow line
_CALL_NUMBERS_LEFT_OUT = 1000
_MOST_TURNS = 4  # numbers that one call gets when replies are lost, the session expires or calls are overtaken
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


class HubUnreachable(requests.exceptions.ConnectionError, HostFault):
    """All patience was in vain. That says nothing about what the task does: another run of it may well succeed.

    Args:
        message: what was tried.
    """

    def __init__(self, message: str) -> None:
        requests.exceptions.ConnectionError.__init__(self, message)
        self.message, self.hint = message, ""


@dataclass(frozen=True)
class Contact:
    """The last answer of the hub, be it a fault.

    Args:
        at: when it came, seconds since the epoch.
        took: seconds that it took.
    """

    at: float
    took: float


@dataclass
class _Call:
    """A call on its way.

    Args:
        name, args, kwargs: what is called.
        retry: whether the caller wants it repeated at all.
        sent: how often it went out under its number.
        turn: how many numbers it has had.
    """

    name: str
    args: Sequence[Any]
    kwargs: Optional[Mapping[str, Any]]
    retry: bool
    sent: int = 0
    turn: int = 1

    @property
    def rule(self) -> Optional[Rule]:
        """What is known of calls of this kind."""
        return lostreplies.rule_of(self.name, self.args, self.kwargs)

    def anew(self) -> _Call:
        """The same call, to be made under another number."""
        return _Call(self.name, self.args, self.kwargs, self.retry, turn=self.turn + 1)


class HubSession(GuardedUploads, koji.ClientSession):
    """A session with the hub.

    The constructor is the library's, because `subsession` makes its result with it; settings of our own travel in
    `opts`, and so to subsessions:

    - ``patient`` (bool): repeat calls that did not get through, up to ``max_retries`` times with growing pauses up to
      ``retry_interval`` seconds, and wait while the hub is offline if ``offline_retry`` says so. Tasks are patient.
      The daemon's own session is not: it repeats a call once where that costs no time, its loop does the waiting.
    - ``timeout`` (seconds): how long a call may wait for the next piece of its answer. An impatient session waits for
      a minute at most, and for no longer until the answer is whole.
    - ``topurl``: where the Koji volume is.
    - ``proxies``: by scheme; those of the environment if they are not given. Reading it takes its time.
    - ``untrusted``: `mockdir` and `workdir`, where packages and checkouts may have left links.

    Attributes:
        last_error: what the latest failed attempt ran into. The library's logins only pass on its text.
        before_call: called before each call takes its number.
        after_call: called with the method's name and the hub's answer after each call that went through.
        after_refusal: called with the hub's fault after each call that it answered with one.
        after_renewal: called when the session has a new key (contract 3.5).
        contact: the last answer; None before the first one.
    """

    callnum: Optional[int]
    last_error: Optional[BaseException] = None
    before_call: Optional[Callable[[], None]] = None
    after_call: Optional[Callable[[str, Any], None]] = None
    after_refusal: Optional[Callable[[koji.GenericError], None]] = None
    after_renewal: Optional[Callable[[], None]] = None
    contact: Optional[Contact] = None
    opts: Dict[str, Any]
    logged_in: bool
    _transport: Optional[Transport] = None
    _abandoned = False
    _above: Optional[HubSession] = None

    def __init__(
        self,
        baseurl: str,
        opts: Optional[Mapping[str, Any]] = None,
        sinfo: Optional[Mapping[str, Any]] = None,
        auth_method: Optional[Mapping[str, Any]] = None,
    ) -> None:
        settings = dict(opts or {})
        settings["timeout"] = settings.get("timeout") or READ_TIMEOUT
        if "proxies" not in settings:
            settings["proxies"] = environment_proxies(baseurl)
        self._memory = Memory()
        super().__init__(baseurl, opts=settings, sinfo=sinfo, auth_method=auth_method)

    def __del__(self) -> None:
        """Nothing: a session ends by `logout`, never because an object, or a copy of it after a fork, goes away."""

    def new_session(self) -> None:
        """Start anew with a fresh connection."""
        self.close()
        self._transport = None

    def close(self) -> None:
        """Drop the connection; the session on the hub stays as it is."""
        if self._transport is not None:
            self._transport.close()

    def abandon(self) -> None:
        """In a forked child: let go of the parent's connection; the sessions below this one get what it was made with.

        To make that anew for each task's process costs as much as a call.
        """
        if self._transport is not None:
            self._transport.abandon()
            self._abandoned = True

    @property
    def rsession(self) -> Transport:
        """The connection, under the library's name; made when it is needed: the daemon needs none for its tasks'."""
        if self._transport is None and self._above is not None and self._above._abandoned:
            self._transport, self._above._transport = self._above._transport, None
            self._above._abandoned = False
        if self._transport is None:
            self._transport = Transport(self.baseurl, self.opts["proxies"])
        return self._transport

    @rsession.setter
    def rsession(self, none: None) -> None:
        """The library's constructor says that there is none."""
        self._transport = none

    def subsession(self) -> HubSession:
        """A session below this one, for a task (contract 3.6); it is patient."""
        return self.below(self.callMethod("subsession"))

    def below(self, info: Mapping[str, Any]) -> HubSession:
        """The subsession that the hub has given with these words: its id and key; no call is made."""
        made = type(self)(self.baseurl, opts=self.opts, sinfo=info, auth_method=self.auth_method)
        made.opts["patient"] = True
        made._above = self
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
        call = _Call(name, args, kwargs, retry)
        try:
            with meter.call(name), self.overriding(**self._limits(name)):
                answer = self._settle(call)
        except koji.GenericError as error:
            if self.after_refusal is not None:
                self.after_refusal(error)
            raise
        self._memory.note(name, answer)
        if self.after_call is not None:
            self.after_call(name, answer)
        return answer

    def _limits(self, name: str) -> Dict[str, float]:
        """How long reading the answer of a method may take: between two pieces of it, and altogether."""
        limit = float(self.opts["timeout"])
        if not self.patient:
            # The caller has other things to attend to and makes the call again in its own time.
            limit = min(limit, IMPATIENT_READ_TIMEOUT)
            return {"timeout": limit, "answer_timeout": limit}
        if name in LONG_CALLS:
            limit = max(limit, LONG_READ_TIMEOUT)
        return {"timeout": limit, "answer_timeout": limit * _WHOLE_ANSWER}

    def _settle(self, call: _Call) -> Any:
        """The answer to a call, also when its reply was lost and the hub has to be asked for it."""
        try:
            answer = self._call(call)
        except koji.AuthExpired:
            if self.auth_method is None:
                raise
            if call.turn >= _MOST_TURNS:
                raise
            self._renew_session()
            found = self._what_became_of(call) if call.sent > 1 else None
            return found.answer if found else self._settle(call.anew())
        except koji.RetryError as error:
            return self._past_a_lost_reply(error, call)
        except koji.SequenceError as error:
            return self._catch_up(error, call)
        except koji.ServerOffline:
            raise
        except (koji.GenericError, koji.Fault):
            # A repetition fails on what the first attempt has done, where the hub enforces no call numbers.
            found = self._what_became_of(call) if call.sent > 1 else None
            if found is None:
                raise
            return found.answer
        if answer is None and call.sent > 1 and call.name == "host.openTask":
            found = self._what_became_of(call)  # such a hub opens a task once, and says "none" the second time
            return found.answer if found else None
        return answer

    def _past_a_lost_reply(self, error: koji.RetryError, call: _Call) -> Any:
        """The answer to a call that the hub has done and refuses to do again (contract 3.4)."""
        if call.rule is None:
            raise error
        if call.rule.proven is Proven.DONE:
            logger.info("The reply to %s was lost, the hub has done it", call.name)
            return None
        found = self._what_became_of(call)
        if found is not None:
            return found.answer
        if call.rule.proven is Proven.AGAIN and call.turn < _MOST_TURNS:
            logger.info("The reply to %s was lost, calling it again", call.name)
            return self._settle(call.anew())
        raise error

    def _catch_up(self, error: koji.SequenceError, call: _Call) -> Any:
        """Make a call under a number that the hub has not seen yet, when it says that it has seen a later one."""
        found = self._what_became_of(call) if call.sent > 1 else None
        if found is not None:
            return found.answer
        if call.turn >= _MOST_TURNS:
            raise error
        told = re.match(r"\s*(\d+)\s*>", str(error))
        latest = int(told.group(1)) if told else (self.callnum or 0) + _CALL_NUMBERS_LEFT_OUT
        logger.warning("The hub has seen later calls of this session (%s), going on after those", error)
        self.callnum = max(self.callnum or 0, latest + 1)
        return self._settle(call.anew())

    def _what_became_of(self, call: _Call) -> Optional[Found]:
        return lostreplies.ask(self, self._memory, call.name, call.args, call.kwargs)

    def logout(self, session_id: Optional[int] = None) -> None:
        """End this session, or a subsession of it, on the hub; one attempt, as it may as well expire there."""
        with self.overriding(timeout=min(float(self.opts["timeout"]), _LOGOUT_TIMEOUT)):
            try:
                super().logout(session_id)
            except koji.RetryError:
                logger.debug("The reply to a logout was lost")

    def _renew_session(self) -> None:
        """Log in again under the same session id (contract 3.5)."""
        logger.info("The hub session has expired, renewing it")
        was_logged_in, number = self.logged_in, self.callnum or 0
        try:
            # without this the library's login is no call that is ever repeated
            with self.overriding(anon_retry=True):
                super()._renew_session()
        except koji.AuthError as error:
            self._not_renewed(error)
        finally:
            # The library leaves a session for good as "not logged in" when the renewal fails once.
            self.logged_in = self.logged_in or was_logged_in
            # A renewed session is the same one to the hub, which goes on counting; the library starts at 0 again.
            # The login has had the next number.
            self.callnum = max(self.callnum or 0, number + 1)
        if self.after_renewal is not None:
            self.after_renewal()

    def _not_renewed(self, error: koji.AuthError) -> NoReturn:
        """The library tells every failed login as a refusal; a hub that is away has refused nothing."""
        cause: Optional[BaseException] = self.last_error
        away = is_transport_error(cause)
        if cause is None or not (away or isinstance(cause, koji.ServerOffline)):
            raise error
        if away and self.patient:
            told = f"the expired session could not be renewed: {explain_call_error(cause)}"
            raise HubUnreachable(told) from error
        raise cause from error

    def _call(self, call: _Call) -> Any:
        if self.before_call is not None:
            self.before_call()
        # The call number is taken once: a repetition must be known as such to the hub (contract 3.4).
        handler, headers, request = self._prepCall(call.name, call.args, call.kwargs)
        self.retries = 0
        self.last_error = None
        failures = 0
        while True:
            self.retries += 1
            try:
                found = self._ask_first(call) if failures and call.rule and call.rule.first else None
                return found.answer if found else self._send(call, handler, headers, request)
            except (koji.Fault, koji.GenericError) as fault:
                error = koji.convertFault(fault) if isinstance(fault, koji.Fault) else fault
                self.last_error = error
                if not (isinstance(error, koji.ServerOffline) and self._waits_for_offline_hub(call.retry)):
                    raise error from None
                pause = self._offline_pause(self.retries)
            except Exception as error:
                self._sanitize_connection_error(error)
                self.last_error = error
                self.new_session()
                failures += 1
                if not self._worth_repeating(error, failures, call):
                    self._give_up(error, failures, call)
                    raise
                pause = self._pause(failures)
                logger.info("Try #%s for call %s (%s) failed: %s", self.retries, self.callnum, call.name, error)
            meter.retry(call.name)
            time.sleep(pause)

    def _send(self, call: _Call, handler: str, headers: Any, request: bytes) -> Any:
        call.sent += 1
        if call.sent > 1 and self.sinfo:  # a question in between may have renewed the session
            key = str(self.sinfo["session-key"])
            headers = [(name, key if name == "Koji-Session-Key" else text) for name, text in headers]
        transport: Any = self.rsession
        transport.answer_seconds = float(self.opts["answer_timeout"])
        begun = time.monotonic()
        try:
            answer = self._sendOneCall(handler, headers, request)
        except (koji.Fault, koji.GenericError):
            self.contact = Contact(time.time(), time.monotonic() - begun)
            raise
        self.contact = Contact(time.time(), time.monotonic() - begun)
        return answer

    def _ask_first(self, call: _Call) -> Optional[Found]:
        """What became of a call that must not be made twice; no transport error is kept from the caller."""
        tries = self.retries
        try:
            with self.overriding(patient=False):
                return lostreplies.inquire(self, self._memory, call.name, call.args, call.kwargs)
        except koji.ServerOffline:
            raise
        except koji.GenericError as error:
            logger.info("What became of %s can't be found out: %s", call.name, error)
            return None
        finally:
            self.retries = tries

    def _waits_for_offline_hub(self, retry: bool) -> bool:
        return retry and self.patient and bool(self.opts.get("offline_retry", False))

    def _worth_repeating(self, error: Exception, failures: int, call: _Call) -> bool:
        if koji.is_requests_cert_error(error) and not (self.patient and self.logged_in):
            return False  # in the middle of a task it is this machine's clock, or a certificate that is being replaced
        if failures == 1 and is_broken_off(error, answered_badly=call.rule is not None):
            return True  # costs no time, and tells at once whether the hub has done the call
        if not (call.retry and self.patient):
            return False
        if not (self.logged_in or self.opts.get("anon_retry", False)):
            return False
        return failures <= int(self.opts.get("max_retries", 30))

    def _give_up(self, error: Exception, failures: int, call: _Call) -> None:
        """Raise HubUnreachable in place of an error that patience did not help against."""
        if self.patient and failures > int(self.opts.get("max_retries", 30)):
            raise HubUnreachable(
                f"the hub did not answer {call.name} in {failures} tries: {explain_call_error(error)}"
            ) from error

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
