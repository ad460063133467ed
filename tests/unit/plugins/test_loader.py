"""Plugins: what they add, what they may import, and what happens when one does not load (contract 10)."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import koji.plugin
import koji.tasks
import pytest

from kojid.config.options import Options
from kojid.errors import ConfigError
from kojid.plugins import loader
from kojid.tasks import registry


@pytest.fixture(autouse=True)
def _forget_plugins() -> Iterator[None]:
    modules, names = set(sys.modules), set(vars(sys.modules["__main__"]))
    callbacks = {kind: list(functions) for kind, functions in koji.plugin.callbacks.items()}
    yield
    for name in set(sys.modules) - modules:
        if name.startswith("_koji_plugin__"):
            del sys.modules[name]
    for name in set(vars(sys.modules["__main__"])) - names:
        delattr(sys.modules["__main__"], name)
    koji.plugin.callbacks.update(callbacks)


def write(directory: Path, name: str, text: str) -> None:
    directory.joinpath(f"{name}.py").write_text(text)


def test_without_plugins_the_built_in_handlers_are_all() -> None:
    builtin = registry.handlers()
    assert loader.load(builtin, [], "/nowhere") == builtin


def test_a_handler_of_a_plugin_is_added_and_a_later_one_overrides(tmp_path: Path) -> None:
    text = "import koji.tasks\nclass T(koji.tasks.BaseTaskHandler):\n    Methods = {}\n    mark = {!r}\n"
    write(tmp_path, "first", text.format(["newMethod", "sleep"], "first"))
    write(tmp_path, "second", text.format(["newMethod"], "second"))
    handlers = loader.load(registry.handlers(), ["first", "second"], f"/nowhere:{tmp_path}")
    assert handlers["newMethod"].mark == "second"
    assert handlers["sleep"].mark == "first"
    assert "build" in handlers


def test_names_of_the_stock_script_can_be_imported_from_main(tmp_path: Path) -> None:
    write(
        tmp_path,
        "styled",
        "from __main__ import BaseBuildTask, BuildRoot, SCM\n"
        "class Own(BaseBuildTask):\n    Methods = ['own']\n    root = BuildRoot\n    scm = SCM\n",
    )
    own = loader.load({}, ["styled"], str(tmp_path))["own"]
    assert issubclass(own, koji.tasks.BaseTaskHandler)
    assert own.root.__name__ == "BuildRoot"


def test_callbacks_are_registered_for_every_kind_that_they_name(tmp_path: Path) -> None:
    write(
        tmp_path,
        "echo",
        "from koji.plugin import callback, callbacks\n"
        "@callback(*callbacks.keys())\ndef echo(cbtype, *a, **k):\n    pass\n",
    )
    loader.load({}, ["echo"], str(tmp_path))
    assert all(any(f.__name__ == "echo" for f in functions) for functions in koji.plugin.callbacks.values())


@pytest.mark.parametrize(
    "text", ["raise RuntimeError('broken inside')\n", "from __main__ import NoSuchName\n", "this is no python\n"]
)
def test_a_plugin_that_does_not_load_stops_the_start(tmp_path: Path, text: str) -> None:
    write(tmp_path, "bad", text)
    with pytest.raises(ConfigError, match="Loading plugin bad failed") as caught:
        loader.load({}, ["bad"], str(tmp_path))
    assert str(tmp_path) in caught.value.hint


def test_a_missing_plugin_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Loading plugin absent failed"):
        loader.load({}, ["absent"], str(tmp_path))


_HANDLER = "import koji.tasks\nclass T(koji.tasks.BaseTaskHandler):\n    Methods = ['runroot']\n    mark = {!r}\n"


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "shipped"
    directory.mkdir()
    monkeypatch.setattr(loader, "SHIPPED", directory)
    write(directory, "runroot", _HANDLER.format("shipped") + "def check(options):\n    options.checked = True\n")
    return directory


def test_a_plugin_that_ships_is_found_without_a_pluginpath_and_its_configuration_checked(
    shipped: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = Options()
    with caplog.at_level(logging.INFO, "koji.plugin"):
        assert loader.load({}, ["runroot"], "/nowhere", options)["runroot"].mark == "shipped"
    assert options.checked is True
    assert f"Plugin runroot is {shipped}/runroot.py" in caplog.text


def test_the_plugins_that_ship_add_the_methods_of_the_stock_ones(tmp_path: Path) -> None:
    options = Options({"plugin_config_dir": str(tmp_path)})
    found = loader.load({}, ["runroot", "save_failed_tree", "kiwi", "dud", "scmpolicy"], "/nowhere", options)
    assert sorted(found) == ["createDudIso", "createKiwiImage", "dudBuild", "kiwiBuild", "runroot", "saveFailedTree"]
    assert [found[one].__name__ for one in ("kiwiBuild", "createKiwiImage")] == ["KiwiBuildTask", "KiwiCreateImageTask"]
    assert [found[one].__name__ for one in ("dudBuild", "createDudIso")] == ["DudBuildTask", "DudCreateImageTask"]
    assert {one: found[one]._taskWeight for one in ("kiwiBuild", "createKiwiImage", "dudBuild", "createDudIso")} == {
        "kiwiBuild": 4.0, "createKiwiImage": 2.0, "dudBuild": 1.0, "createDudIso": 1.0,
    }  # fmt: skip


def test_the_configurations_of_loaded_plugins_can_be_looked_at_again(shipped: Path) -> None:
    loader.load({}, ["runroot"], "/nowhere")
    options = Options({"plugin": ["runroot", "not_loaded"]})
    loader.recheck(options)
    assert options.checked is True


def test_a_sites_own_plugin_takes_the_place_of_one_that_ships(
    shipped: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "runroot", _HANDLER.format("own") + "def check():\n    raise RuntimeError('not the daemon\\'s')\n")
    with caplog.at_level(logging.INFO, "koji.plugin"):
        assert loader.load({}, ["runroot"], f"/nowhere:{tmp_path}", Options())["runroot"].mark == "own"
    assert f"Plugin runroot is {tmp_path}/runroot.py" in caplog.text
