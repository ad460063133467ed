"""Makes the distribution: selects, stages, checks, writes the spec, builds, and remembers what from."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import AbstractSet, Callable, Dict, Iterator, List, Optional, Sequence

from kojid.sandbox.distro import build, dpkg, elf, groups, manifest, selection, spec, staging, synthetic
from kojid.sandbox.distro.dpkg import Package
from kojid.sandbox.distro.manifest import Manifest
from kojid.sandbox.distro.spec import RpmPackage

Progress = Optional[Callable[[str], None]]


@dataclass(frozen=True)
class Distribution:
    """A finished distribution.

    `rpms` and `srpms` are paths of files, `names` the binary packages' names, `groups` the package groups by name
    (`build`, `srpm-build`, `wrapper-rpm-build`), `comps` the same as a file for createrepo, `reused` whether an
    existing result was taken.
    """

    directory: Path
    rpms: List[Path]
    srpms: List[Path]
    names: List[str]
    groups: Dict[str, List[str]]
    reused: bool

    @property
    def comps(self) -> Path:
        """The comps file."""
        return self.directory / "comps.xml"


def make(out: Path, *, compiler: bool = True, progress: Progress = None) -> Distribution:
    """Makes the distribution in a directory, or takes the one there when the machine's packages are unchanged.

    Needs no privilege. Two callers at once take turns.

    Args:
        out: directory for `rpms/`, `srpms/`, `comps.xml` and the manifest; made when missing.
        compiler: with gcc, binutils and the C library's headers.
        progress: called with one line per step.

    Raises:
        MissingPackages: Debian packages are missing; the message has the apt command.
        DistributionError: not a Debian machine, a library without a package, or rpmbuild failed.
    """
    say = progress or (lambda _line: None)
    installed = dpkg.installed_packages()
    chosen = selection.closure(selection.seeds(installed, compiler=compiler), installed)
    digest = manifest.input_digest(chosen, debian_version())
    out.mkdir(parents=True, exist_ok=True)
    with turn(out):
        found = manifest.read(out)
        reused = found is not None and found.digest == digest
        if found is None or found.digest != digest:
            found = _make_anew(out, chosen, digest, compiler, say)
    return Distribution(out, [out / name for name in found.rpms], [out / name for name in found.srpms],
                        found.names, found.groups, reused)  # fmt: skip


def _make_anew(out: Path, chosen: Sequence[Package], digest: str, compiler: bool,
               say: Callable[[str], None]) -> Manifest:  # fmt: skip
    (out / manifest.FILE_NAME).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=out) as scratch:
        stage = staging.Stage(Path(scratch) / "stage", synthetic.DIRECTORIES)
        say(f"copying the files of {len(chosen)} Debian packages")
        packages = _stage_all(stage, chosen)
        say(f"building {len(packages)} RPMs")
        text = spec.spec_text(debian_version(), f"1.{digest[:8]}", packages)
        spec_file = Path(scratch) / f"{spec.SOURCE_NAME}.spec"
        spec_file.write_text(text)
        os.utime(spec_file, (stage.newest, stage.newest))
        variables = {"SANDBOX_STAGE": str(stage.root), "SOURCE_DATE_EPOCH": str(stage.newest)}
        built = build.rpmbuild(spec_file, Path(scratch) / "build", "-ba", variables)
        return publish(out, built, digest, groups.package_groups([p.name for p in packages], compiler=compiler))


def _stage_all(stage: staging.Stage, chosen: Sequence[Package]) -> List[RpmPackage]:
    """Stages every package and gives it its relations; checks that no library is missing."""
    extra = synthetic.add(stage, debian_version())
    lists = dpkg.file_lists(chosen)
    staged = {package.name: stage.add(lists[package.name]) for package in chosen}
    stage.link("/usr/bin/sh", "bash", staged["bash"])
    staging.add_alternatives(stage, staged, dpkg.alternatives())
    elves = {name: elf.elf_files(stage.root, package.files) for name, package in staged.items()}
    offered = {name: elf.provides(files) for name, files in elves.items()}
    elf.check({name: elf.requires(files) for name, files in elves.items()}, set().union(*offered.values()))
    index = selection.provider_index(chosen)
    return extra + [rpm_of(package, staged[package.name], sorted(offered[package.name]), index) for package in chosen]


def rpm_of(package: Package, files: staging.Staged, libraries: List[str], index: Dict[str, str],
           left_out: AbstractSet[str] = selection.LEFT_OUT) -> RpmPackage:  # fmt: skip
    """The RPM package for a Debian package: its version, its files, its relations."""
    epoch, version, release = spec.rpm_version(package.version)
    loader = ["rtld(GNU_HASH)"] if package.name == "libc6" else []
    return RpmPackage(
        package.name, version, release, files, epoch=epoch, noarch=package.arch == "all",
        summary=f"The files of Debian's {package.name}",
        provides=[*libraries, *loader, *selection.RPM_NAMES.get(package.name, ())],
        requires=[synthetic.FILESYSTEM, *selection.requirements(package, index, left_out)],
    )  # fmt: skip


def publish(out: Path, built: Sequence[Path], digest: str, package_groups: Dict[str, List[str]]) -> Manifest:
    """Put what was built where it belongs, and write down what it was made from."""
    for kind in ("rpms", "srpms"):
        shutil.rmtree(out / kind, ignore_errors=True)
        (out / kind).mkdir()
    for path in built:
        path.rename(out / ("srpms" if path.name.endswith(".src.rpm") else "rpms") / path.name)
    (out / "comps.xml").write_text(groups.comps(package_groups))
    rpms = sorted(f"rpms/{path.name}" for path in (out / "rpms").iterdir())
    srpms = sorted(f"srpms/{path.name}" for path in (out / "srpms").iterdir())
    names = sorted(name[len("rpms/") :].rsplit("-", 2)[0] for name in rpms)
    finished = Manifest(digest, rpms, srpms, names, package_groups)
    manifest.write(out, finished)
    return finished


def debian_version() -> str:
    """VERSION_ID of the machine's os-release; Debian's unstable has none."""
    for line in Path("/etc/os-release").read_text().splitlines():
        name, _, value = line.partition("=")
        if name == "VERSION_ID":
            return value.strip("\"'")
    return "0"


@contextmanager
def turn(out: Path) -> Iterator[None]:
    """Hold a directory's lock: two callers at once take turns."""
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
