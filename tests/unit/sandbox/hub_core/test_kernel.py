from __future__ import annotations

import koji
import pytest

from kojid.sandbox.hub import kernel as kernel_module
from kojid.sandbox.hub.kernel import Context, Kernel, Request, export, fault
from tests.support.sandboxhub import Caller


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> str:
    """A method that writes and then fails."""
    monkeypatch.setattr(kernel_module, "METHODS", dict(kernel_module.METHODS))

    @export("test.failing")
    def failing(ctx: Context, after: bool = True) -> None:
        ctx.db.insert("channels", name="half-made")
        ctx.after_commit(lambda: pytest.fail("done although the call failed"))
        raise koji.BuildError("on purpose") if after else ZeroDivisionError("on purpose")

    return "test.failing"


def test_an_unknown_method_is_an_invalid_method(admin: Caller) -> None:
    with pytest.raises(koji.GenericError, match="^Invalid method: knit$") as caught:
        admin("knit")
    assert caught.value.faultCode == 1000


@pytest.mark.parametrize("arguments", [(), (1, 2, 3, 4)])
def test_wrong_arguments_are_a_parameter_error(admin: Caller, arguments: tuple[int, ...]) -> None:
    with pytest.raises(koji.ParameterError, match="getTaskInfo") as caught:
        admin("getTaskInfo", *arguments)
    assert caught.value.faultCode == 1019


def test_unknown_keywords_are_a_parameter_error(admin: Caller) -> None:
    with pytest.raises(koji.ParameterError, match="colour"):
        admin("getTaskInfo", 1, colour="red")


def test_what_a_failing_call_wrote_is_undone(admin: Caller, failing: str) -> None:
    with pytest.raises(koji.BuildError):
        admin(failing)
    assert admin("getChannel", "half-made") is None


def test_a_type_error_inside_a_method_is_not_taken_for_wrong_arguments(admin: Caller) -> None:
    with pytest.raises(koji.ParameterError, match="Invalid type for task id"):
        admin("getTaskInfo", None)


def test_koji_errors_keep_their_codes_and_others_are_code_1_with_the_traceback(admin: Caller, failing: str) -> None:
    assert fault(koji.AuthExpired("x")).faultCode == 1007
    with pytest.raises(ZeroDivisionError) as caught:
        admin(failing, after=False)
    told = fault(caught.value)
    assert told.faultCode == 1
    assert "Traceback" in told.faultString
    assert told.faultString.strip().endswith("ZeroDivisionError: on purpose")


def test_multicall_gives_results_and_faults_in_order(admin: Caller, failing: str) -> None:
    answer = admin(
        "multiCall",
        [
            {"methodName": "echo", "params": ["a", 1]},
            {"methodName": failing, "params": []},
            {"methodName": "addChannel", "params": ["kept"]},
            {"methodName": "nothing", "params": []},
            {"methodName": "getChannel", "params": ["kept", {"strict": True, "__starstar": True}]},
        ],
    )
    assert answer[0] == [["a", 1]]
    assert answer[1] == {"faultCode": 1005, "faultString": "on purpose"}
    assert answer[3]["faultCode"] == 1000
    assert answer[4][0]["name"] == "kept"
    assert admin("getChannel", "half-made") is None


def test_an_anonymous_caller_may_look_and_not_touch(kernel: Kernel) -> None:
    assert kernel.call(Request(), "hello") == "Hello World"
    assert kernel.call(Request(), "getLoggedInUser") is None
    with pytest.raises(koji.ActionNotAllowed):
        kernel.call(Request(), "addChannel", ("x",))
    with pytest.raises(koji.AuthError):
        kernel.call(Request(), "host.getID")


def test_events_are_made_once_a_call(admin: Caller) -> None:
    before = admin("getLastEvent")["id"]
    admin("addHost", "another", ["x86_64"])
    last = admin("getLastEvent")
    assert last["id"] == before + 1
    assert admin("getEvent", last["id"]) == last
    assert admin("getLastEvent", before=last["ts"])["id"] == before
    assert admin("getLastEvent", before=1, strict=False) is None


def test_the_list_of_methods_tells_arguments_without_the_context(admin: Caller) -> None:
    methods = {entry["name"]: entry for entry in admin("_listapi")}
    assert methods["getTaskInfo"]["argdesc"] == "(task_id, request=False, strict=False)"
    assert methods["getTaskInfo"]["args"] == ["task_id", ["request", False], ["strict", False]]
    assert set(methods) == set(admin("system.listMethods"))
    assert admin("system.methodHelp", "hello").startswith("hello(*args)\ndescription: ")
    assert admin("system.methodHelp", "nothing") == ""


def test_lists_are_counted_ordered_and_cut(admin: Caller) -> None:
    names = sorted(channel["name"] for channel in admin("listChannels"))
    total, page = admin("countAndFilterResults", "listChannels", filterOpts={"order": "-name", "limit": 2})
    assert total == len(names)
    assert [channel["name"] for channel in page] == names[:-3:-1]
    assert admin("count", "listChannels") == total
    with pytest.raises(koji.GenericError, match="may write"):
        admin("filterResults", "addChannel", "x")
