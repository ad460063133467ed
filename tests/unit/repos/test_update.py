"""What an older repo's metadata spares, held against what createrepo_c makes of the same packages from nothing."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, Iterable, List, Sequence

import koji
import pytest

from kojid.repos import createrepo, merge, metadata, origins, repomd
from tests.support import options, rpmwriter

PACKAGES = ("a-1-1.x86_64", "b-1-1.noarch", "libc++-1-1.x86_64", "d-1-1.x86_64", "e-1~rc1-1^git.x86_64")
LISTS = ("primary", "filelists", "other")


class Repo:
    """A repo of one arch on a volume, as the hub lays it out, and its metadata once it is made."""

    def __init__(self, volume: Path, number: int, nvras: Sequence[str], groups: str = "build") -> None:
        self.volume = volume
        self.directory = volume / "repos" / str(number)
        self.arch_dir = self.directory / "x86_64"
        self.arch_dir.mkdir(parents=True)
        (self.arch_dir / "toplink").symlink_to("../../..")
        (self.directory / "groups").mkdir()
        comps = f'<?xml version="1.0"?>\n<comps><group><id>{groups}</id><name>{groups}</name></group></comps>\n'
        (self.directory / "groups" / "comps.xml").write_text(comps)
        for nvra in nvras:
            if not (volume / "packages" / f"{nvra}.rpm").exists():
                rpmwriter.write(volume / "packages", nvra)
        (self.arch_dir / "pkglist").write_text("".join(f"toplink/packages/{nvra}.rpm\n" for nvra in nvras))
        self.describe(nvras)

    def describe(self, nvras: Iterable[str]) -> None:
        """Write the hub's list of what is in the packages."""
        rows = []
        for nvra in nvras:
            nvr, _, arch = nvra.rpartition(".")
            name, version, release = nvr.rsplit("-", 2)
            content = rpmwriter.payloadhash((self.volume / "packages" / f"{nvra}.rpm").read_bytes())
            row = {"name": name, "version": version, "release": release, "arch": arch}
            rows.append({**row, "id": 1, "payloadhash": content})
        (self.arch_dir / "rpmlist.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    @property
    def repodata(self) -> Path:
        return self.arch_dir / "repodata"

    @property
    def log(self) -> Path:
        return self.directory / "createrepo.log"

    def make(self, old: Any = None, *, databases: bool = False, **settings: Any) -> List[List[str]]:
        """Make the metadata and put it where the hub puts it; the commands that it took."""
        out = self.directory / "work"
        made = createrepo.create(
            options(**settings),
            self.arch_dir,
            out,
            log=self.log,
            old_repodata=old.repodata if old else None,
            databases=databases,
        )
        assert sorted(path.name for path in out.iterdir()) == ["repodata"]
        shutil.rmtree(self.repodata, ignore_errors=True)
        made.rename(self.repodata)
        log = self.log.read_text()
        self.log.unlink()
        self.said = log
        return [line.split()[1:] for line in log.splitlines() if line.startswith("$ ")]

    def list(self, kind: str) -> bytes:
        """One of the lists, unpacked; it is what repomd.xml says."""
        said = repomd.read(self.repodata)
        content = gzip.decompress((self.repodata / said.name(kind)).read_bytes())
        entry = re.search(rf'<data type="{kind}">.*?</data>', said.text, re.DOTALL)
        assert entry
        assert f"<open-size>{len(content)}</open-size>" in entry.group()
        assert f"<size>{(self.repodata / said.name(kind)).stat().st_size}</size>" in entry.group()
        return content

    def facts(self) -> Dict[str, Any]:
        """All that the metadata says but for the times at which it was made."""
        said = repomd.read(self.repodata)
        times = re.compile(r"<(revision|timestamp)>\d+<")
        return {
            "repomd": times.sub("", said.text),
            "files": {
                name: (self.repodata / name).read_bytes()
                for name in metadata.files(self.repodata)
                if name != "repomd.xml"
            },
        }


@pytest.fixture(autouse=True)
def _tool(createrepo_c: None) -> None:
    pass


@pytest.fixture
def old(tmp_path: Path) -> Repo:
    made = Repo(tmp_path, 1, PACKAGES)
    made.make()
    return made


def added_by(commands: List[List[str]]) -> int:
    """How many packages createrepo_c was told to read, by its only call; 0: none but the groups."""
    (argv,) = commands
    return int("-i" in argv)


CHANGES = {
    "added": (*PACKAGES[:2], "new-1-1.x86_64", *PACKAGES[2:]),
    "added at the ends": ("new-1-1.x86_64", *PACKAGES, "newer-1-1.noarch"),
    "removed": PACKAGES[1:],
    "a newer version": ("a-1-2.x86_64", *PACKAGES[1:]),
    "all of that": ("b-1-1.noarch", "new-1-1.x86_64", "libc++-2-1.x86_64", "d-1-1.x86_64", "e-1~rc1-1^git.x86_64"),
}


@pytest.mark.parametrize("nvras", CHANGES.values(), ids=CHANGES)
def test_the_outcome_is_createrepos_own_to_the_last_byte(tmp_path: Path, old: Repo, nvras: Sequence[str]) -> None:
    new, fresh = Repo(tmp_path, 2, nvras), Repo(tmp_path, 3, nvras)
    fresh.make()
    (command,) = new.make(old)
    assert "--update" not in command
    assert new.facts() == fresh.facts()
    news = len(set(nvras) - set(PACKAGES))
    assert f"{news} packages are new and {len(set(PACKAGES) - set(nvras))} gone" in new.said
    assert f"metadata of {len(nvras) - news} packages has been taken over" in new.said


@pytest.mark.parametrize("nvras", CHANGES.values(), ids=CHANGES)
def test_librepo_and_libsolv_see_the_same_as_in_createrepos(tmp_path: Path, old: Repo, nvras: Sequence[str]) -> None:
    hawkey = pytest.importorskip("hawkey", reason="needs python3-hawkey")
    librepo = pytest.importorskip("librepo", reason="needs python3-librepo")

    def packages(repo: Repo) -> List[Any]:
        handle = librepo.Handle()
        handle.repotype = librepo.LR_YUMREPO
        handle.urls, handle.local, handle.checksum = [str(repo.arch_dir)], True, True
        found = handle.perform(librepo.Result()).yum_repo
        described = hawkey.Repo("repo")
        described.repomd_fn, described.primary_fn = found["repomd"], found["primary"]
        described.filelists_fn = found["filelists"]
        sack = hawkey.Sack(cachedir=str(tmp_path / f"cache{repo.directory.name}"), make_cache_dir=True)
        sack.load_repo(described, load_filelists=True)
        return sorted(
            (
                str(one),
                one.location,
                one.chksum,
                one.files,
                sorted(map(str, one.requires)),
                sorted(map(str, one.provides)),
            )
            for one in hawkey.Query(sack)
        )

    new, fresh = Repo(tmp_path, 2, nvras), Repo(tmp_path, 3, nvras)
    fresh.make()
    new.make(old)
    assert len(packages(new)) == len(nvras)
    assert packages(new) == packages(fresh)


def test_a_chain_of_many_changes_does_not_drift(tmp_path: Path, old: Repo) -> None:
    nvras, last = list(PACKAGES), old
    for number in range(2, 8):
        nvras = [*nvras[1:], f"more{number}-1-1.noarch"]
        new = Repo(tmp_path, number, nvras)
        new.make(last)
        last = new
    fresh = Repo(tmp_path, 9, nvras)
    fresh.make()
    assert last.facts() == fresh.facts()


@pytest.mark.parametrize("databases", [False, True])
def test_where_nothing_has_changed_no_command_runs_and_every_byte_is_the_same(
    tmp_path: Path, old: Repo, databases: bool
) -> None:
    old.make(databases=databases)
    new = Repo(tmp_path, 2, PACKAGES)
    assert new.make(old, databases=databases) == []
    assert new.facts() == old.facts()
    assert (new.repodata / "repomd.xml").read_bytes() == (old.repodata / "repomd.xml").read_bytes()
    assert "Nothing has changed since" in new.said


def test_other_groups_are_all_that_is_made_anew(tmp_path: Path, old: Repo) -> None:
    new, fresh = Repo(tmp_path, 2, PACKAGES, groups="other"), Repo(tmp_path, 3, PACKAGES, groups="other")
    fresh.make()
    (command,) = new.make(old)
    assert "-i" not in command
    assert new.facts() == fresh.facts()
    (tmp_path / "repos/2/groups/comps.xml").unlink()
    without = Repo(tmp_path, 4, PACKAGES)
    (without.directory / "groups/comps.xml").unlink()
    without.make(old)
    assert repomd.read(without.repodata).kinds == list(LISTS)


def test_the_order_of_the_hubs_list_does_not_matter(tmp_path: Path, old: Repo) -> None:
    nvras = [*PACKAGES[::-1], "cc-1-1.x86_64"]
    new, fresh = Repo(tmp_path, 2, nvras), Repo(tmp_path, 3, nvras)
    fresh.make()
    assert added_by(new.make(old)) == 1
    assert new.facts() == fresh.facts()


def test_a_package_made_anew_under_its_name_is_read_again(tmp_path: Path, old: Repo) -> None:
    again = rpmwriter.rpm("b", "1", "1", "noarch", files=3)
    (tmp_path / "packages/b-1-1.noarch.rpm").write_bytes(again)
    new, fresh = Repo(tmp_path, 2, PACKAGES), Repo(tmp_path, 3, PACKAGES)
    fresh.make()
    assert added_by(new.make(old)) == 1
    assert new.facts() == fresh.facts()
    assert new.list("primary") != old.list("primary")


def test_external_packages_of_the_older_repo_are_left_behind(tmp_path: Path, mergerepo_c: None) -> None:
    """Its own have lain elsewhere then, and the external ones may be at places of the same name."""
    external = tmp_path / "external"
    rpmwriter.write(external / "toplink/packages", "far-1-1.x86_64", "d-1-1.x86_64")
    subprocess.run(["createrepo_c", "-q", str(external)], check=True, capture_output=True)
    merged = Repo(tmp_path, 1, PACKAGES)
    merged.make()
    work = tmp_path / "work"
    shutil.copytree(merged.repodata, work / "repo/repodata")
    (merged.arch_dir / "blocklist").touch()
    target = merge.Target("x86_64", 1, merged.arch_dir, work, work / "repo", databases=False)
    made = merge.merge(
        target, origins.External("bare", (f"file://{external}/",)), log=tmp_path / "merge.log", timeout=60
    )
    shutil.rmtree(merged.repodata)
    made.rename(merged.repodata)
    nvras = (*PACKAGES, "new-1-1.x86_64")
    new, fresh = Repo(tmp_path, 2, nvras), Repo(tmp_path, 3, nvras)
    fresh.make()
    assert "--update" not in new.make(merged)[0]
    for kind in LISTS:
        one, other = (
            sorted(re.findall(rb"<package .*?</package>", repo.list(kind), re.DOTALL)) for repo in (new, fresh)
        )
        assert one == other
    same = Repo(tmp_path, 4, PACKAGES)
    assert len(same.make(merged)) == 1, "what was merged is not taken over as a whole"
    assert set(metadata.source_packages(same.repodata)) == set(PACKAGES)


def _cut_off(repo: Repo) -> None:
    path = repo.repodata / repomd.read(repo.repodata).name("filelists")
    path.write_bytes(path.read_bytes()[:-20])


def _other_form(repo: Repo) -> None:
    _rewrite(repo, "other", lambda content: content.replace(b"metadata/other", b"metadata/yet-another"))


def _other_order(repo: Repo) -> None:
    def turned(content: bytes) -> bytes:
        parts = re.findall(rb"<package .*?</package>\n", content, re.DOTALL)
        return content[: content.index(b"<package ")] + b"".join(parts[::-1]) + b"</filelists>"

    _rewrite(repo, "filelists", turned)


def _one_less(repo: Repo) -> None:
    _rewrite(
        repo, "primary", lambda content: re.sub(rb"<package .*?</package>\n", b"", content, count=1, flags=re.DOTALL)
    )


def _no_repomd(repo: Repo) -> None:
    (repo.repodata / "repomd.xml").unlink()


def _file_gone(repo: Repo) -> None:
    (repo.repodata / repomd.read(repo.repodata).name("other")).unlink()


def _rewrite(repo: Repo, kind: str, change: Any) -> None:
    """Change the content of a list, with checksums that fit."""
    said = repomd.read(repo.repodata)
    path = repo.repodata / said.name(kind)
    content = change(gzip.decompress(path.read_bytes()))
    path.write_bytes(gzip.compress(content))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    whole = hashlib.sha256(content).hexdigest()
    said.set(kind, path.name, repomd.Facts(digest, whole, path.stat().st_size, len(content), 1))
    (repo.repodata / "repomd.xml").write_text(said.text)


@pytest.mark.parametrize("spoil", [_cut_off, _other_form, _other_order, _one_less, _no_repomd, _file_gone])
def test_older_metadata_that_is_not_as_expected_is_not_spliced(tmp_path: Path, old: Repo, spoil: Any) -> None:
    nvras = (*PACKAGES, "new-1-1.x86_64")
    spoil(old)
    new = Repo(tmp_path, 2, nvras)
    assert any("--update" in argv for argv in new.make(old)) is (spoil is not _no_repomd)
    assert set(metadata.source_packages(new.repodata)) == set(nvras)


@pytest.mark.parametrize(("settings", "databases"), [({"createrepo_skip_stat": False}, False), ({}, True)])
def test_where_packages_are_not_trusted_or_databases_wanted_createrepo_does_it(
    tmp_path: Path, old: Repo, settings: Any, databases: bool
) -> None:
    new = Repo(tmp_path, 2, (*PACKAGES, "new-1-1.x86_64"))
    (command,) = new.make(old, databases=databases, **settings)
    assert "--update" in command
    assert any(".sqlite" in name for name in metadata.files(new.repodata)) is databases


def test_what_is_new_for_the_most_part_is_read_as_a_whole(tmp_path: Path, old: Repo) -> None:
    new = Repo(tmp_path, 2, ("a-1-1.x86_64", "x-1-1.x86_64", "y-1-1.x86_64"))
    (command,) = new.make(old)
    assert "--update" in command


def test_a_new_package_that_can_not_be_read_fails_it_by_name(tmp_path: Path, old: Repo) -> None:
    new = Repo(tmp_path, 2, (*PACKAGES, "new-1-1.x86_64"))
    (tmp_path / "packages/new-1-1.x86_64.rpm").unlink()
    with pytest.raises(koji.GenericError, match=r"(?s)failed to create repo: .*createrepo.log.*new-1-1.x86_64"):
        new.make(old)
