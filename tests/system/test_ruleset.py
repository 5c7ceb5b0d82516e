# SPDX-License-Identifier: Apache-2.0
"""test_ruleset - the walls of the network by themselves: croft-net in a namespace that plays the
host, told what the monitor would tell it, and what then gets through (rows N-*, N-30 above all)

Needs no running Croft and touches no network of this host.
"""
import errno
import itertools
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

import netdrive
from harness import RUN
from netdrive import (GRANT, GRANT_GONE, HOST, INTERNET, LAN, LINK, LINK_GONE, LOOK, METADATA,
                      METADATA2, METADATA3, METADATA4, NEIGHBOUR, OUTSIDE, PRIVATE, PRIVATE2, RULES,
                      SERVICE, SYNCED, TCP, UDP, USER, WHY, World, address)

ALICE, BOB, CAROL = 1001, 1002, 1003
DB, OTHER = 5432, 5433          # the granted port, one that is not
ABLATE_NFTABLES = 1 << 5
UNEVEN = 2**32 - 1             # net_counts: not as many in each set
FAMILIES = (4, 6)
TOP = pathlib.Path(__file__).resolve().parents[2]


# Not those of conftest.py: no Croft has to run.

@pytest.fixture(scope="session", autouse=True)
def host():
    assert os.geteuid() == 0, "network namespaces need root"
    yield


@pytest.fixture(scope="module", autouse=True)
def nothing_left(host):
    before = sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else []
    yield
    after = sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else []
    assert [ns for ns in after if ns.startswith("croft-t")] == \
        [ns for ns in before if ns.startswith("croft-t")]


def tell(net, synced=True):
    """The users, two machines of alice's, two of bob's; carol may reach the LAN."""
    for uid, flags in ((ALICE, 0), (BOB, 0), (CAROL, LAN)):
        net.ask(USER, uid=uid, flags=flags)
    if synced:
        net.ask(SYNCED)


def people(name, **kwargs):
    world = World(name, **kwargs)
    try:
        tell(world.net)
        for uid, slot in ((ALICE, 2), (BOB, 3), (ALICE, 4), (BOB, 5), (CAROL, 0x1234)):
            world.machine(uid, slot)
        for space in world.spaces:
            if space in world.machines.values():
                space("serve", ports=[DB, OTHER])
        # Who serves on several addresses answers from the one that was asked.
        world.host("serve", ports=[DB, OTHER, 53], addresses=[*HOST.values(), "127.0.0.1", "::1"])
        world.world("serve", ports=[DB, OTHER, 53, 3142], addresses=[
            where[family] for where in OUTSIDE for family in FAMILIES])
    except BaseException:
        world.remove()
        raise
    return world


@pytest.fixture(scope="module")
def shared(nothing_left):
    """One world for the tests that leave it as it was."""
    world = people("croft-t0")
    yield world
    world.remove()


@pytest.fixture
def own():
    """A world of a test's own."""
    world = people("croft-t1")
    yield world
    world.remove()


def grant(net, uid=BOB, slot=2, port=DB, protocol=TCP, **terms):
    return net.ask(GRANT, uid=uid, slot=slot, protocol=protocol, port=port, **terms)


def revoke(net, uid=BOB, slot=2, port=DB, protocol=TCP):
    return net.ask(GRANT_GONE, uid=uid, slot=slot, protocol=protocol, port=port)["cut"]


def passes(world, kind, source, to, family, port, spoof=None, sport=0):
    """Whether a packet from @source arrives at @to. Of UDP its payload is looked for at the other
    end, as no answer would come to a forged address."""
    target = to.addresses[family]
    if kind == "ping":
        return source("ping", to=target) == "open"
    if kind == "tcp":
        return source("tcp", to=target, port=port, sport=sport, timeout=0.3) == "open"
    token = f"{time.monotonic_ns()}"
    to("seen")
    source("udp", to=target, port=port, source=spoof, sport=sport, payload=token, timeout=0.02)
    time.sleep(0.01)
    return any(payload == token for _, _, payload in to("seen"))


# --- the decision table -------------------------------------------------------------------------

def cases():
    """Each combination of grant, what is asked for, who asks whom, family, protocol."""
    for granted, family, kind in itertools.product((False, True), FAMILIES, ("tcp", "udp", "ping")):
        for source, to in itertools.permutations((2, 3, 4, 5), 2):
            for port, sport in ((DB, 0), (OTHER, 0), (OTHER, DB), (DB, DB)):
                if kind != "ping" or (port, sport) == (DB, 0):
                    yield granted, family, kind, source, to, port, sport


def specified(granted, _family, kind, source, to, port, _sport):
    """What is promised: one's own, and what was granted, in the direction it was granted."""
    owner = {2: ALICE, 4: ALICE, 3: BOB, 5: BOB}
    return owner[source] == owner[to] or (
        granted and kind != "ping" and owner[source] == BOB and to == 2 and port == DB)


def measure(world, wanted):
    """The cases, those of one grant together, as {case: whether it passes}."""
    found = {}
    for granted, group in itertools.groupby(sorted(wanted), key=lambda case: case[0]):
        for protocol in (TCP, UDP):
            if granted:
                grant(world.net, protocol=protocol)
        for case in group:
            _, family, kind, source, to, port, sport = case
            found[case] = passes(world, kind, world.machines[source], world.machines[to], family,
                                 port, sport=sport)
        for protocol in (TCP, UDP):
            if granted:
                revoke(world.net, protocol=protocol)
    return found


def test_decision_table(shared):
    """N-01, N-30, N-36: what passes is what is promised, in every combination."""
    table = list(cases())
    assert len(table) > 400
    found = measure(shared, table)
    wrong = [case for case in table if found[case] != specified(*case)]
    assert not wrong, wrong
    assert sum(found.values()) > 50, "nothing passes at all: that proves nothing"


def test_owner_cannot_come_from_granted_port(shared):
    """The reply of a grant is no way in: alice connects from the granted port to any port of bob's,
    and is refused; to her own machine she can, from the very same port."""
    grant(shared.net)
    grant(shared.net, protocol=UDP)
    alice, bob = shared.machines[2], shared.machines[3]
    for family in FAMILIES:
        assert bob("tcp", to=alice.addresses[family], port=DB) == "open"
        for port in (DB, OTHER):
            for kind in ("tcp", "udp"):
                assert alice(kind, to=bob.addresses[family], port=port, sport=DB) == "refused"
                assert passes(shared, kind, alice, shared.machines[4], family, port, sport=DB)
    # Nor while bob holds a connection to it, from the port that he holds it from.
    bob("tcp", to=alice.addresses[4], port=DB, sport=40000, hold="db")
    assert alice("tcp", to=bob.addresses[4], port=40001, sport=DB) == "refused"
    assert alice("tcp", to=bob.addresses[4], port=OTHER, sport=DB) == "refused"
    assert bob("again", hold="db") == "open"
    bob("drop")
    revoke(shared.net)
    revoke(shared.net, protocol=UDP)


@pytest.mark.parametrize("family", FAMILIES)
def test_forged_sources(shared, family):
    """N-02, N-36: a packet leaves a machine with the address of its link, or not at all."""
    alice, bob, mate = (shared.machines[slot] for slot in (2, 3, 5))
    grant(shared.net, protocol=UDP)
    assert passes(shared, "udp", bob, alice, family, DB)
    gateway = "100.96.0.1" if family == 4 else "fe80::1"
    forged = [mate.addresses[family], alice.addresses[family], HOST[family], INTERNET[family],
              address(4, family), gateway]
    for source in forged:
        if source == gateway and family == 6:
            continue  # a link-local source does not go with a destination beyond the link
        assert not passes(shared, "udp", bob, alice, family, DB, spoof=source), source
        assert not passes(shared, "udp", bob, mate, family, DB, spoof=source), source
    revoke(shared.net, protocol=UDP)


def header(source, to, options=b"", protocol=17, payload=b"", flags=0):
    """An IPv4 packet, in hex; the kernel fills in length and sums."""
    import socket
    head = bytes([0x40 | 5 + len(options) // 4, 0]) + b"\0\0" + b"\x12\x34" + \
        flags.to_bytes(2, "big") + bytes([64, protocol]) + b"\0\0" + \
        socket.inet_aton(source) + socket.inet_aton(to) + options
    return (head + payload).hex()


def test_options_and_source_routes(shared):
    """N-12: a packet with options goes nowhere, not even to one's own machine."""
    bob, mate = shared.machines[3], shared.machines[5]
    datagram = (40000).to_bytes(2, "big") + DB.to_bytes(2, "big") + b"\0\x0d\0\0" + b"hello"
    for options, arrives in ((b"", True), (b"\x83\x07\x04" + bytes([100, 96, 0, 2]) + b"\0", False),
                             (b"\x94\x04\0\0", False)):
        mate("seen")
        bob("raw", packet=header(bob.addresses[4], mate.addresses[4], options, payload=datagram),
            to=mate.addresses[4])
        time.sleep(0.05)
        assert bool(mate("seen")) == arrives, options


def test_multicast_and_broadcast(shared):
    """N-38: nobody hears it, neither a neighbour nor the host."""
    alice = shared.machines[2]
    for to in ("224.0.0.251", "255.255.255.255", "100.96.255.255", "ff02::fb%eth0"):
        for space in shared.spaces:
            space("seen")
        alice("udp", to=to, port=DB, answer=False)
        time.sleep(0.02)
        for space in shared.spaces:
            assert space is alice or not space("seen"), (to, space.ns)


# --- the host and the world ---------------------------------------------------------------------

# What alice, who may not reach the LAN, and carol, who may, find where; `why` says the same.
WORLD = {
    "host": (HOST, "refused", "refused", "host", "host"),
    "a neighbour of the host": (NEIGHBOUR, "refused", "open", "no-lan", "lan"),
    "a private net": (PRIVATE, "refused", "open", "no-lan", "lan"),
    "the internet": (INTERNET, "open", "open", "internet", "internet"),
    "another private net": (PRIVATE2, "refused", "open", "no-lan", "lan"),
    "metadata": (METADATA, "refused", "refused", "never", "never"),
    "metadata of others": (METADATA2, "refused", "refused", "never", "never"),
    "metadata of a third": (METADATA3, "refused", "refused", "never", "never"),
    "metadata of a fourth": (METADATA4, "refused", "refused", "never", "never"),
    "no machine": ({4: address(999, 4), 6: address(999, 6)}, "refused", "refused", "no-grant",
                   "no-grant"),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("where", WORLD)
def test_world(shared, where, family):
    """N-11: the host, its neighbours, metadata; what is refused is refused at once."""
    addresses, *expected = WORLD[where]
    for slot, uid, result, rule in ((2, ALICE, expected[0], expected[2]),
                                    (0x1234, CAROL, expected[1], expected[3])):
        for kind in ("tcp", "udp"):
            began = time.monotonic()
            assert shared.machines[slot](kind, to=addresses[family], port=DB) == result
            assert time.monotonic() - began < 0.3
        reply = shared.net.ask(WHY, uid=uid, target=addresses[family], family=family, protocol=TCP,
                               port=DB)
        assert RULES[reply["rule"]] == rule


@pytest.mark.parametrize("target", ["127.0.0.1", "0.1.2.3", "::ffff:127.0.0.1", "100.96.0.1",
                                    "fe80::1%eth0", "::ffff:203.0.113.2", "::2"])
def test_odd_addresses(shared, target):
    """N-11: other names of the host lead nowhere."""
    # A port on which the host serves and the machine does not.
    shared.host("serve", ports=[7777])
    assert shared.host("tcp", to=HOST[4], port=7777) == "open"
    for kind in ("tcp", "udp"):
        assert shared.machines[2](kind, to=target, port=7777, timeout=0.2) != "open"


@pytest.mark.parametrize("family", FAMILIES)
def test_nobody_comes_in(shared, family):
    """N-37: neither the host nor the world reaches a machine; with the machine's address as a
    forged source the world does not either."""
    alice = shared.machines[2]
    for kind in ("tcp", "udp"):
        assert shared.host(kind, to=alice.addresses[family], port=DB) == "refused"
    assert shared.host("ping", to=alice.addresses[family]) == "refused"
    assert not passes(shared, "tcp", shared.world, alice, family, DB)
    assert not passes(shared, "udp", shared.world, alice, family, DB)
    assert not passes(shared, "udp", shared.world, alice, family, DB,
                      spoof=shared.machines[4].addresses[family])
    # They can be reached: her own other machine can.
    assert passes(shared, "udp", shared.machines[4], alice, family, DB)


def test_services(own):
    """The host's resolvers and proxies, on the host or beyond it, for everybody; no other port."""
    alice = own.machines[2]
    for family in FAMILIES:
        for where, port, protocol in ((HOST, 53, UDP), (HOST, 53, TCP), (PRIVATE, 53, UDP),
                                      (NEIGHBOUR, 3142, TCP)):
            kind = "udp" if protocol == UDP else "tcp"
            assert alice(kind, to=where[family], port=port) == "refused"
            own.net.ask(SERVICE, target=where[family], family=family, protocol=protocol, port=port)
            assert alice(kind, to=where[family], port=port) == "open"
            assert alice(kind, to=where[family], port=DB) == "refused"
            reply = own.net.ask(WHY, uid=ALICE, target=where[family], family=family,
                                protocol=protocol, port=port)
            assert RULES[reply["rule"]] == "service"
    # One who asks without end is heard some hundreds of times in a second, and the other still is.
    own.host("seen")
    alice("flood", to=HOST[4], port=53, count=20000)
    time.sleep(0.2)
    heard = len(own.host("seen"))
    assert 100 < heard < 6000, heard
    assert own.machines[3]("udp", to=HOST[4], port=53) == "open"


# --- ends ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("family", FAMILIES)
def test_timeout(shared, family):
    """A grant with an end: the kernel itself closes it, for what is open too."""
    alice, bob = shared.machines[2], shared.machines[3]
    grant(shared.net, timeout_ms=600)
    assert bob("tcp", to=alice.addresses[family], port=DB, hold="db") == "open"
    reply = shared.net.ask(WHY, uid=BOB, target=alice.addresses[family], family=family,
                           protocol=TCP, port=DB)
    assert RULES[reply["rule"]] == "grant" and 0 < reply["expires_ms"] <= 600
    assert bob("again", hold="db") == "open"
    time.sleep(0.7)
    assert bob("again", hold="db") in ("reset", "refused", "closed")
    assert bob("tcp", to=alice.addresses[family], port=DB) == "refused"
    reply = shared.net.ask(WHY, uid=BOB, target=alice.addresses[family], family=family,
                           protocol=TCP, port=DB)
    assert RULES[reply["rule"]] == "no-grant"
    bob("drop")
    # Its end is told of later, and is no error.
    revoke(shared.net)
    grant(shared.net, timeout_ms=60000)
    grant(shared.net, timeout_ms=100)
    time.sleep(0.15)
    grant(shared.net)
    assert bob("tcp", to=alice.addresses[family], port=DB) == "open"
    revoke(shared.net)


def test_cut(shared):
    """N-35: a revoke ends what is open and counts it, and ends nothing else."""
    alice, bob = shared.machines[2], shared.machines[3]
    grant(shared.net)
    grant(shared.net, port=OTHER)
    for number in range(3):
        assert bob("tcp", to=alice.addresses[4], port=DB, hold=f"four {number}") == "open"
    for number in range(2):
        assert bob("tcp", to=alice.addresses[6], port=DB, hold=f"six {number}") == "open"
    assert shared.machines[5]("tcp", to=alice.addresses[4], port=DB, hold="mate") == "open"
    assert bob("tcp", to=alice.addresses[4], port=OTHER, hold="other") == "open"
    assert shared.machines[4]("tcp", to=alice.addresses[4], port=DB, hold="own") == "open"
    assert revoke(shared.net) == 6
    for name in ("four 0", "six 1"):
        assert bob("again", hold=name) in ("reset", "refused", "closed")
    assert bob("again", hold="other") == "open"
    assert shared.machines[4]("again", hold="own") == "open"
    assert revoke(shared.net) == 0
    for slot in (3, 4, 5):
        shared.machines[slot]("drop")
    revoke(shared.net, port=OTHER)


def test_middle_of_a_connection_is_no_beginning(shared):
    """A packet of a connection that was cut does not make it again when the grant is given anew."""
    alice, bob = shared.machines[2], shared.machines[3]
    grant(shared.net)
    assert bob("tcp", to=alice.addresses[4], port=DB, hold="db") == "open"
    revoke(shared.net)
    grant(shared.net)
    assert bob("again", hold="db") in ("reset", "refused", "closed")
    assert bob("tcp", to=alice.addresses[4], port=DB) == "open"
    bob("drop")
    revoke(shared.net)


def entries(world, what):
    return [line for line in world.host.run("conntrack", "-L", check=False).splitlines()
            if what in line]


def test_retired_slot(own):
    """N-33: nothing is left of a machine that ended, and its address leads nowhere."""
    alice, mate, bob = own.machines[2], own.machines[4], own.machines[3]
    grant(own.net)
    assert bob("tcp", to=alice.addresses[4], port=DB, hold="db") == "open"
    assert mate("udp", to=alice.addresses[4], port=DB) == "open"
    assert alice("udp", to=INTERNET[4], port=DB) == "open"
    assert own.net.ask(LOOK)["grants"] == 1
    began = time.monotonic()
    own.net.ask(LINK_GONE, slot=2)
    assert time.monotonic() - began < 0.05, "an instance's end is cheap"
    assert mate("tcp", to=alice.addresses[4], port=DB) == "refused"
    time.sleep(1)
    assert not re.search(r"=100\.96\.0\.2 ", own.host.run("conntrack", "-L", check=False))
    assert "croft0002" not in own.host.ip("link")
    counts = own.net.ask(LOOK)
    assert (counts["links"], counts["members"], counts["grants"]) == (4, 4, 0)
    # The address goes to carol: bob's old grant does not go with it.
    own.spaces.remove(alice)
    alice.remove()
    carol = own.machine(CAROL, 2)
    carol("serve", ports=[DB])
    assert own.machines[0x1234]("tcp", to=carol.addresses[4], port=DB) == "open"
    for slot in (3, 4):
        assert own.machines[slot]("tcp", to=carol.addresses[4], port=DB) == "refused"


# --- limits -------------------------------------------------------------------------------------

def test_connections_of_a_grant(shared):
    """N-19: as many at one time as the grant says; others of hers are not touched."""
    alice, bob = shared.machines[2], shared.machines[3]
    grant(shared.net, connections=5)
    grant(shared.net, port=OTHER)
    time.sleep(2.2)  # the kernel removes what counts nothing, unless told otherwise
    assert bob("many", to=alice.addresses[4], port=DB, count=20) == 5
    assert bob("tcp", to=alice.addresses[4], port=OTHER) == "open"
    bob("drop")
    time.sleep(0.1)
    revoke(shared.net)
    revoke(shared.net, port=OTHER)


def test_rate_of_a_grant(shared):
    """N-19: as many new ones in a second as the grant says."""
    alice, bob = shared.machines[2], shared.machines[3]
    grant(shared.net, rate=20)
    opened = bob("many", to=alice.addresses[4], port=DB, count=200, timeout=0.3)
    assert 3 <= opened <= 20, opened
    bob("drop")
    time.sleep(1.1)
    assert bob("tcp", to=alice.addresses[4], port=DB) == "open"
    revoke(shared.net)


def test_connections_of_a_user(shared):
    """N-16: her part of connection tracking, whatever it is for; the other's is untouched."""
    alice, mate = shared.machines[2], shared.machines[4]
    shared.net.ask(USER, uid=ALICE, connections=16)
    time.sleep(2.2)
    assert shared.net.ask(LOOK)["users"] == 3
    try:
        assert alice("many", to=mate.addresses[4], port=DB, count=60) <= 17
        assert alice("tcp", to=INTERNET[4], port=DB) == "refused"
        assert mate("tcp", to=INTERNET[6], port=DB) == "refused"
        assert shared.machines[3]("tcp", to=INTERNET[4], port=DB) == "open"
        alice("drop")
    finally:
        shared.net.ask(USER, uid=ALICE)
    time.sleep(0.1)
    assert alice("tcp", to=INTERNET[4], port=DB) == "open"


def test_counts_go_on(own):
    """N-16, N-18: neither new terms nor a new croft-net let anybody count from nothing."""
    alice, bob, mate = (own.machines[slot] for slot in (2, 3, 4))
    own.net.ask(USER, uid=ALICE, connections=16)
    grant(own.net, connections=8)
    assert alice("many", to=mate.addresses[4], port=DB, count=40, timeout=0.3) == 16
    assert bob("many", to=alice.addresses[4], port=DB, count=40, timeout=0.3) == 8

    def full():
        assert alice("many", to=mate.addresses[4], port=DB, count=5, timeout=0.3) == 0
        assert bob("many", to=alice.addresses[4], port=DB, count=5, timeout=0.3) == 0
    full()
    own.net.ask(USER, uid=ALICE, connections=16, packets=10000)
    grant(own.net, connections=8, timeout_ms=3600000)
    full()
    assert own.net.end(signal.SIGKILL) == -signal.SIGKILL
    own.start()
    tell(own.net, synced=False)
    own.net.ask(USER, uid=ALICE, connections=16)
    for slot, machine in own.machines.items():
        own.net.ask(LINK, uid=machine.uid, slot=slot)
    grant(own.net, connections=8)
    own.net.ask(SYNCED)
    full()
    own.net.ask(USER, uid=ALICE, connections=20)
    assert alice("many", to=mate.addresses[4], port=DB, count=40, timeout=0.3) > 0


@pytest.mark.parametrize("direction", ["out", "in"])
def test_packets_of_a_user(shared, direction):
    """N-20: so many packets a second, each way, however many machines she has."""
    alice, bob, mate = (shared.machines[slot] for slot in (2, 3, 4))
    limited = ALICE if direction == "in" else BOB
    grant(shared.net, protocol=UDP, rate=100000)
    alice("seen")
    assert bob("flood", to=alice.addresses[4], port=DB, count=2000) == 2000
    time.sleep(0.3)
    assert len(alice("seen")) > 700
    shared.net.ask(USER, uid=limited, packets=400)
    try:
        bob("flood", to=alice.addresses[4], port=DB, count=2000)
        time.sleep(0.3)
        # A quarter of a second's worth may come at once.
        assert 50 < len(alice("seen")) < 600
    finally:
        shared.net.ask(USER, uid=limited)
        revoke(shared.net, protocol=UDP)
    assert passes(shared, "udp", mate, alice, 4, DB)


@pytest.mark.parametrize("direction", ["out", "in"])
def test_bandwidth_of_a_user(shared, direction):
    """--net: so many bytes a second, each way; the kernel lets one second's worth come at once."""
    alice, bob = shared.machines[2], shared.machines[3]
    limited = ALICE if direction == "in" else BOB
    grant(shared.net, protocol=UDP, rate=100000)
    shared.net.ask(USER, uid=limited, bytes_per_s=1000000)
    try:
        alice("seen")
        sent = bob("flood", to=alice.addresses[4], port=DB, count=10 ** 6, size=1000, seconds=2)
        time.sleep(0.3)
        # Two seconds' worth, and one that may come at once
        assert sent > 8000 and 100 < len(alice("seen")) < 4000
    finally:
        shared.net.ask(USER, uid=limited)
        revoke(shared.net, protocol=UDP)


def test_fragments(shared):
    """N-23: what has to be put together passes to one's own machine, now and then."""
    alice, mate, bob, other = (shared.machines[slot] for slot in (2, 4, 3, 5))
    for family in FAMILIES:
        assert alice("udp", to=mate.addresses[family], port=DB, payload="x" * 8000) == "open"
        assert alice("udp", to=INTERNET[family], port=DB, payload="x" * 8000) != "open"
    mate("seen")
    alice("flood", to=mate.addresses[4], port=DB, count=2000, size=8000)
    time.sleep(0.2)
    # Six fragments each
    assert len(mate("seen")) < 10
    assert bob("udp", to=other.addresses[4], port=DB, payload="x" * 8000) == "open"


@pytest.mark.parametrize("family", FAMILIES)
def test_fragments_leave_room(own, family):
    """N-23: a flood of them, to her own machine and to the world, leaves the host room to put
    together what comes from outside. With a quarter of the room the kernel gives."""
    alice = own.machines[2]
    room = ("net.ipv4.ipfrag_high_thresh=1048576", "net.ipv4.ipfrag_low_thresh=786432") \
        if family == 4 else ("net.netfilter.nf_conntrack_frag6_high_thresh=1048576",
                             "net.netfilter.nf_conntrack_frag6_low_thresh=786432")
    own.host.run("sysctl", "-qw", *reversed(room))
    outside = {"to": HOST[family], "port": DB, "payload": "x" * 8000}
    assert own.world("udp", **outside) == "open"
    for to in (own.machines[4].addresses[family], INTERNET[family]):
        alice("flood", to=to, port=DB, count=10 ** 6, size=65000, seconds=4)
        assert own.world("udp", **outside) == "open", to


# --- marks --------------------------------------------------------------------------------------

@pytest.mark.parametrize("family", FAMILIES)
def test_marks_of_others(own, family):
    """N-02: a mark that another table sets makes nobody another user, and what a user's packets
    carry is no mark to the host's own rules."""
    alice, bob, mate = (own.machines[slot] for slot in (2, 3, 4))
    for where, port in ((HOST, 53), (PRIVATE, 53)):
        own.net.ask(SERVICE, target=where[family], family=family, protocol=TCP, port=port)
    own.host.ip(f"-{family}", "rule", "add", "fwmark", str(ALICE), "prohibit")

    def looks():
        assert alice("tcp", to=bob.addresses[family], port=DB) == "refused"
        assert alice("tcp", to=PRIVATE[family], port=DB) == "refused"
        for to, port in ((mate.addresses[family], DB), (INTERNET[family], DB), (HOST[family], 53),
                         (PRIVATE[family], 53)):
            assert alice("tcp", to=to, port=port) == "open", (to, port)
        assert bob("tcp", to=own.machines[5].addresses[family], port=DB) == "open"
    looks()
    own.nft("add table inet other { chain c { type filter hook prerouting priority -140; };"
            " chain d { type filter hook forward priority -140; }; }")
    for mark in (BOB, CAROL):
        for chain in "cd":
            own.nft(f"add rule inet other {chain} meta mark set {mark}")
        looks()
        own.nft("flush table inet other")


# --- the table and croft-net itself -------------------------------------------------------------

def ended(net, within=1.0):
    """Waits for the croft-net to end. Return: after how long"""
    began = time.monotonic()
    assert net.process.wait(within) != 0
    return time.monotonic() - began


def up(world, slot):
    return "UP" in world.host.ip("-o", "link", "show", f"croft{slot:04x}").split(">")[0].split("<")[1]\
        .split(",")


@pytest.mark.parametrize("what", [
    "flush ruleset", "delete table inet croft", "flush chain inet croft begin",
    "insert rule inet croft forward accept", "flush map inet croft owner4",
    "add element inet croft members4 { 1002 . 100.96.0.2 }",
    "add table inet croft { flags dormant; }",
])
def test_changed_by_others(own, what):
    """Whoever changes the table: the links go down, croft-net ends, the next one loads it anew."""
    alice, bob = own.machines[2], own.machines[3]
    assert alice("tcp", to=own.machines[4].addresses[4], port=DB) == "open"
    assert up(own, 2)
    own.nft(what)
    assert ended(own.net) < 1.0
    assert not any(up(own, slot) for slot in own.machines)
    own.start()
    tell(own.net, synced=False)
    for slot, machine in own.machines.items():
        own.net.ask(LINK, uid=machine.uid, slot=slot)
    assert not up(own, 2), "not before everything is told"
    own.net.ask(SYNCED)
    assert alice("tcp", to=own.machines[4].addresses[4], port=DB) == "open"
    assert alice("tcp", to=own.machines[4].addresses[6], port=DB) == "open"
    assert bob("tcp", to=alice.addresses[4], port=DB) == "refused"


def test_changed_by_others_with_many_links(own):
    """However many there are, all go down, and the next croft-net starts."""
    many = range(0x4000, 0x4000 + 5000)
    own.host.run("ip", "-batch", "-", input="".join(
        f"link add croft{slot:04x} up type veth peer name t{slot:04x}\n" for slot in many))

    def up_ones():
        return len(re.findall(r"^\d+: croft[^<]*<[^>]*\bUP\b", own.host.ip("-o", "link"), re.M))
    assert up_ones() == len(many) + len(own.machines)
    own.nft("delete table inet croft")
    assert ended(own.net, within=20) < 20
    assert up_ones() == 0
    own.host.run("ip", "-batch", "-", input="".join(
        f"link set croft{slot:04x} up\n" for slot in many))
    own.start()
    assert up_ones() == 0


def test_link_left_over(own):
    """What is left of a link of the same slot goes first."""
    own.host.ip("link", "add", "croft0007", "type", "veth", "peer", "name", "left")
    new = own.machine(ALICE, 7)
    assert "left" not in own.host.ip("link")
    assert new("tcp", to=INTERNET[4], port=DB) == "open"


def test_tables_of_others(own):
    """What others do in tables of their own concerns nobody."""
    own.nft("add table inet other { chain c { type filter hook forward priority 0; policy accept; }; }")
    own.nft("flush chain inet other c; delete table inet other")
    time.sleep(1.5)
    assert own.machines[2]("tcp", to=own.machines[4].addresses[4], port=DB) == "open"
    assert own.net.ask(LOOK)["links"] == 5


def test_restart_keeps_connections(own):
    """Killed, croft-net is told everything again: what is open goes on, what is not told goes."""
    alice, bob, mate = own.machines[2], own.machines[3], own.machines[4]
    grant(own.net)
    grant(own.net, port=OTHER)
    grant(own.net, uid=CAROL)
    for family in FAMILIES:
        assert bob("tcp", to=alice.addresses[family], port=DB, hold=f"db {family}") == "open"
    assert bob("tcp", to=alice.addresses[4], port=OTHER, hold="other") == "open"
    assert alice("tcp", to=INTERNET[4], port=DB, hold="world") == "open"
    assert alice("tcp", to=mate.addresses[6], port=DB, hold="own") == "open"
    rules = own.net.ask(LOOK)["rules"]
    assert own.net.end(signal.SIGKILL) == -signal.SIGKILL
    assert bob("again", hold="db 4") == "open", "the walls stand without it, and so do the doors"
    own.start()
    tell(own.net, synced=False)
    for slot, machine in own.machines.items():
        if slot != 5:
            own.net.ask(LINK, uid=machine.uid, slot=slot)
    grant(own.net)
    assert bob("again", hold="db 4") == "open"
    own.net.ask(SYNCED)
    for family in FAMILIES:
        assert bob("again", hold=f"db {family}") == "open"
    assert alice("again", hold="world") == "open"
    assert alice("again", hold="own") == "open"
    assert bob("again", hold="other") in ("reset", "refused", "closed")
    assert bob("tcp", to=alice.addresses[4], port=OTHER) == "refused"
    counts = own.net.ask(LOOK)
    assert (counts["links"], counts["members"], counts["grants"], counts["users"]) == (4, 4, 1, 3)
    assert counts["rules"] == rules
    assert "croft0005" not in own.host.ip("link"), "nobody told of it"


# What opens something, were it there: in which set, as nft takes it.
FORGED = {
    "owner4": f"{{ croft0003 . {address(7)} : {ALICE} }}",
    "owner6": f"{{ croft0003 . {address(7, 6)} : {ALICE} }}",
    "members4": f"{{ {BOB} . {address(2)} }}",
    "members6": f"{{ {BOB} . {address(2, 6)} }}",
    "grants4": f"{{ {CAROL} . {address(2)} . tcp . {DB} }}",
    "grants6": f"{{ {CAROL} . {address(2, 6)} . tcp . {DB} }}",
    "grants_new4": f"{{ {CAROL} . {address(2)} . tcp . {DB} }}",
    "grants_new6": f"{{ {CAROL} . {address(2, 6)} . tcp . {DB} }}",
}


def test_a_look_sees_one_element_too_many(own):
    """A croft-net that was told nothing counts what opens something, in both families."""
    grant(own.net)
    own.net.end(signal.SIGKILL)

    def look():
        looker = netdrive.Net(own.host.ns, own.state)
        counts = looker.ask(LOOK)
        assert looker.end() == 0
        return counts["members"], counts["grants"]
    assert look() == (5, 1)
    for name, element in FORGED.items():
        own.nft("add", "element", "inet", "croft", name, element)
        assert look() == ((5, UNEVEN) if name.startswith("grants") else (UNEVEN, 1)), name
        key = element.split(" :")[0].rstrip(" }") + " }"
        own.nft("delete", "element", "inet", "croft", name, key)
    assert look() == (5, 1)


def test_before_everything_is_told(own):
    """N-32: a link that is made before NET_SYNCED, or whose elements are not there, is down."""
    own.net.end()
    own.start()
    tell(own.net, synced=False)
    new = own.machine(ALICE, 7)
    assert not up(own, 7)
    own.net.ask(SYNCED)
    assert up(own, 7)
    new("serve", ports=[DB])
    assert new("tcp", to=INTERNET[4], port=DB) == "open"


def test_route_in_the_way(own):
    """Start refuses where the host already has a way to addresses of machines."""
    own.net.end()
    for route in ("100.96.7.0/24", "100.64.0.0/10", f"{netdrive.NET6[:-2]}:7::/64"):
        family = ["-6"] if ":" in route else []
        own.host.ip(*family, "route", "add", route, "dev", "up0")
        with pytest.raises(netdrive.Refused) as refused:
            own.start()
        assert refused.value.errno == errno.EADDRINUSE
        own.net.end()
        own.host.ip(*family, "route", "del", route, "dev", "up0")
    own.start()


def test_more_subnets_than_there_is_room_for(own):
    """Start refuses, and says so: one that is left out would be open to machines."""
    own.net.end()
    own.host.run("ip", "-batch", "-", input="".join(
        f"route add 11.{number >> 8}.{number & 255}.0/30 dev up0\n" for number in range(520)))
    own.net = netdrive.Net(own.host.ns, own.state)
    with pytest.raises(netdrive.Refused):
        own.net.ask(netdrive.HELLO)
    assert own.net.process.wait(5) != 0
    assert "more than 512 subnets" in own.net.process.stderr.read().decode()


def test_subnets_of_the_host(own):
    """A subnet that the host joins while Croft runs is closed from then on, and no longer after."""
    alice = own.machines[2]
    assert alice("tcp", to=INTERNET[4], port=DB) == "open"
    assert alice("tcp", to=INTERNET[6], port=DB) == "open"
    own.host.ip("addr", "add", "198.51.100.77/24", "dev", "up0")
    own.host.ip("addr", "add", "2001:db8:ffff::77/64", "dev", "up0", "nodad")
    time.sleep(0.3)
    assert alice("tcp", to=INTERNET[4], port=DB) == "refused"
    assert alice("tcp", to=INTERNET[6], port=DB) == "refused"
    own.host.ip("addr", "del", "198.51.100.77/24", "dev", "up0")
    own.host.ip("addr", "del", "2001:db8:ffff::77/64", "dev", "up0")
    time.sleep(0.3)
    assert alice("tcp", to=INTERNET[4], port=DB) == "open"
    assert alice("tcp", to=INTERNET[6], port=DB) == "open"
    # One that the admin or a tunnel's program made is one too.
    own.host.ip("route", "add", "198.51.100.0/24", "dev", "up0", "proto", "static")
    own.host.ip("route", "add", "2001:db8:ffff::/64", "dev", "up0", "proto", "static")
    time.sleep(0.3)
    assert alice("tcp", to=INTERNET[4], port=DB) == "refused"
    assert alice("tcp", to=INTERNET[6], port=DB) == "refused"


def test_forwards_for_machines_only(own):
    """A host that forwarded nothing before Croft forwards nothing for others with it."""
    side = own.space("side")
    own.host.ip("link", "add", "side0", "type", "veth", "peer", "eth0", "netns", side.ns)
    own.host.ip("link", "set", "side0", "up")
    own.host.ip("addr", "add", "192.0.2.1/24", "dev", "side0")
    side.ip("link", "set", "eth0", "up")
    side.ip("addr", "add", "192.0.2.2/24", "dev", "eth0")
    side.ip("route", "add", "default", "via", "192.0.2.1")
    own.world.ip("route", "add", "192.0.2.0/24", "via", HOST[4])
    assert side("tcp", to=HOST[4], port=DB) == "open"
    assert side("tcp", to=INTERNET[4], port=DB, timeout=0.3) == "silence"
    own.net.end(signal.SIGTERM)
    # One that did already goes on to.
    own.host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    own.start()
    assert side("tcp", to=INTERNET[4], port=DB, timeout=0.3) == "open"


def test_stop(own):
    """SIGTERM, `croft host stop`: the host's network is as if Croft had never been."""
    assert own.machines[2]("tcp", to=INTERNET[4], port=DB) == "open"
    assert own.net.end(signal.SIGTERM) == 0
    assert own.nft("list", "tables") == ""
    assert not re.search(r"croft[0-9a-f]{4}@", own.host.ip("link"))
    assert own.host.run("sysctl", "-n", "net.ipv4.ip_forward",
                        "net.ipv6.conf.all.forwarding").split() == ["0", "0"]
    assert "100.96.0.2" not in own.host.run("conntrack", "-L", check=False)


def forwards(world):
    return world.host.run("sysctl", "-n", "net.ipv4.ip_forward",
                          "net.ipv6.conf.all.forwarding").split()


def test_forwards_behind_walls_only(own, tmp_path):
    """The host forwards from when the table is there, and not at all when it cannot be loaded."""
    assert forwards(own) == ["1", "1"]
    assert own.net.end(signal.SIGTERM) == 0
    nft, seen = tmp_path / "nft", pathlib.Path(own.state) / "seen"
    nft.write_text(f"#!/bin/sh\ncat /proc/sys/net/ipv4/ip_forward > {RUN}/net/seen\nexit 1\n")
    nft.chmod(0o755)
    own.net = netdrive.Net(own.host.ns, own.state, nft=nft)
    with pytest.raises(netdrive.Refused):
        own.net.ask(netdrive.HELLO)
    own.net.end()
    assert seen.read_text() == "0\n" and forwards(own) == ["0", "0"]


@pytest.mark.parametrize("how", ["killed", "table lost"])
def test_tidy(own, how):
    """What a croft-net left that heard of no end is put back by the last one."""
    if how == "killed":
        own.net.end(signal.SIGKILL)
        assert forwards(own) == ["1", "1"]
    else:
        own.nft("delete table inet croft")
        ended(own.net)
        assert forwards(own) == ["0", "0"], "without walls it forwards for nobody"
    own.net = netdrive.Net(own.host.ns, own.state, argument="tidy")
    assert own.net.process.wait(5) == 0
    assert forwards(own) == ["0", "0"]
    assert own.nft("list", "tables") == ""
    assert not re.search(r"croft[0-9a-f]{4}@", own.host.ip("link"))


def test_stop_while_it_starts(own):
    """SIGTERM before it serves is heard all the same."""
    own.net.end(signal.SIGKILL)
    own.net = netdrive.Net(own.host.ns, own.state)
    status = pathlib.Path(f"/proc/{own.net.process.pid}/status")
    term = 1 << signal.SIGTERM - 1
    for _ in range(200):
        if int(re.search(r"SigBlk:\s*(\w+)", status.read_text())[1], 16) & term:
            break
        time.sleep(0.01)
    own.net.process.send_signal(signal.SIGTERM)
    own.net.ask(netdrive.HELLO)
    assert own.net.process.wait(5) == 0
    assert forwards(own) == ["0", "0"]
    assert own.nft("list", "tables") == ""


@pytest.mark.parametrize("message", [b"", b"x" * 111, b"\1\0\0\0" + b"\0" * 108])
def test_broken_monitor(own, message):
    """A request that is none ends it; what is in the kernel stays."""
    own.net.channel.send(message or b"\0")
    assert own.net.process.wait(5) == 0
    assert own.machines[2]("tcp", to=own.machines[4].addresses[4], port=DB) == "open"
    assert own.machines[3]("tcp", to=own.machines[4].addresses[4], port=DB) == "refused"


def test_wrong_requests(shared):
    """What does not go with what was told is refused, and changes nothing."""
    before = shared.net.ask(LOOK)
    for kind, arguments, error in (
            (GRANT, {"uid": BOB, "slot": 77, "protocol": TCP, "port": DB}, errno.ENOENT),
            (LINK, {"uid": BOB, "slot": 2}, errno.EEXIST),
            (LINK, {"uid": BOB, "slot": 88}, errno.ENODEV),
            (LINK, {"uid": BOB, "slot": 89, "fd": 1}, errno.EINVAL)):
        with pytest.raises(netdrive.Refused) as refused:
            shared.net.ask(kind, **arguments)
        assert refused.value.errno == error, (kind, arguments)
    assert shared.net.ask(LINK_GONE, slot=99)["error"] == 0
    assert revoke(shared.net, slot=99) == 0
    after = shared.net.ask(LOOK)
    assert {key: after[key] for key in ("links", "members", "grants", "users")} == \
        {key: before[key] for key in ("links", "members", "grants", "users")}


def test_ten_thousand_grants(own):
    """The ten-thousandth costs what the first did, and so does the cut."""
    for number in range(10000):
        grant(own.net, slot=2 if number % 2 else 4, port=10000 + number)
    alice, bob = own.machines[2], own.machines[3]
    began = time.monotonic()
    grant(own.net)
    opened = time.monotonic() - began
    assert bob("tcp", to=alice.addresses[4], port=DB, hold="db") == "open"
    began = time.monotonic()
    assert revoke(own.net) == 1
    cut = time.monotonic() - began
    # A cut looks through the host's whole table of connections, whatever is in it.
    assert opened < 0.005 and cut < 0.1, (opened, cut)
    assert own.net.ask(LOOK)["grants"] == 10000
    began = time.monotonic()
    own.net.ask(LINK_GONE, slot=4)
    assert time.monotonic() - began < 2
    assert own.net.ask(LOOK)["grants"] == 5000


# --- without the control ------------------------------------------------------------------------

@pytest.fixture(scope="module")
def test_build(tmp_path_factory):
    """The build in which a control can be left out; it is never installed. What is needed of it is
    taken at once: whoever builds there meanwhile takes programs away before they are made anew."""
    build = pathlib.Path(os.environ.get("ABLATE_BUILD", TOP / "build-prove"))
    stage = "/var/tmp/croft-ablate"
    if not (build / "build.ninja").exists():
        subprocess.run(["meson", "setup", build, TOP, "-Dablate=true", f"-Dprefix={stage}",
                        f"-Dlib_dir={stage}/lib", "-Drun_dir=/run/croft-ablate",
                        "-Dstate_dir=/var/lib/croft-ablate", "-Dconf_dir=/etc/croft-ablate",
                        "-Dlog_dir=/var/log/croft-ablate", "-Dcgroup=croft-ablate"],
                       stdout=subprocess.DEVNULL, check=True)
    subprocess.run(["ninja", "-C", build, "--quiet", "src/croft-net", "tools/net.bpf"], check=True)
    paths = dict(re.findall(r'#define (CROFT_\w+)\s+"(.*)"',
                            (build / "src/croft-paths.h").read_text()))
    taken = tmp_path_factory.mktemp("build")
    for path in (build / "src/croft-net", build / "tools/net.bpf", TOP / "src/net/croft.nft"):
        shutil.copy(path, taken)
    return {**paths, "build": str(taken)}


def test_without_the_table(test_build):
    """With the control left out the very same looks say that everything passes."""
    world = people("croft-t2", lib=test_build, without=ABLATE_NFTABLES)
    try:
        table = [case for case in cases() if not case[0] and case[1:4] == (4, "tcp", 3)]
        found = measure(world, table)
        wrong = [case for case in table if found[case] != specified(*case)]
        assert len(wrong) == len([case for case in table if not specified(*case)]) > 0
        alice, bob = world.machines[2], world.machines[3]
        assert passes(world, "udp", bob, alice, 4, DB, spoof=world.machines[5].addresses[4])
        assert passes(world, "udp", bob, alice, 6, DB, spoof=world.machines[5].addresses[6])
        assert alice("tcp", to=HOST[4], port=DB) == "open"
        assert alice("tcp", to=PRIVATE[4], port=DB) == "open"
        assert alice("tcp", to=METADATA[4], port=DB) == "open"
        assert world.host("tcp", to=alice.addresses[4], port=DB) == "open"
        assert passes(world, "udp", world.world, alice, 4, DB)
    finally:
        world.remove()
