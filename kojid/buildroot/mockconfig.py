"""The mock configuration of a buildroot: what goes into `koji.genMockConfig`, and the file (contract 7.2, 7.3).

The library writes the text; this room chooses its inputs from the options, the buildroot and the tag's extra values,
takes the teeth out of them (see `literals`) and makes sure of the outcome before mock, which runs as root, reads it.
"""

from __future__ import annotations

import logging
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

import koji

from kojid.buildroot.literals import BRACE_MACROS, LEFT, RIGHT, begins_template, check_plain, macro_body, neutral
from kojid.errors import HostFault
from kojid.system.files import write_atomic

logger = logging.getLogger("koji.build.buildroot")

_FROM_OPTIONS = ("mockdir", "topdir", "topurl", "topurls", "packager", "vendor", "distribution", "mockhost",
                 "yum_proxy", "rpmbuild_timeout")  # fmt: skip
_MACRO_OPTIONS = ("packager", "vendor", "distribution")
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_MACRO_NAME = re.compile(r"[^\s{}%]+\Z")
_SIGN = "mock.plugin_conf.sign_"


@dataclass
class Request:
    """What a buildroot is to be like.

    Args:
        name: the buildroot's name, which is the mock root's too.
        buildroot_id: its id on the hub.
        repo_id: the repo it installs from.
        tag_name: the tag of that repo.
        extra: the tag's extra values, inherited ones included.
        br_arch: the canonical arch, which the repo is taken for.
        target_arch: the arch that rpmbuild builds for.
        install_group: comps group to install.
        setup_dns: whether builds get the host's resolver and network.
        bind_opts: directories to bind, as mock's bind_mount plugin wants them.
        maven_opts: words for MAVEN_OPTS.
        maven_envs: environment for Maven.
        internal_dev_setup: whether mock sets up /dev itself; None leaves it to the library.
    """

    name: str
    buildroot_id: int
    repo_id: int
    tag_name: str
    extra: Mapping[str, Any]
    br_arch: str
    target_arch: str
    install_group: str = "build"
    setup_dns: bool = False
    bind_opts: Optional[Dict[str, Any]] = None
    maven_opts: Optional[List[str]] = None
    maven_envs: Optional[Dict[str, str]] = None
    internal_dev_setup: Optional[bool] = None
    task_id: Optional[int] = None


def generate(request: Request, options: Any) -> str:
    """The text of the configuration.

    Args:
        request: the buildroot.
        options: the daemon's options.

    Raises:
        koji.GenericError: an extra value of the tag is none, or the sign plugin is on without saying how to sign.
        koji.BuildrootError: the outcome would not be plain settings.
    """
    inputs = {name: getattr(options, name) for name in _FROM_OPTIONS if hasattr(options, name)}
    inputs.update(_of_buildroot(request))
    inputs.update(_of_extra(request, options))
    macros = _macros(request, {f"%{name}": inputs.pop(name) for name in _MACRO_OPTIONS if name in inputs})
    inputs = neutral(inputs)
    inputs.update(tag_macros=macros, tag_envvars=_environment(request))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the library does not close /etc/hosts
        text: str = koji.genMockConfig(request.name, request.br_arch, managed=True, **inputs)
    # The library's header loses the name when Maven variables are given.
    head = f"# Koji buildroot name: {request.name}"
    if request.task_id is not None:
        head += (
            f"\n# Koji task id: {int(request.task_id)}"  # `kojid logs` finds the logs of a task that has ended by it
        )
    text = re.sub(r"(?m)^# Koji buildroot name: .*$", head, text, count=1)
    check_plain(text)
    return text


def write(directory: str, name: str, text: str) -> Path:
    """Put a configuration in its place; until it is removed it is this host's record of the buildroot (contract 4.6).

    Raises:
        HostFault: it can't be written.
    """
    path = Path(directory) / f"{name}.cfg"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text)
    except OSError as error:
        raise HostFault(f"the mock configuration {path} can't be written: {error.strerror}") from error
    return path


def _of_buildroot(request: Request) -> Dict[str, Any]:
    inputs: Dict[str, Any] = {
        "repoid": request.repo_id,
        "tag_name": request.tag_name,
        "buildroot_id": request.buildroot_id,
        "install_group": request.install_group,
        "use_host_resolv": request.setup_dns,
        "maven_opts": request.maven_opts,
        "maven_envs": request.maven_envs,
        "bind_opts": request.bind_opts,
        "target_arch": request.target_arch,
    }
    if request.setup_dns:
        inputs["rpmbuild_networking"] = True
    if request.internal_dev_setup is not None:
        inputs["internal_dev_setup"] = bool(request.internal_dev_setup)
    return inputs


def _of_extra(request: Request, options: Any) -> Dict[str, Any]:
    """What the tag's extra values set, by the table of contract 7.3, macros and environment aside."""
    extra = request.extra
    inputs: Dict[str, Any] = {}
    if extra.get("mock.forcearch"):
        inputs["forcearch"] = request.target_arch
    for key, name in (
        ("mock.package_manager", "package_manager"),
        ("mock.yum.module_hotfixes", "module_hotfixes"),
        ("mock.module_setup_commands", "module_setup_commands"),
        ("mock.releasever", "releasever"),
    ):
        if key in extra:
            inputs[name] = extra[key]
    if "mock.yum.best" in extra:
        inputs["yum_best"] = _number("mock.yum.best", extra["mock.yum.best"])
    if "mock.use_bootstrap" in extra:
        inputs["use_bootstrap"] = bool(extra["mock.use_bootstrap"])
    inputs["bootstrap_image"] = _bootstrap_image(request, options)
    if _SIGN + "enable" in extra:
        inputs["plugin_conf"] = _sign_plugin(extra)
    return inputs


def _number(name: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise koji.GenericError(f"the tag's extra value {name} is no number: {value!r}") from None


def _bootstrap_image(request: Request, options: Any) -> Optional[str]:
    image = request.extra.get("mock.bootstrap_image")
    if not image:
        return None
    if not options.mock_bootstrap_image:
        logger.warning(
            "Buildroot %d asks for a bootstrap image, which mock_bootstrap_image forbids here", request.buildroot_id
        )
        return None
    return str(image)


def _sign_plugin(extra: Mapping[str, Any]) -> Dict[str, Any]:
    details = {name: extra.get(f"{_SIGN}opts.{name}") for name in ("cmd", "opts")}
    missing = [f"{_SIGN}opts.{name}" for name in details if f"{_SIGN}opts.{name}" not in extra]
    if missing:
        raise koji.GenericError(f"the tag turns on mock's sign plugin but does not set {' and '.join(missing)}")
    return {"sign_enable": extra[_SIGN + "enable"], "sign_opts": details}


def _macros(request: Request, defaults: Mapping[str, Any]) -> Dict[str, str]:
    """The rpm macros of the options and the tag; with the helpers where one needs them."""
    macros = {name: macro_body(str(value)) for name, value in defaults.items()}
    for key, value in request.extra.items():
        if not key.startswith("rpm.macro."):
            continue
        name = key[len("rpm.macro.") :]
        if _MACRO_NAME.match(name):
            macros["%" + name] = macro_body(str(value))
        else:
            logger.warning("Tag extra %r is left out: that is no name of a macro", key)
    if any(LEFT[1:] in body or RIGHT[1:] in body for body in macros.values()):
        macros.update(BRACE_MACROS)
    return macros


def _environment(request: Request) -> Dict[str, str]:
    variables: Dict[str, str] = {}
    for key, value in request.extra.items():
        if not key.startswith("rpm.env."):
            continue
        name, text = key[len("rpm.env.") :], str(value)
        if not _ENVIRONMENT_NAME.match(name) or "\0" in text:
            logger.warning("Tag extra %r is left out: that is no variable for an environment", key)
            continue
        if begins_template(text):
            logger.warning("Tag extra %r begins a template of mock: its braces are parted by blanks", key)
        variables[name] = neutral(text)
    return variables
