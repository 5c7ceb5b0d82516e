# SPDX-License-Identifier: Apache-2.0
"""inside - sockets in the network namespace of a machine, held by the test

A thread enters the namespace and makes the sockets; a socket stays where it was made, so any thread
may use it. What the machine's own processes would see of the network, this sees: the kernel knows
no difference.
"""
import ctypes
import fcntl
import os
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

from harness import cgroup_dir, until
from wire import uid_of

CLONE_NEWNET = 0x40000000
SIOCGIFADDR = 0x8915
LIBC = ctypes.CDLL(None, use_errno=True)

# What a connection meets that nobody allowed: an answer at once, never silence.
REFUSED = (ConnectionRefusedError, ConnectionResetError, PermissionError, OSError)


def pid_in(user, machine):
    """A host pid of the machine."""
    procs = cgroup_dir("pids", f"{uid_of(user)}/all/{machine}") / "cgroup.procs"
    return int(until(lambda: procs.exists() and procs.read_text().split(), 5, str(procs))[0])


class Inside:
    """The network of @machine of @user, as long as it runs."""

    def __init__(self, user, machine):
        self.user, self.machine = user, machine
        self.namespace = os.open(f"/proc/{pid_in(user, machine)}/ns/net", os.O_RDONLY)
        self.pool = ThreadPoolExecutor(1, initializer=self.enter)
        self.address = self.pool.submit(self.read_address).result()

    def enter(self):
        if LIBC.setns(self.namespace, CLONE_NEWNET) < 0:
            raise OSError(ctypes.get_errno(), "setns")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pool.shutdown()
        os.close(self.namespace)

    @staticmethod
    def read_address():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            got = fcntl.ioctl(sock, SIOCGIFADDR, struct.pack("256s", b"eth0"))
        return socket.inet_ntoa(got[20:24])

    def socket(self, kind=socket.SOCK_STREAM, timeout=3):
        sock = self.pool.submit(socket.socket, socket.AF_INET, kind).result()
        sock.settimeout(timeout)
        return sock

    def connect(self, to, port, timeout=3, source=0):
        """A connection to @port of the machine @to; raises what the kernel says."""
        sock = self.socket(timeout=timeout)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if source:
                sock.bind((self.address, source))
            sock.connect((to.address, port))
        except BaseException:
            sock.close()
            raise
        return sock

    def reaches(self, to, port, **more):
        """Whether a connection comes through; a refusal must come at once."""
        try:
            self.connect(to, port, **more).close()
        except TimeoutError as error:
            raise AssertionError(f"silence from {to.machine}:{port}") from error
        except REFUSED:
            return False
        return True


class Echo:
    """A server in a machine that sends back what it gets; knows how each connection ended."""

    def __init__(self, inside, *ports, host=""):
        self.ends, self.listeners, self.threads = [], [], []
        for port in ports:
            listener = inside.socket(timeout=None)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(64)
            self.listeners.append(listener)
            thread = threading.Thread(target=self.serve, args=(listener,), daemon=True)
            thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for listener in self.listeners:
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()

    def serve(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.echo, args=(sock,), daemon=True).start()

    def echo(self, sock):
        end = "closed"
        try:
            while data := sock.recv(65536):
                sock.sendall(data)
        except OSError as error:
            end = type(error).__name__
        self.ends.append(end)
        sock.close()
