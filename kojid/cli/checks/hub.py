"""The hub: reached, trusted, logged in to, and what it has on record for this host. Nothing is changed there."""

from __future__ import annotations

import datetime
import http.client
import os
import platform
import ssl
from typing import Any, Callable, Iterator, List, Mapping, Set
from urllib.parse import urlsplit

import koji
import requests

from kojid.cli import local
from kojid.cli.checks.base import HUB, LOGIN, Check, Context, Finding, fine, skipped, warn, wrong
from kojid.cli.checks.login import CERTIFICATE, KERBEROS, PASSWORD, method
from kojid.config.options import Options
from kojid.daemon.schedule import choice
from kojid.hub import capabilities, certificates, probe
from kojid.hub.causes import explain_call_error, is_unreachable
from kojid.hub.transport import Transport

SECTION = "hub"
_OLDEST = (1, 30)
_SKEW_SECONDS = 10.0  # certificates and Kerberos bear minutes, but logs and lifetimes of buildroots get odd
_MOST_SKEW_SECONDS = 300.0  # Kerberos' limit
_READ_SECONDS = 10.0
_TALKS_TLS = (CERTIFICATE, KERBEROS)  # these logins go to https whatever the URL says (contract 3.3)
_REACH = "is server right, does the hub run, is there a firewall?"
_LOGIN_REMEDIES = {
    CERTIFICATE: "the hub must know the authority of the certificate, and its CN must be a host there (koji add-host)",
    PASSWORD: "set user and password as they are on the hub",
    KERBEROS: "the principal must be a host on the hub (koji add-host --krb-principal), and the keytab have its keys",
}
_ADD = "on the hub: koji add-host {name} {arch}"


def _address(options: Options) -> str:
    """The hub's URL as calls use it."""
    if method(options) in _TALKS_TLS:
        return "https://" + str(options.server).partition("://")[2]
    return str(options.server)


def _proxied(url: str) -> bool:
    return urlsplit(url).scheme in Transport(url).proxies


def _tls(context: Context) -> Iterator[Finding]:
    options = context.options
    url = _address(options)
    if not url.startswith("https://"):
        yield fine("is not used: the server's URL is one of http")
        return
    if _proxied(url):
        yield fine("a proxy stands between this host and the hub")
        return
    serverca = options.serverca or os.environ.get("REQUESTS_CA_BUNDLE") or None
    try:
        shown = probe.certificate(url, serverca, verify=bool(options.serverca) or not options.no_ssl_verify)
    except ssl.SSLError as error:
        yield wrong(explain_call_error(error, options.serverca), _tls_remedy(options, error))
        return
    except OSError as error:
        yield wrong(f"{url}: {explain_call_error(error)}", _REACH)
        return
    ends = certificates.end_of(shown)
    left = (ends - datetime.datetime.now(datetime.timezone.utc)).days
    if left <= certificates.WARNING_DAYS[-1]:
        yield warn(f"the hub's certificate ends in {left} days", "tell the hub's administrators")
    else:
        yield fine(f"the hub's certificate is good, {left} days left")


def _tls_remedy(options: Options, error: ssl.SSLError) -> str:
    code = getattr(error, "verify_code", 0)
    if code in (9, 10):
        return "is this host's clock right? else the hub needs a new certificate"
    if code in (62, 64):
        return "write server with the name that the hub's certificate is for"
    place = f"put it into {options.serverca}" if options.serverca else "set serverca to it"
    return f"get the authority's certificate from the hub's administrators and {place}"


def _clock(context: Context) -> Iterator[Finding]:
    url = _address(context.options)
    if _proxied(url):
        yield fine("the hub is behind a proxy, and is not asked for the time")
        return
    try:
        ahead = probe.clock_ahead(url)
    except (OSError, http.client.HTTPException) as error:
        yield skipped(f"the hub does not tell the time: {explain_call_error(error)}")
        return
    if ahead is None:
        yield skipped("the hub does not tell the time")
        return
    text = f"this host's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the hub's"
    if abs(ahead) > _MOST_SKEW_SECONDS:
        yield wrong(text, "set the clock, and have it kept: timedatectl set-ntp true")
    elif abs(ahead) > _SKEW_SECONDS:
        yield warn(text, "have the clocks of both kept: timedatectl set-ntp true")
    else:
        yield fine("this host's and the hub's agree")


def _login(context: Context) -> Iterator[Finding]:
    trouble = context.hub.trouble
    if trouble is None:
        yield fine(f"as {context.hub.user}")
        return
    if is_unreachable(trouble):
        yield wrong(trouble.message, _REACH)
    else:
        remedies = [_LOGIN_REMEDIES.get(method(context.options), ""), trouble.hint]
        yield wrong(trouble.message, "; ".join(filter(None, remedies)))


def _lock(context: Context) -> Iterator[Finding]:
    """Whether a daemon could have this host's lock; it is not asked for."""
    options = context.options
    if not context.hub.locked:
        yield fine("is free")
    elif local.daemon_pid(options) is not None:
        yield fine("is held, as it should be by the daemon that runs here")
    elif (local.ledger_of(options).directory / "session.json").exists():
        yield fine("is held by the session that the next daemon here takes up")
    else:
        yield warn(
            "another kojid has the lock of this host",
            "end it where it runs; if it is dead, start once with --force-lock (the unit always does)",
        )


def _host(context: Context) -> Iterator[Finding]:
    hub = context.hub
    if hub.host is None:
        yield wrong(f"the hub has no host {hub.user}", _ADD.format(name=hub.user, arch=platform.machine()))
    elif not hub.host["enabled"]:
        yield warn(f"the host {hub.user} is disabled: it gets no task", f"koji enable-host {hub.user}")
    else:
        yield fine(f"{hub.user} is enabled")


def _arches(_context: Context, host: Mapping[str, Any]) -> Iterator[Finding]:
    arches = str(host["arches"] or "").split()
    remedy = f"koji edit-host {host['name']} --arches '{platform.machine()}'"
    if not arches:
        yield wrong("the host has no arches: it gets nothing but noarch tasks", remedy)
    elif not {koji.canonArch(arch) for arch in arches} & _own_arches():
        yield warn(f"the host's arches are {' '.join(arches)}, this machine is {platform.machine()}", remedy)
    else:
        yield fine(" ".join(arches))


def _own_arches() -> Set[str]:
    """What this machine builds for without an emulator."""
    own = koji.canonArch(platform.machine())
    return {own, *{"x86_64": ("i386",), "aarch64": ("arm", "armhfp"), "ppc64": ("ppc",)}.get(own, ())}


def _channels(context: Context, host: Mapping[str, Any]) -> Iterator[Finding]:
    channels = context.hub.channels
    for channel in channels:
        if channel.get("enabled") is False:
            yield warn(f"the channel {channel['name']} is disabled", f"koji enable-channel {channel['name']}")
    if not channels:
        name = host["name"]
        yield wrong("the host is in no channel: it gets no task", f"koji add-host-to-channel {name} default")
    else:
        yield fine(", ".join(context.hub.channel_names))


def _capacity(context: Context, host: Mapping[str, Any]) -> Iterator[Finding]:
    capacity = float(host["capacity"] or 0)
    remedy = f"koji edit-host {host['name']} --capacity N"
    if capacity <= 0:
        yield wrong(f"the host's capacity is {capacity:g}: the hub gives it no task", remedy)
    else:
        yield fine(f"{capacity:g}, and {context.options.maxjobs} tasks at most (maxjobs)")


def _version(context: Context) -> Iterator[Finding]:
    options = context.options
    hub = capabilities.of(context.hub.session)
    scheduler = choice.scheduler_for(options, hub)
    if hub.version[:2] < _OLDEST:
        yield wrong(f"the hub is of release {hub}; kojid needs 1.30", "use the kojid of its own release")
    elif scheduler == choice.HUB and not hub.assigns_tasks:
        yield wrong(f"scheduler = hub, but a hub of release {hub} does not assign tasks", "set scheduler = auto")
    elif scheduler == choice.BUILDER and hub.assigns_tasks:
        yield warn(f"scheduler = builder, but a hub of release {hub} assigns tasks itself", "set scheduler = auto")
    else:
        chosen = "the hub assigns the tasks" if scheduler == choice.HUB else "builders choose among the free tasks"
        yield fine(f"release {hub}: {chosen}")


def _volume(context: Context) -> Iterator[Finding]:
    topdir = context.options.topdir
    if "createrepo" not in context.hub.channel_names:
        yield fine("is not needed: the host is not in the channel createrepo")
    elif not os.path.isdir(topdir):
        yield wrong(
            f"the host is in the channel createrepo and there is no {topdir}",
            f"mount the Koji volume at {topdir}, or take the host out of the channel",
        )
    elif not os.path.isdir(os.path.join(topdir, "repos")) and not os.path.isdir(os.path.join(topdir, "packages")):
        yield wrong(f"{topdir} holds neither repos nor packages: is it the Koji volume?", f"mount it at {topdir}")
    else:
        yield fine(f"{topdir} holds the Koji volume")


def _topurl(context: Context, url: str) -> Iterator[Finding]:
    options = context.options
    remedy = "is topurl right, does that server run, is there a firewall?"
    try:
        answer = requests.get(
            f"{url.rstrip('/')}/", stream=True, timeout=_READ_SECONDS, verify=options.serverca or True
        )
        answer.close()
    except (requests.RequestException, OSError) as error:
        yield wrong(f"{url}: {explain_call_error(error, options.serverca)}", remedy)
        return
    if answer.status_code == requests.codes.not_found:
        yield wrong(f"{url}: there is nothing at this address (HTTP status 404)", remedy)
    elif answer.status_code >= requests.codes.server_error:
        yield wrong(f"{url}: HTTP status {answer.status_code}", remedy)
    else:
        yield fine(url)


def _urls(options: Options) -> List[str]:
    return list(options.topurls)


def _of_host(look: Callable[[Context, Mapping[str, Any]], Iterator[Finding]]) -> Callable[[Context], Iterator[Finding]]:
    """For what is only to be told of a host that the hub knows."""

    def look_at(context: Context) -> Iterator[Finding]:
        host = context.hub.host
        return iter([skipped("the hub has no such host")]) if host is None else look(context, host)

    return look_at


ROWS = (
    Check(SECTION, "tls", "the hub's certificate", "tell the hub's administrators", _tls, needs=HUB),
    Check(SECTION, "clock", "the clock", "set it", _clock, needs=HUB),
    Check(SECTION, "login", "the login, without the lock", "see section login", _login, needs=HUB, seconds=60.0),
    Check(SECTION, "lock", "the lock of this host", "end the other kojid", _lock, needs=LOGIN),
    Check(SECTION, "host", "this host on the hub", "koji add-host", _host, needs=LOGIN),
    Check(SECTION, "arches", "its arches", "koji edit-host --arches", _of_host(_arches), needs=LOGIN),
    Check(SECTION, "channels", "its channels", "koji add-host-to-channel", _of_host(_channels), needs=LOGIN),
    Check(SECTION, "capacity", "its capacity", "koji edit-host --capacity", _of_host(_capacity), needs=LOGIN),
    Check(SECTION, "release", "the hub's release, and who assigns tasks", "set scheduler = auto", _version,
          needs=LOGIN),
    Check(SECTION, "volume", "the Koji volume for repository tasks", "mount it at topdir", _volume, needs=LOGIN),
    Check(SECTION, "topurl", "the files of the Koji volume", "mend topurl", _topurl, needs=HUB, each=_urls),
)  # fmt: skip
