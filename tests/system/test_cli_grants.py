# SPDX-License-Identifier: Apache-2.0
"""The words of grants (issue "The door"): grant, grants, revoke, ask, asks, approve, deny, why, as
people type and read them, and what croft(1) says of the network. What the kernel lets through is
looked at elsewhere."""
import json
import os
import pathlib
import re
import signal
import time
from contextlib import contextmanager

import pytest

from harness import (BIN, FAILED, NOT_FOUND, NOT_PERMITTED, USAGE, croft, croft_on_terminal,
                     daemon_pid, machines, ok, refused, run, start, until, users)

LISTEN = ["/bin/sh", "-c", "while :; do nc -l -p 5432 -e /bin/cat; done"]
BELL = "\x1b]0;x\x07"


@pytest.fixture(scope="module")
def db(alice):
    ok("launch", "busybox", "db", "--", *LISTEN, user=alice)
    until(lambda: listening(alice), what="the listener")
    return "db"


@pytest.fixture(scope="module")
def home(bob):
    ok("launch", "busybox", "home", user=bob)
    return "home"


@pytest.fixture(scope="module")
def carol(people):
    return people.add()


@pytest.fixture(autouse=True)
def no_grants(alice, bob, carol):
    """Every test begins without a grant or an ask."""
    yield
    for name in (alice, bob, carol):
        for grant in grants(name):
            if grant["owner"] == name:
                ok("revoke", str(grant["id"]), user=name)
        for ask in asks(name):
            if ask["asker"] == name:
                ok("deny", str(ask["id"]), user=name)


def listening(user):
    tables = ok("exec", "db", "--", "cat", "/proc/net/tcp", "/proc/net/tcp6", user=user).out
    return re.search(r":1538 \S+ 0A ", tables)


def grants(user):
    return ok("grants", "--json", user=user).json()["grants"]


def asks(user):
    return ok("asks", "--json", user=user).json()["asks"]


def why(user, *words):
    return ok("why", *words, user=user).out.strip()


@contextmanager
def croftd_stopped():
    """croftd answers nobody while the block runs."""
    pid = daemon_pid("croftd")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


# -- what is refused ---------------------------------------------------------------------------

@pytest.mark.parametrize("words, status", [
    ("{bob} port db:0 --for 1h", USAGE),
    ("{bob} port db:65536 --for 1h", USAGE),
    ("{bob} port db:-1 --for 1h", USAGE),
    ("{bob} port db --for 1h", USAGE),
    ("{bob} port db:5432/sctp --for 1h", USAGE),
    ("{bob} port db:5432", USAGE),
    ("{bob} port db:5432 --for 1h --forever", USAGE),
    ("{bob} port db:5432 --for 1h --until 18:00", USAGE),
    ("{bob} port db:5432 --for 0s", USAGE),
    ("{bob} port db:5432 --for -1h", USAGE),
    ("{bob} port db:5432 --for 5", USAGE),
    ("{bob} port db:5432 --for 9999999999999999999w", USAGE),
    ("{bob} port db:5432 --for 5000w", USAGE),
    ("{bob} port db:5432 --until 2001-01-01T00:00:00Z", USAGE),
    ("{bob} port db:5432 --until 2106-02-08T00:00:00Z", USAGE),
    ("{bob} port db:5432 --until 2027-02-30T00:00:00Z", USAGE),
    ("{bob} port db:5432 --until soon", USAGE),
    ("{bob} port db:5432 --forever --connections 0", USAGE),
    ("{bob} port db:5432 --forever --connections 65536", USAGE),
    ("{bob} port db:5432 --forever --rate 0/s", USAGE),
    ("{bob} port db:5432 --forever --rate 10/m", USAGE),
    ("{bob} path db:/srv --for 1h", USAGE),
    ("{bob} db:5432 --for 1h", USAGE),
    ("Bob port db:5432 --for 1h", USAGE),
    ("{bob} port 100.96.0.2:5432 --for 1h", USAGE),
    ("{bob} port db.{bob}:5432 --for 1h", USAGE),
    ("{alice} port db:5432 --for 1h", USAGE),
    ("nobody-of-here port db:5432 --for 1h", NOT_FOUND),
    ("root port db:5432 --for 1h", NOT_FOUND),
    ("{bob} port none:5432 --for 1h", NOT_FOUND),
    ("{bob} port home:5432 --for 1h", NOT_FOUND),  # bob's
])
def test_grant_refuses(words, status, alice, bob, db, home):
    """grant: each wrong word is one clean line with its status, and grants nothing"""
    result = croft("grant", *words.format(alice=alice, bob=bob).split(), user=alice)
    refused(result, status)
    assert grants(alice) == []


def test_escapes_come_back_harmless(alice, db):
    """what somebody typed does not reach the terminal as it is"""
    for words in ((BELL, "port", "db:1", "--for", "1h"), ("bob", BELL, "db:1", "--for", "1h"),
                  ("bob", "port", BELL, "--for", "1h"), ("bob", "port", "db:1", "--for", BELL),
                  ("bob", "port", "db:1", "--until", BELL),
                  ("bob", "port", "db:1", "--forever", "--rate", BELL)):
        refused(croft("grant", *words, user=alice), USAGE)


def test_grant_twice_says_which_one_there_is(alice, bob, db):
    """the same again is refused and names the grant that there is"""
    first = ok("grant", bob, "port", "db:5432", "--for", "1h", "--json", user=alice).json()
    line = refused(croft("grant", bob, "port", "db:5432", "--for", "2h", user=alice), FAILED, USAGE)
    assert str(first["id"]) in line
    assert len(grants(alice)) == 1


@pytest.mark.parametrize("words", ["", "0", "x", "-1", "18446744073709551616", "1 2", "{bob} port",
                                   "{bob} port db:0", "{bob} port db:5432 --for 1h"])
def test_revoke_refuses(words, alice, bob, db):
    """revoke: a number or USER port MACHINE:PORT"""
    refused(croft("revoke", *words.format(bob=bob).split(), user=alice), USAGE)


def test_revoke_of_anothers_and_of_none(alice, bob, carol, db):
    """revoke: carol may not, an ended one is not there, and neither tells more than the other"""
    grant = str(ok("grant", bob, "port", "db:5432", "--for", "1h", "--json",
                   user=alice).json()["id"])
    another = refused(croft("revoke", grant, user=carol), NOT_FOUND)
    assert len(grants(bob)) == 1
    ok("revoke", grant, user=alice)
    ended = refused(croft("revoke", grant, user=alice), NOT_FOUND)
    never = refused(croft("revoke", "999999999", user=carol), NOT_FOUND)
    assert another.replace(grant, "N") == never.replace("999999999", "N") \
        == ended.replace(grant, "N")


# -- what is granted ---------------------------------------------------------------------------

def test_grant_says_what_happened(alice, bob, db):
    """grant prints who, what, until when, what the grantee types, and how to close it"""
    result = ok("grant", bob, "port", "db:5432", "--for", "8h", user=alice)
    assert re.match(rf"{bob} may use db:5432 until \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d \(8h\)\n",
                    result.out), str(result)
    assert f"psql -h db.{alice}\n" in result.out
    number = grants(alice)[0]["id"]
    assert f"croft revoke {number}\n" in result.out
    assert result.err == "", str(result)


def test_grant_in_json(alice, bob, db):
    """grant --json: everything, and the milliseconds from the command's start"""
    before = time.time_ns()
    shown = ok("grant", bob, "port", "db:7000/udp", "--for", "90m", "--connections", "7",
               "--rate", "9/s", "--json", user=alice).json()
    assert (shown["owner"], shown["grantee"], shown["machine"], shown["port"], shown["protocol"]) \
        == (alice, bob, "db", 7000, "udp")
    assert (shown["connections"], shown["rate"], shown["open"]) == (7, 9, True)
    assert shown["use"] == f"db.{alice} port 7000 (udp)"
    assert 0 < shown["ms"] < 5000
    assert abs(shown["ends"] - before - 5400 * 10**9) < 5 * 10**9
    assert 5390_000 < shown["left_ms"] <= 5400_000


def test_ends_as_people_type_them(alice, bob, db):
    """--until by RFC 3339 and by the clock, --forever"""
    for port, end in ((7001, ["--until", "2055-12-01T18:00:00+01:00"]),
                      (7002, ["--until", "2055-12-01 18:00"]), (7003, ["--until", "23:59:59"]),
                      (7004, ["--forever"])):
        ok("grant", bob, "port", f"db:{port}", *end, user=alice)
    ends = {grant["port"]: grant.get("ends") for grant in grants(alice)}
    assert ends[7001] == 2711293200 * 10**9
    assert ends[7002] == int(time.mktime((2055, 12, 1, 18, 0, 0, 0, 0, -1))) * 10**9
    assert 0 < ends[7003] - time.time_ns() < 86400 * 10**9
    assert ends[7004] is None
    table = ok("grants", user=alice).out
    assert re.search(r"db:7004 +open +never", table), table


def test_grant_warns_of_what_is_closed_inside(alice, bob, db):
    """grant: nothing listens, loopback only, or a machine that does not run"""
    result = ok("grant", bob, "port", "db:5433", "--for", "1h", user=alice)
    assert "nothing listens on db:5433" in result.err, str(result)
    with start("exec", "db", "--", "httpd", "-f", "-p", "127.0.0.1:6379",
               user=alice) as listener:
        try:
            until(lambda: re.search(r"0100007F:18EB \S+ 0A ", ok(
                "exec", "db", "--", "cat", "/proc/net/tcp", user=alice).out), what="httpd")
            result = ok("grant", bob, "port", "db:6379", "--for", "1h", user=alice)
            assert "loopback" in result.err and "Redis" in result.err, str(result)
        finally:
            listener.kill()
    ok("launch", "busybox", "asleep", user=alice)
    ok("stop", "--timeout", "0", "asleep", user=alice)
    result = ok("grant", bob, "port", "asleep:80", "--for", "1h", user=alice)
    assert "croft start asleep" in result.err, str(result)
    assert [g["open"] for g in grants(bob) if g["machine"] == "asleep"] == [False]
    ok("rm", "asleep", user=alice)
    assert [g for g in grants(bob) if g["machine"] == "asleep"] == []


def test_both_sides_see_it_and_nobody_else(alice, bob, carol, db):
    """grants: the giver and the receiver; a third user sees nothing"""
    ok("grant", bob, "port", "db:5432", "--for", "1h", user=alice)
    for name in (alice, bob):
        table = ok("grants", user=name).out.splitlines()
        assert table[0].split() == ["ID", "OWNER", "TO", "PORT", "STATE", "ENDS", "LEFT"]
        assert table[1].split()[1:5] == [alice, bob, "db:5432", "open"], table
    assert grants(carol) == []


@pytest.mark.parametrize("side", ["owner", "grantee"])
def test_either_side_ends_it(side, alice, bob, db):
    """revoke by number or by words, by who gave and by who got it; it says what was cut"""
    other = {"owner": (alice, bob), "grantee": (bob, alice)}[side]
    ok("grant", bob, "port", "db:5432", "--for", "1h", user=alice)
    result = ok("revoke", other[1], "port", "db:5432", user=other[0])
    assert result.out == f"{bob} can no longer use db.{alice}:5432: no connection was open\n"
    number = ok("grant", bob, "port", "db:5432", "--for", "1h", "--json", user=alice).json()["id"]
    shown = ok("revoke", "--json", str(number), user=other[0]).json()
    assert shown["id"] == number and shown["cut"] == 0 and 0 < shown["ms"] < 5000
    assert grants(alice) == grants(bob) == []


def test_revoke_counts_what_it_cut(alice, bob, db, home):
    """revoke in the middle of a connection: cut, counted, and the other end is told"""
    ok("grant", bob, "port", "db:5432", "--for", "1h", user=alice)
    with start("exec", "-i", "home", "--", "nc", f"db.{alice}", "5432", user=bob,
               stdin=-1) as client:
        client.stdin.write(b"hello\n")
        client.stdin.flush()
        assert client.stdout.readline().strip() == b"hello"
        result = ok("revoke", bob, "port", "db:5432", user=alice)
        assert result.out.endswith(": 1 connection was cut\n"), str(result)
        client.wait(2)  # by itself: nobody ended its input


# -- asking ------------------------------------------------------------------------------------

def test_ask_approve_and_deny(alice, bob, db):
    """ask, asks on both sides, approve makes the grant that was asked for, deny none"""
    out = ok("ask", alice, "port", "db:5432", "--for", "1h", "--why", "the 'report'", user=bob).out
    number = re.search(r"croft deny (\d+)", out)[1]
    for name in (alice, bob):
        table = ok("asks", user=name).out.splitlines()
        assert table[1].split()[:5] == [number, bob, alice, "db:5432", "1h"], table
        assert table[1].endswith("the 'report'")
    assert "psql -h" in ok("approve", number, user=alice).out
    assert asks(alice) == asks(bob) == []
    assert [(g["port"], g["grantee"]) for g in grants(alice)] == [(5432, bob)]
    ok("revoke", bob, "port", "db:5432", user=alice)
    number = str(ok("ask", alice, "port", "db:5432", "--forever", "--connections", "7", "--rate",
                    "5/s", "--json", user=bob).json()["id"])
    shown = asks(alice)[0]
    assert (shown["connections"], shown["rate"]) == (7, 5), shown
    ok("approve", number, user=alice)
    assert [(g["connections"], g["rate"]) for g in grants(alice)] == [(7, 5)]
    refused(croft("ask", alice, "port", "db:1", "--forever", "--rate", "0", user=bob), USAGE)
    number = str(ok("ask", alice, "port", "db:99", "--forever", "--json", user=bob).json()["id"])
    ok("deny", number, user=alice)
    assert asks(bob) == [] and len(grants(bob)) == 1
    refused(croft("approve", number, user=alice), NOT_FOUND)


def test_only_who_is_asked_answers(alice, bob, carol, db):
    """approve is the owner's, deny also the asker's; a third user finds nothing"""
    number = str(ok("ask", alice, "port", "db:5432", "--for", "1h", "--json", user=bob)
                 .json()["id"])
    for name in (bob, carol):
        refused(croft("approve", number, user=name), NOT_FOUND, NOT_PERMITTED)
    refused(croft("deny", number, user=carol), NOT_FOUND, NOT_PERMITTED)
    assert len(asks(alice)) == 1 and asks(carol) == []
    ok("deny", number, user=bob)
    assert asks(alice) == [] and grants(bob) == []


@pytest.mark.parametrize("text", ["x" * 128, "two\nlines", BELL, "caf\u00e9", "\u202etxt"])
def test_why_of_an_ask_is_plain(text, alice, bob, db):
    """--why: one line of at most 127 plain characters"""
    refused(croft("ask", alice, "port", "db:5432", "--for", "1h", "--why", text, user=bob), USAGE)
    assert asks(alice) == []


def test_ask_tells_nothing_about_machines(alice, bob, db):
    """ask: the answer is the same whether alice has such a machine or not"""
    answers = {re.sub(r"\d+", "N", ok("ask", alice, "port", f"{machine}:5432", "--for", "1h",
                                      user=bob).out) for machine in ("db", "no-such-one")}
    assert len(answers) == 1, answers


# -- why ---------------------------------------------------------------------------------------

def test_why_of_a_grant(alice, bob, db, home):
    """why: closed with the command that opens it; open with grant and end; closed again"""
    closed = why(bob, f"db.{alice}:5432")
    assert closed.startswith("closed: ") and f"croft ask {alice} port db:5432" in closed
    assert why(bob, "home", f"no-such-one.{alice}:5432") == \
        closed.replace(f"db.{alice}", f"no-such-one.{alice}").replace("db:", "no-such-one:")
    number = ok("grant", bob, "port", "db:5432", "--for", "8h", "--json", user=alice).json()["id"]
    for words in ([f"db.{alice}:5432"], ["home", f"db.{alice}:5432"]):
        said = why(bob, *words)
        assert re.fullmatch(rf"open: {alice} granted it until .*\(8h\) \(grant {number}\)",
                            said), said
    shown = ok("why", "--json", "home", f"db.{alice}:5432", user=bob).json()
    assert shown["open"] and shown["rule"] == "grant" and shown["grant"]["id"] == number
    assert why(bob, f"db.{alice}:5433").startswith("closed: ")
    assert why(bob, f"db.{alice}:5432/udp").startswith("closed: ")
    ok("revoke", str(number), user=alice)
    assert why(bob, f"db.{alice}:5432") == closed


def host_addresses():
    shown = json.loads(run(["/usr/sbin/ip", "-j", "-4", "addr"]).out)
    return [address["local"] for link in shown for address in link.get("addr_info", [])
            if address["scope"] == "global" and not link["ifname"].startswith("croft")]


@pytest.mark.parametrize("to, rule", [
    ("home:22", "own"), ("127.0.0.1:22", "never"), ("169.254.169.254:80", "never"),
    ("224.0.0.1:9", "never"), ("[ff02::1]:9", "never"), ("[::1]:22", "never"),
    ("1.1.1.1:443", "internet"), ("100.96.250.250:22", "no-grant"),
])
def test_why_of_addresses(to, rule, bob, home):
    """why: own machines, the internet, what is closed to everybody"""
    shown = ok("why", "--json", to, user=bob).json()
    assert shown["rule"] == rule, shown
    assert shown["open"] == (rule in ("own", "internet")) == shown["text"].startswith("open: ")


def test_why_of_the_host_and_its_networks(bob, home):
    """why: the host itself is closed; its own networks are an admin's to open"""
    assert host_addresses()
    for address in host_addresses():
        assert ok("why", "--json", f"{address}:22", user=bob).json()["rule"] == "host"
    said = why(bob, "192.168.77.77:22")
    assert said.startswith("closed: ") and f"croft user set {bob} --lan yes" in said
    ok("user", "set", bob, "--lan", "yes")
    try:
        assert why(bob, "192.168.77.77:22").startswith("open: ")
    finally:
        ok("user", "set", bob, "--lan", "no")
    assert why(bob, "192.168.77.77:22") == said


@pytest.mark.parametrize("words, status", [
    ("", USAGE), ("home", USAGE), ("a b c:1", USAGE), ("example.org.:443", USAGE),
    ("www.example.org:443", USAGE), ("2001:db8::1:443", USAGE), ("none home:1", NOT_FOUND),
    ("Home home:1", USAGE), ("1.2.3.4:0", USAGE), ("1.2.3.4:443/icmp", USAGE),
])
def test_why_refuses(words, status, bob, home):
    """why: each wrong word is one clean line"""
    refused(croft("why", *words.split(), user=bob), status)


# -- who needs what ----------------------------------------------------------------------------

def test_works_without_croftd(alice, bob, db, home):
    """with croftd stopped: grant, grants, ask, asks, approve, why, revoke, audit"""
    with croftd_stopped():
        ok("grant", bob, "port", "db:5432", "--for", "1h", user=alice)
        number = str(ok("ask", alice, "port", "db:5433", "--for", "1h", "--json", user=bob)
                     .json()["id"])
        assert len(asks(alice)) == 1
        ok("approve", number, user=alice)
        assert len(grants(bob)) == 2
        assert why(bob, f"db.{alice}:5432").startswith("open: ")
        ok("revoke", bob, "port", "db:5432", user=alice)
        ok("revoke", alice, "port", "db:5433", user=bob)
        assert "grant end" in ok("audit", user=bob).out


def test_strangers_and_root(alice, bob, db):
    """who is no Croft user grants nothing; root neither, without a machine of its own"""
    for words in (("grants",), ("asks",), ("revoke", "1"), ("why", "1.1.1.1:443"),
                  ("grant", bob, "port", "db:5432", "--for", "1h")):
        refused(croft(*words, user="nobody"), NOT_PERMITTED)
        refused(croft(*words), NOT_PERMITTED)


def test_audit_tells_both(alice, bob, db):
    """audit: grant, its end, ask and denial in the words of both sides"""
    grant = ok("grant", bob, "port", "db:5432", "--for", "1h", "--json", user=alice).json()["id"]
    ok("revoke", str(grant), user=bob)
    ask = ok("ask", alice, "port", "db:22", "--for", "1h", "--why", "because", "--json",
             user=bob).json()["id"]
    ok("deny", str(ask), user=alice)
    for name in (alice, bob):
        text = ok("audit", user=name).out
        for said in (f"{alice} +grant +db +ok: grant {grant}: {bob} may use db.{alice}:5432 for 1h",
                     f"{bob} +grant end +db +ok: grant {grant}: {bob} may no longer use "
                     f"db.{alice}:5432: it was given back; 0 connections cut",
                     f"{bob} +ask +db +ok: ask {ask}: {bob} asks for db.{alice}:22 for 1h: because",
                     f"{alice} +deny +db +ok: ask {ask} of {bob} for db.{alice}:22: denied"):
            assert re.search(said, text), (said, text[-2000:])
        words = [entry["words"] for entry in ok("audit", "--json", user=name).json()]
        assert any(f"grant {grant}: " in said for said in words)


def test_a_removed_machine_and_a_removed_user_take_their_grants_along(people, alice, bob, db):
    """rm and user rm end grants, on both sides; the same name made anew inherits nothing"""
    ok("launch", "busybox", "brief", user=alice)
    ok("grant", bob, "port", "brief:80", "--forever", user=alice)
    ok("rm", "--force", "brief", user=alice)
    assert grants(bob) == []
    ok("launch", "busybox", "brief", user=alice)
    assert grants(bob) == []
    dave = people.add()
    ok("grant", dave, "port", "brief:80", "--forever", user=alice)
    ok("ask", alice, "port", "brief:81", "--forever", user=dave)
    people.remove(dave)
    assert grants(alice) == [] and asks(alice) == []
    people.add(name=dave)
    assert grants(dave) == [] and asks(dave) == []
    ok("rm", "--force", "brief", user=alice)


# -- the network of users, machines and the host ------------------------------------------------

def test_limits_of_a_users_network(people):
    """user add and set: --net, --packets, --connections, --lan, shown in ls and info"""
    name = people.add("--net", "100M", "--packets", "5000", "--connections", "64", "--lan", "yes")
    limits = users()[name]["limits"]
    assert (limits["net_bytes_per_s"], limits["net_packets_per_s"], limits["net_connections"],
            limits["lan"]) == (100 << 20, 5000, 64, True)
    info = ok("user", "info", name).out
    for line in ("net +100 MiB/s", "packets +5000 a second", "connections +64", "lan +yes"):
        assert re.search(f"^{line}$", info, re.M), info
    assert "100 MiB/s" in ok("user", "info", user=name).out
    assert "100 MiB/s" in ok("user", "ls", user=name).out
    ok("user", "set", name, "--net", "none", "--lan", "no")
    limits = users()[name]["limits"]
    assert (limits["net_bytes_per_s"], limits["net_packets_per_s"], limits["lan"]) == \
        (0, 5000, False)
    refused(croft("user", "info", "root", user=name), NOT_PERMITTED)
    refused(croft("user", "info", "no-such-one"), NOT_FOUND)


@pytest.mark.parametrize("words", ["--net 0", "--net 1K", "--net x", "--packets 0",
                                   "--packets 99", "--packets 4294967296", "--connections 15",
                                   "--lan maybe", "--lan"])
def test_limits_of_a_users_network_refused(words, bob):
    """user set: a network limit that is none"""
    before = users()[bob]["limits"]
    refused(croft("user", "set", bob, *words.split()), USAGE)
    refused(croft("user", "set", bob, "--net", "none", user=bob), NOT_PERMITTED)
    assert users()[bob]["limits"] == before


def test_network_none(bob):
    """run --network none: loopback and nothing else; any other word is refused"""
    shown = ok("run", "--rm", "--network", "none", "busybox", "--", "ls", "/sys/class/net",
               user=bob, timeout=40).out
    assert shown.split() == ["lo"]
    ok("launch", "--network", "none", "busybox", "alone", user=bob)
    assert machines(bob)["alone"]["address"] == ""
    ok("rm", "--force", "alone", user=bob)
    result = croft("run", "--rm", "--network", "host", "busybox", "--", "true", user=bob)
    assert result.status == 125 and "none" in result.err, str(result)


def test_ls_and_info_show_where_and_how_much(alice, bob, db, home):
    """ls: machine owner kind image state memory disk; info: the address, which hosts has too"""
    lines = ok("ls", user=alice).out.splitlines()
    assert lines[0].split() == ["MACHINE", "OWNER", "KIND", "IMAGE", "STATE", "MEMORY", "DISK"]
    row = next(line for line in lines if line.startswith("db "))
    assert re.fullmatch(rf"db +{alice} +container +busybox +running +\S+ of 128M +\S+ of 64M", row)
    everybody = ok("ls", "--all").out
    assert re.search(rf"^db +{alice} ", everybody, re.M)
    assert re.search(rf"^home +{bob} ", everybody, re.M)
    refused(croft("ls", "--all", user=alice), NOT_PERMITTED)
    address = machines(alice)["db"]["address"]
    assert re.fullmatch(r"100\.96\.\d+\.\d+", address)
    assert f"address    {address}\n" in ok("info", "db", user=alice).out
    assert address in ok("exec", "db", "--", "cat", "/etc/hosts", user=alice).out


def test_shell_is_her_own_account(alice, db):
    """shell: her account where the image has one; --root, and every other image: root"""
    def shell(*words):
        with croft_on_terminal("shell", *words, "db", user=alice) as terminal:
            terminal.send("echo =$(id -u)=$HOME=\n")
            found = terminal.expect(r"=(\d+)=(/[a-z/-]*)=\r")
            terminal.send("exit\n")
            terminal.wait()
            return found[1].decode(), found[2].decode()
    assert shell()[0] == "0"
    ok("exec", "db", "--", "sh", "-c", f"mkdir -p /home/me /etc; touch /etc/passwd; "
       f"echo {alice}:x:1000:1000::/home/me:/bin/sh >>/etc/passwd", user=alice)
    assert shell() == ("1000", "/home/me")
    assert shell("--root")[0] == "0"


def resolvers():
    found = re.findall(r"^nameserver\s+([\d.]+)\s*$",
                       pathlib.Path("/etc/resolv.conf").read_text(), re.M)
    return [address for address in found if not address.startswith("127.")]


def inside(user):
    """The resolvers that a machine of @user has."""
    text = ok("exec", "home", "--", "cat", "/etc/resolv.conf", user=user).out
    return re.findall(r"^nameserver (\S+)", text, re.M)


def host_words():
    """What the host's records said last about its network."""
    said = [entry["words"] for entry in ok("audit", "--host", "--json").json()
            if entry["type"] == "host network" and entry["outcome"] == "ok"]
    return said[-1] if said else ""


def start_with_resolver(folder, text):
    """`croft host start`, again, where /etc/resolv.conf is @text."""
    other = folder / "resolv.conf"
    other.write_text(text)
    other.chmod(0o644)
    script = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'
    return run(["/usr/bin/unshare", "-m", "/bin/sh", "-c", script, "sh", other,
                BIN, "host", "start"],
               env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"})


def test_the_hosts_resolvers_are_every_machines(scratch, bob, home):
    """host start: its resolvers become services and resolv.conf inside; a loopback one is left out
    with what to set; typed again it takes over what changed"""
    before = inside(bob)
    assert before == resolvers()[:3]
    for address in before:
        assert f"{address}:53/udp, {address}:53" in host_words()
        assert ok("why", "--json", f"{address}:53/udp", user=bob).json()["rule"] == "service"
    try:
        result = start_with_resolver(scratch, "nameserver 127.0.0.53\n")
        assert result.status == 0 and "loopback" in result.err, str(result)
        assert inside(bob) == []
        result = start_with_resolver(scratch, "search x\nnameserver 192.0.2.77\nnameserver ::1\n")
        assert result.status == 0 and result.err == "", str(result)
        assert "192.0.2.77:53/udp, 192.0.2.77:53" in host_words()
        assert inside(bob) == ["192.0.2.77"]
    finally:
        ok("host", "start")
    assert inside(bob) == before


def test_resolvers_are_read_without_privilege(scratch, bob, home):
    """the child that reads resolv.conf is the account croft: what only root may read, it cannot"""
    secret = scratch / "secret"
    secret.write_text("nameserver 192.0.2.99\n")
    secret.chmod(0o600)
    script = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'
    try:
        run(["/usr/bin/unshare", "-m", "/bin/sh", "-c", script, "sh", secret,
             BIN, "host", "start"],
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"})
        assert "192.0.2.99" not in host_words()
    finally:
        ok("host", "start")


def test_a_mistyped_verb_is_guessed():
    """an unknown verb: the nearest one, or the words that may follow"""
    assert "croft grant" in refused(croft("grnat"), USAGE)
    assert "croft user ls" in refused(croft("user", "lst"), USAGE)
    assert "croft help user" in refused(croft("user"), USAGE)
