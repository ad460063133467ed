"""What the chaos of builds has in common with the end-to-end tests."""

from __future__ import annotations

from tests.e2e.conftest import machine, mails

__all__ = ["machine", "mails"]
