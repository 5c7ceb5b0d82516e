# SPDX-License-Identifier: Apache-2.0
"""Records and crashes (issue "Walls": the door and the records; invariants 9, 10)"""
import hashlib
import os
import pathlib
import pwd
import re
import signal
import struct
import time

import pytest

from harness import (BIN, NOT_FOUND, NOT_PERMITTED, STATE, croft, daemon_pid, machines, ok,
                     refused, run, start, until, users)

HEAD = struct.Struct("<IIQQQQIIIIII4Q40s128s32s")
MAGIC, INTENT, OUTCOME = 0x32524643, 1, 2
assert HEAD.size == 296


def records_of(data):
    """(head fields, payload, whole bytes) of each record; checks the chain itself."""
    found, offset, previous = [], 0, b"\0" * 32
    while offset < len(data):
        fields = HEAD.unpack_from(data, offset)
        whole = data[offset:offset + fields[1]]
        assert fields[0] == MAGIC and len(whole) == fields[1]
        assert hashlib.sha256(whole[:-32]).digest() == whole[-32:]
        assert fields[18] == previous, f"record {fields[2]} does not follow the one before"
        assert fields[2] == len(found) + 1
        previous = whole[-32:]
        found.append((fields, whole[HEAD.size:-32], whole))
        offset += fields[1]
    return found


def file_of(user):
    return STATE / "records" / str(pwd.getpwnam(user).pw_uid)


def verify(user, copy, *more):
    """`croft audit verify` as it would read @copy: put over her file in a mount namespace."""
    return run(["/usr/bin/unshare", "-m", "/bin/sh", "-c",
                'mount --bind "$1" "$2" && shift 2 && exec "$@"', "sh", copy, file_of(user),
                BIN, "audit", "verify", "--user", user, *more],
               env={"PATH": "/usr/bin:/bin"})


@pytest.fixture(scope="module")
def erin(people):
    """A user with a short past: a launch, an exec, a run, a stop."""
    name = people.add()
    ok("launch", "busybox", "m", user=name, timeout=40)
    ok("exec", "m", "--", "/bin/echo", "traced", user=name)
    ok("run", "--rm", "busybox", "--", "/bin/true", user=name)
    ok("stop", "m", user=name, timeout=30)
    ok("start", "m", user=name)
    time.sleep(0.3)
    return name


def test_intent_before_and_outcome_after(erin):
    """invariant 10: each grant of power is recorded before it happens, its outcome after"""
    found = records_of(file_of(erin).read_bytes())
    types = [(f[6], f[7]) for f, _, _ in found]
    for kind in (7, 8, 9, 10, 12):  # launch, run, start, stop, exec
        assert (kind, INTENT) in types and (kind, OUTCOME) in types, (kind, types)
    for fields, _, _ in found:
        if fields[7] == OUTCOME and fields[3]:
            intent = found[fields[3] - 1][0]
            assert intent[7] == INTENT and intent[6] == fields[6] and intent[2] < fields[2]
    intents = {f[2] for f, _, _ in found if f[7] == INTENT}
    answered = {f[3] for f, _, _ in found if f[7] == OUTCOME}
    assert intents <= answered, "every intent has its outcome by now"
    assert any(b"traced" in payload for f, payload, _ in found if f[6] == 12)
    uid = pwd.getpwnam(erin).pw_uid
    assert {f[9] for f, _, _ in found if f[6] in (7, 8, 12)} == {uid}, "the actor is who spoke"


def test_audit_says_it_in_words(erin):
    """croft audit: what, when, who, how it ended; --json too"""
    shown = ok("audit", user=erin).out
    for word in ("launch", "exec", "run", "stop", "start", "busybox", "m"):
        assert word in shown, shown
    data = ok("audit", "--json", user=erin).json()
    assert data
    assert re.search(r"20\d\d-\d\d-\d\d", shown)


def test_readable_by_its_user_and_by_nobody_else(erin, bob):
    """0440 and her private group: she reads her own file, another user does not"""
    path = file_of(erin)
    held = path.stat()
    assert held.st_mode & 0o777 == 0o440 and held.st_uid == 0
    assert run(["/bin/cat", path], user=erin, binary=True).status == 0
    assert run(["/bin/cat", path], user=bob).status != 0
    assert run(["/bin/cat", path], user="daemon").status != 0
    assert run(["/bin/sh", "-c", f"echo >> {path}"], user=erin).status != 0
    assert erin not in ok("audit", user=bob).out
    refused(croft("audit", "verify", "--user", erin, user=bob), NOT_PERMITTED, NOT_FOUND)
    refused(croft("audit", "--user", erin, user=bob), NOT_PERMITTED, NOT_FOUND)


def test_verify_and_head(erin):
    """audit verify: whole; audit head: the number and hash of the last record"""
    shown = ok("audit", "verify", user=erin).out
    found = records_of(file_of(erin).read_bytes())
    head = ok("audit", "head", user=erin).out
    now = records_of(file_of(erin).read_bytes())
    assert any(f"{f[2]}" in head and whole[-32:].hex() in head for f, _, whole in now[-3:]), head
    assert str(len(found)) in shown, shown


def changed(found, how):
    whole = [w for _, _, w in found]
    middle = len(whole) // 2
    if how == "a byte of the text flipped":
        spoiled = bytearray(whole[middle])
        spoiled[150] ^= 1
        whole[middle] = bytes(spoiled)
    elif how == "an outcome changed, its hash made anew":
        spoiled = bytearray(whole[middle][:-32])
        spoiled[48] ^= 1
        whole[middle] = bytes(spoiled) + hashlib.sha256(spoiled).digest()
    elif how == "one removed":
        del whole[middle]
    elif how == "the first removed":
        del whole[0]
    elif how == "two reordered":
        whole[middle], whole[middle + 1] = whole[middle + 1], whole[middle]
    elif how == "one doubled":
        whole.insert(middle, whole[middle])
    elif how == "a hash flipped":
        whole[middle] = whole[middle][:-1] + bytes([whole[middle][-1] ^ 1])
    elif how == "a size changed":
        spoiled = bytearray(whole[middle])
        spoiled[4] ^= 8
        whole[middle] = bytes(spoiled)
    elif how == "magic changed":
        whole[middle] = b"XXXX" + whole[middle][4:]
    return b"".join(whole)


@pytest.mark.parametrize("how", ["a byte of the text flipped",
                                 "an outcome changed, its hash made anew", "one removed",
                                 "the first removed", "two reordered", "one doubled",
                                 "a hash flipped", "a size changed", "magic changed"])
def test_verify_finds_what_was_changed(erin, scratch, how):
    """audit verify of a copy names the first record that is not as it was written"""
    copy = scratch / "copy"
    data = file_of(erin).read_bytes()
    copy.write_bytes(data)
    assert verify(erin, copy).status == 0, "positive control: the unchanged copy is whole"
    copy.write_bytes(changed(records_of(data), how))
    line = refused(verify(erin, copy), 1)
    assert re.search(r"\d+", line), "it says which record"


def test_verify_of_a_torn_tail(erin, scratch):
    """a file that ends within a record: told, the whole part counted"""
    data = file_of(erin).read_bytes()
    copy = scratch / "torn"
    copy.write_bytes(data[:-50])
    assert verify(erin, copy).status == 1
    for path, content in (("empty", b""), ("noise", os.urandom(5000)), ("text", b"hello\n")):
        (scratch / path).write_bytes(content)
        assert verify(erin, scratch / path).status in ((1,) if content else (0, 1))


def test_a_shortened_file_differs_from_the_exported_head(erin, scratch):
    """host root can cut the file; a head kept elsewhere shows it: verify HEAD"""
    shown = ok("audit", "head", user=erin).out
    number, digest = re.search(r"(\d+)\s+([0-9a-f]{64})", shown).groups()
    found = records_of(file_of(erin).read_bytes())
    assert any(f[2] == int(number) and w[-32:].hex() == digest for f, _, w in found)
    ok("audit", "verify", digest, user=erin)
    short = scratch / "short"
    short.write_bytes(b"".join(w for _, _, w in found[:int(number) - 1]))
    assert verify(erin, short).status == 0, "by itself the short file is a whole chain"
    refused(verify(erin, short, digest), 1)


def test_the_host_chain_holds_the_heads(erin):
    """the host's file names the head of each user's file in turn"""
    uid = pwd.getpwnam(erin).pw_uid
    host = [r for r in records_of((STATE / "records/host").read_bytes()) if r[0][10] == uid]
    # A uid that useradd gave before may be hers now: her part begins with her own adding.
    added = max(i for i, (f, _, _) in enumerate(host) if f[6] == 4)
    heads = [(f[12], payload) for f, payload, _ in host[added:] if f[6] == 3]
    assert heads, "no head of hers in the host's file"
    hers = {f[2]: w[-32:] for f, _, w in records_of(file_of(erin).read_bytes())}
    for number, payload in heads:
        assert hers[number] == payload[:32]


def test_an_admins_entry_is_in_the_owners_file(erin):
    """user set by root stands in her own file, with root as the actor"""
    ok("user", "set", erin, "--pids", "99")
    last = [(f[6], f[9]) for f, _, _ in records_of(file_of(erin).read_bytes())][-2:]
    assert (5, 0) in last, last


# -- crashes ---------------------------------------------------------------------------------------

def runs(name):
    """The pid of a daemon, or None while it is being restarted."""
    try:
        return daemon_pid(name)
    except AssertionError:
        return None


def kill_and_wait(name):
    old = daemon_pid(name)
    os.kill(old, signal.SIGKILL)
    until(lambda: runs(name) not in (old, None), 20, f"{name}'s restart")


def ready(user):
    until(lambda: croft("ls", user=user).status == 0, 20, "croft's return")
    until(lambda: croft("host", "status").status == 0, 20, "the host's return")


def pid_1(user, machine):
    """A mark of the running machine: when its first process was started."""
    return ok("exec", machine, "--", "/bin/sh", "-c", "cut -d' ' -f22 /proc/1/stat", user=user).out


@pytest.mark.parametrize("name", ["croftd", "croft-monitor"])
def test_kill_9(erin, bob, name):
    """invariant 9: killed, it is restarted; machines ran on; the view is as it was"""
    ok("launch", "busybox", "stays", user=bob, timeout=40)
    before = {user: {n: (m["state"], m["image"]) for n, m in machines(user).items()}
              for user in (erin, bob)}
    marks = pid_1(erin, "m"), pid_1(bob, "stays")
    known = users()
    for _ in range(3):
        kill_and_wait(name)
        ready(erin)
    after = {user: {n: (m["state"], m["image"]) for n, m in machines(user).items()}
             for user in (erin, bob)}
    assert after == before
    assert (pid_1(erin, "m"), pid_1(bob, "stays")) == marks, "no machine was started again"
    assert {n: (u["block_first"], u["limits"]) for n, u in users().items()} == \
        {n: (u["block_first"], u["limits"]) for n, u in known.items()}
    assert ok("run", "--rm", "busybox", "--", "/bin/echo", "again", user=erin).out == "again\n"
    ok("stop", "stays", user=bob, timeout=30)
    ok("rm", "stays", user=bob)


def test_kill_9_of_the_monitor_under_orders(erin):
    """killed amid orders: what answered is kept, nothing is left half made, the chain is whole"""
    for wait in (0.0, 0.004, 0.008, 0.015, 0.03):
        children = [start("run", "--rm", "busybox", "--", "/bin/sleep", "1", user=erin),
                    start("exec", "m", "--", "/bin/sleep", "1", user=erin)]
        time.sleep(wait)
        kill_and_wait("croft-monitor")
        for child in children:
            child.communicate(timeout=20)
        ready(erin)
    assert machines(erin)["m"]["state"] == "running"
    until(lambda: set(machines(erin)) == {"m"}, 15, "the end of the jobs whose client is gone")
    assert ok("audit", "verify", user=erin).status == 0
    records_of(file_of(erin).read_bytes())


def test_kill_9_of_croftd_leaves_the_door_open(erin):
    """with croftd dead: stop, exec, audit still work"""
    for _ in range(3):
        os.kill(daemon_pid("croftd"), signal.SIGKILL)
        result = croft("exec", "m", "--", "/bin/echo", "in", user=erin)
        assert result.out == "in\n", str(result)
        assert ok("audit", "verify", user=erin).status == 0
        until(lambda: runs("croftd"), 20, "croftd's restart")
    ready(erin)


def test_audit_needs_no_daemon(erin):
    """croft audit reads the file itself: it works where no socket answers"""
    shown = run(["/usr/bin/unshare", "-m", "/bin/sh", "-c",
                 f"mount -t tmpfs none /run && exec setpriv --reuid {erin} --regid {erin} "
                 f"--init-groups {BIN} audit"], env={"PATH": "/usr/bin:/bin:/usr/sbin"})
    assert shown.status == 0 and "launch" in shown.out, str(shown)


def test_a_torn_tail_is_mended(erin, people):
    """a record half written when the power went: the monitor starts, the rest is intact"""
    path = file_of(erin)
    whole = path.read_bytes()
    old = daemon_pid("croft-monitor")
    os.kill(old, signal.SIGSTOP)
    os.kill(daemon_pid("croft-super"), signal.SIGSTOP)
    try:
        os.kill(old, signal.SIGKILL)
        with path.open("ab") as file:
            file.write(struct.pack("<IIQ", MAGIC, 400, len(records_of(whole)) + 1) + b"torn")
    finally:
        os.kill(daemon_pid("croft-super"), signal.SIGCONT)
    until(lambda: runs("croft-monitor"), 20, "the monitor's restart")
    ready(erin)
    assert machines(erin)["m"]["state"] == "running"
    ok("exec", "m", "--", "/bin/true", user=erin)
    time.sleep(0.3)
    assert path.read_bytes().startswith(whole)
    records_of(path.read_bytes())
    assert ok("audit", "verify", user=erin).status == 0


def test_kill_9_of_the_super_ends_in_a_host_that_starts_again(erin):
    """super is the root of the tree: with it gone, `host start` brings all back; machines ran on"""
    mark = pid_1(erin, "m")
    os.kill(daemon_pid("croft-super"), signal.SIGKILL)
    time.sleep(0.5)
    result = croft("host", "start", timeout=60)
    assert result.status == 0, str(result)
    ready(erin)
    until(lambda: machines(erin)["m"]["state"] == "running", 20, "her machine's return")
    assert pid_1(erin, "m") == mark, "her machine was started again"
    for name in ("croft-super", "croft-monitor", "croftd"):
        daemon_pid(name)


def test_no_daemon_left_a_core_or_a_stray_file():
    """restarts leave no temporary file behind"""
    assert not [p for p in pathlib.Path(STATE).glob("*core*")]
