"""Buildroots: mock, its configuration, its logs and what is installed in them."""

from kojid.buildroot.buildroot import BuildRoot

__all__ = ["BuildRoot"]
