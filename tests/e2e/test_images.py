"""Images that tools make in buildroots: live CDs, appliances and live media, asked for with the real client.

The tools are stand-ins that hold the builder to the documented command line and leave what the real ones leave.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterator

import koji
import pytest

from kojid.sandbox import content
from kojid.sandbox.layout import BUILDER
from tests.support import imagescene
from tests.support.imagescene import ARCH, BARE_ARCH, TAG, TARGET, built, kickstart
from tests.support.sandbox import Daemon, Sandbox, wait_for
from tests.support.shopgit import GitShop

pytestmark = [pytest.mark.root, pytest.mark.e2e]
pytest.importorskip("pykickstart", reason="needs pykickstart, the extra images")

WRAPPER = """\
Name: $name-wrapper
Version: $version
Release: $release
Summary: Wraps an image
License: LGPL-2.1-or-later
BuildArch: noarch

%description
Wraps $all_artifacts[0]

%files
"""


@pytest.fixture(scope="module")
def studio(shop: Sandbox) -> Sandbox:
    """A sandbox whose builder makes images."""
    shop.daemon(BUILDER, allowed_scms="127.0.0.1*:/shop/*:no:", maxjobs=20).start()
    imagescene.furnish(shop, BUILDER)
    content.add_packages(shop.admin, TAG, ["disc", "box", "media"])
    return shop


@pytest.fixture(scope="module")
def sources(studio: Sandbox) -> Iterator[GitShop]:
    with GitShop.serving(studio.layout.dir / "sources") as served:
        yield served


def spin(box: Sandbox, kind: str, *arguments: str, fails: bool = False) -> str:
    """Have the client ask for an image and wait for it; returns what it has printed."""
    done = box.koji(f"spin-{kind}", "--wait", "--noprogress", *arguments, check=not fails, timeout=300)
    if fails:
        assert done.returncode != 0, done.stdout
    return done.stdout + done.stderr


def task_of(said: str) -> int:
    found = re.search(r"Created task: (\d+)", said)
    assert found, said
    return int(found.group(1))


def test_a_live_cd_is_built_imported_and_tagged(studio: Sandbox, tmp_path: Path) -> None:
    said = spin(studio, "livecd", "disc", "1.0", TARGET, ARCH, str(kickstart(tmp_path, "disc.ks")))

    build = built(studio, "disc-1.0-1")
    assert list(build["archives"]) == ["disc-1.0-1.iso"]
    image = studio.admin.getArchive(build["archives"]["disc-1.0-1.iso"]["id"], strict=True)
    assert image["arch"] == ARCH and image["type_name"] == "iso"
    assert {row["name"] for row in studio.admin.listRPMs(imageID=image["id"])} == {"bash", "grep"}
    assert {"livecd.log", "manifest.log", "root.log", "mock_output.log"} <= build["logs"]
    child = studio.child(task_of(said), "createLiveCD")
    assert (child["label"], child["arch"]) == ("livecd", ARCH)
    result = studio.admin.getTaskResult(child["id"])
    assert result["rootdev"] is None and result["release"] == "1"
    assert all(len(rpm["payloadhash"]) == 32 and rpm["size"] > 1000 for rpm in result["rpmlist"])
    manifest = studio.admin.downloadTaskOutput(child["id"], "disc.ks").decode()
    assert "theirs" in manifest
    used = studio.log(child["id"], f"koji-image-img-build-{child['id']}.ks")
    assert "theirs" not in used and "/repos/img-build/" in used
    assert koji.BR_STATES[studio.admin.listBuildroots(taskID=child["id"])[0]["state"]] == "EXPIRED"


def test_the_list_of_a_live_cds_files_is_a_log_of_the_build(studio: Sandbox) -> None:
    home = studio.build_dir(studio.admin.getBuild("disc-1.0-1", strict=True))
    (manifest,) = home.rglob("manifest.log")
    text = manifest.read_text()
    assert "Volume ID: disc-1.0-1\n" in text
    assert "   /LiveOS/squashfs.img\n" in text and "   /isolinux/isolinux.cfg\n" in text


def test_a_scratch_live_cd_is_put_aside(studio: Sandbox, tmp_path: Path) -> None:
    said = spin(studio, "livecd", "--scratch", "--volid", "MINE", "aside", "7", TARGET, ARCH,
                str(kickstart(tmp_path, "aside.ks")))  # fmt: skip
    child = studio.child(task_of(said), "createLiveCD")["id"]
    home = Path(studio.layout.paths.scratch()) / "admin" / f"task_{child}"
    names = {path.name for path in home.iterdir()}
    assert {"aside-7-1.iso", "aside.ks", "livecd.log", "manifest.log"} <= names
    assert "Volume ID: MINE\n" in (home / "manifest.log").read_text()
    assert studio.admin.getBuild("aside-7-1") is None
    assert studio.admin.getTaskResult(task_of(said)).startswith("Scratch livecd build results in: ")


def test_a_live_cd_with_a_package_that_is_not_there_fails_with_the_log(studio: Sandbox, tmp_path: Path) -> None:
    wrong = kickstart(tmp_path, "wrong.ks", ["bash", "nonesuch"])
    said = spin(studio, "livecd", "disc", "2.0", TARGET, ARCH, str(wrong), fails=True)
    fault = studio.failed(studio.child(task_of(said), "createLiveCD")["id"])
    assert isinstance(fault, koji.LiveCDError)
    assert "Could not create LiveCD: livecd-creator exited with status 1; see root.log or livecd.log" in str(fault)
    assert "no package nonesuch in the repositories" in str(fault)
    assert koji.BUILD_STATES[studio.admin.getBuild("disc-2.0-1")["state"]] == "FAILED"
    assert isinstance(studio.failed(task_of(said)), koji.LiveCDError)


def test_an_image_that_the_tag_does_not_list_is_the_askers_fault(studio: Sandbox, tmp_path: Path) -> None:
    said = spin(studio, "livecd", "unlisted", "1", TARGET, ARCH, str(kickstart(tmp_path, "u.ks")), fails=True)
    assert "package (image) unlisted not in list for tag img" in str(studio.failed(task_of(said)))


def test_an_appliance_is_built_with_the_machine_that_was_asked_for(studio: Sandbox, tmp_path: Path) -> None:
    said = spin(studio, "appliance", "--vmem", "256", "--vcpu", "2", "--release", "5", "box", "3", TARGET, ARCH,
                str(kickstart(tmp_path, "box.ks", disk="sdb")))  # fmt: skip
    build = built(studio, "box-3-5")
    assert set(build["archives"]) == {"box-3-5-sdb.raw", "box-3-5.xml"}
    assert {"appliance.log", "root.log"} <= build["logs"]
    child = studio.child(task_of(said), "createAppliance")
    assert child["label"] == "appliance"
    result = studio.admin.getTaskResult(child["id"])
    assert result["rootdev"] == "sdb" and {rpm["name"] for rpm in result["rpmlist"]} == {"bash", "grep"}
    description = (studio.build_dir(build) / "images" / "box-3-5.xml").read_text()
    assert "<vcpu>2</vcpu><memory>262144</memory>" in description


def test_an_appliance_fails_with_its_log(studio: Sandbox, tmp_path: Path) -> None:
    said = spin(studio, "appliance", "--format", "floppy", "--scratch", "box", "4", TARGET, ARCH,
                str(kickstart(tmp_path, "box.ks")), fails=True)  # fmt: skip
    fault = studio.failed(task_of(said))
    assert isinstance(fault, koji.ApplianceError) and "appliance-creator exited with status 2" in str(fault)
    assert "unknown format floppy" in str(fault)


def test_an_appliance_without_a_root_is_the_askers_fault(studio: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "rootless.ks"
    path.write_text("lang en_US.UTF-8\n%packages\nbash\n%end\n")
    said = spin(studio, "appliance", "--scratch", "box", "5", TARGET, ARCH, str(path), fails=True)
    assert 'kickstart lacks a "/" mountpoint' in str(studio.failed(task_of(said)))


def test_live_media_go_on_without_an_optional_arch_that_fails(studio: Sandbox, tmp_path: Path) -> None:
    said = spin(studio, "livemedia", "--can-fail", BARE_ARCH, "media", "9", TARGET, f"{ARCH},{BARE_ARCH}",
                str(kickstart(tmp_path, "media.ks")))  # fmt: skip
    build = built(studio, "media-9-1")
    assert list(build["archives"]) == [f"media-{ARCH}-9-1.iso"]
    assert {"livemedia-out.log", "program.log", "anaconda-anaconda.log", "anaconda-packaging.log"} <= build["logs"]
    assert not {"virt-install.log", "anaconda-empty.log"} & build["logs"]
    children = {row["label"]: row for row in studio.admin.getTaskChildren(task_of(said), request=True)}
    assert studio.state(children[f"livemedia {BARE_ARCH}"]["id"]) == "FAILED"
    made = children[f"livemedia {ARCH}"]["id"]
    assert studio.admin.getTaskResult(made)["rpmlist"] == []
    log = studio.log(made, "livemedia-out.log")
    assert 'boot arguments: "quiet rhgb"' in log
    assert ("--macboot" if ARCH == "x86_64" else "--nomacboot") in log


def test_live_media_fail_when_an_arch_does_that_is_not_optional(studio: Sandbox, tmp_path: Path) -> None:
    said = spin(studio, "livemedia", "media", "10", TARGET, f"{ARCH},{BARE_ARCH}",
                str(kickstart(tmp_path, "media.ks")), fails=True)  # fmt: skip
    studio.failed(task_of(said))
    assert koji.BUILD_STATES[studio.admin.getBuild("media-10-1")["state"]] == "FAILED"


@pytest.fixture
def one_arch(studio: Sandbox) -> Iterator[None]:
    """The builder has only the arch that there are packages for: a noarch task may choose among all of a host's."""
    studio.admin.editHost(BUILDER, arches=ARCH)
    yield
    studio.admin.editHost(BUILDER, arches=f"{ARCH} {BARE_ARCH}")


def test_live_media_from_version_control_with_templates_and_a_wrapper(
    studio: Sandbox, sources: GitShop, one_arch: None, tmp_path: Path
) -> None:
    pytest.importorskip("Cheetah", reason="needs Cheetah (CT3), the extra wrapper")
    text = kickstart(tmp_path, "main.ks").read_text().replace("bash\ngrep", "%include names.ks")
    url = sources.put("kickstarts", {"ks/main.ks": text, "ks/names.ks": "bash\n"})
    lorax = sources.put("lorax", {"templates/live/x86.tmpl": "a template"})
    spec = sources.put("media-wrapper", {"wrapper.spec.tmpl": WRAPPER})
    said = spin(studio, "livemedia", "--ksurl", url, "--lorax_url", lorax, "--lorax_dir", "templates/live",
                "--specfile", spec, "--squashfs-only", "--nomacboot", "--compress-arg", "-Xbcj x86",
                "media", "11", TARGET, ARCH, "ks/main.ks")  # fmt: skip
    build = built(studio, "media-11-1")
    children = {row["label"]: row["id"] for row in studio.admin.getTaskChildren(task_of(said), request=True)}
    assert set(children) == {f"livemedia {ARCH}", f"wrapper {ARCH}", "tag"}
    log = studio.log(children[f"livemedia {ARCH}"], "livemedia-out.log")
    assert "templates: x86.tmpl" in log and "--squashfs-only" in log and "--compress-arg=-Xbcj x86" in log
    assert "installing bash" in log and "installing grep" not in log
    assert {"checkout.log", "lorax-templates-checkout.log"} <= build["logs"]
    rpms = {f"{row['nvr']}.{row['arch']}" for row in studio.admin.listBuildRPMs(build["id"])}
    assert rpms == {"media-wrapper-11-1.src", "media-wrapper-11-1.noarch"}


@pytest.fixture
def bare(studio: Sandbox) -> Iterator[Daemon]:
    """A host without pykickstart, which gets the tasks of a channel of its own."""
    plugins = Path(__file__).parents[1] / "data" / "plugins"
    lacking = studio.daemon("lacking", plugin="withoutpykickstart", pluginpath=str(plugins))
    studio.admin.editHost(lacking.host, arches=f"{ARCH} {BARE_ARCH}", capacity=100.0)
    lacking.start()
    yield lacking
    lacking.stop()


KINDS = {
    "livecd": ["bare", "1", ARCH, TARGET, "none.ks", {"scratch": True}],
    "appliance": ["bare", "1", ARCH, TARGET, "none.ks", {"scratch": True}],
    "livemedia": ["bare", "1", [ARCH], TARGET, "none.ks", {"scratch": True}],
}
CREATE = {"livecd": "createLiveCD", "appliance": "createAppliance", "livemedia": "createLiveMedia"}


def test_a_host_without_the_library_leaves_the_tasks_to_another(studio: Sandbox, bare: Daemon) -> None:
    tasks = {method: studio.task(method, *words, channel=bare.host) for method, words in KINDS.items()}
    tasks.update({CREATE[method]: studio.task(CREATE[method], "x", channel=bare.host) for method in KINDS})

    def refused() -> bool:
        return all(bare.lines(rf"Refusing task {task}: {name} needs pykickstart") for name, task in tasks.items())

    wait_for(refused, 120, bare.log[-3000:])
    for task in tasks.values():
        assert studio.state(task) in ("FREE", "ASSIGNED")
        assert "install python3-pykickstart" in bare.lines(rf"Refusing task {task}:")[0]

    studio.admin.addHostToChannel(BUILDER, bare.host)
    for task in tasks.values():
        studio.failed(task)  # the other host has begun them: there are no such parameters, and no such file
        assert studio.admin.getTaskInfo(task)["host_id"] == studio.admin.getHost(BUILDER)["id"]
