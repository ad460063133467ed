"""What a sandbox hub is started with: one frozen record, kept as JSON in DIR/hub/settings.json."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Mapping, Tuple

import koji


@dataclass(frozen=True)
class HostSetting:
    """A build host that exists from the hub's first start.

    Args:
        name: the host's name, which is also its user's name and the CN of its certificate.
        arches: the architectures that it builds for, separated by spaces.
        channels: the channels it serves; those that don't exist are made.
        capacity: the sum of task weights that it takes (contract 4.8).
    """

    name: str
    arches: str = "x86_64"
    channels: Tuple[str, ...] = ("default", "createrepo")
    capacity: float = 10.0


@dataclass(frozen=True)
class Settings:
    """The hub's settings; times in seconds where not said otherwise.

    Args:
        dir: the sandbox's directory; everything the hub keeps lies below it.
        address: the address to listen on.
        port: of the hub (HTTPS); 0 takes a free one at the first start and keeps it.
        files_port: of the file server (HTTP); 0 as above.
        version: the release that this hub says it is.
        users: user name -> permissions that it has from the first start.
        passwords: user name -> password, for logins without a certificate.
        hosts: the build hosts that exist from the first start.
        proxy_users: the users whose certificate may log in another user (proxyuser).
        strict_call_numbers: whether repeated and overtaken calls are refused; releases 1.31 to 1.35.3 let them
            pass in sessions that travel in headers (contract 3.4).
        check_client_ip: whether a session belongs to the address that it was opened from.
        session_renewal_timeout: minutes after which a session has to be renewed; 0 means never (contract 3.5).
        run_interval: the shortest time between two runs of the scheduler (contract 4.3), as the next ones.
        ready_timeout: a host that has not reported for so long is not ready.
        assign_timeout: a task assigned and not opened for so long is freed.
        host_timeout: an open task whose host has not reported for so long is freed.
        soft_refusal_timeout: how long a soft refusal keeps a task from a host.
        max_jobs: tasks at once on a host that did not report its own limit.
        capacity_overcommit: how far the last task may exceed a host's capacity.
        max_request_length: bytes of the longest XML-RPC request that is read.
        threads: how many requests are served at once.
        policies: policy name -> text of its rules, in place of the content part's own.
        content: further settings of the content part, by name.
    """

    dir: Path
    address: str = "127.0.0.1"
    port: int = 0
    files_port: int = 0
    version: str = "1.35.3"
    users: Mapping[str, Tuple[str, ...]] = field(default_factory=lambda: {"admin": ("admin",)})
    passwords: Mapping[str, str] = field(default_factory=dict)
    hosts: Tuple[HostSetting, ...] = (HostSetting("builder"),)
    proxy_users: Tuple[str, ...] = ()
    strict_call_numbers: bool = True
    check_client_ip: bool = True
    session_renewal_timeout: float = 1440
    run_interval: float = 0.2
    ready_timeout: float = 180
    assign_timeout: float = 300
    host_timeout: float = 900
    soft_refusal_timeout: float = 900
    max_jobs: int = 15
    capacity_overcommit: float = 5
    max_request_length: int = 64 * 1024 * 1024
    threads: int = 16
    policies: Mapping[str, str] = field(default_factory=dict)
    content: Mapping[str, Any] = field(default_factory=dict)

    @property
    def topdir(self) -> Path:
        """The root of what a hub keeps in files: packages, repos, work, scratch (contract 13)."""
        return self.dir / "mnt" / "koji"

    @property
    def hub_dir(self) -> Path:
        """Where the database, the log and the port files of the hub lie."""
        return self.dir / "hub"

    @property
    def ca_dir(self) -> Path:
        """Where the certificate authority and the certificates lie."""
        return self.dir / "ca"

    @property
    def pathinfo(self) -> koji.PathInfo:
        """The koji library's names for the paths below topdir."""
        return koji.PathInfo(str(self.topdir))

    def dump(self) -> str:
        """The settings as JSON text."""
        values = dataclasses.asdict(self)
        values["dir"] = str(self.dir)
        return json.dumps(values, indent=1, sort_keys=True) + "\n"


def parse(text: str) -> Settings:
    """Read settings back from `Settings.dump`'s JSON.

    Raises:
        ValueError: the text is no JSON object, or names a setting that does not exist.
    """
    values = json.loads(text)
    if not isinstance(values, dict) or "dir" not in values:
        raise ValueError("settings must be a JSON object with at least 'dir'")
    known = {item.name for item in dataclasses.fields(Settings)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(f"unknown settings: {', '.join(unknown)}")
    return Settings(**_typed(values))


def _typed(values: Dict[str, Any]) -> Dict[str, Any]:
    values["dir"] = Path(values["dir"])
    if "hosts" in values:
        values["hosts"] = tuple(
            HostSetting(**{**host, "channels": tuple(host.get("channels", HostSetting.channels))})
            for host in values["hosts"]
        )
    if "users" in values:
        values["users"] = {name: tuple(held) for name, held in values["users"].items()}
    if "proxy_users" in values:
        values["proxy_users"] = tuple(values["proxy_users"])
    return values
