"""Source URLs of version control systems: so far only telling them from uploaded packages."""

from __future__ import annotations


def is_scm_url(source: str) -> bool:
    """Whether a build's source is a URL of a version control system rather than an uploaded package (contract 8)."""
    from koji.daemon import SCM  # here, not at the top: koji.daemon is a large import and few tasks need it

    return bool(SCM.is_scm_url(source))
