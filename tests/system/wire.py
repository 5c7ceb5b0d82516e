# SPDX-License-Identifier: Apache-2.0
"""wire - a client of the door and of croftd's socket that can also say what croft never would

The layouts are those of src/wire/order.h, grant.h and plan.h, written down a second time on
purpose: a client is not bound to our headers, so neither are the tests.
"""
import array
import base64
import ctypes
import json
import os
import pwd
import socket
import time
from contextlib import contextmanager

from harness import RUN, identity

NAME_SIZE, SHA256_SIZE, LAYERS_MAX, TEXT_SIZE = 40, 32, 16, 480
MESSAGE_MAX, FDS_MAX, SERVICES_MAX, ASK_WHY_SIZE = 64 * 1024, 24, 16, 128

(USER_ADD, USER_SET, USER_REMOVE, LAUNCH, RUN_JOB, START, STOP, REMOVE, EXEC, SIGNAL, LOGS,
 IMAGE_IMPORT, IMAGE_REMOVE, LOGIN, HOST_STATUS, HOST_STOP, HOST_NETWORK, GRANT, REVOKE, GRANTS,
 ASK, ASKS, APPROVE, DENY, WHY, ORDER_TYPE_COUNT) = range(1, 27)
REPLY_DONE, REPLY_NOTE, REPLY_STARTED, REPLY_EXITED = 1, 2, 3, 4

u16, u32, u64 = ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64


class Order(ctypes.Structure):
    _fields_ = [("version", u32), ("type", u32), ("flags", u32), ("body_size", u32),
                ("number", u64), ("rows", u16), ("columns", u16), ("reserved", u32),
                ("name", ctypes.c_char * NAME_SIZE)]


class Limits(ctypes.Structure):
    _fields_ = [("memory_bytes", u64), ("memory_min_bytes", u64), ("disk_bytes", u64),
                ("inodes", u64), ("net_bytes_per_s", u64), ("net_packets_per_s", u32),
                ("net_connections", u32), ("pids", u32), ("cpu_milli", u32), ("lan", u32),
                ("reserved", u32)]


class OrderUser(ctypes.Structure):
    _fields_ = [("fields", u32), ("key_size", u32), ("limits", Limits)]


class ReplyUser(ctypes.Structure):
    _fields_ = [("uid", u32), ("gid", u32), ("block_first", u32), ("keeper_id", u32),
                ("limits", Limits), ("disk_free_before", u64)]


class NetTarget(ctypes.Structure):
    _fields_ = [("address", ctypes.c_uint8 * 16), ("flags", u32), ("protocol", u16),
                ("port", u16)]


class OrderNetwork(ctypes.Structure):
    _fields_ = [("count", u32), ("reserved", u32), ("service", NetTarget * SERVICES_MAX),
                ("resolver_count", u32), ("reserved2", u32)]


class GrantTerms(ctypes.Structure):
    _fields_ = [("kind", u32), ("protocol", u16), ("port", u16), ("end", u32),
                ("connections", u32), ("rate", u32), ("reserved", u32), ("for_ns", u64),
                ("until_wall_ns", u64)]


class OrderGrant(ctypes.Structure):
    _fields_ = [("id", u64), ("user", ctypes.c_char * NAME_SIZE), ("terms", GrantTerms)]


class OrderAsk(ctypes.Structure):
    _fields_ = [("user", ctypes.c_char * NAME_SIZE), ("terms", GrantTerms),
                ("why", ctypes.c_char * ASK_WHY_SIZE)]


class Grant(ctypes.Structure):
    _fields_ = [("id", u64), ("owner_uid", u32), ("grantee_uid", u32), ("terms", GrantTerms),
                ("made_wall_ns", u64), ("made_boot_ns", u64), ("left_ns", u64),
                ("boot_id", ctypes.c_uint8 * 16), ("machine", ctypes.c_char * NAME_SIZE),
                ("over", u32), ("cut", u32)]


class GrantView(ctypes.Structure):
    _fields_ = [("grant", Grant), ("left_ns", u64), ("owner", ctypes.c_char * NAME_SIZE),
                ("grantee", ctypes.c_char * NAME_SIZE), ("flags", u32), ("reserved", u32)]


class Ask(ctypes.Structure):
    _fields_ = [("id", u64), ("asker_uid", u32), ("owner_uid", u32), ("terms", GrantTerms),
                ("made_wall_ns", u64), ("machine", ctypes.c_char * NAME_SIZE),
                ("why", ctypes.c_char * ASK_WHY_SIZE)]


class AskView(ctypes.Structure):
    _fields_ = [("ask", Ask), ("asker", ctypes.c_char * NAME_SIZE),
                ("owner", ctypes.c_char * NAME_SIZE)]


class ReplyGrant(ctypes.Structure):
    _fields_ = [("view", GrantView), ("listening", u32), ("reserved", u32)]


class OrderWhy(ctypes.Structure):
    _fields_ = [("user", ctypes.c_char * NAME_SIZE), ("machine", ctypes.c_char * NAME_SIZE),
                ("address", ctypes.c_uint8 * 16), ("ipv6", u32), ("protocol", u16),
                ("port", u16)]


class ReplyWhy(ctypes.Structure):
    _fields_ = [("rule", u32), ("running", u32), ("expires_ms", u64), ("view", GrantView)]


class Reply(ctypes.Structure):
    _fields_ = [("version", u32), ("type", u32), ("outcome", u32), ("body_size", u32),
                ("number", u64 * 4), ("text", ctypes.c_char * TEXT_SIZE)]


class Command(ctypes.Structure):
    _fields_ = [("argc", u32), ("envc", u32), ("strings_len", u32), ("reserved", u32),
                ("user", ctypes.c_char * NAME_SIZE)]


class Plan(ctypes.Structure):
    _fields_ = [("version", u32), ("kind", u32), ("flags", u32), ("filter", u32),
                ("owner_uid", u32), ("block_first", u32), ("block_count", u32),
                ("keeper_id", u32), ("layer_count", u32), ("mount_count", u32),
                ("device_count", u32), ("stop_signal", u32), ("pids", u32), ("cpu_milli", u32),
                ("memory_bytes", u64), ("name", ctypes.c_char * NAME_SIZE),
                ("image", ctypes.c_char * NAME_SIZE),
                ("layer", (ctypes.c_uint8 * SHA256_SIZE) * LAYERS_MAX), ("command", Command)]


assert ctypes.sizeof(Order) == 72 and ctypes.sizeof(OrderUser) == 72
assert ctypes.sizeof(ReplyUser) == 88 and ctypes.sizeof(OrderNetwork) == 16 + 24 * SERVICES_MAX
assert ctypes.sizeof(GrantTerms) == 40 and ctypes.sizeof(OrderGrant) == 88
assert ctypes.sizeof(Grant) == 144 and ctypes.sizeof(GrantView) == 240
assert ctypes.sizeof(Reply) == 48 + TEXT_SIZE and ctypes.sizeof(Command) == 56
assert ctypes.sizeof(Plan) == 64 + 2 * NAME_SIZE + LAYERS_MAX * SHA256_SIZE + 56


# Numbers of setresuid, setresgid, setgroups: the C library's wrappers change every thread, and
# other threads of a test run commands as root meanwhile.
SYSCALLS = {"x86_64": (117, 119, 116), "aarch64": (147, 149, 159)}[os.uname().machine]
LIBC = ctypes.CDLL(None, use_errno=True)


def syscall(number, *args):
    if LIBC.syscall(number, *args) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def become(uid, gid, groups):
    """Sets the effective ids and the groups of this thread alone."""
    setresuid, setresgid, setgroups = SYSCALLS
    keep = ctypes.c_uint32(0xFFFFFFFF)
    if uid == 0:
        syscall(setresuid, keep, ctypes.c_uint32(0), keep)
    syscall(setgroups, len(groups), (ctypes.c_uint32 * len(groups))(*groups))
    syscall(setresgid, keep, ctypes.c_uint32(gid), keep)
    syscall(setresuid, keep, ctypes.c_uint32(uid), keep)


@contextmanager
def as_user(name):
    """Makes the effective ids of this thread those of @name: what the kernel says of a
    connection."""
    given = identity(name)
    if not given:
        yield
        return
    groups = os.getgroups()
    become(given["user"], given["group"], given["extra_groups"])
    try:
        yield
    finally:
        become(0, 0, groups)


def connect(path, kind, user=None, timeout=10):
    """A connection that the kernel ascribes to @user. The caller closes it."""
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.settimeout(timeout)
    try:
        with as_user(user):
            sock.connect(os.fspath(path))
    except BaseException:
        sock.close()
        raise
    return sock


def door(user=None, timeout=10):
    return connect(RUN / "door", socket.SOCK_SEQPACKET, user, timeout)


def api(user=None, timeout=10):
    return connect(RUN / "api", socket.SOCK_STREAM, user, timeout)


def command(*argv, env=(), workdir="/", user=b""):
    """Bytes of a struct command."""
    strings = b"".join(s.encode() + b"\0" for s in (workdir, *argv, *env))
    head = Command(argc=len(argv), envc=len(env), strings_len=len(strings), user=user)
    return bytes(head) + strings


def order(kind, name=b"", body=b"", **fields):
    """Bytes of a struct order with @body."""
    given = {"version": 1, "type": kind, "body_size": len(body), "name": name, **fields}
    return bytes(Order(**given)) + body


def receive(sock):
    """The next reply: (Reply, body, descriptors), or None at the end of the connection."""
    data, fds = b"", []
    data, ancillary, _, _ = sock.recvmsg(MESSAGE_MAX, socket.CMSG_SPACE(4 * FDS_MAX),
                                         socket.MSG_CMSG_CLOEXEC)
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            got = array.array("i")
            got.frombytes(value[:len(value) - len(value) % 4])
            fds += list(got)
    if not data:
        return None
    reply = Reply.from_buffer_copy(data)
    assert reply.version == 1, data[:64]
    assert len(data) == ctypes.sizeof(Reply) + reply.body_size
    return reply, data[ctypes.sizeof(Reply):], fds


def speak(message, user=None, fds=(), timeout=10):
    """Sends one message to the door and returns the first reply that is no note, or None."""
    with door(user, timeout) as sock:
        try:
            if fds:
                socket.send_fds(sock, [message], list(fds))
            else:
                sock.send(message)
            while True:
                got = receive(sock)
                if got is None or got[0].type != REPLY_NOTE:
                    break
        except (ConnectionResetError, BrokenPipeError):
            return None
    if got is None:
        return None
    for fd in got[2]:
        os.close(fd)
    return got[0]


def call_raw(data, user=None, timeout=10):
    """Sends bytes to croftd and returns all it says until it closes or a 0 byte comes."""
    answer = b""
    with api(user, timeout) as sock:
        try:
            sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            while not answer.endswith(b"\0"):
                piece = sock.recv(65536)
                if not piece:
                    break
                answer += piece
        except ConnectionResetError:
            pass
    return answer


def call(method, parameters=None, user=None, timeout=10):
    """One well-formed call to croftd; its answer as an object."""
    text = json.dumps({"method": method, "parameters": parameters or {}}).encode()
    answer = call_raw(text + b"\0", user, timeout)
    assert answer.endswith(b"\0"), answer[:200]
    return json.loads(answer[:-1])


def good_plan(user, /, **parameters):
    """(Plan, strings): what croftd would have croft say for a job of busybox."""
    given = {"kind": "job", "image": "busybox", "command": ["/bin/true"], "remove": True}
    given.update(parameters)
    answer = call("Plan", given, user)
    assert "parameters" in answer, answer
    data = base64.b64decode(answer["parameters"]["plan"])
    return Plan.from_buffer_copy(data), data[ctypes.sizeof(Plan):]


def uid_of(user):
    return pwd.getpwnam(user).pw_uid


def patient(deadline_s, step, condition):
    """Calls @step until @condition or the deadline. Returns whether @condition came true."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if condition():
            return True
        step()
    return condition()
