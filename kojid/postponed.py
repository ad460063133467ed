"""Libraries that koji's library imports for everybody and that the daemon hardly ever uses: loaded at their first use.

What the daemon imports it keeps for as long as it runs, and each of its tasks has a share in that.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import sys
import warnings
from types import ModuleType
from typing import Any

# Kerberos, with all of cryptography behind it; a server of XML-RPC, which the hub's side of the library needs; and the
# guessing of encodings, for answers of a hub that are no XML.
LIBRARIES = ("requests_gssapi", "xmlrpc.server", "charset_normalizer")
# Of two that guess, requests takes either, and loads both.
_SUPERFLUOUS = "chardet"


class _Postponed(ModuleType):
    """Stands for a module until something is wanted of it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # who looks through the modules of a process wants nothing of this one
            raise AttributeError(name)
        return getattr(_load(self), name)


def _load(stand_in: ModuleType) -> ModuleType:
    """The module itself, which takes its place from now on; raises what importing it raises."""
    name = stand_in.__name__
    if sys.modules.get(name) is stand_in:
        del sys.modules[name]
    try:
        module = importlib.import_module(name)
    except BaseException:
        sys.modules[name] = stand_in
        raise
    stand_in.__dict__.update({key: value for key, value in vars(module).items() if not key.startswith("__")})
    return module


def postpone() -> None:
    """Have the libraries loaded at their first use, before koji is; those that are loaded or not installed stay so."""
    for name in LIBRARIES:
        spec = None if name in sys.modules else importlib.util.find_spec(name)
        if spec is None:
            continue
        stand_in = _Postponed(name)
        stand_in.__spec__ = spec
        stand_in.__file__ = spec.origin
        if spec.submodule_search_locations is not None:
            stand_in.__path__ = list(spec.submodule_search_locations)
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            stand_in.__version__ = importlib.metadata.version(name)  # type: ignore[attr-defined]
        sys.modules[name] = stand_in
    _import_requests()


def _import_requests() -> None:
    if _SUPERFLUOUS in sys.modules or not hasattr(sys.modules.get("charset_normalizer"), "__version__"):
        return
    sys.modules[_SUPERFLUOUS] = None  # type: ignore[assignment]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*doesn't match a supported version")
            importlib.import_module("requests")
    except Warning:
        # With the versions of Debian 12 requests wants the one that was to be left out: let it begin anew.
        for name in [name for name in sys.modules if name.partition(".")[0] == "requests"]:
            del sys.modules[name]
    finally:
        del sys.modules[_SUPERFLUOUS]
    importlib.import_module("requests")
