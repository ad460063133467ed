"""ImageFactory in a process of its own: what it is asked, what it answers, and how it goes wrong."""

from __future__ import annotations

import json
import os
import signal
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any, Dict

import koji
import pytest
from koji.tasks import RefuseTask

from kojid.errors import HostFault
from kojid.plugins import surface
from kojid.sandbox import factory as standin
from kojid.system.process import CommandTimeout
from kojid.tasks import parts
from kojid.tasks.images import converters, factoryformats, factoryimage
from kojid.tasks.images.factory import OzImageTask
from kojid.tasks.images.factoryimage import BaseImageTask
from kojid.tasks.images.indirection import BuildIndirectionImageTask
from tests.support.faketask import REPO, TARGET, ScriptedSession, make_handler, task_options

REQUEST: Dict[str, Any] = {"base": {"template": "<template/>", "parameters": {}}, "targets": {}}
# A library of which a test says what its builder does.
LIBRARY = {
    "PluginManager": "class PluginManager:\n    def __init__(self, path): pass\n    def load(self): pass\n",
    "ApplicationConfiguration": "class ApplicationConfiguration:\n    def __init__(self, configuration): pass\n",
    "ReservationManager": "class ReservationManager:\n    MIN_PORT, MAX_PORT = 1025, 65535\n",
}


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a library on the path that does, for a base image, what is given: the body of a function of `image`."""
    top = tmp_path / "library"
    (top / "imgfac").mkdir(parents=True)
    (top / "imgfac" / "__init__.py").touch()
    for name, text in LIBRARY.items():
        (top / "imgfac" / f"{name}.py").write_text(text)
    monkeypatch.setattr(sys, "path", [str(top), *sys.path])

    def does(body: str) -> None:
        (top / "imgfac" / "BuildDispatcher.py").write_text(
            textwrap.dedent("""\
            import os, sys, threading, time, types
            waited_for = threading.Event()
            class Worker(threading.Thread):
                def join(self, timeout=None):
                    waited_for.set()
                    super().join(timeout)
            def work(image):
            {}
            class Plugin:
                def abort(self): open({!r}, "w").close()
            class BuildDispatcher:
                def builder_for_base_image(self, template, parameters):
                    image = types.SimpleNamespace(status="COMPLETE", status_detail=None, data="/d", icicle="<i/>",
                                                  identifier="1", parameters={{"libvirt_xml": "<x/>"}})
                    thread = Worker(target=work, args=(image,))
                    thread.start()
                    return types.SimpleNamespace(base_image=image, base_thread=thread, os_plugin=Plugin())
            """).format(textwrap.indent(body, "    "), str(tmp_path / "aborted"))
        )

    return does


def task(options: Any, cls: Any = OzImageTask, params: Any = (), **answers: Any) -> Any:
    made = type("Made", (cls,), {"Methods": ["createImage"]})
    return make_handler(made, "createImage", list(params), ScriptedSession(answers), options)


def test_what_was_made_is_answered(options: Any, library: Any) -> None:
    library("print('working', file=sys.stderr)")
    handler = task(options)
    answer = handler.run_factory(REQUEST, "oz-x.log")
    assert answer == {"base": {"data": "/d", "icicle": "<i/>", "libvirt_xml": "<x/>"}, "targets": {}}
    assert "working" in Path(handler.workdir, "oz-x.log").read_text()
    assert json.loads(Path(handler.workdir, "factory-request.json").read_text())["number"] == 305


def test_an_image_that_fails_is_told_and_its_machine_taken_down(options: Any, library: Any, tmp_path: Path) -> None:
    library("image.status, image.status_detail = 'FAILED', {'error': 'no tree'}")
    with pytest.raises(koji.ApplianceError, match=r"Image status is FAILED: no tree; see oz-x\.log"):
        task(options).run_factory(REQUEST, "oz-x.log")
    assert (tmp_path / "aborted").exists()


@pytest.mark.parametrize(
    ("detail", "fault"),
    [
        ("No disk activity in 300 seconds", "Automated install failed or prompted for input"),
        ("libvirt: Failed to connect socket to '/var/run/libvirt/libvirt-sock'", "see that libvirtd runs"),
    ],
)
def test_reasons_that_mean_something_else(options: Any, library: Any, detail: str, fault: str) -> None:
    library(f"image.status, image.status_detail = 'FAILED', {{'error': {detail!r}}}")
    with pytest.raises((koji.ApplianceError, HostFault)) as raised:
        task(options).run_factory(REQUEST, "oz-x.log")
    assert fault in f"{raised.value} {getattr(raised.value, 'remedy', '')}"


def test_a_crash_of_the_library_is_seen(options: Any, library: Any) -> None:
    library("print('about to go', file=sys.stderr); sys.stderr.flush(); os.abort()")
    with pytest.raises(koji.ApplianceError, match=r"(?s)signal.*see oz-x\.log.*about to go"):
        task(options).run_factory(REQUEST, "oz-x.log")


def test_a_library_that_can_not_be_set_up_is_the_hosts_fault(options: Any, library: Any, tmp_path: Path) -> None:
    library("pass")
    (tmp_path / "library/imgfac/PluginManager.py").write_text(
        "class PluginManager:\n    def __init__(self, path): raise Exception(f'Plugin path ({path}) does not exist!')\n"
    )
    with pytest.raises(HostFault, match=r"ImageFactory can't be used here: Plugin path \(/etc/imagefactory/plugins\.d"):
        task(options).run_factory(REQUEST, "oz-x.log")


def test_it_is_ended_when_its_time_is_up(tmp_path: Path, library: Any) -> None:
    library("time.sleep(600)")
    handler = task(task_options(tmp_path, oz_install_timeout=1, command_timeout=4))
    with pytest.raises(CommandTimeout):
        handler.run_factory(REQUEST, "oz-x.log")


def test_a_task_that_is_ended_takes_the_machine_down(
    options: Any, library: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library(f"waited_for.wait(); os.kill({os.getpid()}, {int(signal.SIGUSR1)}); time.sleep(600)")

    def end(*_signal: Any) -> None:
        raise SystemExit(0)

    assert threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGUSR1, end)
    try:
        with pytest.raises(SystemExit):
            task(options).run_factory(REQUEST, "oz-x.log")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert (tmp_path / "aborted").exists()


def test_screenshots(options: Any) -> None:
    handler = task(options)
    assert handler.getScreenshot() is None
    shots = Path(handler.workdir, "oz_screenshots")
    shots.mkdir()
    (shots / "a.ppm").touch()
    assert handler.getScreenshot() == str(shots / "a.ppm")
    (shots / "b.png").touch()
    assert handler.getScreenshot() == str(shots / "b.png")


def test_formats() -> None:
    assert factoryformats.wanted(None) == factoryformats.wanted([]) == ["raw"]
    assert factoryformats.wanted(["qcow2", "raw", "qcow2"]) == ["qcow2", "raw"]
    with pytest.raises(koji.ApplianceError, match="Invalid format: floppy"):
        factoryformats.wanted(["floppy"])
    assert len(factoryformats.FORMS) == 16


def test_parameters_of_the_form_are_fixed() -> None:
    given = {
        "factory_parameter": [["vsphere_ova_format", "mine"], ["ovf_name", "n"]],
        "ova_option": ["ovf_memory_mb=6144", "x=a=b"],
    }
    assert factoryformats.FORMS["vagrant-virtualbox"].steps(given) == [
        (target, {"ovf_memory_mb": "6144", "x": "a=b", "vsphere_ova_format": "vagrant-virtualbox", "ovf_name": "n"})
        for target in ("vsphere", "OVA")
    ]
    assert factoryformats.FORMS["docker"].steps({}) == [("docker", {"compress": "xz"})]


def test_a_converter_that_fails_fails_the_image_with_its_log(options: Any) -> None:
    handler = task(options)
    disk = factoryformats.Disk(handler, Path(handler.workdir, "no-such-disk"), "n-1-1.x86_64", "x86_64")
    convert = factoryformats.FORMS["raw-xz"].convert
    assert convert is not None
    with pytest.raises(koji.ApplianceError, match=r"cp exited with status 1.*see xz-cp-raw-xz-x86_64\.log"):
        convert(disk)


def test_the_users_kickstart_file_is_in_one_image_only() -> None:
    made = {arch: {"files": ["it.ks", f"{arch}.raw"]} for arch in ("x86_64", "aarch64")}
    factoryimage._once(made, "it.ks")
    assert [row["files"] for row in made.values()] == [["it.ks", "x86_64.raw"], ["aarch64.raw"]]


def test_a_form_needs_its_converter(options: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts.Part, "is_here", lambda part: part is not converters.MKSQUASHFS)
    asked = ["n", "1", "1", "x86_64", TARGET, 2, REPO, "tree"]
    task(options, BaseImageTask, [*asked, {"format": ["qcow2"]}]).require_parts()
    for nonsense in ([], ["x"], [{"format": 7}], [{"format": [["x"]]}]):
        task(options, BaseImageTask, [*asked, *nonsense]).require_parts()
    with pytest.raises(RefuseTask, match=r"needs mksquashfs.*install squashfs-tools"):
        task(options, BaseImageTask, [*asked, {"format": ["liveimg-squashfs"]}]).require_parts()


def test_indirection_needs_the_volume(options: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts.Part, "is_here", lambda _part: True)
    handler = task(options, BuildIndirectionImageTask, [{}])
    with pytest.raises(RefuseTask, match="needs the volume mounted"):
        handler.require_parts()
    Path(options.topdir, "work").mkdir()
    handler.require_parts()


def test_plugins_can_derive_from_the_base(options: Any) -> None:
    pytest.importorskip("pykickstart", reason="needs pykickstart, the extra images")
    base: Any = surface.lookup("OzImageTask")

    class Theirs(base):  # type: ignore[misc]
        Methods = ["theirs"]

    handler = task(options, Theirs)
    handler.opts, handler.arch = {"distro": "Fedora-40", "repo": "http://a/$arch,http://b"}, "x86_64"
    handler.target_info, handler.repo_info, handler.imgname = TARGET, REPO, "n-1-1.x86_64"
    path = Path(handler.workdir, "it.ks")
    path.write_text("repo --name=theirs --baseurl=http://c\n%packages\nbash\n%end\n")
    changed = handler.prepareKickstart(str(path), "http://tree")
    written = Path(handler.writeKickstart(changed, "new.ks")).read_text()
    assert "http://a/x86_64" in written and "koji-override-1" in written and "theirs" not in written
    assert "<arch>x86_64</arch>" in handler.makeTemplate("n", "http://tree")
    assert handler.parseDistro("RHEL-9.1") == ("RHEL-9", "1")


def test_the_stand_in_holds_to_the_configuration(options: Any) -> None:
    assert (standin.LIBRARY / "imgfac" / "BuildDispatcher.py").is_file()
    config = task(options).makeConfig()
    assert config["timeout"] is None and config["plugins"] == "/etc/imagefactory/plugins.d"
