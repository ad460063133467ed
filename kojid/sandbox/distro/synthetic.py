"""The three packages that no Debian package stands for: filesystem, release and RPM's configuration."""

from __future__ import annotations

from typing import Dict, List

from kojid.sandbox.distro.spec import RpmPackage
from kojid.sandbox.distro.staging import MERGED, Stage, Staged

DIST = ".sandbox"
FILESYSTEM, RELEASE, RPM_CONFIG = "filesystem", "sandbox-release", "sandbox-rpm-config"
NAMES = (FILESYSTEM, RELEASE, RPM_CONFIG)

#: Directories with the permission bits that differ from 0755.
DIRECTORIES: Dict[str, int] = {
    **dict.fromkeys((
        "/boot", "/dev", "/etc", "/etc/profile.d", "/etc/rpm", "/home", "/media", "/mnt", "/opt", "/run", "/srv",
        "/usr", *(f"/usr/{name}" for name in ("include", "libexec", "local", "share", "src", *MERGED)),
        "/usr/lib/rpm", "/usr/lib/rpm/macros.d", "/usr/local/bin", "/usr/local/lib", "/usr/share/doc",
        "/usr/share/info", "/usr/share/licenses", "/usr/share/locale", "/usr/share/man", "/usr/share/man/man1",
        "/var", "/var/cache", "/var/lib", "/var/lib/rpm", "/var/lib/rpm-state", "/var/log", "/var/spool",
    ), 0o755),
    "/proc": 0o555, "/root": 0o700, "/sys": 0o555, "/tmp": 0o1777, "/var/tmp": 0o1777,
}  # fmt: skip

_PASSWD = """\
root:x:0:0:root:/root:/bin/bash
bin:x:1:1:bin:/bin:/sbin/nologin
daemon:x:2:2:daemon:/sbin:/sbin/nologin
mail:x:8:12:mail:/var/spool/mail:/sbin/nologin
nobody:x:65534:65534:nobody:/:/sbin/nologin
"""
_GROUPS = {
    "root": 0, "bin": 1, "daemon": 2, "sys": 3, "adm": 4, "tty": 5, "disk": 6, "lp": 7, "mem": 8, "kmem": 9,
    "wheel": 10, "cdrom": 11, "mail": 12, "man": 15, "utmp": 22, "video": 39, "lock": 54, "audio": 63,
    "users": 100, "nobody": 65534,
}  # fmt: skip

# %_dbpath: Debian's rpm would keep its database in the caller's home, where no package list is found.
# The debug packages need tools that Debian's rpm does not bring. No systemd runs in a build root: what its macros do to
# units there is nothing.
MACROS = f"""\
%_dbpath /var/lib/rpm
%dist {DIST}
%debug_package %{{nil}}
%_build_id_links none
%__python3 /usr/bin/python3
%python3 %__python3
%python3_sitelib /usr/lib/python3/dist-packages
%_unitdir /usr/lib/systemd/system
%_sysusersdir /usr/lib/sysusers.d
%_tmpfilesdir /usr/lib/tmpfiles.d
%systemd_post() %{{nil}}
%systemd_preun() %{{nil}}
%systemd_postun() %{{nil}}
"""


def _filesystem(stage: Stage, version: str) -> RpmPackage:
    staged = Staged()
    for path, mode in DIRECTORIES.items():
        target = stage.root / path.lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        target.chmod(mode)
        staged.directories.append(path)
    for name in MERGED:
        (stage.root / name).symlink_to(f"usr/{name}")
        staged.files.append(f"/{name}")
    stage.write("/etc/passwd", _PASSWD, staged)
    stage.write("/etc/group", "".join(f"{name}:x:{gid}:\n" for name, gid in _GROUPS.items()), staged)
    stage.write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", staged)
    stage.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n", staged)
    stage.write("/etc/shells", "/bin/sh\n/bin/bash\n", staged)
    return RpmPackage(FILESYSTEM, version, "1", staged, noarch=False, provides=["setup", "basesystem"],
                      summary="The directories of the sandbox's distribution")  # fmt: skip


def _release(stage: Stage, version: str) -> RpmPackage:
    name = f"kojid sandbox distribution {version}"
    staged = Staged()
    facts = f'NAME="kojid sandbox"\nID=kojid-sandbox\nVERSION_ID="{version}"\nPRETTY_NAME="{name}"\n'
    stage.write("/usr/lib/os-release", facts, staged)
    stage.link("/etc/os-release", "../usr/lib/os-release", staged)
    stage.write("/etc/system-release", f"{name}\n", staged)
    return RpmPackage(RELEASE, version, "1", staged, noarch=True, provides=["system-release", "redhat-release"],
                      summary="What the sandbox's distribution calls itself")  # fmt: skip


def _rpm_config(stage: Stage, version: str) -> RpmPackage:
    staged = Staged()
    stage.write("/usr/lib/rpm/macros.d/macros.sandbox", MACROS, staged)
    provides = ["redhat-rpm-config", "system-rpm-config", "epel-rpm-macros", "systemd-rpm-macros", "python3-rpm-macros"]
    return RpmPackage(RPM_CONFIG, version, "1", staged, noarch=True, provides=provides, requires=["rpm"],
                      summary="RPM's configuration in the sandbox's build roots")  # fmt: skip


def add(stage: Stage, version: str) -> List[RpmPackage]:
    """Stages the three packages, whose version is that of the Debian release."""
    return [_filesystem(stage, version), _release(stage, version), _rpm_config(stage, version)]
