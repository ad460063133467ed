"""What this host logs in with: certificate, password or Kerberos, looked at before the hub is asked (contract 3.1)."""

from __future__ import annotations

import datetime
import os
import stat
from typing import Iterator

import koji

from kojid.cli.checks.base import Check, Context, Finding, fine, told, unless_any, warn, wrong
from kojid.config.options import BY_NAME, Options
from kojid.errors import LoginError
from kojid.hub import certificates
from kojid.hub.session import NO_METHOD, host_principal

SECTION = "login"
CERTIFICATE, PASSWORD, KERBEROS, NONE = "certificate", "password", "Kerberos", ""
_RENEW = "have a new one made (docs/operations.md); it is used as soon as it is in place"


def method(options: Options) -> str:
    """How the daemon would log in with these settings, as `hub.session.login` chooses."""
    if options.cert and os.path.exists(options.cert):
        return CERTIFICATE
    if options.user:
        return PASSWORD
    return KERBEROS if koji.reqgssapi is not None else NONE


def _method(context: Context) -> Iterator[Finding]:
    options = context.options
    used = method(options)
    if options.cert and used != CERTIFICATE:
        other = f"the login would be by {used}" if used else "there is no other way to log in"
        yield wrong(f"cert = {options.cert} is not there: {other}", "put the certificate there, or take cert out")
    elif used == NONE:
        yield wrong(NO_METHOD, "set cert, or user and password, or install python3-requests-gssapi")
    elif used == PASSWORD and not options.password:
        yield wrong(f"user = {options.user} is set without a password", "set password, or take user out")
    else:
        yield fine(f"by {used}")


def _certificate(context: Context) -> Iterator[Finding]:
    options = context.options
    if method(options) != CERTIFICATE:
        yield fine("none is used")
        return
    yield from _closed(options.cert)
    try:
        report = certificates.inspect(options.cert)
    except LoginError as error:
        yield told(error)
        return
    for text in report.warnings:
        yield warn(text, _RENEW)
    yield fine(f"{report.subject_cn}, {report.days_left} days left")


def _closed(path: str) -> Iterator[Finding]:
    """A file with a key in it, which nobody else may read."""
    found = os.stat(path)
    if found.st_mode & (stat.S_IROTH | stat.S_IWOTH):
        yield wrong(f"{path} holds a key and everybody can read it", f"chmod 0600 {path}")
    elif found.st_mode & stat.S_IWGRP:
        yield warn(f"{path} holds a key and its group can write it", f"chmod 0600 {path}")


def _authorities(context: Context) -> Iterator[Finding]:
    options = context.options
    if not options.serverca:
        if options.no_ssl_verify:
            yield warn("no_ssl_verify is on: anybody can pose as the hub", "set serverca and take no_ssl_verify out")
        else:
            yield fine("the system's are used")
        return
    names = certificates.inspect_authorities(options.serverca)
    ends = certificates.authorities_end(options.serverca)
    left = (ends - datetime.datetime.now(datetime.timezone.utc)).days
    if left < 0:
        yield wrong(f"the last authority in {options.serverca} ended on {certificates.shown(ends)}", "get the new ones")
    elif left <= certificates.WARNING_DAYS[-1]:
        yield warn(f"the last authority in {options.serverca} ends in {left} days", "get the new ones from the hub")
    else:
        yield fine(f"{', '.join(names[:3])}{', …' if len(names) > 3 else ''}; {left} days left")


def _kerberos(context: Context) -> Iterator[Finding]:
    options = context.options
    if method(options) != KERBEROS or options.cert:
        yield fine("is not used")
        return
    if not options.krb_principal and options.host_principal_format == BY_NAME["host_principal_format"].default:
        yield wrong(
            f"host_principal_format is still {options.host_principal_format}",
            "set it with your realm, or set krb_principal",
        )
    principal = options.krb_principal or host_principal(options.host_principal_format)
    yield from unless_any(_keytab(options.keytab), principal)


def _keytab(path: str) -> Iterator[Finding]:
    if not os.path.exists(path):
        yield wrong(f"keytab = {path} is not there", "export this host's keys there (ktadd -k), mode 0600")
    else:
        yield from _closed(path)
        if not os.access(path, os.R_OK):
            yield wrong(f"{path} can't be read", f"chown root {path}")


ROWS = (
    Check(SECTION, "method", "how this host logs in", "see the options cert, user and keytab", _method),
    Check(SECTION, "certificate", "the client certificate", _RENEW, _certificate),
    Check(SECTION, "authorities", "authorities of the hub's certificate", "set serverca", _authorities),
    Check(SECTION, "kerberos", "Kerberos", "see the options keytab and krb_principal", _kerberos),
)  # fmt: skip
