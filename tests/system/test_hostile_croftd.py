# SPDX-License-Identifier: Apache-2.0
"""A hostile croftd (issue "The door": Proof; design 3, invariants 3, 4, 13): a program in its place,
with its uid, its event channel and live connections of alice, opens nothing, enters nothing, starts
nothing but sealed plans and what was typed, and changes no record"""
import base64
import hashlib
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tarfile

import pytest

import wire
from harness import (LIB, NOT_PERMITTED, RUN, STATE, TOP, croft, daemon_pid, ok,
                     processes, refused, until)
from inside import Echo, Inside, pid_in
from test_grants import ask, asks_of, granted, grants_of, revoked, terms

PLACE = LIB / "croftd"
OTHER_IMAGE = "other"
LAUNCHES, IMAGE_IMPORTS = 7, 13  # enum record_type
TYPED = ("run", "--rm", "--network", "none", "-u", "1000", "-e", "WISH=yes", "busybox", "--",
         "/bin/echo", "asked")


@pytest.fixture(scope="module", autouse=True)
def machines(alice, bob):
    ok("launch", "busybox", "db", user=alice, timeout=40)
    ok("launch", "busybox", "home", user=bob, timeout=40)
    yield
    ok("rm", "--force", "db", user=alice)
    ok("rm", "--force", "home", user=bob)


def record_files(*users):
    names = ["host", *(str(wire.uid_of(user)) for user in users)]
    return {name: (STATE / "records" / name).read_bytes() for name in names}


def orders(alice, bob, number, asked):
    """Every order that could open, enter, start or change something, as alice would speak it."""
    job, job_strings = wire.good_plan(alice)
    machine, strings = wire.good_plan(alice, kind="machine", name="evil", remove=False)
    to_bob = bytes(wire.OrderGrant(user=bob.encode(), terms=terms(22)))
    her_ask = bytes(wire.OrderAsk(user=alice.encode(), terms=terms(22), why=b"please"))
    limits = bytes(wire.OrderUser(fields=1 << 3, limits=wire.Limits(pids=100000)))
    shell = wire.command("/bin/sh")
    return {
        "grant": wire.order(wire.GRANT, b"db", to_bob),
        "revoke": wire.order(wire.REVOKE, b"", bytes(wire.OrderGrant(id=number))),
        "grants": wire.order(wire.GRANTS),
        "ask": wire.order(wire.ASK, b"db", her_ask),
        "approve": wire.order(wire.APPROVE, number=asked),
        "deny": wire.order(wire.DENY, number=asked),
        "launch": wire.order(wire.LAUNCH, body=bytes(machine) + strings),
        "run": wire.order(wire.RUN_JOB, body=bytes(job) + job_strings),
        "exec": wire.order(wire.EXEC, b"db", shell),
        "stop": wire.order(wire.STOP, b"db"),
        "rm": wire.order(wire.REMOVE, b"db", flags=1 << 3),
        "login": wire.order(wire.LOGIN),
        "logs": wire.order(wire.LOGS, b"db"),
        "user set": wire.order(wire.USER_SET, alice.encode(), limits),
        "user rm": wire.order(wire.USER_REMOVE, bob.encode()),
        "host stop": wire.order(wire.HOST_STOP),
        "network": wire.order(wire.HOST_NETWORK, body=bytes(wire.OrderNetwork())),
        # What croft-super and a runtime would understand.
        "spawn": (1).to_bytes(4, "little") * 2 + bytes(8),
        "zeroes": bytes(72),
    }


def planned(user, image="busybox"):
    """What the real croftd answers to TYPED."""
    return wire.good_plan(user, image=image, command=list(TYPED[-2:]), offline=True, user="1000",
                          env=["WISH=yes"])


def reaching_plans(alice, bob):
    """Plans for TYPED that reach beyond alice: the monitor refuses them."""
    plan, strings = planned(alice)
    his, _ = planned(bob)
    first, count = plan.block_first, plan.block_count

    def changed(**fields):
        given = wire.Plan.from_buffer_copy(bytes(plan))
        for name, value in fields.items():
            setattr(given, name, value)
        return bytes(given) + strings

    def layered(digest):
        given = wire.Plan.from_buffer_copy(bytes(plan))
        given.layer[0][:] = digest
        return bytes(given) + strings
    return {
        "bob's ids": changed(block_first=his.block_first, keeper_id=his.keeper_id),
        "bob's keeper": changed(keeper_id=his.keeper_id),
        "the host's ids": changed(block_first=0),
        "too many ids": changed(block_count=2 * count),
        "ids beside hers": changed(block_first=first + 1),
        "a layer that is not hers": layered([plan.layer[0][0] ^ 1, *plan.layer[0][1:]]),
        "the layer of another image of hers": layered(planned(alice, OTHER_IMAGE)[0].layer[0]),
        "another filter": changed(filter=2),
        "a device": changed(device_count=1),
        "a mount": changed(mount_count=1),
    }


def unwished_plans(alice, bob):
    """Plans that are not what TYPED asks for, most of them alice's own: her client refuses them."""
    plan, strings = planned(alice)
    his, his_strings = planned(bob)
    other, other_strings = planned(alice, OTHER_IMAGE)
    root = wire.Plan.from_buffer_copy(bytes(plan))
    root.command.user = b"0"

    def changed(**fields):
        given = wire.Plan.from_buffer_copy(bytes(plan))
        for name, value in fields.items():
            setattr(given, name, value)
        return bytes(given) + strings
    return {
        "bob's": bytes(his) + his_strings,
        "bob as the owner": changed(owner_uid=his.owner_uid),
        "root as the owner": changed(owner_uid=0),
        "more memory than hers": changed(memory_bytes=1 << 50),
        "less memory than hers": changed(memory_bytes=64 << 20),
        "a machine instead of a job": changed(kind=1),
        "half of it": (bytes(plan) + strings)[:-3],
        "another command": bytes(plan) + strings.replace(b"asked", b"other"),
        "another environment": bytes(plan) + strings.replace(b"WISH=yes", b"WISH=not"),
        "with a network": changed(flags=plan.flags & ~8),
        "one that stays": changed(flags=plan.flags & ~1),
        "another image of hers": bytes(other) + other_strings,
        "another name": changed(name=b"web"),
        "root inside": bytes(root) + strings,
    }


class Hostile:
    """Puts the program in croftd's place, and the real one back."""

    def __init__(self, place, config):
        self.directory = pathlib.Path(place)
        self.kept = LIB / "croftd.kept"
        account = pwd.getpwnam("croft")
        shutil.copy(TOP / "tests/system/hostile.py", self.directory)
        (self.directory / "config.json").write_text(json.dumps(config))
        for path in (self.directory, *self.directory.iterdir()):
            os.chown(path, account.pw_uid, account.pw_gid)
        self.program = self.directory / "program"
        done = subprocess.run(
            ["cc", "-o", self.program, TOP / "tests/tools/hostile.c",
             f'-DHOSTILE_SCRIPT="{self.directory}/hostile.py"'], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr

    def __enter__(self):
        PLACE.rename(self.kept)
        shutil.copy(self.program, PLACE)
        PLACE.chmod(0o755)
        self.restart()
        until((self.directory / "ready").exists, 10, "the hostile one's start")
        return self

    def __exit__(self, *_):
        PLACE.unlink()
        self.kept.rename(PLACE)
        self.restart()
        until(lambda: croft("ls").status == 0, 15, "the real one's start")

    @staticmethod
    def restart():
        """croft-super starts whatever lies there once the last one has ended."""
        boss = daemon_pid("croft-super")
        uid = pwd.getpwnam("croft").pw_uid
        for pid in processes():
            try:
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            if f"\nPPid:\t{boss}\n" in status and f"\nUid:\t{uid}\t" in status:
                os.kill(pid, signal.SIGKILL)

    def results(self):
        path = self.directory / "results.json"
        until(path.exists, 60, "the end of its attempts")
        return json.loads(path.read_text())


def test_hostile_croftd(alice, bob, scratch):
    """it answers its clients what it likes, and tries all it can with what it has"""
    number = granted(alice, "db", bob, terms(5432))
    reply, _ = ask(bob, alice, "db", 80)
    asked = reply.number[0]
    with (scratch / "image.tar").open("wb") as made:
        with tarfile.open(fileobj=made, mode="w") as archive:
            archive.add("/bin/busybox", "bin/echo")
    with (scratch / "image.tar").open("rb") as given:
        ok("image", "import", "-", OTHER_IMAGE, user=alice, stdin=given, timeout=40)
    reaching, unwished = reaching_plans(alice, bob), unwished_plans(alice, bob)
    asked_plan, asked_strings = planned(alice)
    forged = {**reaching, **unwished, "nothing": b"", "as asked": bytes(asked_plan) + asked_strings}
    sealed = sealed_plans(alice)
    assert sealed, "the positive control: db was launched"
    pids = {name: daemon_pid(name) for name in ("croft-super", "croft-monitor", "croft-net")}
    uids = [wire.uid_of(user) for user in (alice, bob)]
    before = record_files(alice, bob)
    with Inside(alice, "db") as db, Inside(bob, "home") as home, Echo(db, 5432, 22), \
            Hostile(scratch, {
                "door": str(RUN / "door"),
                "plans": [base64.b64encode(p).decode() for p in forged.values()],
                "connections": len(forged),
                "messages": {name: message.hex() for name, message in
                             orders(alice, bob, number, asked).items()},
                "files": [*(str(STATE / "records" / name) for name in before),
                          *(str(STATE / "volumes" / f"{uid}.ext4") for uid in uids),
                          str(STATE / "network"), str(LIB / "croft-monitor")],
                "directories": [str(RUN), str(STATE / "records"), str(LIB),
                                str(RUN / "names"), str(RUN / "volumes")],
                "pids": {**pids, "db": pid_in(alice, "db"), "home": pid_in(bob, "home")},
                "ports": [(db.address, 5432), (db.address, 22), (home.address, 80)],
                "commands": [["/usr/sbin/nft", "delete", "table", "inet", "croft"],
                             ["/usr/sbin/nft", "flush", "ruleset"],
                             ["/bin/ip", "link", "set", "lo", "down"]],
            }) as hostile:
        # Alice's client asks for a job, and hands over what it is told to.
        for name in forged:
            result = croft(*TYPED, user=alice, timeout=30)
            if name == "as asked":
                assert (result.status, result.out) == (0, "asked\n"), str(result)
                continue
            said = refused(result, 125)  # run's own: nothing was started
            assert ("another plan than was asked for" in said) == (name in unwished), (name, said)
        tried = hostile.results()
        says_there_is_no_image(alice)
        traces_nobody(hostile)
        # While it is there, what it has no part in goes on.
        assert home.reaches(db, 5432)
        assert not home.reaches(db, 22)
        assert number in grants_of(bob) and asked in asks_of(alice)
        ok("grants", user=alice)
        other = granted(alice, "db", bob, terms(22))
        assert home.reaches(db, 22), "the positive control: alice's own word opens it"
        revoked(alice, other)
        assert not home.reaches(db, 22)
        ok("audit", "verify", user=alice)
    judge(tried)
    assert tried["calls"].count("Plan") >= len(forged), tried["calls"]
    # The world is what it was.
    assert {name: daemon_pid(name) for name in pids} == pids
    assert number in grants_of(bob) and asked in asks_of(alice)
    assert set(wire_machines(alice)) == {"db"} and set(wire_machines(bob)) == {"home"}
    assert sealed_plans(alice) == sealed
    after = record_files(alice, bob)
    for name, data in before.items():
        assert after[name].startswith(data), f"the records of {name} were changed"
    assert b"hostile" not in after["host"][len(before["host"]):]
    for user in (alice, bob):
        ok("audit", "verify", user=user)
    revoked(alice, number)
    ok("deny", str(asked), user=alice)
    ok("image", "rm", OTHER_IMAGE, user=alice)


def says_there_is_no_image(user):
    """Her client looks on the server for what is said to be missing; what she has stays hers."""
    before = recorded(user, IMAGE_IMPORTS)
    assert before, "the positive control: she imported it once"
    said = refused(croft(*TYPED, user=user, timeout=30), 125)
    assert "no image named busybox" in said
    assert recorded(user, IMAGE_IMPORTS) == before, "her image was imported once more"


def traces_nobody(hostile):
    """What root starts for `croft host start` is never in reach of croftd's uid."""
    account = pwd.getpwnam("croft")
    for _ in range(5):
        ok("host", "start")
    with subprocess.Popen(["/bin/sleep", "20"], user=account.pw_uid, group=account.pw_gid,
                          extra_groups=[]) as control:
        traced = hostile.directory / "traced"
        until(lambda: traced.exists() and "sleep" in traced.read_text(), 10,
              "the positive control: a process that it may trace")
        control.kill()
    its_own = {"/usr/sbin/nft", "/bin/ip"}
    assert set(traced.read_text().split()) - its_own == {"/bin/sleep"}


def wire_machines(user):
    shown = until(lambda: croft("ls", "--json", user=user), 10)
    return [machine["name"] for machine in shown.json()["machines"]]


def sealed_plans(user):
    """The plans in her file of records, by hash: what starts with nobody at the door."""
    return recorded(user, LAUNCHES)


def recorded(user, kind):
    """The payloads of one kind in her file of records, by hash."""
    data = (STATE / "records" / str(wire.uid_of(user))).read_bytes()
    at, found = 0, []
    while at < len(data):
        size = int.from_bytes(data[at + 4:at + 8], "little")
        if int.from_bytes(data[at + 40:at + 44], "little") == kind:
            found.append(hashlib.sha256(data[at + 296:at + size - 32]).hexdigest())
        at += size
    return found


def judge(tried):
    """Each attempt, by its name, must have come to nothing."""
    door_tries = [name for name in tried if name.startswith("door")]
    assert len(door_tries) > 30
    for name in door_tries:
        got = tried[name]
        assert got[0] in ("closed", "error") or (got[0] == "reply" and got[1] != 0), (name, got)
        if name.startswith("door: ") and name not in ("door: spawn", "door: zeroes"):
            assert got[0] == "reply" and got[1] == NOT_PERMITTED, (name, got)
    for name, got in tried.items():
        word = name.split()[0]
        if word in ("read", "write", "make", "signal", "trace", "enter", "reach"):
            if name == f"read {LIB / 'croft-monitor'}":
                continue
            assert got[0] == "error", (name, got)
        if word.startswith("/"):
            assert got[0] == "error" or got[1] != 0, (name, got)
    assert tried["event channel"][0] == "sent"
