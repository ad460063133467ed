"""One row per option: its name, kind, default, help and command-line spelling (design, decision 1; contract 2.2).

The INI loader, `kojid --help`, `etc/kojid.conf` and the option reference are all derived from this table; a test holds
them together. A new option is one row here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Tuple

from kojid.config.kinds import BOOL, INT, STRING, WORDS, Kind, choice


@dataclass(frozen=True)
class Option:
    """One option of `kojid.conf`.

    Args:
        name: as in the file; lower case.
        kind: how its text is read.
        default: the value when it is not set.
        help: what it does, with its unit; one or two sentences.
        flags: its command-line spellings, if it has any.
        metavar: the placeholder in `--help`.
        sample: the text shown in `etc/kojid.conf` where the default says too little.
        active: whether `etc/kojid.conf` sets it rather than showing it as a comment.
        aliases: other spellings in the file.
        secret: never shown in logs or reports.
        obsolete: why it is still accepted although nothing reads it.
    """

    name: str
    kind: Kind
    default: Any
    help: str
    flags: Tuple[str, ...] = ()
    metavar: str = ""
    sample: str = ""
    active: bool = False
    aliases: Tuple[str, ...] = ()
    secret: bool = False
    obsolete: str = ""


@dataclass(frozen=True)
class Group:
    """Options that belong together in `etc/kojid.conf` and in the reference."""

    title: str
    options: Tuple[Option, ...]


_HUB = Group("The hub", (
    Option("server", STRING, None, "URL of the hub's XML-RPC interface. Required.", ("-s", "--server"), "URL",
           sample="https://hub.example.com/kojihub", active=True),
    Option("topurl", STRING, None, "URL of the Koji volume over HTTP. Required. Several may be given, separated by "
           "blanks: all serve as repository mirrors, the first one for downloads.", ("--topurl",), "URL",
           sample="https://hub.example.com/kojifiles", active=True),
    Option("topdir", STRING, "/mnt/koji", "Where the Koji volume is mounted (may be read-only); repository tasks need it.",
           ("--topdir",), "DIR"),
    Option("timeout", INT, None, "Seconds that a task waits for each piece of the hub's answer to a call. Unset: 300. "
           "The daemon's own calls take a minute at most, whatever this says."),
    Option("max_retries", INT, 120, "How often a task repeats a hub call that did not get through."),
    Option("retry_interval", INT, 60, "Longest pause between two of these tries, in seconds; the first ones come sooner."),
    Option("offline_retry", BOOL, True, "Go on trying, without limit, while the hub says that it is offline."),
    Option("offline_retry_interval", INT, 120, "Longest pause between tries while the hub is offline, in seconds."),
    Option("use_fast_upload", BOOL, True, "Upload files as raw bytes; off: as base64 in XML, for very old hubs."),
))  # fmt: skip

_LOGIN = Group("Login: client certificate, else user and password, else Kerberos", (
    Option("cert", STRING, None, "Client certificate and its key in one PEM file. Unset: /etc/kojid/client.crt if it exists."),
    Option("serverca", STRING, None, "Authorities that may sign the hub's certificate, PEM. Unset: /etc/kojid/serverca.crt "
           "if it exists, else the system's."),
    Option("no_ssl_verify", BOOL, False, "Do not check the hub's certificate. Ignored when serverca is set."),
    Option("user", STRING, None, "User name for a login by password.", ("--user",), "NAME", sample="kojid"),
    Option("password", STRING, None, "Password of that user.", ("--password",), "PASSWORD", sample="kojid", secret=True),
    Option("krb_principal", STRING, None, "Kerberos principal; overrides host_principal_format."),
    Option("host_principal_format", STRING, "compile/%s@EXAMPLE.COM", "Kerberos principal with %s for this host's full name."),
    Option("keytab", STRING, "/etc/kojid/kojid.keytab", "Kerberos keytab."),
    Option("ccache", STRING, "/var/tmp/kojid.ccache", "Kerberos credential cache."),  # noqa: S108 - the contract's default
))  # fmt: skip

_WORK = Group("Work and limits", (
    Option("sleeptime", INT, 15, "Seconds between two cycles.", ("--sleeptime",), "SECONDS"),
    Option("taskpoll", INT, 0, "Seconds between two looks for assigned tasks, and at the subtasks that tasks here wait for, between the "
           "cycles. 0: none. Each look costs the hub one light request, host.getTasks, and with tasks open host.getHostTasks: at 1 a "
           "builder makes 16 requests in the time of a cycle of 15 seconds instead of one. Hubs before 1.34 are not polled."),
    Option("maxjobs", INT, 10, "How many tasks may be open on this host.", ("--maxjobs",), "N"),
    Option("max_waiting", INT, None, "How many tasks may wait for their subtasks without filling one of the maxjobs places; with so many, "
           "further ones of that kind are refused until one goes on. 0: a waiting task fills a place. Unset: four times maxjobs."),
    Option("minspace", INT, 8192, "MiB that must be free in mockdir for a new task.", ("--minspace",), "MB"),
    Option("minspace_workdir", INT, 512, "MiB that must be free in workdir for a new task."),
    Option("minspace_log", INT, 64, "MiB that must be free where log_file is for a new task."),
    Option("mininodes", INT, 10000, "Inodes that must be free in mockdir, workdir and where log_file is, for a new task. File systems that "
           "do not count them pass."),
    Option("max_load", INT, 4, "Load average of the last minute, per processor, above which no new task is taken. 0: not looked at."),
    Option("minmemory", INT, 128, "MiB of memory that must be available for a new task. 0: any."),
    Option("max_pressure_cpu", INT, 0, "No new task while tasks waited for a processor during more than this percentage of the last 10 s "
           "(/proc/pressure/cpu, some avg10). 0: not looked at."),
    Option("max_pressure_memory", INT, 0, "The same for memory."),
    Option("max_pressure_io", INT, 0, "The same for input and output."),
    Option("mount_timeout", INT, 10, "Seconds in which the file systems of mockdir, workdir, topdir and log_file must answer."),
    Option("workdir", STRING, "/var/tmp/koji", "Working directories of tasks; made when missing.", ("--workdir",), "DIR"),  # noqa: S108
    Option("state_dir", STRING, "/var/lib/kojid", "What runs here is kept in this directory, so that tasks outlive the daemon, and its "
           "status (status.json); made when missing. Each daemon needs its own."),
    Option("task_int_timeout", INT, 3, "Seconds that a task has to end after SIGINT, which goes to its own process first."),
    Option("task_term_timeout", INT, 2, "Seconds that what is left of it then has after SIGTERM."),
    Option("task_kill_timeout", INT, 3, "Seconds after SIGKILL until processes that still do not end are reported."),
    Option("refusal_timeout", INT, 900, "Seconds for which a task that this host gave back is left to others, on hubs that keep "
           "no refusals themselves (up to 1.33)."),
    Option("task_idle_timeout", INT, 0, "Seconds after which a task fails that writes no log, uses less than a hundredth of a "
           "processor and does not wait for subtasks. 0: never."),
    Option("task_max_age", INT, 0, "Seconds after which a task fails, whatever it does. 0: never."),
    Option("task_avail_delay", INT, 300, "How long to leave a task to better placed hosts, in seconds (hubs before 1.34)."),
    Option("scheduler", choice("auto", "hub", "builder"), "auto", "Who chooses the host of a task: the hub (1.34 and newer), the "
           "builders among themselves (older hubs), or what the hub's version says."),
    Option("literal_task_arches", STRING, "", "Arches (globs, separated by blanks) that subtasks get as they are, not in their "
           "canonical form."),
    Option("build_arch_can_fail", BOOL, False, "A failing arch does not cancel its siblings."),
    Option("command_timeout", INT, 3600, "Seconds that a command run by the builder itself (createrepo, git, mail, a download) "
           "may take. Builds are limited by rpmbuild_timeout."),
))  # fmt: skip

_LOGS = Group("Logs and metrics", (
    Option("log_level", STRING, None, "Level of the log: DEBUG, INFO, WARNING, ERROR. Unset: WARNING, or what --debug and --verbose say."),
    Option("log_file", STRING, "/var/log/kojid.log", "The daemon's log. Rotation by renaming is noticed."),
    Option("task_log_dir", STRING, "/var/log/kojid", "Directory for one log per task (TASK.log); made when missing. Empty: none."),
    Option("task_log_lifetime", INT, 604800, "Seconds that a task's log is kept after the task has ended."),
    Option("log_timestamps", BOOL, False, "Upload a companion NAME-ts.log beside every build log that says when which part was written."),
    Option("metrics_address", STRING, None, "[HOST:]PORT at which Prometheus finds metrics, as http://HOST:PORT/metrics, on 127.0.0.1 without a "
           "HOST. Whoever gets there can read them, so have other machines ask through a proxy. Unset: no endpoint.",
           sample="127.0.0.1:9596"),
    Option("metrics_file", STRING, None, "File for the same metrics, written every `sleeptime` seconds for node_exporter's textfile collector; "
           "its name ends in .prom. Unset: none.", sample="/var/lib/prometheus/node-exporter/kojid.prom"),
    Option("admin_emails", STRING, None, "Addresses, separated by commas or blanks, that get every ERROR record by mail.",
           ("--admin-emails",), "LIST"),
))  # fmt: skip

_MOCK = Group("Mock and buildroots", (
    Option("mockpath", STRING, "/usr/bin/mock", "The mock program."),
    Option("mock_config_dir", STRING, "/etc/mock/koji", "Where the configuration of each buildroot is written."),
    Option("mockdir", STRING, "/var/lib/mock", "Mock's base directory: buildroots live here, and disk space is checked here.",
           ("--mockdir",), "DIR"),
    Option("mockuser", STRING, "kojibuilder", "User that runs mock; a member of the group mock.", ("--mockuser",), "USER"),
    Option("mockhost", STRING, "koji-linux-gnu", "Last part of the rpm macro %_host."),
    Option("chroot_tmpdir", STRING, "/chroot_tmpdir", "Directory inside a buildroot for the builder's own files.",
           ("--chroot-tmpdir",), "DIR"),
    Option("vendor", STRING, "Koji", "Vendor in rpm headers."),
    Option("packager", STRING, "Koji", "Packager in rpm headers."),
    Option("distribution", STRING, "Koji", "Distribution in rpm headers."),
    Option("yum_proxy", STRING, None, "Proxy for package downloads in buildroots.", sample="http://proxy.example.com:3128"),
    Option("rpmbuild_timeout", INT, 86400, "Seconds that mock lets rpmbuild run."),
    Option("mock_bootstrap_image", BOOL, False, "Honour the tag extra mock.bootstrap_image."),
    Option("buildroot_basic_cleanup_delay", INT, 120, "Seconds until the content of a finished task's buildroot is deleted."),
    Option("buildroot_final_cleanup_delay", INT, 86400, "Seconds until the rest of it is deleted."),
    Option("failed_buildroot_lifetime", INT, 14400, "Seconds that a failed task's buildroot is kept, while there is space."),
    Option("stray_buildroot_lifetime", INT, 172800, "Seconds since their last change until buildroots are removed that have no configuration "
           "here or that the hub does not know. 0: never."),
    Option("workdir_lifetime", INT, 86400, "Seconds since its last change until the working directory of a task that does not run here is "
           "removed. 0: never."),
    Option("stale_mount_delay", INT, 300, "Seconds after the end of a buildroot until what is still mounted in it is taken away. 0: only "
           "when the buildroot is removed."),
    Option("cleanup_minspace", INT, None, "With less than so many MiB free in mockdir, buildroots of ended tasks are removed before their "
           "time, the oldest first. Unset: a quarter more than minspace."),
    Option("warm_buildroots", BOOL, False, "Set the root aside that mock has made for a repo, arch, install group and configuration, and copy it "
           "for the next buildroot that would be the same, rather than have mock install the packages again."),
    Option("warm_buildroots_dir", STRING, None, "Where these roots are kept; made when missing, for root alone. Best on the file system of mockdir, if "
           "that can share blocks between files (XFS, btrfs): copies then cost next to nothing. Unset: .warm in mockdir."),
    Option("warm_buildroots_max_mb", INT, 20480, "MiB that they may take together, copies aside; the one that was not used for the longest time goes "
           "first, as it does when space in mockdir gets short. 0: no limit but that."),
    Option("warm_buildroots_lifetime", INT, 172800, "Seconds since its last use until one is removed, unless its repo has expired on the hub "
           "before. 0: only then."),
))  # fmt: skip

_SOURCES = Group("Sources from version control", (
    Option("allowed_scms", STRING, "", "Where sources may come from: entries HOST:REPOSITORY[:USE_COMMON[:SOURCE_CMD]], separated by "
           "blanks; host and repository are globs, a leading ! denies; the first match decides.",
           sample="scm.example.com:/cvs/example git.example.org:/example svn.example.org:/users/*:no"),
    Option("allowed_scms_use_config", BOOL, True, "Apply allowed_scms."),
    Option("allowed_scms_use_policy", BOOL, False, "Ask the hub's policy build_from_scm; with both on, both must agree."),
    Option("allow_password_in_scm_url", BOOL, False, "Allow user:password in a source URL."),
    Option("scm_credentials_dir", STRING, None, "Directory to show as /credentials inside the buildroot that makes a source package.",
           sample="/etc/kojid/scmcredentials"),
    Option("scm_user", STRING, "nobody", "User that git, svn and cvs run as when the daemon is root, without supplementary groups; never root. "
           "Better not mockuser: builds run under its number."),
    Option("scm_home", STRING, None, "HOME of git, svn and cvs, with their credentials and settings: .ssh (known_hosts, keys, config), .netrc, "
           ".gitconfig, .subversion, .cvspass. scm_user must be able to read it. Unset: an empty directory.", sample="/etc/kojid/scm"),
    Option("scm_ssh_key", STRING, None, "Private key for git+ssh, svn+ssh and cvs+ssh; scm_user must be able to read it.",
           sample="/etc/kojid/scm/.ssh/id_ed25519"),
    Option("scm_submodules", BOOL, False, "Check out the submodules of git repositories, too. Each must be allowed as its parent is."),
    Option("scm_lfs", BOOL, False, "Fetch the files of Git LFS, from the repository's own server; needs git-lfs."),
    Option("support_rpm_source_layout", BOOL, True, "Accept trees with SPECS/ and SOURCES/."),
))  # fmt: skip

_REPOS = Group("Repositories", (
    Option("use_createrepo_c", BOOL, True, "Use createrepo_c rather than createrepo."),
    Option("createrepo_update", BOOL, True, "Reuse the metadata of the last repository."),
    Option("createrepo_skip_stat", BOOL, True, "Trust that packages did not change when reusing it."),
    Option("distrepo_skip_stat", BOOL, False, "The same for distribution repositories, where signatures may change."),
    Option("copy_old_repodata", BOOL, False, "Copy an arch's metadata when nothing in it changed."),
    Option("createrepo_databases", choice("auto", "yes", "no"), "auto", "Whether repositories get SQLite databases "
           "besides the XML, which only yum uses and which take most of the time; auto: if the tag's mock.package_manager "
           "is yum. The stock daemon always makes them."),
))  # fmt: skip

_OTHER = Group("Maven and images", (
    Option("maven_repo_ignore", STRING, "*.md5 *.sha1 maven-metadata*.xml _maven.repositories _remote.repositories "
           "resolver-status.properties *.lastUpdated", "Files (globs) to skip when listing a Maven repository."),
    Option("oz_install_timeout", INT, 0, "Seconds that an image installation may take; 0: what oz's own configuration says."),
    Option("xz_options", STRING, "-z6T0", "Options of xz for raw-xz images, as one word."),
    Option("allow_noverifyssl", BOOL, False, "Allow image builds to pass noverifyssl to the installer."),
))  # fmt: skip

_MAIL = Group("Mail", (
    Option("smtphost", STRING, "example.com", "Mail server for notifications.", active=True),
    Option("smtp_user", STRING, None, "User name at the mail server.", sample="user@example.com"),
    Option("smtp_pass", STRING, None, "Password at the mail server.", sample="CHANGEME", secret=True),
    Option("from_addr", STRING, "Koji Build System <buildsys@example.com>", "Sender of notifications.", active=True),
))  # fmt: skip

_PLUGINS = Group("Plugins", (
    Option("plugin", WORDS, [], "Plugins to load, separated by blanks.", ("--plugin",), "NAME", aliases=("plugins",),
           sample="runroot save_failed_tree"),
    Option("pluginpath", STRING, "/usr/lib/koji-builder-plugins", "Where plugins are looked for; directories separated by colons. The ones that "
           "come with kojid are found after these.", ("--pluginpath",), "PATH"),
    Option("plugin_config_dir", STRING, "/etc/kojid/plugins", "Where the plugins that come with kojid have their configuration, NAME.conf."),
    Option("pkgurl", STRING, None, "", ("--pkgurl",), obsolete="topurl took its place"),
))  # fmt: skip

GROUPS: Tuple[Group, ...] = (_HUB, _LOGIN, _WORK, _LOGS, _MOCK, _SOURCES, _REPOS, _OTHER, _MAIL, _PLUGINS)
OPTIONS: Tuple[Option, ...] = tuple(option for group in GROUPS for option in group.options)
BY_NAME: Dict[str, Option] = {spelling: option for option in OPTIONS for spelling in (option.name, *option.aliases)}

# Names of other releases (contract 2.2, end): accepted with a warning, so that one file serves a mixed fleet.
RETIRED: Dict[str, str] = {
    "ca": "certificates are checked against serverca",
    "krbservice": "GSSAPI finds the service itself",
    "krb_rdns": "set rdns in krb5.conf",
    "krb_canon_host": "set dns_canonicalize_hostname in krb5.conf",
    "krb_server_realm": "set the realm in krb5.conf",
    "keepalive": "connections are always kept open",
}


class Options:
    """The daemon's settings: one attribute per option, as plugins expect them (contract 10.2).

    Args:
        values: option name to value; options that are not in it have their default.
    """

    def __init__(self, values: Optional[Dict[str, Any]] = None) -> None:
        for option in OPTIONS:
            setattr(self, option.name, option.default)
        for name, value in (values or {}).items():
            setattr(self, name, value)

    def __getattr__(self, name: str) -> Any:
        # Only reached for names that were never set; the annotation tells type checkers that any option is a name.
        raise AttributeError(f"there is no option {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def __iter__(self) -> Iterator[Tuple[str, Any]]:
        return iter(sorted(vars(self).items()))

    def split_topurl(self) -> None:
        """Set `topurls` to all URLs of the volume and `topurl` to the first (contract 1.3)."""
        urls: List[str] = str(vars(self)["topurl"] or "").split()
        self.topurls = urls
        self.topurl: Optional[str] = urls[0] if urls else None
