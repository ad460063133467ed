"""The names that plugins may take from the daemon's script, and the script loaded as a module (contract 10.2)."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import koji.daemon
import koji.tasks
import pytest

from kojid.plugins import loader, surface
from kojid.tasks import registry
from kojid.tasks.base import BaseTaskHandler

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "bin" / "kojid"


@pytest.mark.parametrize(
    "name",
    "BuildRoot BaseBuildTask BuildImageTask ImageTask SCM BaseTaskHandler MultiPlatformTask ServerExit"
    " ServerRestart RefuseTask BuildTask BuildArchTask RebuildSRPM NewRepoTask incremental_upload"
    " fast_incremental_upload log_output".split(),
)
def test_names_of_the_stock_script_are_there(name: str) -> None:
    assert surface.lookup(name) is surface.names()[name]


def test_every_stock_handler_that_is_built_goes_by_its_stock_name() -> None:
    handlers = registry.handlers()
    for name, value in surface.names().items():
        if isinstance(value, type) and name.endswith("Task") and value in handlers.values():
            assert value.__name__ == name


def test_what_is_not_built_is_told_from_what_never_was() -> None:
    assert surface.missing("OzImageTask") == "OzImageTask of the stock daemon is not built in this one"
    assert surface.missing("BuildRoot") == surface.missing("nonsense") == ""
    with pytest.raises(AttributeError, match="not built in this one"):
        surface.lookup("OzImageTask")
    with pytest.raises(AttributeError, match="no 'nonsense' for plugins"):
        surface.lookup("nonsense")


def test_a_plugin_that_takes_scm_from_the_library_gets_the_one_that_does_not_run_as_root() -> None:
    program = """
        import koji.daemon
        from kojid.plugins import surface
        from kojid.sources.scm import SCM
        surface.publish()
        assert koji.daemon.SCM is SCM
        class Own(koji.daemon.SCM):
            def __init__(self, url):
                super().__init__(url)
        assert Own("git://example.com/path#main").revision == "main"
        surface.publish()
        assert koji.daemon.SCM is SCM
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, cwd=ROOT)


class TestAdoption:
    class Plain(koji.tasks.BaseTaskHandler):  # type: ignore[misc]
        """A handler as plugins write it."""

        Methods = ["plain"]

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.mark = "own"

        def localPath(self, relpath: str) -> str:
            return "own path"

    def test_what_a_handler_leaves_to_the_librarys_base_ours_does(self) -> None:
        adopted = loader.adopt(self.Plain)
        assert issubclass(adopted, self.Plain) and issubclass(adopted, BaseTaskHandler)
        assert adopted.wait is BaseTaskHandler.wait and adopted.uploadFile is BaseTaskHandler.uploadFile
        assert (adopted.__name__, adopted.__module__) == ("Plain", __name__)
        assert adopted.Methods == ["plain"]

    def test_what_it_does_itself_stays(self, tmp_path: Path) -> None:
        handler = loader.adopt(self.Plain)(1, "plain", [], None, None, str(tmp_path))
        assert handler.mark == "own" and handler.localPath("x") == "own path"

    def test_handlers_on_our_base_and_classes_without_methods_are_left_alone(self) -> None:
        built_in = registry.handlers()["build"]
        assert loader.adopt(built_in) is built_in
        assert loader.adopt(koji.tasks.BaseTaskHandler) is koji.tasks.BaseTaskHandler

    def test_a_handler_on_the_librarys_multi_platform_base_is_adopted(self) -> None:
        kind = type("Multi", (koji.tasks.MultiPlatformTask,), {"Methods": ["multi"]})
        adopted = loader.adopt(kind)
        assert adopted.wait is BaseTaskHandler.wait
        assert adopted.buildWrapperRPM is koji.tasks.MultiPlatformTask.buildWrapperRPM


LOAD = {
    "executed in the package's own namespace": "m = L('kojid', path).load_module()",
    "registered in the package's place": "m = module('kojid'); sys.modules['kojid'] = m; m.__loader__.exec_module(m)",
    "not registered": "m = module('kojid'); m.__loader__.exec_module(m)",
    "under another name": "m = module('stock_kojid'); m.__loader__.exec_module(m)",
}


@pytest.mark.parametrize("before", ["", "import kojid.daemon.daemon"], ids=["alone", "in the daemon"])
@pytest.mark.parametrize("load", LOAD.values(), ids=LOAD)
def test_the_script_is_a_module_without_side_effects(before: str, load: str) -> None:
    text = f"""\
        import importlib.machinery, importlib.util, os, sys, threading, warnings
        warnings.simplefilter("ignore")
        sys.dont_write_bytecode = True
        {f"sys.path.insert(0, {str(ROOT)!r}); {before}" if before else ""}
        L, path = importlib.machinery.SourceFileLoader, {str(SCRIPT)!r}
        module = lambda name: importlib.util.module_from_spec(importlib.util.spec_from_loader(name, L(name, path)))
        found = list(sys.path), set(sys.modules), dict(os.environ), os.getcwd()
        {load}
        assert found == (list(sys.path), set(sys.modules) - {{m.__name__}} | ({{m.__name__}} & found[1]),
                         dict(os.environ), os.getcwd()) and threading.active_count() == 1
        assert m.incremental_upload.__module__ == "koji.daemon" and m.BuildRoot.__name__ == "BuildRoot"
        assert m.__version__ and not hasattr(m, "nonsense") and not hasattr(m, "OzImageTask")
        import kojid.cli.sandbox, kojid.errors
        from kojid import __version__, errors
        assert kojid.errors is errors is sys.modules["kojid.errors"]
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)], cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
