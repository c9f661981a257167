"""Network namespaces and processes in them: for tests and scenarios that play a network on one host."""
import contextlib
import ctypes
import signal
import subprocess

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
LISTEN = "0A"  # the kernel's state number in /proc/net/tcp
libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """Runs in a child before exec: nothing outlives the script, however it ends."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _enter(handle, name):
    if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {name}")


def enter(namespace):
    """Moves the calling thread into a network namespace."""
    with open(f"/run/netns/{namespace}", "rb") as there:
        _enter(there, namespace)


@contextlib.contextmanager
def inside(namespace):
    """The calling thread works in this network namespace. Sockets made there stay there."""
    with open("/proc/thread-self/ns/net", "rb") as home:
        enter(namespace)
        try:
            yield
        finally:
            _enter(home, "that was left")


def listening(namespace):
    """The TCP ports that are listened on there, asked without sending a packet."""
    lines = []
    for table in ("tcp", "tcp6"):
        lines += subprocess.run(["ip", "netns", "exec", namespace, "cat", f"/proc/net/{table}"], capture_output=True,
                                text=True, check=True).stdout.splitlines()[1:]
    return {int(line.split()[1].rsplit(":", 1)[1], 16) for line in lines if line.split()[3] == LISTEN}
