"""The config file: Python that sets `config_opts`, as `koji.genMockConfig` writes it (contract 7.3)."""

from __future__ import annotations

import argparse
import ast
import platform
from collections import defaultdict
from pathlib import Path
from typing import Any, Dict

from kojid.sandbox.mock.caller import Caller, as_caller
from kojid.sandbox.mock.errors import ConfigError

CONFIG_DIRECTORY = Path("/etc/mock")
Config = Dict[str, Any]


def defaults() -> Config:
    """The options that a config file may take as given."""
    plugins: Dict[str, Any] = defaultdict(dict)
    plugins.update({"bind_mount_enable": True, "bind_mount_opts": {"dirs": [], "create_dirs": False}})
    return {
        "basedir": "/var/lib/mock", "root": "", "chroothome": "/builddir", "chroot_setup_cmd": "install @build",
        "target_arch": platform.machine(), "rpmbuild_arch": None, "arch": None,
        "rpmbuild_timeout": 0, "rpmbuild_networking": False,
        "use_host_resolv": False, "internal_dev_setup": True, "resultdir": None, "rootdir": None, "check": True,
        "module_setup_commands": [], "macros": {"%_topdir": "%(echo $HOME)/build"}, "environment": {}, "files": {},
        "plugin_conf": plugins, "yum_common_opts": [], "dnf_common_opts": [], "rpmbuild_opts": "",
        # This stand-in's own: with it a killed run takes its children along, which mock itself does not.
        "children_die_with_mock": False,
    }  # fmt: skip


def config_path(name: str, directory: Path = CONFIG_DIRECTORY) -> Path:
    """The file that `-r` means: a path when it ends in .cfg, else a name below the config directory."""
    return Path(name) if name.endswith(".cfg") else directory / f"{name}.cfg"


def load(path: Path, caller: Caller) -> Config:
    """Executes a config file with the caller's rights and returns its options.

    Raises:
        ConfigError: no such file, or Python would not take it.
    """

    options, error = as_caller(caller, lambda: execute(path))
    if error:
        raise ConfigError(f"config file {path}: {error}")
    if not options["root"]:
        raise ConfigError(f"config file {path} does not set config_opts['root']")
    result: Config = options
    return result


def execute(path: Path) -> Config:
    """The options that a config file sets, with the defaults for the others.

    Raises:
        ConfigError: there is no such file.
        Exception: whatever the file's code raises.
    """
    options = defaults()
    _include(path, options)
    return options


def _include(path: Path, options: Config) -> None:
    if not path.is_file():
        raise ConfigError("there is no such file")
    names: Dict[str, Any] = {"config_opts": options, "__file__": str(path)}
    names["include"] = lambda other: _include(path.parent / other, options)
    exec(compile(path.read_text(), str(path), "exec"), names)


def apply_command_line(config: Config, options: argparse.Namespace) -> None:
    """Lets the command line's options win over the config file's."""
    for assignment in options.config_opts:
        name, _, value = assignment.partition("=")
        config[name] = _literal(value)
    if options.uniqueext:
        config["root"] += f"-{options.uniqueext}"
    for name in ("resultdir", "rootdir", "rpmbuild_timeout"):
        if getattr(options, name) is not None:
            config[name] = getattr(options, name)
    config["arch"] = options.arch or config["target_arch"]
    config["rpmbuild_arch"] = options.target or config["rpmbuild_arch"] or config["target_arch"]
    config["check"] = config["check"] and options.check
    config["rpmbuild_opts"] = options.rpmbuild_opts or config["rpmbuild_opts"]
    if options.enable_network:
        config["rpmbuild_networking"] = config["use_host_resolv"] = True
    _add_macros(config["macros"], options)


def _add_macros(macros: Dict[str, str], options: argparse.Namespace) -> None:
    for definition in options.define:
        name, _, value = definition.strip().partition(" ")
        macros[f"%{name.lstrip('%')}"] = value
    macros.update({f"%_with_{name}": f"--with-{name}" for name in vars(options)["with"]})
    macros.update({f"%_without_{name}": f"--without-{name}" for name in options.without})


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
