"""How kojid.conf is read: what loads, what is refused and with which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from kojid.config.loader import config_files, limits, load
from kojid.errors import ConfigError, UsageError

MINIMUM = "[kojid]\nserver = https://hub/kojihub\ntopurl = http://hub/kojifiles\n"

SITE_OF_2022 = """\
[kojid]
; The number of seconds to sleep between tasks
sleeptime=15
maxjobs=10
topdir=/mnt/koji
workdir=/tmp/koji
chroot_tmpdir = /chroot_tmpdir
mockdir=/var/lib/mock
mockuser=kojibuilder
vendor=Koji
packager=Koji
distribution=Koji
mockhost=koji-linux-gnu
rpmbuild_timeout=86400
; user=kojid
; password=kojid
cert = /etc/kojid/builder.pem
serverca = /etc/kojid/ca.crt
server=https://koji.example.com/kojihub
topurl=https://koji.example.com/kojifiles
use_createrepo_c=True
allowed_scms=scm.example.com:/cvs/example
    git.example.org:/example
    svn.example.org:/users/*:no
allowed_scms_use_config = true
smtphost=mail.example.com
from_addr=Koji Build System <buildsys@example.com>
"""


def write(tmp_path: Path, text: str, name: str = "kojid.conf") -> Path:
    file = tmp_path / name
    file.write_text(text)
    return file


def problem(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text))
    return str(caught.value).replace(str(tmp_path), "DIR")


def test_the_configuration_of_a_2022_site_loads_as_it_is(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, SITE_OF_2022))
    options = loaded.options
    assert loaded.warnings == []
    assert (options.sleeptime, options.maxjobs, options.rpmbuild_timeout) == (15, 10, 86400)
    assert options.allowed_scms.split() == [
        "scm.example.com:/cvs/example",
        "git.example.org:/example",
        "svn.example.org:/users/*:no",
    ]
    assert options.user is None
    assert options.password is None
    assert options.use_createrepo_c is True
    assert options.cert == "/etc/kojid/builder.pem"


def test_every_option_has_its_default_when_only_the_required_ones_are_set(tmp_path: Path) -> None:
    options = load(write(tmp_path, MINIMUM)).options
    assert options.sleeptime == 15
    assert options.minspace == 8192
    assert options.timeout is None
    assert options.mock_bootstrap_image is False
    assert options.mockpath == "/usr/bin/mock"


def test_several_volume_urls_are_kept_and_the_first_one_is_the_main_one(tmp_path: Path) -> None:
    options = load(write(tmp_path, MINIMUM.replace("http://hub/kojifiles", "http://a/k  http://b/k"))).options
    assert options.topurl == "http://a/k"
    assert options.topurls == ["http://a/k", "http://b/k"]


def test_an_unknown_option_is_named_with_file_line_and_the_nearest_known_name(tmp_path: Path) -> None:
    assert problem(tmp_path, MINIMUM + "maxjob = 3\n") == (
        "DIR/kojid.conf:4: unknown config option: maxjob (did you mean maxjobs?)"
    )


def test_an_unknown_section_is_named_with_its_line(tmp_path: Path) -> None:
    assert problem(tmp_path, MINIMUM + "[koji]\n") == (
        "DIR/kojid.conf:4: invalid section found in config file: koji (only [kojid] is read)"
    )


def test_a_wrong_number_and_a_wrong_boolean_say_what_is_expected(tmp_path: Path) -> None:
    text = problem(tmp_path, MINIMUM + "maxjobs = ten\ncreaterepo_update = perhaps\n")
    words = "true, false, yes, no, on, off, 1, 0"
    assert text.splitlines() == [
        "DIR/kojid.conf:4: maxjobs: 'ten' is not a whole number",
        f"DIR/kojid.conf:5: createrepo_update: 'perhaps' is not a boolean; write one of {words}",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MINIMUM + "maxjobs = 1\nmaxjobs = 2\n", "DIR/kojid.conf:5: the option maxjobs is set twice"),
        (MINIMUM + "[kojid]\n", "DIR/kojid.conf:4: the section [kojid] stands twice"),
        ("server = x\n", "DIR/kojid.conf:1: there is no [kojid] line before the first option"),
        (MINIMUM + "what is this\n", "DIR/kojid.conf:4: this is neither an option nor a comment; write NAME = VALUE"),
    ],
)
def test_a_malformed_file_is_one_line_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    assert problem(tmp_path, text) == expected


def test_a_percent_sign_is_only_a_percent_sign(tmp_path: Path) -> None:
    text = MINIMUM + "host_principal_format = compile/%s@EXAMPLE.COM\npackager = 100%(x)s\n"
    options = load(write(tmp_path, text)).options
    assert options.host_principal_format == "compile/%s@EXAMPLE.COM"
    assert options.packager == "100%(x)s"


@pytest.mark.parametrize(("word", "value"), [("False", False), ("true", True), ("0", False), ("On", True)])
def test_mock_bootstrap_image_is_a_boolean(tmp_path: Path, word: str, value: bool) -> None:
    assert load(write(tmp_path, MINIMUM + f"mock_bootstrap_image = {word}\n")).options.mock_bootstrap_image is value


@pytest.mark.parametrize("spelling", ["plugin", "plugins"])
def test_both_spellings_of_the_plugin_list(tmp_path: Path, spelling: str) -> None:
    assert load(write(tmp_path, MINIMUM + f"{spelling} = runroot  scmpolicy\n")).options.plugin == [
        "runroot",
        "scmpolicy",
    ]


def test_retired_names_warn_and_do_no_harm(tmp_path: Path) -> None:
    warnings = load(write(tmp_path, MINIMUM + "ca = /etc/ca.crt\nkeepalive = True\npkgurl = http://x\n")).warnings
    assert [line.replace(str(tmp_path), "DIR").split(" is ")[0] for line in warnings] == [
        "DIR/kojid.conf:4: ca",
        "DIR/kojid.conf:5: keepalive",
        "the option pkgurl",
    ]


@pytest.mark.parametrize("missing", ["server", "topurl"])
def test_a_missing_server_or_topurl_is_a_usage_error_with_status_2(tmp_path: Path, missing: str) -> None:
    text = "".join(line for line in MINIMUM.splitlines(keepends=True) if not line.startswith(missing))
    with pytest.raises(UsageError, match=f"the {missing} option is required") as caught:
        load(write(tmp_path, text))
    assert caught.value.exit_status == 2


def test_a_missing_file_is_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the server option is required.*does not exist"):
        load(tmp_path / "none.conf")
    overrides = {"server": "https://hub/kojihub", "topurl": "http://hub/kojifiles"}
    assert load(tmp_path / "none.conf", overrides).options.server == "https://hub/kojihub"


def test_files_beside_the_main_one_are_read_after_it_by_name(tmp_path: Path) -> None:
    main = write(tmp_path, MINIMUM + "maxjobs = 1\nvendor = Main\n")
    tmp_path.joinpath("kojid.conf.d").mkdir()
    write(tmp_path / "kojid.conf.d", "[kojid]\nmaxjobs = 3\n", "20.conf")
    write(tmp_path / "kojid.conf.d", "[kojid]\nmaxjobs = 2\n", "10.conf")
    write(tmp_path / "kojid.conf.d", "[kojid]\nmaxjobs = 9\n", "README")
    loaded = load(main)
    assert loaded.options.maxjobs == 3
    assert loaded.options.vendor == "Main"
    assert [file.name for file in loaded.files] == ["kojid.conf", "10.conf", "20.conf"]


def test_a_directory_gives_all_its_conf_files(tmp_path: Path) -> None:
    write(tmp_path, MINIMUM, "a.conf")
    write(tmp_path, "[kojid]\nmaxjobs = 4\n", "b.conf")
    assert [file.name for file in config_files(tmp_path)] == ["a.conf", "b.conf"]
    assert load(tmp_path).options.maxjobs == 4


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    options = load(write(tmp_path, MINIMUM + "maxjobs = 3\n"), {"maxjobs": 7, "minspace": None}).options
    assert (options.maxjobs, options.minspace) == (7, 8192)


def test_resource_limits_of_the_kernel_are_options(tmp_path: Path) -> None:
    options = load(write(tmp_path, MINIMUM + "RLIMIT_NOFILE = 1024 4096\n")).options
    assert limits(options) == {"RLIMIT_NOFILE": "1024 4096"}
    assert "RLIMIT_NOFILE: 'many'" in problem(tmp_path, MINIMUM + "rlimit_nofile = many\n").replace(
        "rlimit", "RLIMIT"
    ).replace("nofile", "NOFILE")
    assert "unknown config option: rlimit_nofiles (did you mean rlimit_nofile?)" in problem(
        tmp_path, MINIMUM + "rlimit_nofiles = 5\n"
    )


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "kojid.conf"
    file.write_bytes(b"[kojid]\nserver = \xff\n")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load(file)
