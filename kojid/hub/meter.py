"""Counts calls to the hub and uploads, when metrics are wanted."""

from __future__ import annotations

import contextlib
import time
from typing import Iterator

import koji

from kojid.metrics import tally


@contextlib.contextmanager
def call(method: str) -> Iterator[None]:
    """The block is a call: how it ends, and after how long, is counted."""
    if not tally.counting():
        yield
        return
    begun = time.monotonic()
    result = "interrupted"
    try:
        yield
        result = "ok"
    except (koji.GenericError, koji.Fault):
        result = "fault"
        raise
    except Exception:
        result = "unreachable"
        raise
    finally:
        tally.count("kojid_hub_calls_total", method, result)
        tally.observe("kojid_hub_call_duration_seconds", time.monotonic() - begun, method)


def retry(method: str) -> None:
    """A call is about to be repeated."""
    tally.count("kojid_hub_retries_total", method)


@contextlib.contextmanager
def block(size: int) -> Iterator[None]:
    """The block puts so many bytes on the hub; counted if it goes well."""
    begun = time.monotonic()
    yield
    tally.count("kojid_upload_bytes_total", amount=float(size))
    tally.observe("kojid_upload_block_duration_seconds", time.monotonic() - begun)


def block_retry() -> None:
    """A block of an upload is about to be sent again."""
    tally.count("kojid_upload_retries_total")
