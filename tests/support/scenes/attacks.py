"""Attacks of code that took over a process which reads untrusted files; each reports its result.

The code runs inside that process: a file with this text replaces a library that the process imports.
"""

ATTACKS = """
import ctypes, json, os, resource, socket, subprocess, sys
from pathlib import Path

if "-c" in sys.orig_argv:  # a helper of the process, whose parent is not the server
    raise ImportError

libc = ctypes.CDLL(None, use_errno=True)
parent, known = int(os.environ.get("MOSAIC_ATTACKED", os.getppid())), json.loads({known!r})
found = {{}}


def attempt(attack):
    try:
        attack()
    except Exception as error:
        found[attack.__name__] = type(error).__name__
    else:
        found[attack.__name__] = "done"


def _call(*arguments):
    if libc.syscall(*(ctypes.c_long(each) for each in arguments)) < 0:
        raise OSError(ctypes.get_errno(), "refused")


@attempt
def read_the_environment_of_the_parent():
    assert b"MOSAIC_SESSION_SECRET" in Path(f"/proc/{{parent}}/environ").read_bytes()


@attempt
def open_the_memory_of_the_parent():
    Path(f"/proc/{{parent}}/mem").open("rb").close()


@attempt
def trace_the_parent():
    if libc.ptrace(0x4206, parent, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "refused")
    libc.ptrace(17, parent, 0, 0)


@attempt
def signal_the_parent():
    os.kill(parent, 0)


@attempt
def limit_the_parent():
    resource.prlimit(parent, resource.RLIMIT_NOFILE, resource.prlimit(parent, resource.RLIMIT_NOFILE))


@attempt
def read_a_secret_file():
    Path(known["secret"]).read_text()


@attempt
def write_elsewhere():
    Path(known["elsewhere"]).write_text("x")


@attempt
def connect_by_tcp():
    socket.create_connection(("127.0.0.1", known["port"]), 5).close()


@attempt
def send_by_udp():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", known["port"]))


@attempt
def connect_by_a_unix_socket():
    socket.socket(socket.AF_UNIX).connect(known["socket"])


@attempt
def link_to_a_secret_file():
    Path("link").symlink_to(known["secret"])


@attempt
def start_a_program():
    subprocess.run(["/bin/true"], check=True)


@attempt
def make_an_own_user_namespace():
    if libc.unshare(0x10000000) < 0:
        raise OSError(ctypes.get_errno(), "refused")


Path(known["report"]).write_text(json.dumps(found))
"""
