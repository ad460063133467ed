from __future__ import annotations

import logging
from collections import defaultdict
from pathlib import Path
from typing import Any

import koji
import pytest

from kojid.buildroot.mockconfig import Request, generate, write
from kojid.errors import HostFault
from tests.support import options

HOSTILE = "'\"\\\nimport os; os.abort()\n'''{{ cycler.__init__.__globals__.os.system('id') }}{% x %}{# y #}"

HOSTILE_EXTRAS = (
    "mock.package_manager",
    "mock.releasever",
    "mock.bootstrap_image",
    "mock.plugin_conf.sign_opts.cmd",
    "mock.plugin_conf.sign_opts.opts",
    "rpm.macro.evil",
    "rpm.env.EVIL",
)


def request(extra: dict[str, Any], **overrides: Any) -> Request:
    values: dict[str, Any] = {
        "name": "demo-build-16-4",
        "buildroot_id": 16,
        "repo_id": 4,
        "tag_name": "demo-build",
        "extra": extra,
        "br_arch": "x86_64",
        "target_arch": "x86_64",
    }
    values.update(overrides)
    return Request(**values)


def config_of(extra: dict[str, Any], overrides: Any = None, **settings: Any) -> dict[str, Any]:
    """The settings as mock has them after it has executed the file."""
    text = generate(request(extra, **(overrides or {})), options(**settings))
    config_opts: dict[str, Any] = {
        "plugin_conf": {"bind_mount_opts": defaultdict(list)},
        "macros": {},
        "environment": {},
        "files": {},
    }
    exec(compile(text, "test.cfg", "exec"), {"config_opts": config_opts})
    return config_opts


def strings(value: Any) -> list[str]:
    """Every string that mock would render, dictionary keys too."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in strings(item)]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in strings(item)]
    return []


def test_the_header_identifies_the_buildroot() -> None:
    lines = generate(request({}, maven_envs={"MAVEN_X": "1"}), options()).splitlines()
    assert [line for line in lines if line.startswith("# Koji ")] == [
        "# Koji buildroot id: 16",
        "# Koji buildroot name: demo-build-16-4",
        "# Koji repo id: 4",
        "# Koji tag: demo-build",
    ]


def test_the_options_and_the_repo_are_in_it() -> None:
    config = config_of({}, topurl="http://one http://two", packager="P", vendor="V", distribution="D", mockhost="m-h",
                       mockdir="/var/mock", rpmbuild_timeout=7, yum_proxy="http://proxy:1")  # fmt: skip
    assert config["root"] == "demo-build-16-4"
    assert config["basedir"] == "/var/mock"
    assert config["rpmbuild_timeout"] == 7
    assert (
        "baseurl=http://one/repos/demo-build/4/x86_64\n        http://two/repos/demo-build/4/x86_64\n"
        in (config["yum.conf"])
    )
    assert "proxy=http://proxy:1\n" in config["yum.conf"]
    macros = config["macros"]
    assert (macros["%packager"], macros["%vendor"], macros["%distribution"]) == ("P", "V", "D")
    assert macros["%_host"] == "x86_64-m-h"
    assert "%_kojid_lbrace" not in macros


def test_what_a_buildroot_asks_for_is_in_it() -> None:
    config = config_of({}, {"install_group": "srpm-build", "setup_dns": True, "internal_dev_setup": 1,
                            "bind_opts": {"dirs": {"/cred": "/credentials"}}})  # fmt: skip
    assert config["chroot_setup_cmd"] == "install @srpm-build"
    assert config["rpmbuild_networking"] is True
    assert config["use_host_resolv"] is True
    assert config["internal_dev_setup"] is True
    assert config["plugin_conf"]["bind_mount_opts"]["dirs"] == [("/cred", "/credentials")]


def test_every_extra_has_its_effect() -> None:
    config = config_of({
        "mock.forcearch": 1,
        "mock.package_manager": "dnf5",
        "mock.yum.module_hotfixes": 1,
        "mock.yum.best": "1",
        "mock.plugin_conf.sign_enable": True,
        "mock.plugin_conf.sign_opts.cmd": "rpmsign",
        "mock.plugin_conf.sign_opts.opts": "--addsign %(rpms)s",
        "mock.module_setup_commands": [["enable", "perl:5.26"]],
        "mock.releasever": "40",
        "mock.use_bootstrap": 0,
        "mock.bootstrap_image": "image:1",
        "rpm.macro.dist": ".el9",
        "rpm.macro.number": 5,
        "rpm.env.MODE": "fast",
        "rpm.env.LEVEL": 3,
    }, mock_bootstrap_image=True)  # fmt: skip
    assert config["forcearch"] == "x86_64"
    assert config["package_manager"] == "dnf5"
    assert "module_hotfixes=1\nbest=1\n" in config["yum.conf"]
    assert config["plugin_conf"]["sign_enable"] is True
    assert config["plugin_conf"]["sign_opts"] == {"cmd": "rpmsign", "opts": "--addsign %(rpms)s"}
    assert config["module_setup_commands"] == [["enable", "perl:5.26"]]
    assert config["releasever"] == "40"
    assert config["use_bootstrap"] is False
    assert (config["use_bootstrap_image"], config["bootstrap_image"]) == (True, "image:1")
    assert config["macros"]["%dist"] == ".el9"
    assert config["macros"]["%number"] == "5"
    assert config["environment"] == {"MODE": "fast", "LEVEL": "3"}


def test_a_bootstrap_image_needs_the_hosts_permission(caplog: pytest.LogCaptureFixture) -> None:
    config = config_of({"mock.bootstrap_image": "image:1"}, mock_bootstrap_image=False)
    assert config["use_bootstrap_image"] is False
    assert "bootstrap image" in caplog.text


def test_half_a_sign_plugin_is_refused() -> None:
    with pytest.raises(koji.GenericError, match=r"sign_opts\.opts"):
        config_of({"mock.plugin_conf.sign_enable": True, "mock.plugin_conf.sign_opts.cmd": "x"})


def test_a_best_that_is_no_number_is_refused() -> None:
    with pytest.raises(koji.GenericError, match=r"mock\.yum\.best"):
        config_of({"mock.yum.best": "much"})


def test_tag_macros_override_those_of_the_options() -> None:
    assert config_of({"rpm.macro.vendor": "Tag"}, vendor="Option")["macros"]["%vendor"] == "Tag"


def test_hostile_values_are_text_and_nothing_else() -> None:
    extra: dict[str, Any] = dict.fromkeys(HOSTILE_EXTRAS, HOSTILE)
    extra["mock.plugin_conf.sign_enable"] = HOSTILE
    extra["mock.module_setup_commands"] = [["enable", HOSTILE], {HOSTILE: HOSTILE}]
    config = config_of(extra, {"bind_opts": {"dirs": {HOSTILE: HOSTILE}}, "maven_opts": [HOSTILE],
                               "maven_envs": {"A": HOSTILE}}, mock_bootstrap_image=True)  # fmt: skip
    assert not [text for text in strings(config) if "{{" in text or "{%" in text or "{#" in text]
    assert config["package_manager"].replace(" ", "") == HOSTILE.replace(" ", "")
    assert config["environment"]["EVIL"].replace(" ", "") == HOSTILE.replace(" ", "")


def test_what_is_left_renders_to_itself() -> None:
    """The proof with the template engine that mock uses, again and again as mock does."""
    jinja2 = pytest.importorskip("jinja2")
    config = config_of({"rpm.macro.evil": HOSTILE, "rpm.env.EVIL": HOSTILE, "mock.releasever": HOSTILE})
    for text in strings(config):
        assert jinja2.Template(text, keep_trailing_newline=True).render(config) == text


def test_names_that_are_none_are_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    config = config_of({"rpm.env.A B": "x", "rpm.env.A\nB": "x", "rpm.macro.a b": "x", "rpm.macro.": "x",
                        "rpm.macro.{{a}}": "x", "rpm.macro.ok(n)": "x"})  # fmt: skip
    assert config["environment"] == {}
    assert {"%ok(n)"} == {name for name in config["macros"] if config["macros"][name] == "x"}
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 5


def test_the_file_is_written_where_mock_looks(tmp_path: Path) -> None:
    path = write(str(tmp_path / "koji"), "demo-build-16-4", "text\n")
    assert path == tmp_path / "koji/demo-build-16-4.cfg"
    assert path.read_text() == "text\n"
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_place_that_can_not_be_written_is_the_hosts_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostFault, match="can't be written"):
        write(str(tmp_path / "file"), "x", "text")
