from __future__ import annotations

import os
import signal

from kojid.tasks.wakeup import Wakeup, current_wakeup, install_wakeup


def test_a_signal_before_the_sleep_cuts_it_short() -> None:
    wakeup = install_wakeup()
    wakeup.clear()
    os.kill(os.getpid(), signal.SIGUSR2)
    assert wakeup.sleep(30) is True


def test_without_a_signal_the_sleep_ends_by_itself() -> None:
    wakeup = install_wakeup()
    wakeup.clear()
    assert wakeup.sleep(0.01) is False


def test_signals_that_were_looked_at_wake_nobody() -> None:
    wakeup = install_wakeup()
    os.kill(os.getpid(), signal.SIGUSR2)
    wakeup.clear()
    assert wakeup.sleep(0) is False


def test_any_number_of_signals_fits() -> None:
    wakeup = Wakeup()
    for _ in range(70_000):
        wakeup.notify()
    assert wakeup.sleep(0)
    wakeup.clear()
    assert not wakeup.sleep(0)
    wakeup.close()


def test_a_forked_process_has_a_pipe_of_its_own() -> None:
    parent = install_wakeup()
    assert current_wakeup() is parent
    parent.clear()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if current_wakeup() is not parent else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert not parent.sleep(0)
