from __future__ import annotations

from typing import Any, List, Optional

import koji
import pytest

from kojid.tasks.archlist import ArchHeaders, build_arches, matches_literally, noarch_choices


def headers(build: str = "", exclusive: str = "", exclude: str = "") -> ArchHeaders:
    return ArchHeaders(tuple(build.split()), tuple(exclusive.split()), tuple(exclude.split()))


@pytest.mark.parametrize(
    ("tag", "extra", "says", "override", "built"),
    [
        ("x86_64", "", headers(), "", "x86_64"),
        ("x86_64 i686", "", headers(), "", "x86_64 i686"),
        ("i386 i686 x86_64", "", headers(), "", "i386 i686 x86_64"),
        ("x86_64 x86_64", "", headers(), "", "x86_64"),
        # arches of the package in its tag come on top, if the build tag can serve them
        ("x86_64 i386", "i686", headers(), "", "x86_64 i386 i686"),
        ("x86_64", "s390x", headers(), "", "x86_64"),
        # the package's own words
        ("x86_64 i686", "", headers(build="noarch"), "", "noarch"),
        ("x86_64 i686", "", headers(build="i586"), "", "i586"),
        ("x86_64", "", headers(build="noarch x86_64"), "", "noarch x86_64"),
        ("x86_64 aarch64", "", headers(exclusive="x86_64 ppc64le"), "", "x86_64"),
        ("x86_64 aarch64", "", headers(exclude="x86_64"), "", "aarch64"),
        ("x86_64 aarch64", "", headers(exclusive="x86_64 aarch64", exclude="aarch64"), "", "x86_64"),
        # ExclusiveArch of a noarch package says where to build it
        ("x86_64 aarch64", "", headers(build="noarch", exclusive="x86_64"), "", "noarch"),
        ("x86_64 aarch64", "", headers(exclusive="x86_64 noarch"), "", "x86_64 noarch"),
        ("x86_64", "", headers(build="noarch x86_64", exclude="noarch"), "", "x86_64"),
        # a scratch build's user knows better
        ("x86_64 i686", "", headers(build="noarch"), "i686", "i686"),
        ("x86_64", "", headers(), "x86_64 s390x noarch", "x86_64 noarch"),
        # canonical names decide what the tag can serve
        ("i386", "", headers(build="athlon"), "", "athlon"),
        ("armhfp", "", headers(build="armv7hl"), "", "armv7hl"),
        ("ppc64le", "", headers(build="ppc64"), "", None),
        ("x86_64", "", headers(exclusive="aarch64"), "", None),
        ("x86_64", "", headers(exclude="x86_64"), "", None),
        ("x86_64", "", headers(), "s390x", None),
    ],
)
def test_arches_to_build(tag: str, extra: str, says: ArchHeaders, override: str, built: Optional[str]) -> None:
    def arches() -> List[str]:
        return build_arches(tag.split(), extra.split(), says, override.split())

    if built is None:
        with pytest.raises(koji.BuildError, match="^No matching arches were found$"):
            arches()
    else:
        assert arches() == built.split()


@pytest.mark.parametrize(
    ("tag", "noarch_arches", "says", "choices"),
    [
        ("x86_64 aarch64", None, headers(exclusive="x86_64"), "x86_64"),
        ("x86_64 aarch64", None, headers(exclude="x86_64"), "aarch64"),
        ("x86_64 aarch64", "aarch64", headers(), "aarch64"),
        ("x86_64 aarch64", "aarch64 x86_64 s390x", headers(), None),
        ("x86_64 i686", "i586", headers(), "i386"),
        ("x86_64 aarch64", "x86_64", headers(exclude="s390x"), "x86_64"),
        ("x86_64 aarch64", None, headers(exclusive="noarch x86_64 aarch64"), None),
        ("x86_64 aarch64", None, headers(exclude="s390x"), None),
        ("x86_64", "s390x", headers(), "none"),
        ("x86_64", None, headers(exclusive="noarch"), "none"),
        ("x86_64", "x86_64", headers(exclude="x86_64"), "none"),
    ],
)
def test_where_a_noarch_package_may_be_built(
    tag: str, noarch_arches: Optional[str], says: ArchHeaders, choices: Optional[str]
) -> None:
    def found() -> Any:
        return noarch_choices(tag.split(), noarch_arches, says)

    if choices == "none":
        with pytest.raises(koji.BuildError, match="No valid arches were found"):
            found()
    else:
        assert found() == (choices.split() if choices else None)


def test_literal_arches_are_globs() -> None:
    assert matches_literally("x86_64_v2", "riscv64 x86_64_*")
    assert not matches_literally("x86_64", "riscv64 x86_64_*")
    assert not matches_literally("x86_64", "")
