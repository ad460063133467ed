"""The option table and what is derived from it stay together."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from kojid.config import render
from kojid.config.loader import load
from kojid.config.options import OPTIONS, Option, Options

ROOT = Path(__file__).resolve().parents[3]

# Every option of contract 2.2; the table may hold more, never less.
CONTRACT = """
server topurl topdir workdir user password cert serverca krb_principal host_principal_format keytab ccache
no_ssl_verify max_retries retry_interval offline_retry offline_retry_interval timeout use_fast_upload
sleeptime maxjobs minspace task_avail_delay literal_task_arches log_level admin_emails log_timestamps plugin
pluginpath mockdir mockuser mockhost chroot_tmpdir packager vendor distribution yum_proxy rpmbuild_timeout
mock_bootstrap_image buildroot_basic_cleanup_delay buildroot_final_cleanup_delay failed_buildroot_lifetime
build_arch_can_fail support_rpm_source_layout allowed_scms allowed_scms_use_config allowed_scms_use_policy
allow_password_in_scm_url scm_credentials_dir use_createrepo_c createrepo_update createrepo_skip_stat
distrepo_skip_stat copy_old_repodata maven_repo_ignore oz_install_timeout xz_options allow_noverifyssl
smtphost smtp_user smtp_pass from_addr pkgurl mockpath
""".split()


def test_every_option_of_the_contract_is_there() -> None:
    assert set(CONTRACT) <= {option.name for option in OPTIONS}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_a_default_reads_back_from_its_own_text(option: Option) -> None:
    if option.default is not None:
        assert option.kind.parse(option.kind.show(option.default)) == option.default
    assert option.help or option.obsolete


def test_the_sample_configuration_is_the_one_of_the_table() -> None:
    assert (ROOT / "etc/kojid.conf").read_text() == render.sample_conf()


def test_the_reference_is_the_one_of_the_table() -> None:
    assert (ROOT / "docs/options.md").read_text() == render.reference()


def test_the_sample_configuration_loads() -> None:
    loaded = load(ROOT / "etc/kojid.conf")
    assert loaded.warnings == []
    assert loaded.options.server == "https://hub.example.com/kojihub"


def test_every_commented_default_of_the_sample_loads_to_that_default(tmp_path: Path) -> None:
    lines = (ROOT / "etc/kojid.conf").read_text().splitlines()
    names = {option.name for option in OPTIONS}
    opened = [line[2:] if line.startswith("; ") and line[2:].split(" = ")[0] in names else line for line in lines]
    parser = configparser.RawConfigParser()
    parser.read_string("\n".join(opened))
    set_names = set(parser.options("kojid"))
    assert {option.name for option in OPTIONS if not option.obsolete and option.default not in (None, "", [])} <= (
        set_names | {"timeout"}
    )


def test_options_are_attributes_and_a_wrong_name_is_told() -> None:
    options = Options({"maxjobs": 3})
    assert options.maxjobs == 3
    with pytest.raises(AttributeError, match="there is no option 'nonsense'"):
        _ = options.nonsense
