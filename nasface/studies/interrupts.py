"""Ctrl-C between a comparison and the processes of its phases, on every system.

No signal is sent: on Windows, where ``os.kill`` ends a process at once, there is none to send.
"""

import ctypes
import os
from _thread import interrupt_main
from multiprocessing.synchronize import Event
from threading import Thread


def interrupt_when(asked: Event) -> None:
    """Have the main thread of this process interrupted, as by Ctrl-C, once an event is set."""

    def wait() -> None:
        asked.wait()
        interrupt_main()

    Thread(target=wait, daemon=True).start()


def ignore_terminal() -> None:
    """Let Ctrl-C on the terminal reach the other processes only, which pass on what they want."""
    if hasattr(os, "setsid"):
        os.setsid()
    elif (windows := getattr(ctypes, "windll", None)) is not None:
        windows.kernel32.SetConsoleCtrlHandler(None, True)
