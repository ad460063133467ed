"""The files that the sandbox writes for the builder and for the koji client."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict

from kojid.sandbox import client
from kojid.sandbox.layout import ADMIN, BUILDER, MOCK_USER, Layout

_HEADER = "; written by 'kojid sandbox up', which writes it anew each time\n"


@dataclass(frozen=True)
class Urls:
    """Where the hub answers.

    Args:
        server: of the calls.
        topurl: of the files.
    """

    server: str
    topurl: str


def builder_options(layout: Layout, urls: Urls, mockpath: Path, host: str = BUILDER) -> Dict[str, Any]:
    """The builder's options: a plain configuration but for places, and intervals that are short for a try-out."""
    return {
        "server": urls.server,
        "topurl": urls.topurl,
        "topdir": layout.topdir,
        "cert": layout.certificate(host),
        "serverca": layout.ca,
        "workdir": layout.workdir,
        "mockdir": layout.mockdir,
        "mockuser": MOCK_USER,
        "mockpath": mockpath,
        "mock_config_dir": layout.mock_configs,
        "log_file": layout.log_dir / "kojid.log",
        "task_log_dir": layout.log_dir / "kojid",
        "state_dir": layout.run_dir / "kojid",
        "plugin": "runroot save_failed_tree",
        "plugin_config_dir": layout.plugin_configs,
        "sleeptime": 2,
        "minspace": 1024,
        "max_load": 0,  # what else the machine does must not keep a try-out waiting
        "retry_interval": 5,
        "vendor": "kojid sandbox",
        "packager": "kojid sandbox",
        "distribution": "kojid sandbox",
    }


def write_builder(path: Path, options: Dict[str, Any]) -> None:
    """Write a kojid.conf with these options."""
    path.write_text(_HEADER + _section("kojid", options))


def write_client(layout: Layout, urls: Urls) -> None:
    """Write the koji client's profile, which logs in as the sandbox's admin."""
    values = {
        "server": urls.server,
        "topurl": urls.topurl,
        "weburl": urls.server,
        "authtype": "ssl",
        "cert": layout.certificate(ADMIN),
        "serverca": layout.ca,
        "anon_retry": "false",
        "poll_interval": 1,
    }
    layout.client_conf.write_text(_HEADER + _section(client.PROFILE, values))


def _section(name: str, values: Dict[str, Any]) -> str:
    return f"[{name}]\n" + "".join(f"{option} = {value}\n" for option, value in values.items())
