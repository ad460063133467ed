"""Secrets do not get into logs, faults and status."""

from __future__ import annotations

import logging
import sys

import koji
import pytest

from kojid.daemon import worker
from kojid.redaction import RedactingFormatter, redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("git+https://me:s3cret@example.com/a#b", "git+https://me:***@example.com/a#b"),
        ("https://me:s@cr@t@example.com/a", "https://me:***@example.com/a"),
        ("cvs -d :pserver:me:s3cret@h:/cvs", "cvs -d :pserver:me:***@h:/cvs"),
        ("http://:s3cret@proxy:3128", "http://:***@proxy:3128"),
        ("http://a:s3cret@h/x and http://b:s3cret@h/y", "http://a:***@h/x and http://b:***@h/y"),
        ("git+ssh://git@example.com:22/a", "git+ssh://git@example.com:22/a"),
        ("http://[::1]:80/a to me@example.com", "http://[::1]:80/a to me@example.com"),
        ("kojihub?session-key=s3cret&session-id=3", "kojihub?session-key=***&session-id=3"),
        ("{'session-key': 's3cret', 'session-id': 3}", "{'session-key': '***', 'session-id': 3}"),
    ],
)
def test_passwords_and_keys_are_left_out(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_a_log_has_none_in_its_messages_and_tracebacks() -> None:
    try:
        raise ValueError("https://me:s3cret@example.com/")
    except ValueError:
        record = logging.LogRecord("koji", logging.ERROR, "", 0, "with %s", ("ftp://a:s3cret@h",), sys.exc_info())
    text = RedactingFormatter("%(message)s").format(record)
    assert "s3cret" not in text and "ValueError: https://me:***@example.com/" in text


def test_a_fault_on_its_way_to_the_hub_has_none() -> None:
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError("can't clone https://me:s3cret@example.com/")
    assert "s3cret" not in worker.fault_of(caught.value).faultString
    assert "s3cret" not in worker.fault_of(koji.BuildError(str(caught.value))).faultString
