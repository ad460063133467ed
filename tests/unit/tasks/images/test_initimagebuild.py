"""The bases of image builds, which plugins derive from."""

from __future__ import annotations

from typing import Any, ClassVar, List

import koji
import pytest

from kojid.tasks.images import BuildImageTask
from tests.support.faketask import TARGET, ScriptedSession

INIT = {"id": 7, "name": "thing", "version": "1", "release": "3", "epoch": 0}


class Image(BuildImageTask):
    Methods: ClassVar[List[str]] = ["thing"]


def begin(options: Any, package: Any, **opts: Any) -> Any:
    session = ScriptedSession(getPackageConfig=package, host_initImageBuild=INIT)
    task = Image(307, "thing", [], session, options)
    return task.initImageBuild("thing", "1", None, TARGET, opts), session


def test_the_hub_begins_the_build_and_picks_a_release(options: Any) -> None:
    build, session = begin(options, {"blocked": False})
    assert build == INIT
    assert session.calls[-1][:2] == (
        "host.initImageBuild",
        (307, {"name": "thing", "version": "1", "release": None, "epoch": 0}),
    )


@pytest.mark.parametrize(("package", "words"), [(None, "not in list for tag demo"), ({"blocked": True}, "is blocked")])
def test_the_tag_has_to_list_the_package(options: Any, package: Any, words: str) -> None:
    with pytest.raises(koji.BuildError, match=words):
        begin(options, package)


@pytest.mark.parametrize("opt", ["scratch", "skip_tag"])
def test_an_untagged_build_needs_no_list(options: Any, opt: str) -> None:
    assert begin(options, None, **{opt: True})[0] == INIT
