"""What the hub tells of itself, and the calls that call others: echo, lists of methods, multiCall, filters."""

# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords

from __future__ import annotations

import inspect
import logging
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import koji

from kojid.sandbox.hub import queries
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, Method, export, fault, lookup

logger = logging.getLogger("kojid.sandbox.hub")


@export("echo", reads=True)
def echo(ctx: Context, *args: Any) -> List[Any]:  # noqa: ARG001
    """Its own arguments."""
    return list(args)


@export("hello", reads=True)
def hello(ctx: Context, *args: Any) -> str:  # noqa: ARG001
    """A greeting, for trying out a connection."""
    return "Hello World"


@export("getKojiVersion", reads=True)
def get_koji_version(ctx: Context) -> str:
    """The release of Koji whose hub this one speaks like."""
    return ctx.settings.version


@export("getAPIVersion", reads=True)
def get_api_version(ctx: Context) -> int:  # noqa: ARG001
    """The version of the calls."""
    return int(koji.API_VERSION)


@export("mavenEnabled", reads=True)
def maven_enabled(ctx: Context) -> bool:  # noqa: ARG001
    """Yes: Maven builds are made and imported, and wrapper packages built around them."""
    return True


@export("winEnabled", reads=True)
def win_enabled(ctx: Context) -> bool:  # noqa: ARG001
    """Yes: Windows builds can be imported, and wrapper packages built around them."""
    return True


@export("multiCall", own_transactions=True)
def multi_call(ctx: Context, calls: Sequence[Mapping[str, Any]]) -> List[Any]:
    """Make several calls in one request: for each [result], or {faultCode, faultString}.

    Each is a transaction of its own; one that fails does not undo or stop the others.
    """
    return [_part(ctx, call) for call in calls]


def _part(ctx: Context, call: Mapping[str, Any]) -> Any:
    name = str(call["methodName"])
    try:
        return [ctx.kernel.perform(ctx.request, ctx.session, name, call["params"])]
    except Exception as error:
        told = fault(error)
        logger.info("multiCall: %s failed: %s", name, told.faultString)
        return {"faultCode": told.faultCode, "faultString": told.faultString}


@export("system.multicall", own_transactions=True)
def system_multicall(ctx: Context, calls: Sequence[Mapping[str, Any]]) -> List[Any]:
    """As multiCall, under the name that XML-RPC libraries use."""
    return multi_call(ctx, calls)


@export("system.listMethods", reads=True)
def list_methods(ctx: Context) -> List[str]:
    """The names of all methods."""
    return ctx.kernel.names()


@export("system.methodHelp", reads=True)
def method_help(ctx: Context, method: str) -> str:
    """A method's arguments and what it does; empty for one that does not exist."""
    if method not in ctx.kernel.names():
        return ""
    known = ctx.kernel.known(method)
    about = inspect.getdoc(known.function)
    return f"{method}{_argdesc(known)}" + (f"\ndescription: {about}" if about else "")


@export("system.methodSignature", reads=True)
def method_signature(ctx: Context, method: str) -> str:  # noqa: ARG001
    """Types are not known here, which is what it says."""
    return "signatures not supported"


@export("_listapi", reads=True)
def list_api(ctx: Context) -> List[Row]:
    """All methods with their arguments and documentation (`koji list-api`)."""
    return [_described(ctx.kernel.known(name)) for name in ctx.kernel.names()]


def _parameters(method: Method) -> List[inspect.Parameter]:
    """A method's parameters as a caller sees them: without the context."""
    return list(method.signature.parameters.values())[1:]


def _argdesc(method: Method) -> str:
    shown = (item.replace(annotation=inspect.Parameter.empty) for item in _parameters(method))
    return f"({', '.join(str(item) for item in shown)})"


def _described(method: Method) -> Row:
    empty = inspect.Parameter.empty
    args: List[Any] = [
        item.name if item.default is empty else [item.name, item.default] for item in _parameters(method)
    ]
    return {
        "name": method.name,
        "doc": inspect.getdoc(method.function),
        "argspec": _argspec(method),
        "argdesc": _argdesc(method),
        "args": args,
    }


def _argspec(method: Method) -> List[Any]:
    """Names, *args, **kwargs and defaults, in the order in which Python's former getargspec gave them."""
    kinds: Dict[Any, List[inspect.Parameter]] = {}
    for item in _parameters(method):
        kinds.setdefault(item.kind, []).append(item)
    plain = kinds.get(inspect.Parameter.POSITIONAL_OR_KEYWORD, [])
    defaults = [item.default for item in plain if item.default is not inspect.Parameter.empty]
    star = kinds.get(inspect.Parameter.VAR_POSITIONAL)
    stars = kinds.get(inspect.Parameter.VAR_KEYWORD)
    return [
        [item.name for item in plain],
        star[0].name if star else None,
        stars[0].name if stars else None,
        defaults or None,
    ]


@export("count", reads=True)
def count(ctx: Context, methodName: str, *args: Any, **kw: Any) -> int:
    """How many items a method's answer has."""
    result = _reading(methodName)(ctx, *args, **kw)
    if result is None:
        return 0
    return len(result) if isinstance(result, (list, tuple, dict)) else 1


@export("filterResults", reads=True)
def filter_results(ctx: Context, methodName: str, *args: Any, **kw: Any) -> Optional[List[Row]]:
    """A method's list, ordered and cut by the keyword `filterOpts`: order, offset, limit."""
    return count_and_filter_results(ctx, methodName, *args, **kw)[1]


@export("countAndFilterResults", reads=True)
def count_and_filter_results(ctx: Context, methodName: str, *args: Any, **kw: Any) -> Tuple[int, Optional[List[Row]]]:
    """As filterResults, with the number of items before cutting.

    Raises:
        koji.GenericError: the method failed, or does not give a list.
    """
    opts = kw.pop("filterOpts", {})
    function = _reading(methodName)
    try:
        rows = function(ctx, *args, **kw)
    except Exception as error:
        raise koji.GenericError(f"method {methodName} raised an exception ({error})") from error
    if rows is None:
        return 0, None
    if not isinstance(rows, list):
        raise koji.GenericError(f"{methodName}() did not return a list")
    return len(rows), queries.apply(rows, opts)


def _reading(name: str) -> Any:
    """The function of a method that only reads: these calls are made inside a reader's transaction."""
    method = lookup(name)
    if not method.reads:
        raise koji.GenericError(f"method {name} can't be counted or filtered: it may write")
    return method.function
