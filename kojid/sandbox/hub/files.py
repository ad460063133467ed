"""The hub's files over plain HTTP, as `topurl` wants them: GET and HEAD, ranges, directory lists (contract 5.2)."""

from __future__ import annotations

import email.utils
import html
import mimetypes
import os
import re
import stat
import urllib.parse
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, List, Mapping, Optional, Tuple

#: Where topdir is found on the file server.
FILES_PATH = "/kojifiles"
_BLOCK = 256 * 1024

StartResponse = Callable[[str, List[Tuple[str, str]]], Any]


class FileServer:
    """WSGI application that serves a directory tree.

    Args:
        top: the tree; links inside it are followed as long as they stay inside it.
    """

    def __init__(self, top: Path) -> None:
        self._top = Path(os.path.realpath(top))

    def __call__(self, environ: Mapping[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        head = environ.get("REQUEST_METHOD") == "HEAD"
        if not head and environ.get("REQUEST_METHOD") != "GET":
            return _plain(start_response, "405 Method Not Allowed", [("Allow", "GET, HEAD")])
        relative = self._relative(str(environ.get("PATH_INFO", "")))
        path = self._inside(relative) if relative is not None else None
        if path is None:
            return _plain(start_response, "404 Not Found")
        if path.is_dir():
            return self._directory(path, str(environ["PATH_INFO"]), start_response, head)
        try:
            return _file(path, environ, start_response, head)
        except FileNotFoundError:
            return _plain(start_response, "404 Not Found")

    def _relative(self, path: str) -> Optional[str]:
        # WSGI hands the decoded path over as latin-1 text.
        text = path.encode("latin-1", "replace").decode("utf-8", "replace")
        if text != FILES_PATH and not text.startswith(f"{FILES_PATH}/"):
            return None
        return text[len(FILES_PATH) :].lstrip("/")

    def _inside(self, relative: str) -> Optional[Path]:
        real = Path(os.path.realpath(self._top / relative))
        inside = real == self._top or self._top in real.parents
        return real if inside and real.exists() else None

    def _directory(self, path: Path, url: str, start_response: StartResponse, head: bool) -> Iterable[bytes]:
        if not url.endswith("/"):
            return _plain(start_response, "301 Moved Permanently", [("Location", urllib.parse.quote(f"{url}/"))])
        names = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in os.scandir(path))
        items = "".join(f'<li><a href="{urllib.parse.quote(name)}">{html.escape(name)}</a>\n' for name in names)
        body = f"<!DOCTYPE html>\n<title>{html.escape(url)}</title>\n<ul>\n{items}</ul>\n".encode()
        headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body)))]
        start_response("200 OK", headers)
        return [] if head else [body]


def _file(path: Path, environ: Mapping[str, Any], start_response: StartResponse, head: bool) -> Iterable[bytes]:
    handle = open(path, "rb")  # noqa: SIM115 - closed by the generator that sends it
    about = os.fstat(handle.fileno())
    etag = f'"{about.st_mtime_ns:x}-{about.st_size:x}"'
    headers = [
        ("Content-Type", mimetypes.guess_type(path.name)[0] or "application/octet-stream"),
        ("Last-Modified", email.utils.formatdate(about.st_mtime, usegmt=True)),
        ("ETag", etag),
        ("Accept-Ranges", "bytes"),
    ]
    if not stat.S_ISREG(about.st_mode):
        handle.close()
        return _plain(start_response, "403 Forbidden")
    wanted = environ.get("HTTP_RANGE") if environ.get("HTTP_IF_RANGE", etag) == etag else None
    part = byte_range(wanted, about.st_size)
    if part is None:
        handle.close()
        return _plain(start_response, "416 Range Not Satisfiable", [("Content-Range", f"bytes */{about.st_size}")])
    first, end = part
    status = "200 OK"
    if (first, end) != (0, about.st_size) or _is_range(wanted):
        status = "206 Partial Content"
        headers.append(("Content-Range", f"bytes {first}-{end - 1}/{about.st_size}"))
    start_response(status, [*headers, ("Content-Length", str(end - first))])
    if head:
        handle.close()
        return []
    return _blocks(handle, first, end)


def _blocks(handle: Any, position: int, end: int) -> Iterator[bytes]:
    with handle:
        handle.seek(position)
        while position < end:
            block = handle.read(min(_BLOCK, end - position))
            if not block:
                return
            position += len(block)
            yield block


def _is_range(text: Optional[str]) -> bool:
    return bool(text and re.fullmatch(r"bytes=(\d+-\d*|-\d+)", text.strip()))


def byte_range(text: Optional[str], size: int) -> Optional[Tuple[int, int]]:
    """First byte and end of what a Range header asks for; None when the file has nothing there.

    Several ranges at once, or what is no range, mean the whole file, as HTTP allows.
    """
    if not text or not _is_range(text):
        return 0, size
    first_text, _, last_text = text.strip()[len("bytes=") :].partition("-")
    if not first_text:
        first, end = max(size - int(last_text), 0), size
    else:
        first, end = int(first_text), min(int(last_text) + 1 if last_text else size, size)
    return (first, end) if first < end else None


def _plain(start_response: StartResponse, status: str, headers: Iterable[Tuple[str, str]] = ()) -> Iterable[bytes]:
    body = f"{status}\n".encode("ascii")
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *headers])
    return [body]
