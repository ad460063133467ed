from __future__ import annotations

from typing import Any

import koji
import pytest

from kojid.tasks.tagging import TagBuildTask
from tests.support.faketask import TAG, TASK, ScriptedSession, make_handler, sequence


def hub(**more: Any) -> ScriptedSession:
    answers = {"getTaskInfo": TASK, "getBuild": {"id": 6}, "getTag": TAG}
    return ScriptedSession({**answers, "host.tagBuild": None, "host.tagNotification": None}, **more)


def test_a_build_is_tagged_and_people_are_told(options: Any) -> None:
    session = hub()
    make_handler(TagBuildTask, "tagBuild", [1, 6, False, None, True], session, options, 308).run()
    assert session.names == sequence("tagBuild")
    assert session.arguments("host.tagBuild") == [((308, 1, 6), {"force": False, "fromtag": None})]
    assert session.arguments("host.tagNotification") == [((True, 1, None, 6, 1, True), {})]


def test_people_are_told_when_it_does_not_work(options: Any) -> None:
    session = hub(host_tagBuild=koji.TagError("build is already tagged"))
    with pytest.raises(koji.TagError, match="already tagged"):
        make_handler(TagBuildTask, "tagBuild", [1, 6], session, options, 308).run()
    (args, _more) = session.arguments("host.tagNotification")[0]
    assert args == (False, 1, None, 6, 1, False, "TagError: build is already tagged")


def test_the_cause_is_told_even_if_people_can_not_be(options: Any) -> None:
    session = hub(getBuild=koji.GenericError("No such build"), host_tagNotification=koji.GenericError("no"))
    with pytest.raises(koji.GenericError, match="No such build"):
        make_handler(TagBuildTask, "tagBuild", [1, 6], session, options, 308).run()
