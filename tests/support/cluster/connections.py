"""Connections from pods: which addresses a process in a container reaches."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from socket import create_server, socket
from threading import Thread

from support.cluster.cluster import Cluster, Document

Address = tuple[str, int]
CONNECT = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def reached(address):
    try:
        socket.create_connection(address, 5).close()
    except OSError:
        return False
    return True
given = [tuple(address) for address in json.loads(sys.argv[1])]
print(json.dumps(list(ThreadPoolExecutor(len(given)).map(reached, given))))
"""
LISTEN = """
import socket, sys
server = socket.create_server(('', int(sys.argv[1])))
print('listens', flush=True)
while True:
    server.accept()[0].close()
"""


@dataclass(frozen=True)
class Place:
    """A pod from or to which tests connect. Its first container has Python."""

    cluster: Cluster
    pod: Document

    @property
    def address(self) -> str:
        """The address of the pod."""
        return str(self.pod["status"]["podIP"])

    def reached(self, sites: Mapping[str, Address]) -> set[str]:
        """The names of the addresses that a process in the pod can connect to."""
        answer = self.cluster.kubectl(*self._execute(CONNECT), json.dumps(list(sites.values())))
        return {name for name, reached in zip(sites, json.loads(answer), strict=True) if reached}

    @contextmanager
    def listening(self, port: int) -> Iterator[None]:
        """Accept connections in the pod meanwhile."""
        command = ["kubectl", *self._execute(LISTEN), str(port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "listens\n"
                yield
            finally:
                process.kill()

    def _execute(self, script: str) -> list[str]:
        metadata = self.pod["metadata"]
        return ["exec", metadata["name"], "--namespace", metadata["namespace"], "--", "python", "-c", script]


@contextmanager
def accepting(host: str, port: int = 0) -> Iterator[Address]:
    """Accept connections at an address of this machine meanwhile."""
    with create_server((host, port)) as server:
        Thread(target=_accept, args=(server,), daemon=True).start()
        yield host, server.getsockname()[1]


def _accept(server: socket) -> None:
    while True:
        try:
            server.accept()[0].close()
        except OSError:  # it is closed
            return
