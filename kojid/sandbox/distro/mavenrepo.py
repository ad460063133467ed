"""A Maven repository of the machine's own Debian packages: what mvn needs to compile, pack and deploy a project.

Debian keeps one in /usr/share/maven-repo. What a small project takes from it is taken along, its poms and jars, so
that builds in the sandbox find there what they would get from the network elsewhere.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import List, Tuple

from kojid.sandbox.distro import dpkg
from kojid.sandbox.distro.errors import DistributionError, MissingPackages

#: What a chroot needs to run mvn. Debian's JRE has the compiler in it.
CHROOT_PACKAGES = ("maven",)
#: The plugins of mvn's usual life cycle.
PACKAGES = (
    *CHROOT_PACKAGES, "libmaven-compiler-plugin-java", "libmaven-deploy-plugin-java", "libmaven-install-plugin-java",
    "libmaven-jar-plugin-java", "libmaven-resources-plugin-java", "libsurefire-java",
)  # fmt: skip
REPOSITORY = Path("/usr/share/maven-repo")
_SECONDS = 300
_PROJECT = """\
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>sandbox</groupId><artifactId>probe</artifactId><version>1</version>
<properties><maven.compiler.source>8</maven.compiler.source><maven.compiler.target>8</maven.compiler.target>
</properties></project>
"""
_SETTINGS = """\
<settings><interactiveMode>false</interactiveMode><localRepository>{local}</localRepository>
<mirrors><mirror><id>debian</id><url>file://{repository}</url><mirrorOf>*</mirrorOf></mirror></mirrors></settings>
"""


def artifacts(directory: Path) -> List[Tuple[Path, str]]:
    """Build a small project out of Debian's repository alone; what it has used.

    Args:
        directory: takes copies of the files; made here.

    Returns:
        each pom and jar, and its path in a Maven repository.

    Raises:
        MissingPackages: some of `PACKAGES` are not installed.
        DistributionError: mvn failed; the message ends with its last lines.
    """
    absent = dpkg.missing(PACKAGES, dpkg.installed_packages())
    if absent:
        raise MissingPackages(absent)
    directory.mkdir()
    with tempfile.TemporaryDirectory(prefix="kojid-maven-") as scratch:
        _build(Path(scratch), directory)
    found = [path for path in sorted(directory.rglob("*.*")) if path.suffix in (".pom", ".jar")]
    return [(path, str(path.relative_to(directory))) for path in found if "sandbox" not in path.parts]


def _build(project: Path, local: Path) -> None:
    source = project / "src/main/java/Probe.java"
    source.parent.mkdir(parents=True)
    source.write_text("class Probe {}\n")
    (project / "pom.xml").write_text(_PROJECT)
    settings = project / "settings.xml"
    settings.write_text(_SETTINGS.format(local=local, repository=REPOSITORY))
    target = f"-DaltDeploymentRepository=out::default::file://{project}/out"
    command = ["mvn", "-B", "-q", "-s", str(settings), target, "deploy"]
    done = subprocess.run(
        command, cwd=project, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise DistributionError(f"mvn failed with status {done.returncode}:\n{tail}")
