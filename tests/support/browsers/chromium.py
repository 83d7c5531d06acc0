"""A Chromium in its own network namespace.

Chromium aborts what it loads (ERR_NETWORK_CHANGED) whenever a network interface appears, and pods that start and end
add and remove interfaces.
"""

import ctypes
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from support.cluster.relay import relayed

HOST = "127.0.0.1"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
_CLONE_NEWNET = 0x40000000


def missing() -> str:
    """Why Chromium cannot run; empty if it can."""
    programs = [program for program in ("chromium", "ip", "nsenter") if shutil.which(program) is None]
    if programs:
        return f"{programs[0]} is not installed"
    return "" if os.geteuid() == 0 else "only root can create a network namespace for a browser"


@contextmanager
def chromium(port: int, folder: Path) -> Iterator[Browser]:
    """A Chromium that can only reach one port of this machine's 127.0.0.1.

    Args:
        port: Reachable port.
        folder: Folder for the program that starts it.
    """
    with ThreadPoolExecutor(1) as thread:  # enters the other network; its sockets stay there
        namespace, listener = thread.submit(_network, port).result()
    start = folder / "chromium"
    start.write_text(f'#!/bin/sh\nexec nsenter --net=/proc/{os.getpid()}/fd/{namespace} chromium "$@"\n')
    start.chmod(0o755)
    try:
        with relayed(listener, partial(socket.create_connection, (HOST, port))), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=start, args=FLAGS.split())
            yield browser
            browser.close()
    finally:
        os.close(namespace)


def _network(port: int) -> tuple[int, socket.socket]:
    """Move this thread into a new network; return a descriptor of it and a socket that listens on a port there."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY), socket.create_server((HOST, port), backlog=64)
