"""A spec file must not say who packs, sells or distributes: that is the builder's (contract 6.4, step 8).

The stock daemon looks at the first line of the file only (contract 11, item 26).
"""

from __future__ import annotations

import re
from typing import Iterator, Tuple

import koji

_NAMES = "Packager|Distribution|Vendor"
_TAG = re.compile(rf"\s*({_NAMES})\s*:", re.IGNORECASE)
# %%define is text, not a definition
_MACRO = re.compile(rf"(?<!%)(?:%%)*%(?:define|global)\s+({_NAMES.lower()})\b(?!\s*\()")
_SECTION = re.compile(
    r"%(package|description|prep|generate_buildrequires|conf|build|install|check|clean|pre|post|preun|postun|pretrans|"
    r"posttrans|preuntrans|postuntrans|verify|verifyscript|verifyfiles|trigger\w+|filetrigger\w+|transfiletrigger\w+|files|"
    r"changelog|sourcelist|patchlist|sepolicy|end)\b",
)


def check(text: str, name: str) -> None:
    """Refuse a spec file that sets what only the builder sets.

    Args:
        text: the spec file.
        name: what to call it.

    Raises:
        koji.BuildError: with the name of what is set, and the line.
    """
    for number, line, in_head in _lines(text):
        tag = _TAG.match(line) if in_head else None
        if tag:
            raise koji.BuildError(f"{tag.group(1)} is not allowed to be set in spec file ({name}, line {number})")
        macro = _MACRO.search(line)
        if macro:
            raise koji.BuildError(f"{macro.group(1)} is not allowed to be defined in spec file ({name}, line {number})")


def _lines(text: str) -> Iterator[Tuple[int, str, bool]]:
    """Each line that is no comment, with its number and whether it stands where tags are read.

    A changelog is left out: what stands there is told, not done.
    """
    section = "package"
    for number, line in enumerate(text.splitlines(), 1):
        begins = _SECTION.match(line)
        if begins:
            section = begins.group(1)
        if not line.lstrip().startswith("#") and section != "changelog":
            yield number, line, section == "package" and not begins
