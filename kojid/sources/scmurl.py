"""What the parts of a source URL may hold, checked before anything is done with them (contract 11, item 22).

Every part ends up as an argument of git, svn, cvs or ssh, or as a path. What could be taken for an option there, could
end a line of a log, or leads up in a path, by whatever encoding, is refused. The grammar itself is the koji library's.
"""

from __future__ import annotations

import re
from typing import Optional, Pattern
from urllib.parse import unquote_to_bytes

import koji

# A name or address and a port; no "-" in front, which ssh would take for an option.
_HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_USER = re.compile(r"[A-Za-z0-9_.~%+][A-Za-z0-9_.~%+=-]*(?::[^\s@:/]+)?")
_BLANK = re.compile(r"\s")
# Parts of a refspec, of a glob, or of git's search syntax.
_NO_GIT_REVISION = re.compile(r"[:*?\[\\]|^\+")
_SVN_REVISION = re.compile(r"r?[0-9]+|HEAD|\{[0-9A-Z:.+ -]+\}", re.IGNORECASE)
_MOST_ENCODINGS = 8


def check_text(url: object) -> str:
    """The URL as a text without control characters.

    The library's parser drops line ends and tabs silently, so this has to come before it.

    Raises:
        koji.GenericError: it is no text, or holds such characters.
    """
    if not isinstance(url, str):
        raise koji.GenericError(f"Invalid SCM URL: {url!r}")
    if not url.isprintable():
        raise koji.GenericError(f"Invalid SCM URL, it holds control characters: {url!r}")
    return url


def check_parts(
    scmtype: str, user: Optional[str], host: str, repository: str, module: str, revision: str, path: str
) -> None:
    """Refuse parts that commands could misunderstand.

    Args:
        scmtype: GIT, GIT+SSH, SVN, SVN+SSH, CVS or CVS+SSH.
        user, host, repository, module, revision: as the library's SCM has them.
        path: of the repository as it stands in the URL, before any normalisation.

    Raises:
        koji.GenericError: with the part and the reason.
    """
    _match("host", host, _HOST)
    if user is not None:
        _match("user", user, _USER)
    for what, value in (("repository", path), ("repository", repository), ("module", module)):
        _check_path(what, value)
    if module.startswith(("-", "/")):
        raise koji.GenericError(f"Invalid module in SCM URL: {module!r}")
    _check_path("revision", revision)
    if revision.startswith("-") or (_BLANK.search(revision) and not scmtype.startswith("SVN")):
        raise koji.GenericError(f"Invalid revision in SCM URL: {revision!r}")
    if scmtype.startswith("GIT") and (_NO_GIT_REVISION.search(revision) or ".." in revision):
        raise koji.GenericError(f"Invalid revision in SCM URL: {revision!r}")
    if scmtype.startswith("SVN"):
        _match("revision", revision, _SVN_REVISION)


def _match(what: str, value: str, pattern: Pattern[str]) -> None:
    if not pattern.fullmatch(value):
        raise koji.GenericError(f"Invalid {what} in SCM URL: {value!r}")


def _check_path(what: str, value: str) -> None:
    """No way up and no control characters, however often the value is percent-encoded."""
    for _ in range(_MOST_ENCODINGS):
        if not value.isprintable() or ".." in re.split(r"[/\\]", value):
            raise koji.GenericError(f"Invalid {what} in SCM URL: {value!r}")
        try:
            decoded = unquote_to_bytes(value).decode("utf-8")
        except UnicodeDecodeError as error:
            raise koji.GenericError(f"Invalid {what} in SCM URL, it is not UTF-8: {value!r}") from error
        if decoded == value:
            return
        value = decoded
    raise koji.GenericError(f"Invalid {what} in SCM URL, it is encoded too often: {value!r}")
