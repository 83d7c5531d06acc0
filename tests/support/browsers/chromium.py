"""A Chromium in a network of its own.

It gives up what it is loading (ERR_NETWORK_CHANGED) whenever a network interface appears, and where pods come and go,
theirs do.
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
    """Why there is no such Chromium; empty when there can be one."""
    programs = [program for program in ("chromium", "ip", "nsenter") if shutil.which(program) is None]
    if programs:
        return f"{programs[0]} is not installed"
    return "" if os.geteuid() == 0 else "only root gives a browser a network of its own"


@contextmanager
def chromium(port: int, folder: Path) -> Iterator[Browser]:
    """A Chromium that reaches one port of 127.0.0.1, which is this machine's, and nothing else.

    Args:
        port: what is reached.
        folder: for the program that starts it.
    """
    with ThreadPoolExecutor(1) as thread:  # the only one that is in the other network; sockets stay where they are made
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
    """Leave this thread's network for a new one; give a descriptor of it, and what listens at a port there."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY), socket.create_server((HOST, port), backlog=64)
