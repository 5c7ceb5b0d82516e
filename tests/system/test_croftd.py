# SPDX-License-Identifier: Apache-2.0
"""test_croftd - croftd alone: the test is its croft-super and its monitor

So what it does before the monitor has spoken, when the monitor talks nonsense or ends, and whose
turn it is when everybody asks at once, can be seen without a host to break.
"""
import base64
import json
import os
import pwd
import resource
import socket
import struct
import subprocess
import tempfile
import threading
import time

import pytest

from harness import BLOCK, GIB, ID_FIRST, ID_LAST, LIB

PROGRAM = os.environ.get("CROFTD", str(LIB / "croftd"))
NOBODY = pwd.getpwnam("nobody")
EVENT = struct.Struct("<8I2i2I2Q5Q6I40s40s32s2I160s")  # struct event
USER, USER_GONE, IMAGE, IMAGE_GONE, INSTANCE, INSTANCE_GONE, SYNCED, DISK = range(1, 9)
ALICE, BOB, STRANGER, ADMIN_GROUP = 61001, 61002, 61003, 61004
LIMITS = (GIB, 0, 10 * GIB, 65536, 0, 200000, 8192, 100, 0, 0, 0)


def event(kind, uid=0, name="", image="", slot=0, limits=(0,) * 11, version=1):
    return EVENT.pack(version, kind, uid, uid, ID_FIRST + slot * BLOCK, ID_LAST - slot, 1, 3,
                      -1, -1, 0, 0, 7 * 10**9, 4096, *limits, name.encode(), image.encode(),
                      b"\xab" * 32, 0, 0, b"")


WORLD = (event(USER, ALICE, "alice", limits=LIMITS), event(USER, BOB, "bob", slot=1, limits=LIMITS),
         event(IMAGE, ALICE, "busybox"), event(INSTANCE, ALICE, "db", "busybox"),
         event(INSTANCE, BOB, "secret", "busybox"))


class Client:
    """A connection that the kernel knows as @uid's."""
    def __init__(self, path, uid, groups=()):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.unread = b""  # two answers may come in one piece
        pid = os.fork()
        if pid == 0:  # SO_PEERCRED is who called connect(2), whoever holds the socket later
            try:
                os.setgroups(groups)
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                self.sock.connect(path)
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    def send(self, method, **parameters):
        call = {"method": method, "parameters": parameters}
        self.sock.sendall(json.dumps(call).encode() + b"\0")

    def answer(self):
        while b"\0" not in self.unread:
            piece = self.sock.recv(65536)
            if not piece:
                return None
            self.unread += piece
        said, _, self.unread = self.unread.partition(b"\0")
        return json.loads(said)

    def call(self, method, **parameters):
        self.send(method, **parameters)
        return self.answer()

    def is_dropped(self):
        try:
            return self.sock.recv(1) == b""
        except ConnectionError:
            return True


class Croftd:
    def __init__(self, where, uid=NOBODY.pw_uid):
        self.path = f"{where}/api"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        os.chmod(self.path, 0o666)
        listener.listen(1024)
        self.events, channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def become():
            spare = [os.dup(channel.fileno()), os.dup(listener.fileno())]
            os.dup2(spare[0], 3)
            os.dup2(spare[1], 4)
            os.closerange(5, 1024)
            resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        self.log = open(f"{where}/log", "w+", encoding="utf-8")
        self.process = subprocess.Popen([PROGRAM], preexec_fn=become, close_fds=False,
                                        stdin=subprocess.DEVNULL, stderr=self.log, env={})
        channel.close()
        listener.close()

    def tell(self, *events):
        for one in events:
            self.events.send(one)

    def client(self, uid=ALICE, groups=()):
        return Client(self.path, uid, groups)

    def end(self):
        self.events.close()
        return self.process.wait(5)

    def said(self):
        self.log.seek(0)
        return self.log.read()


@pytest.fixture
def daemon():
    with tempfile.TemporaryDirectory(prefix="croftd-", dir="/var/tmp") as where:
        os.chmod(where, 0o755)
        croftd = Croftd(where)
        yield croftd
        croftd.events.close()
        if croftd.process.poll() is None:
            croftd.process.kill()
        croftd.process.wait()
        croftd.log.close()


@pytest.fixture
def synced(daemon):
    daemon.tell(*WORLD, event(SYNCED))
    return daemon


def refused(answer, outcome):
    return answer["outcome"] == outcome and "parameters" not in answer


# --- the monitor -------------------------------------------------------------------------------

def test_nothing_is_answered_before_the_state_is_whole(daemon):
    """A user whom the monitor has not named yet must not be told that she is a stranger."""
    client = daemon.client()
    client.send("List")
    daemon.tell(*WORLD)
    client.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.answer()
    client.sock.settimeout(5)
    daemon.tell(event(SYNCED))
    assert [m["name"] for m in client.answer()["parameters"]["machines"]] == ["db"]


def test_what_the_monitor_said_first_is_in_the_next_answer(synced):
    client = synced.client()
    assert client.call("Status")["parameters"]["machines"] == 1
    for i in range(50):
        synced.tell(event(INSTANCE, ALICE, f"m{i}", "busybox"))
        assert client.call("Status")["parameters"]["machines"] == i + 2
    synced.tell(*[event(INSTANCE_GONE, ALICE, f"m{i}") for i in range(50)])
    assert client.call("Status")["parameters"]["machines"] == 1


def test_it_ends_with_the_monitor(synced):
    assert synced.client().call("Status")["parameters"]["users"] == 1
    assert synced.end() == 0


@pytest.mark.parametrize("bad", [b"x", WORLD[0][:-1], WORLD[0] + b"x",
                                 event(USER, ALICE, "alice", version=2), event(99),
                                 event(USER, ALICE, "../x"), event(IMAGE, 5, "x"),
                                 event(INSTANCE, ALICE, "A", "busybox")])
def test_a_malformed_event_ends_it(synced, bad):
    """It starts again with the whole state, rather than go on with half a truth."""
    synced.tell(bad)
    assert synced.process.wait(5) == 1
    assert "malformed" in synced.said()


def test_disk_in_use_is_shown_when_known(synced):
    client = synced.client()
    assert "disk_used_bytes" not in client.call("Users")["parameters"]["users"][0]
    synced.tell(event(DISK, ALICE, limits=(0, 0, 12345, 67) + (0,) * 7))
    user = client.call("Users")["parameters"]["users"][0]
    assert (user["disk_used_bytes"], user["inodes_used"]) == (12345, 67)
    assert user["limits"]["disk_bytes"] == 10 * GIB


# --- what it is --------------------------------------------------------------------------------

def test_it_refuses_to_be_root():
    with tempfile.TemporaryDirectory(dir="/var/tmp") as where:
        croftd = Croftd(where, uid=0)
        assert croftd.process.wait(5) == 6
        assert "root" in croftd.said()


def test_it_refuses_other_descriptors():
    done = subprocess.run([PROGRAM], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=5, check=False)
    assert done.returncode == 2 and "descriptor 3" in done.stderr


def test_its_confinement(synced):
    synced.client().call("Status")
    with open(f"/proc/{synced.process.pid}/status", encoding="ascii") as status:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in status)
    assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2"
    assert fields["CapEff"] == fields["CapPrm"] == fields["CapAmb"] == "0" * 16
    with open(f"/proc/{synced.process.pid}/limits", encoding="ascii") as limits:
        assert any(line.split()[4:6] == ["0", "0"] for line in limits if "core" in line)
    assert len(os.listdir(f"/proc/{synced.process.pid}/task")) == 1


# --- clients -----------------------------------------------------------------------------------

def test_who_is_an_admin(synced):
    """Root is; a group of that number alone makes nobody one unless it is croft-admin."""
    assert len(synced.client(0).call("Users")["parameters"]["users"]) == 2
    assert len(synced.client(ALICE).call("Users")["parameters"]["users"]) == 1
    assert refused(synced.client(STRANGER, [ADMIN_GROUP]).call("Users"), 4)


def test_a_stranger_gets_one_answer(synced):
    client = synced.client(STRANGER)
    assert refused(client.call("Status"), 4)
    assert client.is_dropped()
    kept = [synced.client(STRANGER) for _ in range(4)]
    assert refused(synced.client(STRANGER).answer(), 5)
    del kept


def test_two_calls_in_one_packet(synced):
    client = synced.client()
    client.sock.sendall(b'{"method":"Status"}\0{"method":"List"}\0{"meth')
    assert "users" in client.answer()["parameters"]
    assert "machines" in client.answer()["parameters"]
    client.sock.sendall(b'od":"Images"}\0')
    assert "images" in client.answer()["parameters"]


def test_a_byte_now_and_then_does_not_keep_a_connection(synced):
    client = synced.client()
    begin = time.monotonic()
    try:
        while time.monotonic() < begin + 9:
            client.sock.sendall(b" ")
            time.sleep(0.25)
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert 4 < time.monotonic() - begin < 7


def test_who_does_not_take_the_answer_is_dropped(synced):
    synced.tell(*[event(INSTANCE, ALICE, f"m{i}", "busybox") for i in range(2000)])
    client = synced.client()
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.send("List")
    time.sleep(7)
    with pytest.raises((AssertionError, ConnectionError, json.JSONDecodeError)):
        assert client.answer() is not None
    assert synced.client().call("Status")["parameters"]["machines"] == 2001


def test_a_client_that_leaves_while_it_waits(daemon):
    for _ in range(20):
        client = daemon.client()
        client.send("List")
        client.sock.close()
    stays = daemon.client()
    stays.send("List")
    time.sleep(0.2)
    daemon.tell(*WORLD, event(SYNCED))
    assert stays.answer()["parameters"]["machines"]
    assert len([daemon.client() for _ in range(15)]) == 15


def test_turns_go_round_the_users(synced):
    """Sixteen busy connections of alice's give bob no longer wait than one of them would."""
    synced.tell(*[event(INSTANCE, ALICE, f"m{i}", "busybox") for i in range(300)])
    stop = threading.Event()
    served = []

    def busy(client):
        while not stop.is_set():
            assert client.call("List")["parameters"]["machines"]
            served.append(1)
    threads = [threading.Thread(target=busy, args=(synced.client(ALICE),)) for _ in range(16)]
    bob = synced.client(BOB)
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    begin = time.monotonic()
    turns = 0
    while time.monotonic() < begin + 2:
        bob.call("Status")
        turns += 1
    before = len(served)
    stop.set()
    for thread in threads:
        thread.join()
    # Each turn of alice's is followed by one of bob's when he asks; half of it is plenty of margin.
    assert turns > before / 4, (turns, before)


def test_plan_says_whose_it_is(synced):
    plan = base64.b64decode(synced.client().call(
        "Plan", kind="machine", image="busybox", name="web")["parameters"]["plan"])
    owner, first, count, keeper = struct.unpack_from("<4I", plan, 16)
    assert (owner, first, count, keeper) == (ALICE, ID_FIRST, BLOCK, ID_LAST)
    assert refused(synced.client(BOB).call("Plan", kind="job", image="busybox"), 3)
