# SPDX-License-Identifier: Apache-2.0
"""The door and croftd's socket under clients that do not behave (issue "Walls": Bad input;
design invariants 3, 4, 12): one line, the right outcome, nothing changed, others served"""
import ctypes
import json
import os
import pty
import re
import socket
import statistics
import tarfile
import tempfile
import threading
import time
from contextlib import contextmanager

import pytest

import wire
from harness import (BLOCK, NOT_FOUND, NOT_PERMITTED, OVER_LIMIT, USAGE, croft, daemon_pid,
                     envelope_pids, machines, ok, until, users)

QUICK_S = 2.0  # bob's `croft ls` while somebody storms, on the smallest machine we support


@pytest.fixture(scope="module", autouse=True)
def machine(alice):
    ok("launch", "busybox", "m", user=alice, timeout=40)
    yield "m"
    ok("rm", "--force", "m", user=alice)


def world(alice, bob):
    """What must not change: machines and users as the product lists them, daemons by pid."""
    return (machines(alice), machines(bob),
            {n: (u["limits"], u["block_first"], u["keeper_id"]) for n, u in users().items()},
            [daemon_pid(n) for n in ("croft-super", "croft-monitor", "croftd")])


def stable(state):
    """The state without figures that move by themselves."""
    hers, his, known, pids = state

    def still(shown):
        moves = ("memory_bytes", "pids", "disk_used_bytes", "inodes_used")
        return {n: {k: v for k, v in m.items() if k not in moves} for n, m in shown.items()}
    return still(hers), still(his), known, pids


@pytest.fixture(autouse=True)
def nothing_changes(alice, bob):
    before = stable(world(alice, bob))
    yield
    # croftd hears of what is gone a moment after the client does.
    until(lambda: stable(world(alice, bob)) == before, 5, "the world's being as before")


@contextmanager
def pipes(count=3):
    """The inside ends of @count pipes; stdin's writer is closed."""
    ends, ours = [], []
    for number in range(count):
        reader, writer = os.pipe()
        ends.append(reader if number == 0 else writer)
        ours.append(writer if number == 0 else reader)
    try:
        yield ends
    finally:
        for fd in ends + ours:
            os.close(fd)


@contextmanager
def bob_stays_quick(bob):
    """Measures bob's `croft ls` while the block runs."""
    times, done = [], threading.Event()

    def watch():
        while not done.is_set():
            times.append(croft("ls", user=bob, timeout=20).seconds)
            done.wait(0.1)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join(30)
    assert statistics.median(times) < QUICK_S / 2 and max(times) < QUICK_S * 2, times


def told(reply, *outcomes):
    """Asserts a refusal with one clean line."""
    assert reply is not None, "the connection was closed without a word"
    assert reply.type == wire.REPLY_DONE, reply.type
    assert reply.outcome in outcomes, (reply.outcome, reply.text)
    text = reply.text.decode()
    assert text and text.isprintable(), text
    return text


# -- messages that are no orders -----------------------------------------------------------------

GARBAGE = {
    "one byte": b"\0",
    "text": b"GET / HTTP/1.1\r\n\r\n",
    "half a head": wire.order(wire.HOST_STATUS)[:36],
    "zeroes": b"\0" * 72,
    "ones": b"\xff" * 72,
    "other version": wire.order(wire.HOST_STATUS, version=2),
    "type 0": wire.order(0),
    "type after the last": wire.order(wire.ORDER_TYPE_COUNT),
    "type 2^32-1": wire.order(0xFFFFFFFF),
    "unknown flag": wire.order(wire.HOST_STATUS, flags=1 << 31),
    "reserved set": wire.order(wire.HOST_STATUS, reserved=1),
    "body promised, not there": wire.order(wire.EXEC, b"m", body_size=100),
    "body not promised": wire.order(wire.HOST_STATUS) + b"more",
    "name without end": wire.order(wire.STOP, b"a" * 40),
    "name with bytes after its end": wire.order(wire.STOP)[:32] + b"a\0b" + b"\0" * 37,
    "name with a slash": wire.order(wire.STOP, b"a/b"),
    "name with dots": wire.order(wire.STOP, b".."),
    "name with a newline": wire.order(wire.STOP, b"a\nb"),
    "name with an escape": wire.order(wire.STOP, b"a\x1b[2J"),
    "no name": wire.order(wire.STOP, b""),
    "name of 33": wire.order(wire.STOP, b"a" * 33),
    "plan cut short": wire.order(wire.RUN_JOB, b"", b"\0" * 100),
    "command cut short": wire.order(wire.EXEC, b"m", b"\0" * 20),
    "empty command": wire.order(wire.EXEC, b"m", wire.command()),
    "command that counts wrong": wire.order(
        wire.EXEC, b"m", bytes(wire.Command(argc=1000, strings_len=3)) + b"/\0a"),
    "64 KiB": wire.order(wire.EXEC, b"m", b"x" * (64 * 1024 - 72)),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_door_garbage(alice, what):
    """the door: whatever is no well-formed order is answered as bad usage"""
    told(wire.speak(GARBAGE[what], alice), USAGE)


def test_door_message_too_long(alice):
    """more than 64 KiB in one message is not taken"""
    with wire.door(alice) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        sock.send(b"x" * (70 * 1024))
        try:
            got = wire.receive(sock)
        except ConnectionResetError:
            got = None
        assert got is None or got[0].outcome == USAGE


def test_door_descriptors_that_do_not_belong(alice):
    """descriptors with an order that takes none, too many, too few"""
    with pipes(3) as three, pipes(23) as many:
        for fds in (three[:1], many):
            told(wire.speak(wire.order(wire.HOST_STATUS), alice, fds), USAGE)
        plan, strings = wire.good_plan(alice)
        body = bytes(plan) + strings
        for fds in ((), three[:1], three[:2]):
            told(wire.speak(wire.order(wire.RUN_JOB, b"", body), alice, fds), USAGE)


@pytest.mark.parametrize("what", ["terminal", "directory", "file", "fifo", "/dev/null",
                                  "listening socket", "inet socket", "epoll", "memfd"])
def test_door_takes_pipes_only(alice, what, scratch):
    """a terminal, directory, file... where a pipe belongs: refused, nothing started"""
    master, slave = pty.openpty()
    os.mkfifo(scratch / "fifo")
    with tempfile.TemporaryFile() as file, socket.socket() as inet, \
            socket.socket(socket.AF_UNIX) as listener, pipes(3) as three:
        listener.bind(os.fspath(scratch / "listener"))
        listener.listen()
        wrong = {
            "terminal": lambda: os.dup(slave),
            "directory": lambda: os.open("/", os.O_RDONLY | os.O_DIRECTORY),
            "file": lambda: os.dup(file.fileno()),
            "fifo": lambda: os.open(scratch / "fifo", os.O_RDWR),
            "/dev/null": lambda: os.open("/dev/null", os.O_RDWR),
            "listening socket": lambda: os.dup(listener.fileno()),
            "inet socket": lambda: os.dup(inet.fileno()),
            "epoll": lambda: ctypes.CDLL(None).epoll_create1(os.O_CLOEXEC),
            "memfd": lambda: os.memfd_create("x"),
        }[what]()
        plan, strings = wire.good_plan(alice)
        try:
            for place in range(3):
                fds = list(three)
                fds[place] = wrong
                told(wire.speak(wire.order(wire.RUN_JOB, b"", bytes(plan) + strings),
                                alice, fds), USAGE, NOT_PERMITTED)
                told(wire.speak(wire.order(wire.EXEC, b"m", wire.command("/bin/true")),
                                alice, fds), USAGE, NOT_PERMITTED)
            told(wire.speak(wire.order(wire.IMAGE_IMPORT, b"img"), alice, [wrong]),
                 USAGE, NOT_PERMITTED)
        finally:
            for fd in (wrong, master, slave):
                os.close(fd)


# -- plans that somebody made up -----------------------------------------------------------------

def crafted(alice, bob):
    """what -> (how to spoil a plan of alice's, outcomes that are right)"""
    hers, his = users()[alice], users()[bob]
    limits = hers["limits"]

    def put(**fields):
        def spoil(plan):
            for key, value in fields.items():
                setattr(plan, key, value)
        return spoil

    def layer(plan):
        plan.layer[0][:] = bytes(range(32))

    def many_layers(plan):
        plan.layer_count = 17

    malformed = (USAGE, NOT_PERMITTED)
    return {
        "bob's uid": (put(owner_uid=his["uid"]), (NOT_PERMITTED,)),
        "root's uid": (put(owner_uid=0), malformed),
        "bob's block": (put(block_first=his["block_first"]), (NOT_PERMITTED,)),
        "block 0": (put(block_first=0), (NOT_PERMITTED,)),
        "block moved by one": (put(block_first=hers["block_first"] + 1), (NOT_PERMITTED,)),
        "block twice as long": (put(block_count=2 * BLOCK), malformed),
        "block of 2^32-1": (put(block_count=0xFFFFFFFF), malformed),
        "bob's keeper": (put(keeper_id=his["keeper_id"]), (NOT_PERMITTED,)),
        "keeper root": (put(keeper_id=0), (NOT_PERMITTED,)),
        "her own uid as keeper": (put(keeper_id=hers["uid"]), (NOT_PERMITTED,)),
        "a layer nobody has": (layer, (NOT_FOUND, NOT_PERMITTED)),
        "no layer": (put(layer_count=0), malformed),
        "17 layers": (many_layers, (USAGE,)),
        "memory above hers": (put(memory_bytes=limits["memory_bytes"] + 4096), (OVER_LIMIT,)),
        "memory 2^64-1": (put(memory_bytes=2**64 - 1), (OVER_LIMIT, USAGE)),
        "pids above hers": (put(pids=limits["pids"] + 1), (OVER_LIMIT,)),
        "pids 2^32-1": (put(pids=0xFFFFFFFF), (OVER_LIMIT, USAGE)),
        "a mount": (put(mount_count=1), malformed),
        "a device": (put(device_count=1), malformed),
        "the unpacker's filter": (put(filter=2), malformed),
        "no filter": (put(filter=0), malformed),
        "filter 99": (put(filter=99), malformed),
        "version 2": (put(version=2), (USAGE,)),
        "kind 0": (put(kind=0), (USAGE,)),
        "kind 3": (put(kind=3), (USAGE,)),
        "unknown flags": (put(flags=0xFFFFFFFF), (USAGE,)),
        "stop signal 0": (put(stop_signal=0), (USAGE,)),
        "stop signal 65": (put(stop_signal=65), (USAGE,)),
        "name with dots": (put(name=b"../x"), (USAGE,)),
        "name with a slash": (put(name=b"a/b"), (USAGE,)),
        "image with an escape": (put(image=b"a\x1b[2J"), (USAGE,)),
    }


CRAFTED = ["bob's uid", "root's uid", "bob's block", "block 0", "block moved by one",
           "block twice as long", "block of 2^32-1", "bob's keeper", "keeper root",
           "her own uid as keeper", "a layer nobody has", "no layer", "17 layers",
           "memory above hers", "memory 2^64-1", "pids above hers", "pids 2^32-1", "a mount",
           "a device", "the unpacker's filter", "no filter", "filter 99", "version 2", "kind 0",
           "kind 3", "unknown flags", "stop signal 0", "stop signal 65", "name with dots",
           "name with a slash", "image with an escape"]


def test_the_plan_itself_is_good(alice):
    """positive control of the crafted plans: unspoiled it runs"""
    plan, strings = wire.good_plan(alice)
    with pipes() as three:
        reply = wire.speak(wire.order(wire.RUN_JOB, b"", bytes(plan) + strings), alice,
                           three)
    assert reply.type in (wire.REPLY_STARTED, wire.REPLY_EXITED), reply.text
    until(lambda: set(machines(alice)) == {"m"}, 10, "the job's end")


@pytest.mark.parametrize("what", CRAFTED)
def test_crafted_plan(alice, bob, what):
    """invariant 3, 4: who wrote a plan does not matter, the monitor's records decide"""
    table = crafted(alice, bob)
    assert set(table) == set(CRAFTED)
    spoil, outcomes = table[what]
    for kind, flag in ((wire.RUN_JOB, "job"), (wire.LAUNCH, "machine")):
        given = {"kind": flag, "remove": flag == "job"}
        if flag == "machine":
            given["name"] = "crafted"
        plan, strings = wire.good_plan(alice, **given)
        spoil(plan)
        with pipes() as three:
            fds = three if kind == wire.RUN_JOB else ()
            told(wire.speak(wire.order(kind, b"", bytes(plan) + strings), alice, fds),
                 *outcomes)


def test_bobs_plan_in_alices_mouth(alice, bob):
    """a plan that is right for bob is refused to alice"""
    plan, strings = wire.good_plan(bob)
    with pipes() as three:
        told(wire.speak(wire.order(wire.RUN_JOB, b"", bytes(plan) + strings), alice, three),
             NOT_PERMITTED)


def test_bobs_private_layer_in_alices_plan(alice, bob, scratch):
    """a layer that only bob imported cannot be named by alice"""
    tar = scratch / "image.tar"
    with tarfile.open(tar, "w") as archive:
        archive.add("/bin/busybox", "bin/sh")
    with tar.open("rb") as given:
        ok("image", "import", "-", "private", user=bob, stdin=given, timeout=40)
    his, _ = wire.good_plan(bob, image="private", command=["/bin/sh"])
    plan, strings = wire.good_plan(alice)
    plan.layer[0][:] = his.layer[0][:]
    with pipes() as three:
        told(wire.speak(wire.order(wire.RUN_JOB, b"", bytes(plan) + strings), alice, three),
             NOT_FOUND, NOT_PERMITTED)
    ok("image", "rm", "private", user=bob)


def test_strings_that_do_not_add_up(alice):
    """argc, envc and lengths of a plan's command must fit its bytes"""
    plan, strings = wire.good_plan(alice)
    for fields, bytes_ in (({"argc": 2}, strings), ({"envc": 0xFFFFFFFF}, strings),
                           ({"argc": 0}, strings), ({"argc": 1025}, strings),
                           ({"strings_len": len(strings) - 1}, strings[:-1]),
                           ({"strings_len": 0}, b""), ({"reserved": 1}, strings)):
        spoiled = wire.Plan.from_buffer_copy(bytes(plan))
        for key, value in fields.items():
            setattr(spoiled.command, key, value)
        with pipes() as three:
            told(wire.speak(wire.order(wire.RUN_JOB, b"", bytes(spoiled) + bytes_), alice,
                            three), USAGE)


# -- who may ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["START", "STOP", "REMOVE", "EXEC", "LOGS"])
def test_another_users_machine_is_not_there(alice, bob, kind):
    """bob's order about alice's machine gets the answer of one about no machine"""
    body = wire.command("/bin/true") if kind == "EXEC" else b""
    with pipes() as three:
        fds = three if kind == "EXEC" else ()
        number = getattr(wire, kind)
        hers = told(wire.speak(wire.order(number, b"m", body), bob, fds), NOT_FOUND)
        none = told(wire.speak(wire.order(number, b"n", body), bob, fds), NOT_FOUND)
    assert re.sub(r"\bm\b", "*", hers) == re.sub(r"\bn\b", "*", none)


def test_admin_orders_from_a_user(alice, bob):
    """user add, set, rm and host stop are refused to who is no admin"""
    body = bytes(wire.OrderUser(fields=1 << 3, limits=wire.Limits(pids=100000)))
    for message in (wire.order(wire.USER_ADD, b"t-intruder", body),
                    wire.order(wire.USER_SET, alice.encode(), body),
                    wire.order(wire.USER_SET, bob.encode(), body),
                    wire.order(wire.USER_REMOVE, bob.encode(), flags=1 << 2),
                    wire.order(wire.HOST_STOP)):
        told(wire.speak(message, alice), NOT_PERMITTED)


def test_a_stranger_gets_one_line():
    """an account that is no Croft user gets one line at the door and at croftd's socket"""
    told(wire.speak(wire.order(wire.STOP, b"m"), "daemon"), NOT_PERMITTED)
    answer = wire.call("List", user="daemon")
    assert answer["outcome"] == NOT_PERMITTED and answer["text"].isprintable()
    result = croft("ls", user="daemon")
    assert result.status == NOT_PERMITTED and result.err.count("\n") == 1, str(result)


def test_a_signal_needs_something_that_runs(alice):
    """ORDER_SIGNAL on a connection that runs nothing changes nothing"""
    for number in (9, 0, 65, 2**63):
        reply = wire.speak(wire.order(wire.SIGNAL, number=number), alice)
        assert reply is None or reply.outcome in (USAGE, NOT_FOUND, NOT_PERMITTED), reply.outcome


def test_orders_beside_a_running_command(alice):
    """other orders on a connection that runs something are answered and do not disturb it"""
    with wire.door(alice) as sock, pipes() as three:
        plan, strings = wire.good_plan(alice, command=["/bin/sh", "-c", "sleep 1; exit 3"])
        socket.send_fds(sock, [wire.order(wire.RUN_JOB, b"", bytes(plan) + strings)], three)
        assert wire.receive(sock)[0].type == wire.REPLY_STARTED
        for _ in range(20):
            sock.send(wire.order(wire.HOST_STATUS))
        sock.send(b"garbage")
        seen = []
        while True:
            got = wire.receive(sock)
            if got is None or got[0].type == wire.REPLY_EXITED:
                break
            seen.append((got[0].type, got[0].outcome))
        assert got is not None and got[0].number[0] == 3
        assert len(seen) == 21 and {kind for kind, _ in seen} == {wire.REPLY_DONE}, seen
        assert {outcome for _, outcome in seen} <= {0, USAGE} and seen[-1][1] == USAGE, seen


def test_one_command_per_connection(alice):
    """a second command on a connection is refused and the first one ends as it would; the monitor lives on"""
    with wire.door(alice) as sock, pipes() as three, pipes() as others:
        plan, strings = wire.good_plan(alice, command=["/bin/sh", "-c", "sleep 1; exit 3"])
        socket.send_fds(sock, [wire.order(wire.RUN_JOB, b"", bytes(plan) + strings)], three)
        assert wire.receive(sock)[0].type == wire.REPLY_STARTED
        plan, strings = wire.good_plan(alice, command=["/bin/sleep", "60"])
        socket.send_fds(sock, [wire.order(wire.RUN_JOB, b"", bytes(plan) + strings)], others)
        refused = wire.receive(sock)[0]
        assert (refused.type, refused.outcome) == (wire.REPLY_DONE, USAGE)
        ended = wire.receive(sock)[0]
        assert ended.type == wire.REPLY_EXITED and ended.number[0] == 3


# -- clients that are rude -------------------------------------------------------------------------

def test_who_never_reads_is_dropped(alice, bob):
    """a client that asks and never reads is dropped after 5 s; memory does not grow"""
    def memory():
        with open(f"/proc/{daemon_pid('croftd')}/statm", encoding="utf-8") as file:
            return int(file.read().split()[1])
    before = memory()
    call = json.dumps({"method": "List", "parameters": {}}).encode() + b"\0"
    with bob_stays_quick(bob), wire.api(alice) as sock:
        sock.setblocking(False)
        end = time.monotonic() + 12
        while time.monotonic() < end:
            try:
                sock.send(call * 500)
            except BlockingIOError:
                time.sleep(0.05)
            except (BrokenPipeError, ConnectionResetError):
                break
        else:
            pytest.fail("still connected after 12 s without reading")
    assert memory() - before < 256, "more than 1 MiB of pages kept"


def test_who_never_reads_the_door_is_dropped(alice, bob):
    """the door: a client that orders and never reads is dropped after 5 s, others are served"""
    with bob_stays_quick(bob), wire.door(alice) as sock:
        sock.setblocking(False)
        message, end = wire.order(wire.HOST_STATUS), time.monotonic() + 12
        while time.monotonic() < end:
            try:
                sock.send(message)
            except BlockingIOError:
                time.sleep(0.05)
            except (BrokenPipeError, ConnectionResetError):
                break
        else:
            pytest.fail("still connected after 12 s without reading")


def test_strangers_have_few_connections(alice):
    """accounts that are no Croft users get one line each and hold up nobody"""
    held = []
    try:
        for _ in range(50):
            held += [wire.door("daemon"), wire.api("daemon")]
        assert ok("ls", user=alice).seconds < QUICK_S
        assert ok("exec", "m", "--", "/bin/true", user=alice).seconds < QUICK_S
    finally:
        for sock in held:
            sock.close()


def test_half_a_call_is_dropped(alice, bob):
    """half a message at croftd: dropped after 5 s, with one line or none"""
    with bob_stays_quick(bob), wire.api(alice, timeout=12) as sock:
        sock.sendall(b'{"method": "Li')
        begun = time.monotonic()
        answer = sock.recv(4096)
        assert time.monotonic() - begun < 9
        if answer:
            assert json.loads(answer.rstrip(b"\0"))["outcome"] == USAGE


def test_a_gigabyte_is_not_read(alice, bob):
    """croftd stops reading at 64 KiB"""
    sent = 0
    with bob_stays_quick(bob), wire.api(alice) as sock:
        try:
            while sent < 1 << 30:
                sent += sock.send(b"x" * 65536)
        except (BrokenPipeError, ConnectionResetError, socket.timeout):
            pass
    assert sent < 2 << 20, f"{sent} bytes were taken"


CALLS = [b"", b"\0", b"garbage\0", b"{}\0", b"[]\0", b"null\0", b'"x"\0', b"{\0", b"\xff\xfe\0",
         b'{"method": 1}\0', b'{"method": "Nosuch", "parameters": {}}\0',
         b'{"method": "List", "method": "Users", "parameters": {}}\0',
         b'{"method": "List", "parameters": []}\0',
         b'{"method": "Info", "parameters": {}}\0',
         b'{"method": "Info", "parameters": {"name": 7}}\0',
         b'{"method": "Plan", "parameters": {"kind": "job", "image": ["busybox"]}}\0',
         b'{"method": "Plan", "parameters": {"kind": "job", "image": "busybox", "command": 1}}\0',
         b'{"method": "Plan", "parameters": {"kind": "vm", "image": "busybox"}}\0',
         b'{"method": "Plan", "parameters": {"kind": "job", "image": "busybox", "pids": -1}}\0',
         b'{"method": "Plan", "parameters": {"kind": "job", "image": "busybox", "pids": 1e3}}\0',
         b"[" * 60000 + b"\0", b'{"a":' * 10000 + b"\0"]


@pytest.mark.parametrize("data", CALLS, ids=lambda d: repr(d[:40]))
def test_api_garbage(alice, data):
    """croftd: what is no call it knows is answered in one line"""
    if not data:
        with wire.api(alice):
            pass
        return
    answer = wire.call_raw(data, alice)
    assert answer.endswith(b"\0"), answer[:200]
    said = json.loads(answer[:-1])
    assert said["outcome"] in (USAGE, NOT_FOUND), said
    assert said["text"] and said["text"].isprintable(), said


def test_api_says_nothing_of_others(alice, bob):
    """a user who asks for another's list gets refused, an admin does not"""
    for method in ("List", "Info", "Images"):
        given = {"user": alice, "name": "m"} if method == "Info" else {"user": alice}
        said = wire.call(method, given, bob)
        if "outcome" in said:
            assert said["outcome"] in (NOT_PERMITTED, NOT_FOUND, USAGE), said
        else:
            assert "m" not in json.dumps(said["parameters"].get("machines", [])), said


def test_seventeenth_connection(alice, bob):
    """16 connections per user: the next gets one line; others are served"""
    for path in (wire.door, wire.api):
        held = []
        try:
            for _ in range(16):
                held.append(path(alice))
            time.sleep(0.3)
            with path(alice) as one_more:
                one_more.settimeout(5)
                try:
                    if path is wire.door:
                        got = wire.receive(one_more)
                        assert got and got[0].outcome == OVER_LIMIT, got
                    else:
                        said = json.loads(one_more.recv(4096).rstrip(b"\0"))
                        assert said["outcome"] == OVER_LIMIT, said
                except ConnectionResetError:
                    pass
            assert ok("ls", user=bob).seconds < QUICK_S
            assert ok("run", "--rm", "busybox", "--", "/bin/true", user=bob).seconds < QUICK_S
        finally:
            for sock in held:
                sock.close()
        until(lambda: croft("ls", user=alice).status == 0, 5, "alice's return")


def test_turns_go_round_the_users(alice, bob):
    """15 connections of alice's that order without a pause: bob's order waits for one of hers at
    most, not for her line"""
    def bob_asks(count):
        taken = []
        for _ in range(count):
            with wire.door(bob) as sock, pipes() as three:
                begun = time.monotonic()
                socket.send_fds(sock, [wire.order(wire.EXEC, b"b", wire.command("/bin/true"))],
                                three)
                while (got := wire.receive(sock)) and got[0].type == wire.REPLY_NOTE:
                    pass
                taken.append(time.monotonic() - begun)
                assert got and got[0].type == wire.REPLY_STARTED, got and got[0].text
        return statistics.median(taken)

    def keep_asking(sock):
        while not done.is_set():
            with pipes() as three:
                socket.send_fds(sock, [wire.order(wire.EXEC, b"m", wire.command("/bin/true"))],
                                three)
                begun = time.monotonic()
                got = wire.receive(sock)
                waited.append(time.monotonic() - begun)
                while got and got[0].type == wire.REPLY_STARTED:
                    started.append(1)
                    for fd in got[2]:
                        os.close(fd)
                    got = wire.receive(sock)

    ok("launch", "busybox", "b", user=bob, timeout=40)
    done, started, waited = threading.Event(), [], []
    held = [wire.door(alice, 60) for _ in range(15)]
    threads = [threading.Thread(target=keep_asking, args=(sock,)) for sock in held]
    try:
        idle = bob_asks(10)
        for thread in threads:
            thread.start()
        until(lambda: len(started) > 30, 20, "a full line of alice's")
        waited.clear()
        busy = bob_asks(10)
        hers = statistics.median(waited)
    finally:
        done.set()
        for thread in threads:
            thread.join(60)
        for sock in held:
            sock.close()
        ok("rm", "--force", "b", user=bob)
    assert busy < 1.0, (idle, busy, hers)
    assert busy < hers / 2, f"bob waits {busy:.3f} s, alice's line {hers:.3f} s, idle {idle:.3f} s"


@pytest.mark.parametrize("path", ["door", "api"])
def test_10000_connects(alice, bob, path):
    """10,000 connections in a row: bob stays quick, descriptors are given back"""
    pids = [daemon_pid("croft-monitor"), daemon_pid("croftd")]
    before = [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids]
    connect = getattr(wire, path)
    with bob_stays_quick(bob), wire.as_user(None):
        for _ in range(10000):
            try:
                connect(alice).close()
            except (BlockingIOError, ConnectionRefusedError, socket.timeout):
                time.sleep(0.001)
    until(lambda: [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids] <= [n + 1 for n in before],
          10, "the descriptors' return")


def test_descriptors_in_flight_are_closed(alice):
    """messages full of descriptors that nobody wants leave none behind in the monitor"""
    pid = daemon_pid("croft-monitor")
    before = len(os.listdir(f"/proc/{pid}/fd"))
    with pipes(24) as many:
        for _ in range(200):
            wire.speak(wire.order(wire.HOST_STATUS), alice, many)
    until(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= before, 5, "the descriptors' end")


def test_clients_that_vanish(alice):
    """clients that hang up at each point of an order leave no process and no job"""
    uid = users()[alice]["uid"]
    before = len(envelope_pids(uid))
    for wait in (0, 0.001, 0.003, 0.006, 0.01, 0.02, 0.05):
        for _ in range(3):
            plan, strings = wire.good_plan(alice, command=["/bin/sleep", "100"])
            with pipes() as three, wire.door(alice) as sock:
                socket.send_fds(sock, [wire.order(wire.RUN_JOB, plan.name,
                                                  bytes(plan) + strings)], three)
                time.sleep(wait)
    until(lambda: set(machines(alice)) == {"m"} and len(envelope_pids(uid)) <= before, 20,
          "the end of what nobody waits for")


def test_a_passed_connection_speaks_for_who_made_it(alice, bob):
    """invariant 3: an order over bob's connection is bob's, whoever writes to it"""
    with wire.door(bob) as sock, wire.as_user(alice):
        sock.send(wire.order(wire.STOP, b"m"))
        reply, _, _ = wire.receive(sock)
    assert reply.outcome == NOT_FOUND
