"""Real servers of version control on loopback, each for one test's own repositories.

The stock servers speak on their standard input and output, as inetd has them; `Inetd` listens on a port that the kernel
has chosen and starts one for each connection.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import socket
import socketserver
import subprocess
import threading
import urllib.parse
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

import pytest

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A Packager",
    "GIT_AUTHOR_EMAIL": "packager@example.com",
    "GIT_COMMITTER_NAME": "A Packager",
    "GIT_COMMITTER_EMAIL": "packager@example.com",
}


def need(*programs: str) -> None:
    """Skip the test where one of these programs is not installed."""
    search = f"{os.environ['PATH']}:/usr/sbin"
    missing = [name for name in programs if shutil.which(name, path=search) is None]
    if missing:
        pytest.skip(f"not installed: {' '.join(missing)}")


def command(*argv: Any, cwd: Optional[Path] = None, **variables: str) -> str:
    """Run a command that prepares something; returns its output."""
    done = subprocess.run(
        [str(word) for word in argv], cwd=cwd, env={**ENVIRONMENT, **variables}, check=False, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, f"{argv}: {done.stdout}"
    return done.stdout.strip()


def write_files(directory: Path, files: Mapping[str, str]) -> None:
    """Write files by their paths below a directory; a text "-> x" makes a link to x."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            path.symlink_to(text[3:])
        else:
            path.write_text(text)


class GitRepository:
    """A bare repository and a work tree to commit from.

    Args:
        path: the bare repository's, a directory below that of a server.
        work: a directory for the work tree.
    """

    def __init__(self, path: Path, work: Path) -> None:
        self.path = path
        self.work = work
        command("git", "init", "-q", "--bare", "-b", "main", path)
        command("git", "config", "uploadpack.allowAnySHA1InWant", "true", cwd=path)
        command("git", "init", "-q", "-b", "main", work)
        command("git", "remote", "add", "origin", path, cwd=work)

    def commit(self, files: Mapping[str, str], branch: str = "main") -> str:
        """Commit files on top of what is there and push; returns the commit."""
        write_files(self.work, files)
        return self.commit_all(branch)

    def commit_all(self, branch: str = "main") -> str:
        """Commit the whole work tree and push; returns the commit."""
        command("git", "add", "-A", cwd=self.work)
        command("git", "commit", "-q", "--allow-empty", "-m", "A change", cwd=self.work)
        command("git", "push", "-q", "origin", f"HEAD:{branch}", cwd=self.work)
        return command("git", "rev-parse", "HEAD", cwd=self.work)


class _Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server: Any = self.server
        process = subprocess.Popen(
            server.argv, stdin=self.request, stdout=self.request, stderr=subprocess.DEVNULL, env=ENVIRONMENT
        )
        server.children.append(process)
        process.wait()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    argv: List[str]
    children: List[subprocess.Popen[bytes]]


@contextlib.contextmanager
def inetd(*argv: Any) -> Iterator[int]:
    """A server that starts a command for each connection; gives its port."""
    with _Server(("127.0.0.1", 0), _Connection) as server:
        server.argv = [str(word) for word in argv]
        server.children = []
        with _serving(server):
            yield int(server.server_address[1])
        for child in server.children:
            child.kill()
            child.wait()


@contextlib.contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


def git_daemon(base: Path) -> contextlib.AbstractContextManager[int]:
    """`git daemon` for the repositories below a directory."""
    need("git")
    return inetd("git", "daemon", "--inetd", "--export-all", f"--base-path={base}", base)


def svnserve(base: Path) -> contextlib.AbstractContextManager[int]:
    """`svnserve` for the repositories below a directory."""
    need("svnserve", "svnadmin", "svn")
    return inetd("svnserve", "-i", "-R", "-r", base)


def pserver(root: Path) -> contextlib.AbstractContextManager[int]:
    """`cvs pserver` for one repository."""
    need("cvs")
    return inetd("cvs", "-f", f"--allow-root={root}", "pserver")


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


class _Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        return

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            parts = []
            while True:
                size = int(self.rfile.readline().strip(), 16)
                parts.append(self.rfile.read(size))
                self.rfile.readline()
                if not size:
                    return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, body: bytes, kind: str = "application/octet-stream") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _GitHttp(_Quiet):
    """`git http-backend` as CGI, and beside it the batch interface of Git LFS for the objects in `<repository>/lfs`."""

    def do_GET(self) -> None:
        path = urllib.parse.urlsplit(self.path).path
        if "/lfs/objects/" in path:
            stored = self.base / path.lstrip("/")
            self.answer(200, stored.read_bytes()) if stored.is_file() else self.answer(404, b"")
        else:
            self._backend(b"")

    def do_POST(self) -> None:
        body = self.body()
        if self.path.endswith("/info/lfs/objects/batch"):
            self._batch(json.loads(body))
        else:
            self._backend(body)

    @property
    def base(self) -> Path:
        return Path(self.server.base)  # type: ignore[attr-defined]

    def _batch(self, request: Dict[str, Any]) -> None:
        repository = self.path[: -len("/info/lfs/objects/batch")]
        here = f"http://{self.headers['Host']}{repository}/lfs/objects"
        stored = self.base / repository.lstrip("/") / "lfs" / "objects"
        objects = []
        for wanted in request["objects"]:
            if (stored / wanted["oid"]).is_file():
                told: Dict[str, Any] = {"actions": {"download": {"href": f"{here}/{wanted['oid']}"}}}
            else:
                told = {"error": {"code": 404, "message": "there is no such object"}}
            objects.append({**wanted, **told})
        answer = json.dumps({"transfer": "basic", "objects": objects}).encode()
        self.answer(200, answer, "application/vnd.git-lfs+json")

    def _backend(self, body: bytes) -> None:
        parts = urllib.parse.urlsplit(self.path)
        variables = {
            **ENVIRONMENT, "GIT_PROJECT_ROOT": str(self.base), "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command, "PATH_INFO": urllib.parse.unquote(parts.path), "QUERY_STRING": parts.query,
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        }  # fmt: skip
        done = subprocess.run(["git", "http-backend"], input=body, env=variables, stdout=subprocess.PIPE, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        status = int(headers.get("Status", "200").split()[0])
        self.answer(status, content, headers.get("Content-Type", "text/plain"))


class _Files(_Quiet):
    """The files below a directory."""

    def do_GET(self) -> None:
        base = Path(self.server.base)  # type: ignore[attr-defined]
        path = base / urllib.parse.unquote(self.path).lstrip("/")
        self.answer(200, path.read_bytes()) if path.is_file() else self.answer(404, b"there is no such file\n")


@contextlib.contextmanager
def _http(base: Path, handler: Any) -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.base = base  # type: ignore[attr-defined]
        with _serving(server):
            yield int(server.server_address[1])


def git_http(base: Path) -> contextlib.AbstractContextManager[int]:
    """git over HTTP, with Git LFS, for the repositories below a directory."""
    need("git")
    return _http(base, _GitHttp)


def lookaside(base: Path) -> contextlib.AbstractContextManager[int]:
    """Files over HTTP."""
    return _http(base, _Files)


class SvnRepository:
    """A Subversion repository.

    Args:
        path: its own.
        work: a directory to put files together in.
    """

    def __init__(self, path: Path, work: Path) -> None:
        need("svn", "svnadmin")
        self.path = path
        self.work = work
        command("svnadmin", "create", path)
        command("svn", "checkout", "-q", f"file://{path}", work, HOME=str(path))

    def commit(self, files: Mapping[str, str]) -> int:
        """Commit files; returns the revision."""
        write_files(self.work, files)
        command("svn", "add", "-q", "--force", ".", cwd=self.work, HOME=str(self.path))
        command("svn", "commit", "-q", "-m", "A change", cwd=self.work, HOME=str(self.path))
        return int(command("svnlook", "youngest", self.path))


class CvsRepository:
    """A CVS repository that lets anonymous users read without a password.

    Args:
        path: its own.
        work: a directory to put files together in.
    """

    def __init__(self, path: Path, work: Path) -> None:
        need("cvs")
        self.path = path
        self.work = work
        path.mkdir(parents=True)
        command("cvs", "-d", path, "init")
        # the server works as this user, and leaves its locks in the repository
        (path / "CVSROOT" / "passwd").write_text("anonymous::nobody\n")
        (path / "CVSROOT" / "readers").write_text("anonymous\n")

    def add(self, module: str, files: Mapping[str, str], tag: str) -> None:
        """Put a module in, with a tag."""
        directory = self.work / module
        write_files(directory, files)
        command("cvs", "-f", "-Q", "-d", self.path, "import", "-m", "Start", module, "vendor", tag, cwd=directory)
        command("chmod", "-R", "a+rwX", self.path)


class SshServer:
    """A real sshd on a port of its own that lets one key in, as root: it runs the programs of the repositories.

    Args:
        directory: for its keys.
    """

    def __init__(self, directory: Path) -> None:
        need("sshd", "ssh-keygen")
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        for name in ("host", "client"):
            command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name)
        shutil.copy(directory / "client.pub", directory / "authorized")
        Path("/run/sshd").mkdir(exist_ok=True)
        (directory / "config").write_text(
            f"HostKey {directory}/host\nAuthorizedKeysFile {directory}/authorized\nStrictModes no\nUsePAM no\n"
            "PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        )

    @property
    def key(self) -> Path:
        return self.directory / "client"

    def serve(self) -> contextlib.AbstractContextManager[int]:
        """Its port, while the block lasts."""
        return inetd(shutil.which("sshd", path="/usr/sbin"), "-i", "-f", self.directory / "config")

    def known_hosts(self, port: int) -> str:
        """The line for `known_hosts`."""
        kind, key = (self.directory / "host.pub").read_text().split()[:2]
        return f"[127.0.0.1]:{port} {kind} {key}\n"


def sources(name: str, **more: str) -> Dict[str, str]:
    """The files of a package that builds from what is in version control alone: a spec file and a script."""
    spec = f"""Name: {name}
Version: 1.0
Release: 1
Summary: Test package {name}
License: LGPL-2.1-or-later
BuildArch: noarch
Source0: {name}.sh

%description
Test package {name}.

%prep
%setup -q -c -T

%install
install -D -m 0755 %{{SOURCE0}} %{{buildroot}}%{{_bindir}}/{name}

%files
%{{_bindir}}/{name}
"""
    return {f"{name}.spec": spec, f"{name}.sh": f"#!/bin/sh\necho {name}\n", **more}


def names(directory: Path) -> Sequence[str]:
    """What is in a directory, sorted."""
    return sorted(path.name for path in directory.iterdir())
