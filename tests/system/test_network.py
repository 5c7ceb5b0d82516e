# SPDX-License-Identifier: Apache-2.0
"""The network of machines (issue "The door": Network; design 6): who reaches whom, by which name,
and what becomes of it when croft-net, the monitor or the table goes away.

"Outside" is a network namespace behind a router of the test's own: a subnet of the host's with a
machine in it, which is the LAN, and behind that an address that stands for the internet.
"""
import concurrent.futures
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness import (HOST_CANNOT, RUN, croft, daemon_pid, ok, refused, run, start,
                     until, users)

SH = "/bin/sh"
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
OUTSIDE, LAN_HOST, LAN_PEER, INTERNET = "t-outside", "198.51.100.1", "198.51.100.2", "203.0.113.7"
PORT, GRANTED = 5432, 5433
SOON = 2.0  # seconds; what is refused is refused at once, and nobody waits for a time-out


def sh(*words, **more):
    result = run(words, env=ENV, **more)
    assert result.status == 0, str(result)
    return result.out


def inside(user, name, script, **more):
    return croft("exec", name, "--", SH, "-c", script, user=user, **more)


def inside_ok(user, name, script, **more):
    result = inside(user, name, script, **more)
    assert result.status == 0, str(result)
    return result.out


def serve(user, name, port=PORT):
    """A server in a machine that says back what it hears, until the machine ends."""
    inside_ok(user, name, f"nc -ll -p {port} -e /bin/cat >/dev/null 2>&1 </dev/null & "
                          "sleep 0.3; echo up")


def reaches(user, name, target, port=PORT):
    """Whether a word comes back; and how long it took to know."""
    begun = time.monotonic()
    result = inside(user, name, f"echo hello | nc -w 3 {target} {port}", timeout=20)
    return result.out == "hello\n", time.monotonic() - begun


def opens(user, name, target, port=PORT):
    came, _ = reaches(user, name, target, port)
    assert came, f"{name} of {user} does not reach {target}:{port}"


def closed(user, name, target, port=PORT):
    came, seconds = reaches(user, name, target, port)
    assert not came, f"{name} of {user} reaches {target}:{port}"
    assert seconds < SOON, f"refused only after {seconds:.1f} s"


def address_of(user, name, family=4):
    """Of a machine, as it says itself."""
    out = inside_ok(user, name, f"ip -{family} addr show dev eth0 scope global")
    return re.search(r"inet6? ([0-9a-f.:]+)/", out)[1]


def hosts(user, name):
    """name -> addresses, as the machine's /etc/hosts has them."""
    found = {}
    for line in inside_ok(user, name, "cat /etc/hosts").splitlines():
        words = line.split("#")[0].split()
        for word in words[1:]:
            found.setdefault(word, []).append(words[0])
    return found


def links():
    """Outside ends of machines that the host has."""
    out = sh("ip", "-o", "link")
    return sorted(re.findall(r": (croft[0-9a-f]{4})[@:]", out))


@pytest.fixture(scope="module")
def outside(nothing_left):
    """A LAN of the host's and the internet behind it, with an echo server each."""
    sh("ip", "netns", "add", OUTSIDE)
    servers = []
    try:
        sh("ip", "link", "add", "t-lan", "type", "veth", "peer", "name", "eth0", "netns", OUTSIDE)
        sh("ip", "addr", "add", f"{LAN_HOST}/24", "dev", "t-lan")
        sh("ip", "link", "set", "t-lan", "up")
        for words in (f"addr add {LAN_PEER}/24 dev eth0", f"addr add {INTERNET}/32 dev lo",
                      "link set lo up", "link set eth0 up", f"route add default via {LAN_HOST}"):
            sh("ip", "-n", OUTSIDE, *words.split())
        sh("ip", "route", "add", f"{INTERNET}/32", "via", LAN_PEER)
        servers.append(subprocess.Popen(
            ["ip", "netns", "exec", OUTSIDE, "busybox", "nc", "-ll", "-p", str(PORT), "-e",
             "/bin/cat"], env=ENV, start_new_session=True))
        until(lambda: host_reaches(LAN_PEER) and host_reaches(INTERNET), 10, "the test's server")
        until(lambda: "198.51.100.0" in sh("nft", "list", "set", "inet", "croft", "lan4"), 10,
              "croft-net's knowledge of the new subnet")
        yield
    finally:
        for server in servers:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        run(["ip", "link", "del", "t-lan"], env=ENV)
        sh("ip", "netns", "del", OUTSIDE)


def host_reaches(address, port=PORT):
    with contextlib.suppress(OSError):
        with socket.create_connection((address, port), 2) as sock:
            sock.sendall(b"x")
            return sock.recv(1) == b"x"
    return False


@pytest.fixture(scope="module")
def db(alice):
    """alice's machine db, with a server in it."""
    ok("launch", "busybox", "db", user=alice, timeout=40)
    serve(alice, "db")
    yield "db"
    ok("rm", "--force", "db", user=alice)


@pytest.fixture(scope="module")
def web(alice):
    ok("launch", "busybox", "web", user=alice, timeout=40)
    yield "web"
    ok("rm", "--force", "web", user=alice)


@pytest.fixture(scope="module")
def home(bob):
    ok("launch", "busybox", "home", user=bob, timeout=40)
    serve(bob, "home")
    yield "home"
    ok("rm", "--force", "home", user=bob)


# -- who reaches whom --------------------------------------------------------------------------

@pytest.mark.parametrize("family", [4, 6])
def test_own_machines_reach_each_other(alice, db, web, family):
    """own traffic, by address, IPv4 and IPv6"""
    opens(alice, web, address_of(alice, db, family))


def test_own_machines_reach_each_other_by_name(alice, db, web):
    """MACHINE.OWNER; its own name also alone"""
    opens(alice, web, f"db.{alice}")
    opens(alice, db, "db")
    opens(alice, db, "localhost")


@pytest.mark.parametrize("family", [4, 6])
def test_anothers_machine_is_closed_and_says_so(alice, bob, db, web, home, family):
    """no grant: refused at once; the same server answers its owner's machines"""
    address = address_of(alice, db, family)
    opens(alice, web, address)
    closed(bob, home, address)
    closed(alice, web, address_of(bob, home, family))
    opens(bob, home, "localhost")


def test_names_are_hers_and_no_one_elses(alice, bob, db, web, home):
    hers, his = hosts(alice, web), hosts(bob, home)
    assert {f"db.{alice}", f"web.{alice}", "web", "localhost"} <= set(hers)
    assert f"home.{bob}" in his and not any(alice in name for name in his)
    assert not any(bob in name for name in hers)
    assert address_of(alice, db) in hers[f"db.{alice}"]
    assert address_of(alice, db, 6) in hers[f"db.{alice}"]


def test_names_come_and_go_with_machines(alice, web):
    ok("launch", "busybox", "later", user=alice, timeout=40)
    assert f"later.{alice}" in hosts(alice, web)
    ok("stop", "--time", "0", "later", user=alice)
    assert f"later.{alice}" not in hosts(alice, web)
    ok("start", "later", user=alice)
    assert f"later.{alice}" in hosts(alice, web)
    ok("rm", "--force", "later", user=alice)
    assert f"later.{alice}" not in hosts(alice, web)


def test_hosts_and_resolv_conf_are_read_only(alice, web):
    """the monitor's files, not the machine's"""
    for name in ("hosts", "resolv.conf"):
        result = inside(alice, web, f"echo 100.96.0.9 evil >>/etc/{name} || rm -f /etc/{name}")
        assert result.status != 0, str(result)
        assert "evil" not in inside_ok(alice, web, f"cat /etc/{name}")


def test_an_address_stays_with_its_machine(alice):
    """through stop and start; who comes next gets another"""
    ok("launch", "busybox", "first", user=alice, timeout=40)
    address = address_of(alice, "first")
    ok("stop", "--time", "0", "first", user=alice)
    ok("start", "first", user=alice)
    assert address_of(alice, "first") == address
    ok("rm", "--force", "first", user=alice)
    ok("launch", "busybox", "first", user=alice, timeout=40)
    assert address_of(alice, "first") != address
    ok("rm", "--force", "first", user=alice)


def test_offline_has_loopback_only(alice, db):
    out = ok("run", "--rm", "--network", "none", "busybox", "--", SH, "-c", "ip -o link",
             user=alice).out
    assert " lo:" in out and "eth0" not in out, out


# -- outside, host, LAN ------------------------------------------------------------------------

def test_the_internet_is_open(alice, web, outside):
    opens(alice, web, INTERNET)


def test_the_host_is_closed(alice, web, outside):
    """by its gateway's address and by each of its own; the server answers the host itself"""
    with contextlib.closing(socket.create_server(("0.0.0.0", 0), reuse_port=False)) as server:
        port = server.getsockname()[1]

        def echo():
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = server.accept()
                    sock.sendall(sock.recv(100))
                    sock.close()
        threading.Thread(target=echo, daemon=True).start()
        assert host_reaches("127.0.0.1", port) and host_reaches(LAN_HOST, port)
        gateway = re.search(r"default via ([0-9.]+)", inside_ok(alice, web, "ip route"))[1]
        for address in (gateway, LAN_HOST):
            closed(alice, web, address, port)


def test_the_host_does_not_enter_a_machine(alice, db, web):
    address = address_of(alice, db)
    opens(alice, web, address)
    assert not host_reaches(address)


def test_the_lan_is_closed_unless_allowed(alice, bob, web, home, outside):
    """--lan opens it for her alone, at once, and closes it again"""
    assert host_reaches(LAN_PEER)
    closed(alice, web, LAN_PEER)
    ok("user", "set", alice, "--lan", "yes")
    opens(alice, web, LAN_PEER)
    closed(bob, home, LAN_PEER)
    ok("user", "set", alice, "--lan", "no")
    closed(alice, web, LAN_PEER)


# -- limits ------------------------------------------------------------------------------------

def test_connections_are_limited_live(alice, bob, db, web):
    """at the limit and one above it; raising it takes effect at once"""
    def held(count):
        """How many of @count connections, opened one after the other and kept, echo."""
        script = (f"i=0; while [ $i -lt {count} ]; do "
                  f"(echo $i; sleep 6) | nc -w 8 db.{alice} {PORT} & i=$((i+1)); usleep 20000; "
                  "done; wait")
        return len(inside(alice, web, script, timeout=40).out.split())

    try:
        ok("user", "set", alice, "--connections", "16")
        until(lambda: held(4) == 4, 60, "room for connections")
        got = held(24)
        assert 10 <= got <= 16, got
        ok("user", "set", alice, "--connections", "8192")
        assert held(24) == 24
    finally:
        ok("user", "set", alice, "--connections", "8192")


def test_bandwidth_is_limited_live(alice, web, outside):
    """--net: what leaves her machines in a second"""
    def rate():
        begun = time.monotonic()
        out = inside_ok(alice, web, f"head -c 3000000 /dev/zero | nc -w 5 {INTERNET} {PORT} | wc -c",
                        timeout=60)
        assert int(out) == 3000000, out
        return 3000000 / (time.monotonic() - begun)

    free = rate()
    try:
        ok("user", "set", alice, "--net", "1M")
        limited = rate()
    finally:
        ok("user", "set", alice, "--net", "none")
    assert limited < 1.6 * 2**20 < free, (limited, free)


def test_limits_are_recorded_and_shown(alice):
    ok("user", "set", alice, "--net", "10M", "--packets", "5000", "--lan", "yes")
    try:
        limits = users()[alice]["limits"]
        assert (limits["net_bytes_per_s"], limits["net_packets_per_s"], limits["lan"]) == \
            (10 * 2**20, 5000, True)
        os.kill(daemon_pid("croft-monitor"), signal.SIGKILL)
        until(lambda: croft("host", "status").status == 0, 20, "the monitor's return")
        until(lambda: users().get(alice, {}).get("limits") == limits, 20, "the limits")
    finally:
        ok("user", "set", alice, "--net", "none", "--packets", "200000", "--lan", "no")


# -- what goes away comes back -----------------------------------------------------------------

class Conversation:
    """A connection that a machine keeps by itself, and that is asked now and then whether it still
    echoes: no session of croft's is in it, so it may outlive the monitor."""

    def __init__(self, user, name, target):
        self.user, self.name = user, name
        # The sleep keeps the pipe open between two words.
        inside_ok(user, name, "rm -f /tmp/in /tmp/out; mkfifo /tmp/in; sleep 600 >/tmp/in & "
                              f"nc {target} {PORT} </tmp/in >/tmp/out 2>&1 & "
                              "echo $! >/tmp/pid")

    def echoes(self, word):
        inside_ok(self.user, self.name, f"echo {word} >/tmp/in")
        return inside(self.user, self.name,
                      f"for i in $(seq 30); do grep -qx {word} /tmp/out && exit 0; usleep 50000; "
                      "done; exit 1").status == 0

    def __enter__(self):
        assert self.echoes("begin")
        return self

    def __exit__(self, *_):
        inside(self.user, self.name, "kill $(cat /tmp/pid); pkill sleep")


def another(name, pid):
    """Waits until the daemon @name runs again under another pid."""
    def look():
        with contextlib.suppress(AssertionError):
            return daemon_pid(name) != pid
        return False
    until(look, 20, f"another {name}")


def walls_stand(count):
    """Whether the table is whole as far as one sees, and @count links are up behind it."""
    table = run(["nft", "list", "table", "inet", "croft"], env=ENV).out
    members = re.search(r"set members4 {.*?}", table, re.S)
    up = re.findall(r": croft[0-9a-f]{4}[@:].*state UP", sh("ip", "-o", "link"))
    return len(up) == count and members and members[0].count("100.96.") == count and \
        len(table) > 5000 and "goto refuse" in table


def test_a_killed_croft_net_cuts_nothing(alice, bob, db, web, home):
    with Conversation(alice, web, f"db.{alice}") as talk:
        for i in range(3):
            pid = daemon_pid("croft-net")
            os.kill(pid, signal.SIGKILL)
            another("croft-net", pid)
            until(lambda: reaches(alice, web, f"db.{alice}")[0], 10, "the way back")
            closed(bob, home, address_of(alice, db))
            assert talk.echoes(f"still-{i}")


def test_a_killed_monitor_leaves_links_alone(alice, bob, db, web, home):
    before = links()
    address = address_of(alice, db)
    with Conversation(alice, web, f"db.{alice}") as talk:
        pid = daemon_pid("croft-monitor")
        os.kill(pid, signal.SIGKILL)
        another("croft-monitor", pid)
        until(lambda: croft("exec", web, "--", "/bin/true", user=alice).status == 0, 20)
        until(lambda: reaches(alice, web, f"db.{alice}")[0], 10, "the way back")
        assert talk.echoes("still")
    assert links() == before and address_of(alice, db) == address
    closed(bob, home, address)
    assert f"web.{alice}" in hosts(alice, db)


TRYING = 2


@pytest.mark.parametrize("how", ["flush table inet croft", "delete table inet croft",
                                 "flush chain inet croft forward",
                                 "flush set inet croft members4"])
def test_a_lost_table_is_back_within_a_second(alice, bob, db, web, home, how):
    """and closed meanwhile: the links are down; a grant that was in place is back with it"""
    address = address_of(alice, db)
    serve(alice, db, GRANTED)
    ok("grant", bob, "port", f"db:{GRANTED}", "--for", "1h", user=alice)
    opens(bob, home, address, GRANTED)
    came = []
    stop = threading.Event()
    # croft-super waits longer for one that ended again within a second.
    while True:
        pid = daemon_pid("croft-net")
        time.sleep(1.2)
        if daemon_pid("croft-net") == pid:
            break

    def try_on():
        while not stop.is_set():
            came.append(reaches(bob, home, address)[0])
    with concurrent.futures.ThreadPoolExecutor() as pool:
        trying = [pool.submit(try_on) for _ in range(TRYING)]
        try:
            time.sleep(0.3)
            count = len(links())
            assert walls_stand(count)
            begun = time.monotonic()
            sh("nft", *how.split())
            assert not walls_stand(count)
            until(lambda: walls_stand(count), 10, "the walls' return")
            seconds = time.monotonic() - begun
            until(lambda: reaches(alice, web, f"db.{alice}")[0], 10, "the way back")
            until(lambda: reaches(bob, home, address, GRANTED)[0], 10, "the granted port")
        finally:
            stop.set()
            ok("revoke", bob, "port", f"db:{GRANTED}", user=alice)
        for each in trying:
            each.result(30)
    closed(bob, home, address, GRANTED)
    # What was on its way when the table went may have passed before croft-net heard of it.
    assert came and sum(came) <= TRYING, came
    assert seconds < 1, f"{seconds:.2f} s"


def test_a_croft_net_that_hangs_makes_nobody_wait(alice, bob, db, web, home):
    """other orders are served; a start fails with a sentence; then all is well again"""
    pid = daemon_pid("croft-net")
    os.kill(pid, signal.SIGSTOP)
    try:
        child = start("run", "--rm", "busybox", "--", "/bin/true", user=alice)
        question = start("why", f"db.{alice}:5432", user=bob)
        for user, name in ((bob, home), (alice, web), (bob, home), (alice, web)):
            begun = time.monotonic()
            ok("exec", name, "--", "/bin/true", user=user)
            assert time.monotonic() - begun < SOON
        _, err = child.communicate(timeout=30)
        assert child.returncode == 125 and b"croft-net" in err, (child.returncode, err)
        _, err = question.communicate(timeout=30)
        assert question.returncode == 6 and b"the network" in err, (question.returncode, err)
    finally:
        os.kill(pid, signal.SIGCONT)
    another("croft-net", pid)
    until(lambda: croft("run", "--rm", "busybox", "--", "/bin/true", user=alice,
                        timeout=30).status == 0, 60, "a start")
    opens(alice, web, f"db.{alice}")


def test_starts_while_croft_net_is_killed(alice, bob, db):
    """each starts or says why not; no link stays that belongs to nothing"""
    before = links()
    stop = threading.Event()

    def kill_on():
        while not stop.is_set():
            with contextlib.suppress(AssertionError, ProcessLookupError):
                os.kill(daemon_pid("croft-net"), signal.SIGKILL)
            time.sleep(1.2)
    killer = threading.Thread(target=kill_on)
    killer.start()
    try:
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            results = list(pool.map(
                lambda i: croft("run", "--rm", "busybox", "--", SH, "-c", "ip -o addr show eth0",
                                user=(alice, bob)[i % 2], timeout=60), range(40)))
    finally:
        stop.set()
        killer.join()
    for result in results:
        assert (result.status == 0 and "100.96." in result.out) or result.err.strip(), str(result)
    assert sum(result.status == 0 for result in results) >= 20
    # One of the test before may have been on its way out.
    until(lambda: set(links()) <= set(before), 20, f"the end of links ({links()} {before})")
    until(lambda: croft("run", "--rm", "busybox", "--", "/bin/true", user=alice).status == 0, 30)


def test_a_removed_user_leaves_nothing(people, outside):
    """while her links come up"""
    name = people.add()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(croft, "run", "--rm", "busybox", "--", "sleep", "30", user=name,
                            timeout=60) for _ in range(4)]
        time.sleep(0.2)
        people.remove(name)
        assert all(each.result(60).status != 0 for each in runs)
    until(lambda: name not in json.dumps(users()), 10)
    table = sh("nft", "list", "table", "inet", "croft")
    for link in re.findall(r'croft[0-9a-f]{4}', table):
        assert link in links(), link


def test_links_and_files_go_with_their_machine(alice):
    until(lambda: len(links()) == len(os.listdir(RUN / "names")), 5, "the end of what ended")
    before = links(), sorted(os.listdir(RUN / "names"))
    ok("launch", "busybox", "passing", user=alice, timeout=40)
    assert len(links()) == len(before[0]) + 1
    ok("rm", "--force", "passing", user=alice)
    until(lambda: (links(), sorted(os.listdir(RUN / "names"))) == before, 5, "nothing left")


def test_nobody_on_the_host_reads_the_names(alice, bob, db):
    """who granted what to whom is theirs"""
    result = run(["ls", RUN / "names"], user=bob)
    assert result.status != 0


def test_only_root_says_what_everybody_may_reach(alice):
    result = croft("host", "start", user=alice)
    refused(result, 4)
    assert HOST_CANNOT == 6
