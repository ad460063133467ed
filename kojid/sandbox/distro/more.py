"""Further packages of the machine for a distribution that is there: a language, a tool, whatever a spec file asks for.

They come as one more source package, to be imported into a tag beside the distribution; what the distribution has
already is not in it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import AbstractSet, Callable, Dict, List, Sequence, Set

from kojid.sandbox.distro import build, dpkg, elf, generator, manifest, selection, spec, staging, synthetic
from kojid.sandbox.distro.dpkg import Package
from kojid.sandbox.distro.errors import MissingPackages
from kojid.sandbox.distro.generator import Distribution, Progress
from kojid.sandbox.distro.manifest import Manifest

SOURCE_NAME = f"{spec.SOURCE_NAME}-more"


def make_more(out: Path, packages: Sequence[str], *, compiler: bool = True, progress: Progress = None) -> Distribution:
    """Makes RPMs of further Debian packages with all that they depend on, or takes the ones there when nothing changed.

    Needs no privilege. Two callers at once take turns.

    Args:
        out: directory as for `make`, another one.
        packages: Debian packages that are installed here, e.g. python3. Relations to what RPM builds rarely need
            (`selection.LEFT_OUT`: perl, python3 …) are followed only where they are named here.
        compiler: whether the distribution they are for was made with the compiler.
        progress: called with one line per step.

    Raises:
        MissingPackages: some are not installed; the message has the apt command.
        DistributionError: as for `make`.
    """
    installed = dpkg.installed_packages()
    absent = dpkg.missing(packages, installed)
    if absent:
        raise MissingPackages(absent)
    left_out = selection.LEFT_OUT - set(packages)
    base = selection.closure(selection.seeds(installed, compiler=compiler), installed)
    there = {package.name for package in base}
    chosen = [found for found in selection.closure(packages, installed, left_out) if found.name not in there]
    digest = manifest.input_digest([*base, *chosen], f"{generator.debian_version()} more")
    out.mkdir(parents=True, exist_ok=True)
    with generator.turn(out):
        found = manifest.read(out)
        reused = found is not None and found.digest == digest
        if found is None or found.digest != digest:
            found = _make_anew(out, base, chosen, digest, left_out, progress or (lambda _line: None))
    return Distribution(out, [out / name for name in found.rpms], [out / name for name in found.srpms],
                        found.names, found.groups, reused)  # fmt: skip


def _make_anew(out: Path, base: Sequence[Package], chosen: Sequence[Package], digest: str, left_out: AbstractSet[str],
               say: Callable[[str], None]) -> Manifest:  # fmt: skip
    (out / manifest.FILE_NAME).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=out) as scratch:
        stage = staging.Stage(Path(scratch) / "stage", synthetic.DIRECTORIES)
        say(f"copying the files of {len(chosen)} further Debian packages")
        packages = _stage(stage, base, chosen, left_out)
        say(f"building {len(packages)} RPMs")
        spec_file = Path(scratch) / f"{SOURCE_NAME}.spec"
        spec_file.write_text(spec.spec_text(generator.debian_version(), f"1.{digest[:8]}", packages, SOURCE_NAME))
        os.utime(spec_file, (stage.newest, stage.newest))
        variables = {"SANDBOX_STAGE": str(stage.root), "SOURCE_DATE_EPOCH": str(stage.newest)}
        built = build.rpmbuild(spec_file, Path(scratch) / "build", "-ba", variables)
        return generator.publish(out, built, digest, {})


def _stage(stage: staging.Stage, base: Sequence[Package], chosen: Sequence[Package],
           left_out: AbstractSet[str]) -> List[spec.RpmPackage]:  # fmt: skip
    lists = dpkg.file_lists(chosen)
    staged = {package.name: stage.add(lists[package.name]) for package in chosen}
    staging.add_alternatives(stage, staged, dpkg.alternatives())
    elves = {name: elf.elf_files(stage.root, package.files) for name, package in staged.items()}
    offered = {name: elf.provides(files) for name, files in elves.items()}
    elf.check({name: elf.requires(files) for name, files in elves.items()},
              set().union(_offered_by(base), *offered.values()))  # fmt: skip
    index = selection.provider_index([*base, *chosen])
    return [generator.rpm_of(package, staged[package.name], sorted(offered[package.name]), index, left_out)
            for package in chosen]  # fmt: skip


def _offered_by(base: Sequence[Package]) -> Set[str]:
    """The libraries that the distribution has already: those of the same packages on this machine."""
    lists: Dict[str, List[dpkg.InstalledFile]] = dpkg.file_lists(base)
    sources = [
        item.source for files in lists.values() for item in files
        if not staging.is_dropped(staging.merged_path(item.path))
    ]  # fmt: skip
    return elf.provides(elf.elf_files(Path("/"), sources))
