"""A disk that hangs when it is told to, as a file server does that has gone: a FUSE file system of plain files.

Until hang() it takes whatever is written, and forgets it. From then on nobody answers, so that every call waits in the
kernel, until the process is killed or release() is called. Speaks fuse(4) by itself: <linux/fuse.h>, struct by struct.
"""
import ctypes
import errno
import os
import select
import stat
import struct
import threading

LOOKUP, FORGET, GETATTR, SETATTR, OPEN, WRITE = 1, 2, 3, 4, 14, 16
RELEASE, FSYNC, INIT, CREATE, INTERRUPT = 18, 20, 26, 35, 36
IN_HEADER = struct.Struct("<IIQQIIII")
ROOT = 1
FILE = 2  # the only one that there is, by whatever name
DIRECT_IO = 1


class HangingDisk:
    """Mounted at `folder` until release(). Raises OSError where nothing can be mounted here."""

    def __init__(self, folder):
        self.folder = str(folder)
        self._names = set()
        self._size = 0
        self._hangs = False
        self._ended = False
        self._lock = threading.Lock()
        self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"fd={self._device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
        if libc.mount(b"hanging", self.folder.encode(), b"fuse", 0, options.encode()) != 0:
            os.close(self._device)
            raise OSError(ctypes.get_errno(), "a FUSE file system cannot be mounted")
        self._libc = libc
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        # From the first close on, the kernel knows that none is asked about (ENOSYS to FLUSH): a process that is killed
        # would have to wait for that answer.
        with open(os.path.join(self.folder, "first"), "wb"):
            pass

    def hang(self):
        with self._lock:
            self._hangs = True

    def release(self):
        """What waits fails, and the file system is gone."""
        with self._lock:
            self._ended = True
        self._thread.join()
        os.close(self._device)
        self._libc.umount2(self.folder.encode(), 2)  # MNT_DETACH

    def _serve(self):
        while not self._ended:
            ready, _, _ = select.select([self._device], [], [], 0.02)
            with self._lock:
                # What nobody has read can be interrupted by SIGKILL.
                if not ready or self._hangs or self._ended:
                    continue
                try:
                    self._answer(os.read(self._device, 1 << 20))
                except OSError as error:
                    if error.errno not in (errno.EINTR, errno.EAGAIN, errno.ENOENT):
                        return

    def _answer(self, request):
        _, opcode, unique, node, *_ = IN_HEADER.unpack_from(request)
        body = request[IN_HEADER.size:]
        if opcode in (FORGET, INTERRUPT):
            return
        answer = self._do(opcode, node, body)
        error, answer = (answer, b"") if isinstance(answer, int) else (0, answer)
        os.write(self._device, struct.pack("<IiQ", 16 + len(answer), -error, unique) + answer)

    def _do(self, opcode, node, body):
        """The answer's body, or an errno."""
        if opcode == INIT:
            return struct.pack("<4I2H2I2HI7I", 7, 31, 0, 0, 12, 9, 1 << 16, 1, 0, 0, 0, *[0] * 7)
        if opcode in (GETATTR, SETATTR):
            return struct.pack("<QII", 0, 0, 0) + self._attributes(node)
        if opcode == LOOKUP:
            return self._entry() if body.rstrip(b"\0") in self._names else errno.ENOENT
        opened = struct.pack("<QII", 0, DIRECT_IO, 0)
        if opcode == CREATE:
            self._names.add(body[16:].rstrip(b"\0"))
            return self._entry() + opened
        if opcode == OPEN:
            return opened
        if opcode == WRITE:
            _, offset, size = struct.unpack_from("<QQI", body)
            self._size = max(self._size, offset + size)
            return struct.pack("<II", size, 0)
        return b"" if opcode in (RELEASE, FSYNC) else errno.ENOSYS

    def _entry(self):
        return struct.pack("<4Q2I", FILE, 0, 0, 0, 0, 0) + self._attributes(FILE)

    def _attributes(self, node):
        mode = stat.S_IFDIR | 0o755 if node == ROOT else stat.S_IFREG | 0o640
        size = 0 if node == ROOT else self._size
        return struct.pack("<6Q10I", node, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, os.getuid(), os.getgid(), 0, 4096, 0)
