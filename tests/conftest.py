"""For all tests."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell without job control starts what runs in its background like that, and every process that a test starts
    # would inherit it: none could be ended as the tests expect.
    signal.signal(signal.SIGINT, signal.default_int_handler)
