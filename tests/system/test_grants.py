# SPDX-License-Identifier: Apache-2.0
"""Grants: open for one, at once, and closed for good (issue "The door": port grants, Bad input;
design 7, invariants 6, 7, 10)

Connections are made by the test in the machines' own network namespaces (inside.py): what comes
through is what the kernel lets through.
"""
import ctypes
import os
import random
import signal
import socket
import threading
import time
from contextlib import contextmanager

import pytest

import wire
from harness import (FAILED, HOST_CANNOT, LOG, NOT_FOUND, OVER_LIMIT, USAGE, croft, daemon_pid,
                     listed, ok, refused, until)
from harness import machines as machines_of
from inside import REFUSED, Echo, Inside

TCP, UDP = 6, 17
FOREVER, FOR, UNTIL = 1, 2, 3
REVOKED, GIVEN_BACK, EXPIRED, MACHINE_GONE, USER_GONE = 1, 2, 3, 4, 5
LISTENING_NOTHING, LISTENING_LOOPBACK, LISTENING_YES = 1, 2, 3
LONG = bool(os.environ.get("CROFT_TEST_LONG"))
NS = 10**9


# -- at the door ----------------------------------------------------------------------------------

def terms(port, end=FOREVER, protocol=TCP, **more):
    return wire.GrantTerms(kind=1, protocol=protocol, port=port, end=end, **more)


def ask_door(message, user, sock=None, timeout=20):
    """(reply, body) of one order, on a connection of its own or on @sock."""
    if sock is None:
        with wire.door(user, timeout) as own:
            return ask_door(message, user, own)
    sock.send(message)
    while True:
        got = wire.receive(sock)
        assert got is not None, "the connection was closed"
        if got[0].type != wire.REPLY_NOTE:
            return got[0], got[1]


def grant(owner, machine, grantee, given, sock=None):
    body = bytes(wire.OrderGrant(user=grantee.encode(), terms=given))
    reply, body = ask_door(wire.order(wire.GRANT, machine.encode(), body), owner, sock)
    return reply, wire.ReplyGrant.from_buffer_copy(body) if body else None


def granted(owner, machine, grantee, given, sock=None):
    reply, body = grant(owner, machine, grantee, given, sock)
    assert reply.outcome == 0, reply.text
    return body.view.grant.id


def revoke(user, number, sock=None):
    body = bytes(wire.OrderGrant(id=number))
    reply, body = ask_door(wire.order(wire.REVOKE, b"", body), user, sock)
    return reply, wire.GrantView.from_buffer_copy(body) if body else None


def revoked(user, number, sock=None):
    reply, view = revoke(user, number, sock)
    assert reply.outcome == 0, reply.text
    return view


def pages(kind, user, view):
    """Every entry of a list, page after page."""
    found, last = [], 0
    while True:
        reply, body = ask_door(wire.order(kind, number=last), user)
        assert reply.outcome == 0, reply.text
        size = ctypes.sizeof(view)
        page = [view.from_buffer_copy(body[i:i + size]) for i in range(0, len(body), size)]
        if not page:
            return found
        ids = [(v.grant if view is wire.GrantView else v.ask).id for v in page]
        assert ids == sorted(ids) and ids[0] > last
        found, last = found + page, ids[-1]


def grants_of(user):
    return {v.grant.id: v for v in pages(wire.GRANTS, user, wire.GrantView)}


def asks_of(user):
    return {v.ask.id: v for v in pages(wire.ASKS, user, wire.AskView)}


def audit(user, kind):
    """The entries of @kind in her own file."""
    shown = listed(ok("audit", "--json", user=user).json(), "entries")
    return [entry for entry in shown if entry["type"] == kind]


# -- machines -------------------------------------------------------------------------------------

@pytest.fixture(scope="module", autouse=True)
def machines(alice, bob):
    ok("launch", "busybox", "db", user=alice, timeout=40)
    ok("launch", "busybox", "home", user=bob, timeout=40)
    yield
    ok("rm", "--force", "db", user=alice)
    ok("rm", "--force", "home", user=bob)


# Anew for each test: a stop of Croft and a start gives a machine another network namespace.
@pytest.fixture
def db(alice, machines):
    with Inside(alice, "db") as inside:
        yield inside


@pytest.fixture
def home(bob, machines):
    with Inside(bob, "home") as inside:
        yield inside


@pytest.fixture(scope="module")
def carol(people):
    """Somebody who was granted nothing, with a machine."""
    name = people.add()
    ok("launch", "busybox", "other", user=name, timeout=40)
    return name


@pytest.fixture(autouse=True)
def no_grant_stays(alice, bob):
    yield
    for user in (alice, bob):
        for number in grants_of(user):
            revoked(user, number)
        for number in asks_of(user):
            ask_door(wire.order(wire.DENY, number=number), user)


# -- open and closed ------------------------------------------------------------------------------

def test_open_for_one_and_closed_at_once(alice, bob, carol, db, home):
    """bob gets through where and when alice says, nobody else does, and nothing else opens"""
    with Echo(db, 5432, 5433), Echo(home, 5432), Inside(carol, "other") as other:
        assert not home.reaches(db, 5432)
        number = granted(alice, "db", bob, terms(5432))
        assert grants_of(bob)[number].flags & 1
        with home.connect(db, 5432) as sock:
            sock.send(b"hello")
            assert sock.recv(5) == b"hello"
        assert not home.reaches(db, 5433), "another port"
        assert not other.reaches(db, 5432), "another user"
        assert not db.reaches(home, 5432), "the other way"
        assert not db.reaches(home, 5432, source=5432), "the other way from the granted port"
        assert revoked(alice, number).grant.over == REVOKED
        assert not home.reaches(db, 5432)
        assert number not in grants_of(alice) and number not in grants_of(bob)


@pytest.mark.parametrize("by_owner", [True, False])
def test_revoke_in_the_middle(alice, bob, db, home, by_owner):
    """both ends of what is open learn it within a second, and the command says how many"""
    with Echo(db, 5432) as echo:
        number = granted(alice, "db", bob, terms(5432))
        socks = [home.connect(db, 5432) for _ in range(3)]
        for sock in socks:
            sock.send(b"x")
            assert sock.recv(1) == b"x"
        view = revoked(alice if by_owner else bob, number)
        at = time.monotonic()
        assert view.grant.cut == 3
        assert view.grant.over == (REVOKED if by_owner else GIVEN_BACK)
        for sock in socks:
            with pytest.raises(OSError) as told, sock:
                sock.settimeout(1)
                sock.send(b"y")
                while sock.recv(1):
                    pass
            assert not isinstance(told.value, TimeoutError)
        until(lambda: len(echo.ends) == 3, 1, "the server's learning it")
        assert time.monotonic() - at < 1.0
        assert "closed" not in echo.ends, echo.ends


def test_the_transfer_stops_before_the_answer(alice, bob, db, home):
    """no byte comes through after revoke has answered"""
    with Echo(db, 5432):
        number = granted(alice, "db", bob, terms(5432))
        sock = home.connect(db, 5432)
        arrived, stop = [], threading.Event()

        def pump():
            try:
                while not stop.is_set():
                    sock.send(b"z" * 4096)
                    if sock.recv(65536):
                        arrived.append(time.monotonic())
            except OSError:
                pass
        thread = threading.Thread(target=pump)
        thread.start()
        until(lambda: len(arrived) > 10, 5, "a running transfer")
        revoked(alice, number)
        answered = time.monotonic()
        thread.join(3)
        stop.set()
        sock.close()
        assert not thread.is_alive(), "it hangs"
        assert arrived[-1] <= answered + 0.005, arrived[-1] - answered


def test_udp(alice, bob, db, home):
    """a datagram comes through only while it is granted"""
    server = db.socket(socket.SOCK_DGRAM, timeout=0.5)
    server.bind(("", 5353))
    client = home.socket(socket.SOCK_DGRAM, timeout=0.5)

    def through():
        try:
            client.sendto(b"q", (db.address, 5353))
            return server.recvfrom(16)[0] == b"q"
        except OSError:
            return False
    with server, client:
        assert not through()
        number = granted(alice, "db", bob, terms(5353, protocol=UDP))
        assert through()
        revoked(alice, number)
        assert not through()


def test_look_warns(alice, bob, db):
    """what listens is looked up inside the machine before the answer"""
    def looked(port):
        reply, body = grant(alice, "db", bob, terms(port))
        assert reply.outcome == 0
        return body.listening
    assert looked(7001) == LISTENING_NOTHING
    with Echo(db, 7002, host="127.0.0.1"):
        assert looked(7002) == LISTENING_LOOPBACK
    with Echo(db, 7003):
        assert looked(7003) == LISTENING_YES


def test_both_audits(alice, bob):
    """what was granted, by whom, and how it ended stands in both users' files"""
    before = [len(audit(user, kind)) for user in (alice, bob) for kind in ("grant", "grant end")]
    number = granted(alice, "db", bob, terms(5432))
    revoked(bob, number)
    after = [audit(user, kind) for user in (alice, bob) for kind in ("grant", "grant end")]
    # hers: intent and outcome of each; his: the outcomes
    assert [len(a) - b for a, b in zip(after, before)] == [2, 2, 1, 1]
    for entries in after:
        assert str(number) in str(entries[-1]), entries[-1]
    for user in (alice, bob):
        ok("audit", "verify", user=user)


def test_the_commands(alice, bob):
    """croft grant, grants, ask, asks, approve, deny, revoke and why, as people type them"""
    ok("grant", bob, "port", "db:5432", "--for", "8h", "--connections", "7", "--rate", "5",
       user=alice)
    shown = listed(ok("grants", "--json", user=bob).json(), "grants")
    assert len(shown) == 1 and "5432" in str(shown)
    assert "granted" in ok("why", f"db.{alice}:5432", user=bob).out
    assert "closed" in ok("why", f"db.{alice}:5433", user=bob).out
    ok("revoke", bob, "port", "db:5432", user=alice)
    assert listed(ok("grants", "--json", user=bob).json(), "grants") == []
    ok("ask", alice, "port", "db:80", "--for", "1h", "--why", "a report", user=bob)
    number = str(listed(ok("asks", "--json", user=alice).json(), "asks")[0]["id"])
    refused(croft("approve", number, user=bob), NOT_FOUND)
    ok("approve", number, user=alice)
    assert len(listed(ok("grants", "--json", user=alice).json(), "grants")) == 1
    ok("ask", alice, "port", "db:81", "--for", "1h", user=bob)
    number = str(listed(ok("asks", "--json", user=bob).json(), "asks")[0]["id"])
    ok("deny", number, user=bob)
    refused(croft("deny", number, user=bob), NOT_FOUND)


# -- bad input ------------------------------------------------------------------------------------

def bad_grants(alice, bob):
    """what, whose machine, to whom, which terms -> outcome"""
    now = time.time_ns()
    return {
        "to oneself": ("db", alice, terms(80), USAGE),
        "to nobody": ("db", "t-nobody", terms(80), NOT_FOUND),
        "to no name": ("db", "", terms(80), USAGE),
        "of another's machine": ("home", bob, terms(80), NOT_FOUND),
        "of no machine": ("none", bob, terms(80), NOT_FOUND),
        "of port 0": ("db", bob, terms(0), USAGE),
        "of a kind that is none": ("db", bob, wire.GrantTerms(kind=2, protocol=TCP, port=80,
                                                              end=FOREVER), USAGE),
        "of icmp": ("db", bob, terms(80, protocol=1), USAGE),
        "without an end": ("db", bob, terms(80, end=0), USAGE),
        "for no time": ("db", bob, terms(80, FOR), USAGE),
        "until the past": ("db", bob, terms(80, UNTIL, until_wall_ns=now - NS), USAGE),
        "until beyond 2106": ("db", bob, terms(80, UNTIL, until_wall_ns=(2**32) * NS), USAGE),
        "for longer than 2106": ("db", bob, terms(80, FOR, for_ns=100 * 365 * 86400 * NS), USAGE),
        "for 2^64-1 ns": ("db", bob, terms(80, FOR, for_ns=2**64 - 1), USAGE),
        "with two ends": ("db", bob, terms(80, FOR, for_ns=NS, until_wall_ns=now + NS), USAGE),
        "with too many connections": ("db", bob, terms(80, connections=2**32 - 1), USAGE),
        "with too high a rate": ("db", bob, terms(80, rate=2**32 - 1), USAGE),
        "with a reserved field": ("db", bob, terms(80, reserved=1), USAGE),
    }


def test_bad_grants(alice, bob):
    before = grants_of(alice), len(audit(bob, "grant"))
    for what, (machine, to, given, outcome) in bad_grants(alice, bob).items():
        reply, _ = grant(alice, machine, to, given)
        text = reply.text.decode()
        assert reply.outcome == outcome and text and text.isprintable(), (what, reply.outcome, text)
    assert (grants_of(alice), len(audit(bob, "grant"))) == before


@pytest.mark.parametrize("words", [
    ("port", "db:0"), ("port", "db:65536"), ("port", "db:-1"), ("port", "db:x"), ("port", "db"),
    ("port", ":80"), ("path", "db:80"), ("port", "db:80", "--until", "2001-01-01"),
    ("port", "db:80", "--until", "2107-01-01"), ("port", "db:80", "--for", "0"),
    ("port", "db:80", "--for", "1h", "--forever")])
def test_bad_words(alice, bob, words):
    refused(croft("grant", bob, *words, user=alice), USAGE)


def test_twice_the_same(alice, bob):
    number = granted(alice, "db", bob, terms(5432))
    reply, _ = grant(alice, "db", bob, terms(5432, FOR, for_ns=NS))
    assert reply.outcome == FAILED and f"croft revoke {number}" in reply.text.decode()
    assert grants_of(alice)[number].left_ns == 2**64 - 1


def test_revoke_of_anothers_and_of_an_ended_one(alice, bob, carol):
    """whoever may not know of it reads the same as for what never was"""
    number = granted(alice, "db", bob, terms(5432))
    reply, _ = revoke(carol, number)
    hers = reply.outcome, reply.text
    assert hers[0] == NOT_FOUND
    assert number in grants_of(bob)
    revoked(alice, number)
    for user in (alice, bob, carol):
        reply, _ = revoke(user, number)
        assert (reply.outcome, reply.text) == hers
    reply, _ = revoke(carol, 2**64 - 1)
    assert reply.outcome == NOT_FOUND


def test_ten_thousand(alice, bob, carol, people):
    """beyond the limits one sentence; what others may give to the same user stays theirs"""
    dave = people.add()
    ok("launch", "busybox", "m", user=dave, timeout=40)
    made = 0
    with wire.door(dave, 60) as sock:
        for port in range(1, 10001):
            reply, _ = grant(dave, "m", bob, terms(port), sock)
            if reply.outcome != 0:
                assert reply.outcome == OVER_LIMIT, reply.text
                break
            made += 1
        assert made == 250
        for port in range(1, 20):
            assert grant(dave, "m", bob, terms(60000 + port), sock)[0].outcome == OVER_LIMIT
        assert grant(dave, "m", carol, terms(1), sock)[0].outcome == 0
    assert len(grants_of(bob)) == 250
    granted(alice, "db", bob, terms(5432))
    # all of them go with her, and bob reads it
    people.remove(dave)
    assert len(grants_of(bob)) == 1
    assert len([e for e in audit(bob, "grant end")]) >= 250


def test_ask_flood(alice, bob, carol):
    """an asker has a few at a time; a list that one fills has room for another's"""
    outcomes = [ask(bob, alice, "db", port)[0].outcome for port in range(1, 200)]
    assert outcomes.count(0) == 16 and set(outcomes[16:]) == {OVER_LIMIT}
    assert ask(carol, alice, "db", 1)[0].outcome == 0
    assert len(asks_of(alice)) == 17
    assert ask(bob, alice, "db", 1)[0].outcome == FAILED, "the same again"
    for number in asks_of(alice):
        reply, _ = ask_door(wire.order(wire.DENY, number=number), alice)
        assert reply.outcome == 0
    assert asks_of(bob) == {}


def ask(user, owner, machine, port, why=b"report", **more):
    body = bytes(wire.OrderAsk(user=owner.encode(), terms=terms(port, **more), why=why))
    return ask_door(wire.order(wire.ASK, machine.encode(), body), user)


def test_an_ask_tells_nothing(alice, bob):
    """the same answer whether there is such a machine or not; so does why"""
    there, _ = ask(bob, alice, "db", 5432)
    none, _ = ask(bob, alice, "none", 5432)
    assert (there.outcome, there.text) == (none.outcome, none.text) == (0, b"")

    def why(machine):
        body = bytes(wire.OrderWhy(user=alice.encode(), machine=machine, protocol=TCP, port=5432))
        reply, body = ask_door(wire.order(wire.WHY, b"", body), bob)
        return reply.outcome, reply.text, body
    assert why(b"db") == why(b"none")


@pytest.mark.parametrize("why", [b"two\nlines", b"\x1b[2J", b"\xff" * 20, b"a" * 128])
def test_bad_why(alice, bob, why):
    assert ask(bob, alice, "db", 80, why)[0].outcome == USAGE


def test_approved_as_asked(alice, bob, db, home):
    reply, _ = ask(bob, alice, "db", 5432, end=FOR, for_ns=3600 * NS, connections=3, rate=9)
    number = reply.number[0]
    view = asks_of(alice)[number]
    assert view.ask.why == b"report" and view.asker.decode() == bob
    with Echo(db, 5432):
        assert not home.reaches(db, 5432), "an ask opens nothing"
        reply, body = ask_door(wire.order(wire.APPROVE, number=number), alice)
        assert reply.outcome == 0, reply.text
        made = wire.ReplyGrant.from_buffer_copy(body).view.grant.terms
        assert bytes(made) == bytes(view.ask.terms)
        assert home.reaches(db, 5432)
    assert asks_of(alice) == {} == asks_of(bob)


# -- ends -----------------------------------------------------------------------------------------

def ended(user, number):
    """Whether her file says that grant @number has ended."""
    last = audit(user, "grant end")[-1:]
    return last and last[0]["phase"] == "outcome" and last[0]["number"][0] == number


@pytest.mark.parametrize("kind", [FOR, UNTIL])
def test_expires(alice, bob, db, home, kind):
    """at its end it closes what is open, and both users read so"""
    more = {"for_ns": NS} if kind == FOR else {"until_wall_ns": time.time_ns() + NS}
    with Echo(db, 5432) as echo:
        number = granted(alice, "db", bob, terms(5432, kind, **more))
        sock = home.connect(db, 5432, timeout=3)
        sock.send(b"x")
        assert sock.recv(1) == b"x"
        begin = time.monotonic()
        with pytest.raises(OSError) as told, sock:
            while sock.recv(1):
                pass
        assert not isinstance(told.value, TimeoutError)
        assert 0.5 < time.monotonic() - begin < 2
        until(lambda: number not in grants_of(bob), 2, "the end")
        assert not home.reaches(db, 5432)
        until(lambda: echo.ends, 1, "the server's learning it")
    for user in (alice, bob):
        until(lambda: ended(user, number), 2, "the record of its end")


@contextmanager
def monitor_is_down():
    """The monitor is killed, and nobody starts another one."""
    boss = daemon_pid("croft-super")
    os.kill(boss, signal.SIGSTOP)
    try:
        os.kill(daemon_pid("croft-monitor"), signal.SIGKILL)
        yield
    finally:
        os.kill(boss, signal.SIGCONT)


def kill(name):
    """As soon as there is one."""
    def one():
        try:
            return daemon_pid(name)
        except AssertionError:
            return None
    os.kill(until(one, 10, name), signal.SIGKILL)


def answered(user):
    """Whether the door answers again."""
    try:
        return ask_door(wire.order(wire.GRANTS), user)[0].outcome == 0
    except (OSError, AssertionError):
        return False


def test_expires_while_the_monitor_is_down(alice, bob, db, home):
    """the kernel closes it by itself, and the records say so afterwards; what lives, lives on"""
    with Echo(db, 5432, 5433):
        short = granted(alice, "db", bob, terms(5432, FOR, for_ns=2 * NS))
        lasting = granted(alice, "db", bob, terms(5433, FOR, for_ns=3600 * NS))
        assert home.reaches(db, 5432)
        with monitor_is_down():
            time.sleep(2.5)
            assert not home.reaches(db, 5432), "the element has a time-out of its own"
            assert home.reaches(db, 5433)
        until(lambda: answered(bob), 10, "the door")
        assert short not in grants_of(bob) and lasting in grants_of(bob)
        assert 3590 * NS < grants_of(bob)[lasting].left_ns < 3600 * NS
        until(lambda: home.reaches(db, 5433), 5, "croft-net's knowing it all")
        assert not home.reaches(db, 5432)
        for user in (alice, bob):
            until(lambda: ended(user, short), 5, "the record of its end")


def test_expires_while_croft_is_down(alice, bob):
    """over a stop and a start: what is over is closed and recorded, what lives opens again"""
    short = granted(alice, "db", bob, terms(5432, FOR, for_ns=2 * NS))
    hour = granted(alice, "db", bob, terms(5433, FOR, for_ns=3600 * NS))
    forever = granted(alice, "db", bob, terms(5434))
    ok("host", "stop", timeout=60)
    time.sleep(2.5)
    ok("host", "start", timeout=60)
    for user, machine in ((alice, "db"), (bob, "home")):
        until(lambda: machines_of(user).get(machine, {}).get("state") == "running", 20, machine)
    assert set(grants_of(bob)) == set(grants_of(alice)) == {hour, forever}
    assert grants_of(bob)[hour].left_ns < 3600 * NS
    for user in (alice, bob):
        until(lambda: ended(user, short), 5, "the record of its end")
    with Inside(alice, "db") as server, Inside(bob, "home") as client, \
            Echo(server, 5432, 5433, 5434):
        until(lambda: client.reaches(server, 5433), 5, "croft-net's knowing it all")
        assert client.reaches(server, 5434)
        assert not client.reaches(server, 5432)


def test_killed_daemons_change_nothing(alice, bob, db, home):
    """croft-net, monitor and croftd are killed: a grant stays, a revoke holds, a connection lives"""
    with Echo(db, 5432, 5433):
        stays = granted(alice, "db", bob, terms(5432))
        goes = granted(alice, "db", bob, terms(5433))
        sock = home.connect(db, 5432)
        revoked(alice, goes)
        for name in ("croft-net", "croft-monitor", "croftd", "croft-net"):
            kill(name)
            until(lambda: answered(bob), 10, f"the door after {name}")
            until(lambda: home.reaches(db, 5432), 10, f"the grant after {name}")
            assert not home.reaches(db, 5433)
            sock.send(b"x")
            assert sock.recv(1) == b"x"
        sock.close()
        assert stays in grants_of(bob) and goes not in grants_of(bob)


def walls_held():
    """How often a croft-net has been told everything."""
    return (LOG / "croft.log").read_text().count("holds the walls")


def test_revoke_without_an_answer_of_the_network(alice, bob, db, home):
    """croft-net hangs: nobody is told that it is closed until it is"""
    with Echo(db, 5432):
        number = granted(alice, "db", bob, terms(5432))
        hung, held = daemon_pid("croft-net"), walls_held()
        os.kill(hung, signal.SIGSTOP)
        try:
            reply, _ = revoke(alice, number)
            closed = not home.reaches(db, 5432)
            assert closed or reply.outcome == HOST_CANNOT, reply.text
        finally:
            try:
                os.kill(hung, signal.SIGCONT)
            except ProcessLookupError:
                pass
        assert number not in grants_of(alice)
        until(lambda: not home.reaches(db, 5432), 10, "its being closed")
        # The next one holds the walls before anything passes them.
        until(lambda: daemon_pid("croft-net") != hung and walls_held() > held, 20, "the next one")


def test_a_stopped_machine(alice, bob, home):
    """its grant is kept, and opens when it runs"""
    ok("launch", "busybox", "web", user=alice, timeout=40)
    try:
        ok("stop", "web", user=alice, timeout=30)
        number = granted(alice, "web", bob, terms(80))
        assert not grants_of(bob)[number].flags & 1
        for _ in range(2):
            ok("start", "web", user=alice)
            with Inside(alice, "web") as web, Echo(web, 80):
                until(lambda: grants_of(bob)[number].flags & 1, 5, "its being open")
                assert home.reaches(web, 80)
            ok("stop", "web", user=alice, timeout=30)
            assert number in grants_of(bob)
    finally:
        ok("rm", "--force", "web", user=alice)
    assert number not in grants_of(bob)
    until(lambda: ended(bob, number), 2, "the record of its end")


def test_a_machine_made_again_inherits_nothing(alice, bob, home):
    ok("launch", "busybox", "web", user=alice, timeout=40)
    try:
        granted(alice, "web", bob, terms(80))
        ok("rm", "--force", "web", user=alice)
        ok("launch", "busybox", "web", user=alice, timeout=40)
        with Inside(alice, "web") as web, Echo(web, 80):
            assert not home.reaches(web, 80)
            assert grants_of(bob) == {}
    finally:
        ok("rm", "--force", "web", user=alice)


def test_a_user_made_again_inherits_nothing(alice, bob, db, people):
    """of the same name, and of the same uid"""
    eve = people.add()
    uid = wire.uid_of(eve)
    granted(alice, "db", eve, terms(5432))
    ask(eve, alice, "db", 80)
    ask(alice, eve, "m", 80)
    people.remove(eve)
    assert grants_of(alice) == {} == asks_of(alice)
    people.add(name=eve)
    assert wire.uid_of(eve) == uid, "useradd gives the same number again"
    ok("launch", "busybox", "m", user=eve, timeout=40)
    with Inside(eve, "m") as machine, Echo(db, 5432):
        assert grants_of(eve) == {} == asks_of(eve)
        assert not machine.reaches(db, 5432)
        # also after the records were read anew
        held = walls_held()
        kill("croft-monitor")
        until(lambda: answered(alice), 10, "the door")
        assert grants_of(eve) == {} == asks_of(eve)
        until(lambda: walls_held() > held, 10, "croft-net")
        assert not machine.reaches(db, 5432)
    people.remove(eve)


# -- racing ---------------------------------------------------------------------------------------

class Race:
    """Four ports, on each four clients of alice's that grant and revoke, and bob who tries.

    A use is stolen when it came through although, from the answer of a revoke until it had come
    through, nobody had a grant on its way."""

    PORTS = (6001, 6002, 6003, 6004)

    def __init__(self, alice, bob, db, home, seconds):
        self.alice, self.bob, self.db, self.home = alice, bob, db, home
        self.end = time.monotonic() + seconds
        self.last_end = self.end + 30  # a busy machine gets longer
        self.lock = threading.Lock()
        self.sent = dict.fromkeys(self.PORTS, 0)
        self.back = dict.fromkeys(self.PORTS, 0)
        self.tried, self.used, self.stolen, self.failures = 0, 0, [], []

    def run(self):
        threads = [threading.Thread(target=self.client, args=(self.PORTS[i % 4],))
                   for i in range(16)]
        with Echo(self.db, *self.PORTS):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(120)
        assert not self.failures, self.failures[:5]
        assert not any(thread.is_alive() for thread in threads)

    def client(self, port):
        try:
            with wire.door(self.alice, 60) as sock:
                while self.goes_on() and not self.failures:
                    self.turn(sock, port)
        except BaseException as error:
            self.failures.append(repr(error))
            raise

    def goes_on(self):
        now = time.monotonic()
        enough = self.used > 0 and self.tried > 20
        return now < self.end or (now < self.last_end and not enough)

    def turn(self, sock, port):
        if random.random() < 0.5:
            with self.lock:
                self.sent[port] += 1
            reply, _ = grant(self.alice, "db", self.bob, terms(port), sock)
            with self.lock:
                self.back[port] += 1
            assert reply.outcome in (0, FAILED, OVER_LIMIT), reply.text
            if reply.outcome == 0:
                self.used += self.home.reaches(self.db, port)
            return
        body = bytes(wire.OrderGrant(user=self.bob.encode(), terms=terms(port)))
        reply, _ = ask_door(wire.order(wire.REVOKE, b"db", body), self.alice, sock)
        assert reply.outcome in (0, NOT_FOUND), reply.text
        with self.lock:
            quiet, count = self.sent[port] == self.back[port], self.sent[port]
        if not quiet:
            return
        came = self.home.reaches(self.db, port)
        with self.lock:
            if self.sent[port] != count:
                return
        self.tried += 1
        if came:
            self.stolen.append((port, reply.outcome))


@pytest.fixture
def racer(people):
    """A user with a machine who has written nothing yet into the records of others: what she may
    write there in a while is limited, and the tests before used it up."""
    eve = people.add()
    ok("launch", "busybox", "db", user=eve, timeout=40)
    with Inside(eve, "db") as db:
        yield eve, db
    people.remove(eve)


def test_race(racer, bob, home):
    """16 clients grant and revoke: after each revoke, zero successful uses"""
    eve, db = racer
    race = Race(eve, bob, db, home, 60 if LONG else 5)
    race.run()
    assert race.stolen == []
    assert race.used > 0, "the positive control: granted ports come through"
    assert race.tried > 20, race.tried
    for user in (eve, bob):
        ok("audit", "verify", user=user)


def test_race_with_kills(racer, bob, home):
    """croft-net is killed again and again meanwhile"""
    eve, db = racer
    race = Race(eve, bob, db, home, 10 if LONG else 3)
    done = threading.Event()
    killed = []

    def killer():
        while not done.wait(0.7):
            try:
                pid = daemon_pid("croft-net")
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
            except (AssertionError, ProcessLookupError):
                pass
    thread = threading.Thread(target=killer)
    thread.start()
    try:
        race.run()
    finally:
        done.set()
        thread.join()
    assert race.stolen == []
    assert race.tried > 0 and len(killed) > 1, (race.tried, killed)
    until(lambda: answered(eve), 10, "the door")


def patient_door(user):
    """Who comes faster than the monitor accepts, tries again."""
    def come():
        try:
            return wire.door(user)
        except BlockingIOError:
            return None
    return until(come, 10, "room at the door")


def test_hanging_up_piles_up_nothing(alice, bob, db):
    """to grant, to revoke and to hang up at once leaves the monitor as it was"""
    pid = daemon_pid("croft-monitor")

    def size():
        return len(os.listdir(f"/proc/{pid}/fd"))
    before = size()
    body = bytes(wire.OrderGrant(user=bob.encode(), terms=terms(5432)))
    for _ in range(300):
        for kind in (wire.GRANT, wire.REVOKE):
            with patient_door(alice) as sock:
                sock.send(wire.order(kind, b"db", body))
    until(lambda: size() <= before + 2, 10, "the descriptors' being closed")
    assert answered(bob)
    assert daemon_pid("croft-monitor") == pid
