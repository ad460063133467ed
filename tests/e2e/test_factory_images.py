"""Images that ImageFactory installs, asked for with the real client; converters are the real ones.

ImageFactory's stand-in holds the builder to the library's calls and values, and leaves what the real one leaves.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import tarfile
from pathlib import Path
from typing import Any, Dict, Iterator, Set
from xml.etree import ElementTree

import koji
import pytest

from kojid.sandbox.layout import BUILDER
from tests.support import factoryscene
from tests.support.factoryscene import PLUGINS, TREE, kickstart
from tests.support.imagescene import ARCH, BARE_ARCH, BUILD_TAG, TARGET, built
from tests.support.sandbox import Daemon, Sandbox, wait_for
from tests.support.shopgit import GitShop

pytestmark = [pytest.mark.root, pytest.mark.e2e]
pytest.importorskip("pykickstart", reason="needs pykickstart, the extra images")

DISTRO = "--distro=RHEL-9.4"


@pytest.fixture(scope="module")
def studio(shop: Sandbox) -> Sandbox:
    """A sandbox whose builder makes images."""
    factoryscene.furnish(shop, "disk", "live", "merged", allowed_scms="127.0.0.1*:/shop/*:no:")
    return shop


def ask(box: Sandbox, *arguments: str, fails: bool = False, command: str = "image-build") -> int:
    """Have the client ask for an image, and wait for it; returns the task."""
    # the client itself would look every minute after one of these commands
    said = box.koji(command, "--nowait", "--noprogress", *arguments).stdout
    found = re.search(r"Created task: (\d+)", said)
    assert found, said
    task = int(found[1])
    box.failed(task, 300) if fails else box.closed(task, 300)
    return task


def created(box: Sandbox, task: int, arch: str) -> Dict[str, Any]:
    """The subtask for an arch."""
    return next(row for row in box.admin.getTaskChildren(task, request=True) if row["label"] == arch)


def info(path: Path) -> Dict[str, Any]:
    """What qemu-img says of a disk."""
    argv = ["qemu-img", "info", "--output=json", str(path)]
    found: Dict[str, Any] = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    return found


@pytest.fixture(scope="module")
def disk(studio: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Any]:
    """A finished build of several forms, with an optional arch that fails; the task's id as `task_id`."""
    path = kickstart(tmp_path_factory.mktemp("ks"), "disk.ks")
    task = ask(studio, "--kickstart", str(path), DISTRO, "--disk-size=5", "--format=qcow2", "--format=docker",
               "--format=raw-xz", "--format=vpc", "--format=rhevm-ova", "--ova-option=ovf_memory_mb=512",
               "--factory-parameter", "ovf_cpu_count", "3", "--factory-parameter", "install_script", "mine",
               "--can-fail", BARE_ARCH, "disk", "1.0", TARGET, TREE, ARCH, BARE_ARCH)  # fmt: skip
    assert studio.admin.getTaskResult(task).startswith("image build results in: ")
    return {**built(studio, "disk-1.0-1"), "task_id": task}


def test_images_of_several_forms_are_built_imported_and_tagged(studio: Sandbox, disk: Dict[str, Any]) -> None:
    child = created(studio, disk["task_id"], ARCH)
    stem = f"disk-1.0-1.{ARCH}"
    images = {f"{stem}.{end}" for end in ("qcow2", "tar.xz", "raw.xz", "vhd", "rhevm.ova")}
    machines = {f"libvirt-{form}-{ARCH}.xml" for form in ("qcow2", "raw-xz", "vpc", "rhevm-ova")}
    texts = {"disk.ks", f"koji-{BUILD_TAG}-{child['id']}-base.ks", f"tdl-{ARCH}.xml"}
    assert set(disk["archives"]) == images | machines | texts
    assert {f"oz-{ARCH}.log", f"qemu-img-qcow2-{ARCH}.log", f"xz-raw-xz-{ARCH}.log"} <= disk["logs"]
    top = studio.build_dir(disk) / "images"
    assert info(top / f"{stem}.qcow2")["format-specific"]["data"]["compat"] == "0.10"
    assert info(top / f"{stem}.vhd")["format"] == "vpc"
    raw = subprocess.run(["xz", "-dc", str(top / f"{stem}.raw.xz")], check=True, capture_output=True).stdout
    assert raw[510:512] == b"\x55\xaa" and b"bash," in raw


def test_an_images_packages_are_told_to_the_hub(studio: Sandbox, disk: Dict[str, Any]) -> None:
    image = disk["archives"][f"disk-1.0-1.{ARCH}.qcow2"]
    assert {row["name"] for row in studio.admin.listRPMs(imageID=image["id"])} == {"bash", "grep"}
    result = studio.admin.getTaskResult(created(studio, disk["task_id"], ARCH)["id"])
    assert all(len(rpm["payloadhash"]) == 32 and rpm["epoch"] is None for rpm in result["rpmlist"])


def test_the_kickstart_file_gets_tree_and_repository(studio: Sandbox, disk: Dict[str, Any]) -> None:
    child = created(studio, disk["task_id"], ARCH)["id"]
    used = studio.log(child, f"koji-{BUILD_TAG}-{child}-base.ks")
    assert f'url --url="{TREE.replace("$arch", ARCH)}"' in used and "theirs" not in used
    assert f"/repos/{BUILD_TAG}/" in used and '--name="koji-override-0"' in used
    template = ElementTree.fromstring(studio.log(child, f"tdl-{ARCH}.xml"))
    assert [template.findtext(path) for path in ("os/name", "os/version", "disk/size")] == ["RHEL-9", "4", "5"]


def test_a_machine_is_described_with_the_image_as_it_is_called(studio: Sandbox, disk: Dict[str, Any]) -> None:
    child = created(studio, disk["task_id"], ARCH)["id"]
    top = ElementTree.fromstring(studio.log(child, f"libvirt-vpc-{ARCH}.xml"))
    (source,) = (one.get("file") for one in top.iter("source") if one.get("file"))
    assert (top.findtext("name"), source) == (f"disk-1.0-1.{ARCH}", f"disk-1.0-1.{ARCH}.vhd")
    other = ElementTree.fromstring(studio.log(child, f"libvirt-raw-xz-{ARCH}.xml")).find("devices/disk/driver")
    assert other is not None and "raw-xz" in other.get("type-warning", "")


def test_parameters_reach_imagefactory_but_not_those_that_are_fixed(studio: Sandbox, disk: Dict[str, Any]) -> None:
    with tarfile.open(studio.build_dir(disk) / "images" / f"disk-1.0-1.{ARCH}.rhevm.ova") as ova:
        described = ova.extractfile("desc.ovf")
        assert described is not None
        assert b"ovf_cpu_count=3\n" in (text := described.read()) and b"ovf_memory_mb=512\n" in text


def test_an_optional_arch_may_fail(studio: Sandbox, disk: Dict[str, Any]) -> None:
    child = created(studio, disk["task_id"], BARE_ARCH)
    fault = studio.failed(child["id"])
    assert isinstance(fault, koji.ApplianceError) and "Automated install failed or prompted for input" in str(fault)
    files = studio.admin.listTaskOutput(child["id"])
    assert {"screenshot.ppm", f"oz-{BARE_ARCH}.log"} <= set(files)
    assert "no package bash" in studio.log(child["id"], f"oz-{BARE_ARCH}.log")


def test_a_package_that_is_not_there_fails_the_build(studio: Sandbox, tmp_path: Path) -> None:
    task = ask(studio, "--kickstart", str(kickstart(tmp_path, "wrong.ks", "nonesuch")), DISTRO, "--release=7",
               "disk", "2.0", TARGET, TREE, ARCH, fails=True)  # fmt: skip
    assert isinstance(studio.failed(task), koji.ApplianceError)
    assert koji.BUILD_STATES[studio.admin.getBuild("disk-2.0-7")["state"]] == "FAILED"


def test_no_arch_left_is_a_failure(studio: Sandbox, tmp_path: Path) -> None:
    task = ask(studio, "--kickstart", str(kickstart(tmp_path, "x.ks")), DISTRO, "--scratch", "--can-fail", BARE_ARCH,
               "disk", "3.0", TARGET, TREE, BARE_ARCH, fails=True)  # fmt: skip
    assert "all subtasks failed" in str(studio.failed(task))


WRONG = {
    "Invalid format: floppy": ["disk", "4", [ARCH], TARGET, TREE, {"format": ["floppy"]}],
    "Unknown or unsupported distro given: BeOS-5": ["disk", "4", [ARCH], TARGET, TREE, {"distro": "BeOS-5"}],
    "noverifyssl option is not enabled": ["disk", "4", [ARCH], TARGET, TREE, {"noverifyssl": True}],
    "Invalid disk_size": ["disk", "4", [ARCH], TARGET, TREE, {"disk_size": "</size>"}],
    "Invalid ova_option": ["disk", "4", [ARCH], TARGET, TREE, {"format": ["rhevm-ova"], "ova_option": ["x"]}],
    "The Version may not have a hyphen": ["disk", "4-1", [ARCH], TARGET, TREE, {}],
    "Invalid arch for build tag": ["disk", "4", ["s390x"], TARGET, TREE, {}],
}


def test_a_request_that_makes_no_sense_is_the_askers_fault(studio: Sandbox, tmp_path: Path) -> None:
    below = studio.upload(kickstart(tmp_path, "fine.ks"))
    tasks: Dict[str, int] = {}
    for words, (*first, opts) in WRONG.items():
        asked = {"scratch": True, "kickstart": f"work/{below}", "distro": "Fedora-40", **opts}
        tasks[words] = studio.admin.buildImageOz(*first, asked)
    for words, task in tasks.items():
        assert words in str(studio.failed(task)), words


def test_a_scratch_image_from_version_control(studio: Sandbox, tmp_path: Path) -> None:
    with GitShop.serving(studio.layout.dir / "kickstarts") as served:
        text = kickstart(tmp_path, "main.ks").read_text().replace("grep", "%include more.ks")
        url = served.put("kickstarts", {"main.ks": text, "more.ks": "sed\n"})
        task = ask(studio, "--ksurl", url, "--kickstart", "somewhere/main.ks", "--distro=Fedora-40", "--scratch",
                   "--format=liveimg-squashfs", "--format=tar-gz", "--format=vagrant-virtualbox", "--format=raw",
                   "live", "1", TARGET, TREE, ARCH)  # fmt: skip
    child = studio.child(task, "createImage")["id"]
    home = Path(studio.layout.paths.scratch()) / "admin" / f"task_{child}"
    stem = f"live-1-1.{ARCH}"
    ends = ("liveimg.squashfs", "tar.gz", "vagrant-virtualbox.box", "raw")
    assert {f"{stem}.{end}" for end in ends} | {"main.ks", f"checkout-{ARCH}.log"} <= {
        path.name for path in home.iterdir()
    }
    with tarfile.open(home / f"{stem}.tar.gz") as archive:
        assert archive.getnames() == ["disk.raw"]
    listed = subprocess.run(["unsquashfs", "-l", str(home / f"{stem}.liveimg.squashfs")], check=True,
                            capture_output=True, text=True).stdout  # fmt: skip
    assert "LiveOS/rootfs.img" in listed
    assert b"sed," in (home / f"{stem}.raw").read_bytes()
    assert studio.admin.getTaskResult(child)["rpmlist"] == []


def drivers(box: Sandbox, task: int) -> Set[int]:
    """The processes that run ImageFactory for a task of this sandbox."""
    words = (b"kojid.tasks.images.factorydriver", str(box.layout.dir).encode(), f"/{task}/".encode())
    found: Set[int] = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes()
            if all(word in line for word in words):
                found.add(int(path.parent.name))
    return found


def test_imagefactory_ends_with_a_canceled_task(studio: Sandbox, tmp_path: Path) -> None:
    below = studio.upload(kickstart(tmp_path, "mute.ks"))
    with socket.create_server(("127.0.0.1", 0)) as mute:  # a repository that never answers
        repo = f"http://127.0.0.1:{mute.getsockname()[1]}/"
        opts = {"scratch": True, "distro": "Fedora-40", "repo": [repo], "kickstart": f"work/{below}"}
        task = studio.admin.buildImageOz("disk", "5", [ARCH], TARGET, TREE, opts)
        child = wait_for(lambda: studio.admin.getTaskChildren(task), 90, "no subtask")[0]["id"]
        mute.settimeout(120)
        asking, _peer = mute.accept()  # the installation is under way
        with asking:
            assert drivers(studio, child)
            studio.admin.cancelTask(task)
            assert studio.finish(child)["state"] == "CANCELED"
            wait_for(lambda: not drivers(studio, child), 90, "ImageFactory goes on")


TEMPLATE = (
    "<template><commands><command name='work'>cp /input_image.raw /out/merged.raw</command></commands></template>"
)


def merged(box: Sandbox, opts: Dict[str, Any]) -> Dict[str, Any]:
    common = {"target": TARGET, "name": "merged", "version": "1", "release": "1", "arch": ARCH, "skip_tag": None}
    return {**common, "indirection_template": "t.xml", "results_loc": "out/merged.raw", **opts}


def test_an_image_is_made_of_two_others(studio: Sandbox, disk: Dict[str, Any]) -> None:
    source = created(studio, disk["task_id"], ARCH)["id"]
    with GitShop.serving(studio.layout.dir / "templates") as served:
        url = served.put("templates", {"work.tdl": TEMPLATE})
        task = ask(studio, "--name=merged", "--version=1", f"--arch={ARCH}", f"--target={TARGET}",
                   "--base-image-build=disk-1.0-1", f"--utility-image-task={source}",
                   "--indirection-template=work.tdl", f"--indirection-template-url={url}",
                   "--results-loc=out/merged.raw", command="image-build-indirection")  # fmt: skip
    build = built(studio, "merged-1-1")
    assert list(build["archives"]) == ["merged.raw"]
    assert {"oz-indirection.log", "checkout.log"} <= build["logs"]
    assert info(studio.build_dir(build) / "images" / "merged.raw")["format"] == "qcow2"
    assert studio.child(task, "tagBuild")["label"] == "tag"


def test_a_scratch_image_of_two_others_that_fails_shows_the_log(
    studio: Sandbox, disk: Dict[str, Any], tmp_path: Path
) -> None:
    source = created(studio, disk["task_id"], ARCH)["id"]
    (tmp_path / "work.tdl").write_text(TEMPLATE.replace("/out", "/elsewhere"))
    task = ask(studio, "--name=merged", "--version=2", f"--arch={ARCH}", f"--target={TARGET}", "--scratch",
               f"--base-image-task={source}", f"--utility-image-task={source}",
               f"--indirection-template={tmp_path / 'work.tdl'}", "--results-loc=/out/merged.raw",
               command="image-build-indirection", fails=True)  # fmt: skip
    fault = studio.failed(task)
    assert isinstance(fault, koji.ApplianceError) and "nothing is at /out/merged.raw" in str(fault)
    assert "indirection" in studio.log(task, "oz-indirection.log")


def test_images_that_can_not_be_used_are_named(studio: Sandbox, disk: Dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "t.xml"
    path.write_text(TEMPLATE)
    given = {"indirection_template": f"work/{studio.upload(path)}", "scratch": True}
    parent = disk["task_id"]
    asked = {
        "the option results_loc is missing": {"results_loc": None},
        "neither base_image_build nor base_image_task": {},
        "Could not find build for (none-1-1)": {"base_image_build": "none-1-1"},
        "Input task method must be 'createImage'": {"base_image_task": parent},
        "there is no task 999999": {"base_image_task": 999999},
    }
    tasks = {
        words: studio.admin.buildImageIndirection(merged(studio, {**given, **opts})) for words, opts in asked.items()
    }
    for words, task in tasks.items():
        assert words in str(studio.failed(task)), words


@pytest.fixture
def bare(studio: Sandbox, request: pytest.FixtureRequest) -> Iterator[Daemon]:
    """A host that lacks something, as the test says, and gets the tasks of a channel of its own."""
    name, options = request.param
    lacking = studio.daemon(name, pluginpath=str(PLUGINS), **options)
    studio.admin.editHost(lacking.host, arches=f"{ARCH} {BARE_ARCH}", capacity=100.0)
    lacking.start()
    yield lacking
    lacking.stop()


def refused(box: Sandbox, daemon: Daemon, words: str, *tasks: int) -> None:
    """Wait until a daemon has refused tasks for a reason, and have the other one take them."""
    wait_for(lambda: all(daemon.lines(rf"Refusing task {task}: .*{words}") for task in tasks), 120, daemon.log[-3000:])
    assert all(box.state(task) in ("FREE", "ASSIGNED") for task in tasks)
    box.admin.addHostToChannel(BUILDER, daemon.host)
    for task in tasks:
        box.failed(task)  # the other host has begun them: there are no such parameters, and no such file
        assert box.admin.getTaskInfo(task)["host_id"] == box.admin.getHost(BUILDER)["id"]


@pytest.mark.parametrize("bare", [("lacking", {"plugin": ""})], indirect=True)
def test_a_host_without_the_library_leaves_the_tasks_to_another(studio: Sandbox, bare: Daemon) -> None:
    asked = {"image": "x", "createImage": "x", "indirectionimage": {}}
    tasks = [studio.task(method, words, channel=bare.host) for method, words in asked.items()]
    refused(studio, bare, "needs imgfac, oz, not installed here; install imagefactory", *tasks)


@pytest.mark.parametrize(
    "bare", [("unmounted", {"plugin": "withimagefactory", "topdir": "/nonexistent"})], indirect=True
)
def test_a_host_without_the_volume_leaves_indirection_to_another(studio: Sandbox, bare: Daemon) -> None:
    refused(studio, bare, "needs the volume mounted", studio.task("indirectionimage", {}, channel=bare.host))
