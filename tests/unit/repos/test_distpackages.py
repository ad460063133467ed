from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional

import koji
import pytest

from kojid.repos import distpackages
from kojid.repos.distpackages import Located, choose, package_arches, write_signed
from tests.support.fakehub import FakeSession

BUILD = {"id": 4, "name": "hello", "version": "1.0", "release": "1", "volume_name": "DEFAULT", "nvr": "hello-1.0-1"}


def rpm(sigkey: Optional[str] = "", rpm_id: int = 7, name: str = "hello") -> Dict[str, Any]:
    return {
        "id": rpm_id, "name": name, "version": "1.0", "release": "1", "arch": "x86_64", "build_id": 4, "sigkey": sigkey
    }  # fmt: skip


@pytest.mark.parametrize(("arch", "expected"), [
    ("i386", "athlon i686 i586 i486 i386 noarch"),
    ("x86_64", "amd64 ia32e x86_64 noarch"),
    ("ppc64", "ppc64p7 ppc64pseries ppc64iseries ppc64 noarch"),
    ("armhfp", "armv7hl armv7hnl noarch"),
    ("aarch64", "aarch64 noarch"),
    ("s390x", "s390x noarch"),
    ("riscv64", "riscv64 noarch"),
    ("src", "src"),
])  # fmt: skip
def test_arches_of_the_packages_of_a_repository(arch: str, expected: str) -> None:
    assert package_arches(arch) == expected.split()


@pytest.mark.parametrize(("available", "keys", "chosen"), [
    (["", "aaaa", "bbbb"], ["bbbb", "aaaa"], "bbbb"),
    (["", "aaaa", "bbbb"], ["cccc", "aaaa"], "aaaa"),
    (["", "aaaa"], ["AAAA"], "aaaa"),
    (["AAAA"], ["aaaa"], "AAAA"),
    (["", "aaaa", "bbbb"], ["bbbb", "aaaa", "bbbb"], "bbbb"),
    (["", "aaaa"], ["cccc"], None),
    (["", "aaaa"], [], None),
    (["", "aaaa"], [""], None),
    (["AAAA"], ["CCCC"], None),
    ([None], ["aaaa"], None),
])  # fmt: skip
def test_the_key_that_is_named_first_counts(available: List[Any], keys: List[str], chosen: Optional[str]) -> None:
    (choice,) = choose([rpm(key) for key in available], keys)
    assert choice.rpm["sigkey"] == chosen
    assert choice.signed == (chosen is not None)
    assert choice.available == tuple(key for key in available if key)


def test_each_package_is_chosen_once_and_the_rows_stay_as_they_are() -> None:
    rows = [rpm("aaaa", 7), rpm("", 7), rpm("bbbb", 8, "other")]
    assert [choice.rpm["id"] for choice in choose(rows, ["bbbb"])] == [7, 8]
    assert [row["sigkey"] for row in rows] == ["aaaa", "", "bbbb"]


def test_draft_builds_are_refused() -> None:
    distpackages.refuse_drafts([BUILD, {**BUILD, "draft": False}])
    with pytest.raises(koji.BuildError, match=r"hello-1.0-1,draft_4"):
        distpackages.refuse_drafts([BUILD, {"draft": True, "nvr": "hello-1.0-1,draft_4"}])


@pytest.mark.parametrize(("volume", "key", "below"), [
    ("DEFAULT", "aaaa", "packages/hello/1.0/1/data/signed/aaaa/x86_64/hello-1.0-1.x86_64.rpm"),
    ("far", "aaaa", "vol/far/packages/hello/1.0/1/data/signed/aaaa/x86_64/hello-1.0-1.x86_64.rpm"),
    ("far", None, "vol/far/packages/hello/1.0/1/x86_64/hello-1.0-1.x86_64.rpm"),
])  # fmt: skip
def test_copies_are_looked_for_on_the_volume_of_their_build(
    tmp_path: Path, volume: str, key: Optional[str], below: str
) -> None:
    choices = choose([rpm("aaaa")], [key] if key else [])
    located = Located(koji.PathInfo(str(tmp_path)), [{**BUILD, "volume_name": volume}])
    located.add(choices)
    assert located.missing == [tmp_path / below]
    (tmp_path / below).parent.mkdir(parents=True)
    (tmp_path / below).touch()
    located = Located(koji.PathInfo(str(tmp_path)), [{**BUILD, "volume_name": volume}])
    located.add(choices)
    assert located.missing == []
    assert located.packages == {
        "hello-1.0-1.x86_64.rpm": {**rpm(key), "_pkgpath": str(tmp_path / below)},
    }


class TestWritingSignedCopies:
    def test_is_asked_for_in_few_requests(self) -> None:
        session = FakeSession({"host.writeSignedRPM": None})
        choices = choose([rpm("aaaa", number) for number in range(250)] + [rpm("", 999)], ["AAAA"])
        lines = write_signed(session, choices)
        assert session.requests == 3
        assert session.calls[0].args == (0, "aaaa")
        assert lines == ["written: hello-1.0-1.x86_64 with key aaaa"] * 250

    def test_that_fails_is_told(self) -> None:
        session = FakeSession()
        session.answer("host.writeSignedRPM", koji.GenericError("No cached signature"), None)
        lines = write_signed(session, choose([rpm("aaaa", 1), rpm("aaaa", 2)], ["aaaa"]))
        assert lines[0] == "FAILED: hello-1.0-1.x86_64 with key aaaa: No cached signature"
        assert lines[1].startswith("written: ")

    def test_is_asked_for_again_when_the_answer_got_lost(self) -> None:
        class Deaf(FakeSession):
            lost = 1

            def multicall(self, strict: bool = False, batch: Optional[int] = None) -> Any:
                if self.lost:
                    self.lost -= 1
                    raise koji.RetryError("made already")
                return super().multicall(strict, batch)

        session = Deaf({"host.writeSignedRPM": None})
        assert len(write_signed(session, choose([rpm("aaaa")], ["aaaa"]))) == 1


def test_what_is_missing_is_told_by_name(tmp_path: Path) -> None:
    text = distpackages.missing_files_text([Path("/b.rpm"), Path("/a.rpm")])
    assert text.splitlines()[-2:] == ["/a.rpm", "/b.rpm"]
    choices = choose([rpm("aaaa"), rpm("", 8, "bare")], ["cccc"])
    text = distpackages.missing_signatures_text(choices, ["cccc"], skipped=False)
    assert text.splitlines()[-2:] == ["bare-1.0-1.x86_64: none", "hello-1.0-1.x86_64: aaaa"]
    assert "left out" not in text
    assert "left out" in distpackages.missing_signatures_text(choices, [], skipped=True)
