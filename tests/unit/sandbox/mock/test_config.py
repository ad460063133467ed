"""The config file: Python as the koji library writes it, and the command line's last word."""

from __future__ import annotations

from pathlib import Path
from typing import List

import koji
import pytest

from kojid.sandbox.mock import config
from kojid.sandbox.mock.errors import ConfigError
from kojid.sandbox.mock.options import parse


def applied(path: Path, arguments: List[str]) -> config.Config:
    options, _ = parse(arguments)
    settings = config.execute(path)
    config.apply_command_line(settings, options)
    return settings


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "root.cfg"
    path.write_text(
        koji.genMockConfig(
            "tag-1-2", "x86_64", managed=True, mockdir="/var/lib/mock", topurls=["http://hub/kojifiles"],
            tag_name="tag", repoid=2, target_arch="x86_64", rpmbuild_timeout=60, bind_opts={"dirs": {"/a": "/b"}},
            tag_macros={"%dist": ".x"},
        )
    )  # fmt: skip
    return path


def test_the_librarys_config_is_understood(written: Path) -> None:
    settings = applied(written, ["--init"])
    assert settings["root"] == "tag-1-2"
    assert settings["basedir"] == "/var/lib/mock"
    assert settings["rpmbuild_timeout"] == 60
    assert settings["rpmbuild_arch"] == "x86_64"
    assert settings["macros"]["%dist"] == ".x"
    assert settings["macros"]["%_topdir"] == "/builddir/build"
    assert settings["plugin_conf"]["bind_mount_opts"]["dirs"] == [("/a", "/b")]
    assert "baseurl=http://hub/kojifiles/repos/tag/2/x86_64" in settings["yum.conf"]


def test_the_command_line_wins(written: Path) -> None:
    settings = applied(
        written,
        ["--target", "noarch", "--rpmbuild_timeout", "5", "--resultdir", "/r", "--uniqueext", "u", "-D", "dist .cli",
         "--with", "docs", "--without", "x11", "--nocheck", "--enable-network",
         "--config-opts", "children_die_with_mock=True",
         "--rebuild", "a"],
    )  # fmt: skip
    assert settings["rpmbuild_arch"] == "noarch"
    assert settings["rpmbuild_timeout"] == 5
    assert settings["resultdir"] == "/r"
    assert settings["root"] == "tag-1-2-u"
    assert settings["macros"]["%dist"] == ".cli"
    assert settings["macros"]["%_with_docs"] == "--with-docs"
    assert settings["macros"]["%_without_x11"] == "--without-x11"
    assert settings["check"] is False
    assert settings["rpmbuild_networking"] is True
    assert settings["children_die_with_mock"] is True


def test_a_config_may_include_another(tmp_path: Path) -> None:
    (tmp_path / "base.tpl").write_text("config_opts['root'] = 'base'\n")
    (tmp_path / "x.cfg").write_text("include('base.tpl')\nconfig_opts['root'] += '-more'\n")
    assert config.execute(tmp_path / "x.cfg")["root"] == "base-more"


def test_names_are_looked_up_and_paths_taken_as_they_are(tmp_path: Path) -> None:
    assert config.config_path("koji/tag-1-2") == Path("/etc/mock/koji/tag-1-2.cfg")
    assert config.config_path("koji/tag-1-2", tmp_path) == tmp_path / "koji/tag-1-2.cfg"
    assert config.config_path("/x/y.cfg", tmp_path) == Path("/x/y.cfg")


def test_a_missing_config_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        config.execute(tmp_path / "absent.cfg")
