# SPDX-License-Identifier: Apache-2.0
"""Users (issue "Walls": Users; design invariants 1, 2, 8 and section 11)"""
import grp
import os
import pathlib
import pwd
import re

import pytest

from harness import (BLOCK, GIB, HOST_CANNOT, ID_FIRST, ID_LAST, KIB, MIB, NOT_FOUND,
                     NOT_PERMITTED, OVER_LIMIT, STATE, USAGE, cgroup_dir, croft, fresh_name,
                     listed, machines, ok, refused, start, until, users)

RESERVE_PART, MEMORY_PART, DISK_PART = 10, 4, 10


def host_memory():
    text = pathlib.Path("/proc/meminfo").read_text()
    return int(re.search(r"MemTotal:\s+(\d+) kB", text)[1]) * KIB


def kernel_limit(uid, what):
    """The envelope's limit as the kernel has it: memory bytes or pids."""
    names = {"memory": ("memory.limit_in_bytes", "memory.max"), "pids": ("pids.max",) * 2}[what]
    top = cgroup_dir(what, f"{uid}/all")
    for name in names:
        if (top / name).exists():
            return int((top / name).read_text())
    raise AssertionError(f"no limit file in {top}")


def test_add_makes_an_account_without_power(alice):
    """user add: a private group, croft-user, her audit group, no sub-id range, no home, no power"""
    entry = pwd.getpwnam(alice)
    groups = {grp.getgrgid(g).gr_name for g in os.getgrouplist(alice, entry.pw_gid)}
    assert entry.pw_uid >= 1000
    assert groups == {alice, "croft-user", f"croft-u-{entry.pw_uid}"}
    for path in ("/etc/subuid", "/etc/subgid"):
        lines = pathlib.Path(path).read_text().splitlines() if os.path.exists(path) else []
        assert not [x for x in lines if x.startswith((alice + ":", f"{entry.pw_uid}:"))]
    assert not os.path.exists(f"/home/{alice}")
    shadow = [line.split(":")[1] for line in pathlib.Path("/etc/shadow").read_text().splitlines()
              if line.startswith(alice + ":")]
    assert shadow and shadow[0][:1] in ("!", "*"), "a password must not open her account"


def test_account_shell_is_the_gate_or_the_door_is_sshd(alice):
    """login by croft-gate: the account's shell gives no shell on the host"""
    shell = pwd.getpwnam(alice).pw_shell
    assert "croft-gate" in shell or shell.endswith("nologin"), shell


def test_block_and_keeper(alice, bob):
    """invariant 2: one block, one keeper id, disjoint from each other, accounts and sub-ids"""
    known = users()
    blocks = {}
    for name, user in known.items():
        first = user["block_first"]
        assert ID_FIRST <= first and first + BLOCK - 1 <= ID_LAST
        assert (first - ID_FIRST) % BLOCK == 0
        assert first not in blocks, f"{name} and {blocks[first]} share a block"
        blocks[first] = name
    keepers = [user["keeper_id"] for user in known.values()]
    assert len(set(keepers)) == len(keepers)
    last_block = max(blocks) + BLOCK - 1
    assert all(last_block < keeper <= ID_LAST for keeper in keepers)
    taken = {e.pw_uid for e in pwd.getpwall()} | {g.gr_gid for g in grp.getgrall()}
    for first in blocks:
        assert not [i for i in taken if first <= i < first + BLOCK]
    assert not taken & set(keepers)
    assert known[alice]["uid"] == pwd.getpwnam(alice).pw_uid


def test_no_account_and_no_process_outside_has_the_keeper_id(alice):
    """invariant 2: a process of the creator's uid is god in the instance past seccomp"""
    ok("launch", "busybox", "keeper-look", user=alice, timeout=40)
    keeper = users()[alice]["keeper_id"]
    with pytest.raises(KeyError):
        pwd.getpwuid(keeper)
    holders = []
    for pid in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            ids = re.search(r"Uid:\s+(.*)", (pid / "status").read_text())[1].split()
        except OSError:
            continue
        if str(keeper) in ids:
            holders.append(pid.name)
    ok("rm", "--force", "keeper-look", user=alice)
    assert not holders


def test_blocks_are_never_used_again(people):
    """invariant 2: a removed user's ids are not given to the next one"""
    first = people.add()
    ids = users()[first]
    people.remove(first)
    second = people.add()
    again = users()[second]
    assert again["block_first"] != ids["block_first"]
    assert again["keeper_id"] != ids["keeper_id"]


def test_same_name_again_inherits_nothing(people):
    """a user removed and made again under the same name has an empty disk and an empty list"""
    name = people.add()
    ok("launch", "busybox", "old", user=name, timeout=40)
    ok("exec", "old", "--", "/bin/sh", "-c", "echo secret > /root/secret || echo secret > /secret",
       user=name)
    old = users()[name]
    people.remove(name)
    assert name not in {e.pw_name for e in pwd.getpwall()}
    people.add(name=name)
    assert machines(name) == {}
    assert users()[name]["block_first"] != old["block_first"]
    shown = ok("run", "--rm", "busybox", "--", "/bin/sh", "-c",
               "find / -xdev -name secret 2>/dev/null; true", user=name, timeout=40).out
    assert shown == ""
    audit = ok("audit", user=name).out
    assert "old" not in re.findall(r"[\w-]+", audit)


def test_a_kept_disk_is_nobody_elses(people):
    """user rm without --purge keeps the disk; whoever gets the same uid next gets a new one, and
    does not read the old one's records"""
    first = people.add()
    uid = pwd.getpwnam(first).pw_uid
    ok("run", "busybox", "--", "/bin/sh", "-c", "echo secret > /secret", user=first, timeout=40)
    ok("user", "rm", "--yes", first, timeout=60)
    people.names.remove(first)
    kept = [p for p in (STATE / "volumes").iterdir() if str(uid) in p.name]
    second = people.add()
    try:
        assert kept, "the disk is kept"
        assert machines(second) == {}
        shown = ok("run", "--rm", "busybox", "--", "/bin/sh", "-c",
                   "find / -xdev -name secret 2>/dev/null; true", user=second, timeout=40)
        assert shown.out == ""
        assert first not in ok("audit", user=second).out
        assert ok("audit", "--json", user=second).out.count("busybox") < 10
        assert kept[0].exists() or pwd.getpwnam(second).pw_uid != uid
    finally:
        people.remove(second)
        for path in kept:
            path.unlink(missing_ok=True)


def test_defaults_are_printed_and_exact(people):
    """user add: defaults by design 11, printed; memory min(2 GiB, a quarter of the rest)"""
    name = fresh_name()
    people.names.append(name)
    # The disk alone is given: a tenth of the free space is more than a test should write.
    shown = ok("user", "add", name, "--disk", "64M", timeout=60).out
    user = users()[name]
    limits = user["limits"]
    reserve = max(512 * MIB, host_memory() // RESERVE_PART)
    memory = min(2 * GIB, (host_memory() - reserve) // MEMORY_PART)
    assert limits["memory_bytes"] == pytest.approx(memory, abs=4096)
    assert limits["pids"] == 1000
    assert limits["memory_min_bytes"] == 0
    assert limits["cpu_milli"] == 0
    assert limits["disk_bytes"] == 64 * MIB
    assert limits["inodes"] == pytest.approx(64 * MIB // 16384, rel=0.05)
    assert "1000" in shown and "64 MiB" in shown, shown
    assert str(user["block_first"]) in shown, "the block is printed"
    assert kernel_limit(user["uid"], "pids") == 1000
    assert kernel_limit(user["uid"], "memory") == pytest.approx(memory, abs=4096)


def test_default_disk_is_a_tenth_of_the_free_space_at_most_10_gib(people):
    """user add prints the arithmetic of the disk before it preallocates"""
    space = os.statvfs(STATE)
    free = space.f_bavail * space.f_frsize
    name = people.add(disk=None)
    size = users()[name]["limits"]["disk_bytes"]
    assert size == pytest.approx(min(10 * GIB, free // DISK_PART), rel=0.02)
    volume = STATE / "volumes" / f"{pwd.getpwnam(name).pw_uid}.ext4"
    held = volume.stat()
    assert held.st_size == size
    assert held.st_blocks * 512 >= size * 0.99, "preallocated: a disk that is promised is there"
    assert held.st_mode & 0o777 == 0o600 and held.st_uid == 0
    people.remove(name)
    assert not volume.exists()


def test_given_limits_arrive_in_the_kernel(people):
    """user add --cpus --memory --memory-min --pids --disk --inodes"""
    name = people.add("--cpus", "1.5", "--memory", "96M", "--memory-min", "32M", "--pids", "77",
                      "--disk", "48M", "--inodes", "2048")
    user = users()[name]
    limits = user["limits"]
    assert limits == {**limits, "cpu_milli": 1500, "memory_bytes": 96 * MIB,
                      "memory_min_bytes": 32 * MIB, "pids": 77, "disk_bytes": 48 * MIB,
                      "inodes": 2048}
    assert kernel_limit(user["uid"], "memory") == 96 * MIB
    assert kernel_limit(user["uid"], "pids") == 77
    cpu = cgroup_dir("cpu", f"{user['uid']}/all")
    if (cpu / "cpu.cfs_quota_us").exists():
        quota = int((cpu / "cpu.cfs_quota_us").read_text())
        period = int((cpu / "cpu.cfs_period_us").read_text())
    else:
        quota, period = map(int, (cpu / "cpu.max").read_text().split())
    assert quota / period == pytest.approx(1.5)


def test_all_cpus_of_the_host_may_be_given(people):
    """--cpus N of N: the host's reserve stays above it, the order is not refused"""
    count = os.cpu_count()
    name = people.add("--cpus", str(count))
    ok("run", "--rm", "--cpus", str(count), "busybox", "--", "/bin/true", user=name, timeout=40)
    assert users()[name]["limits"]["cpu_milli"] == 1000 * count


def test_set_is_live(people):
    """user set: memory and pids apply to what runs now, without a restart"""
    name = people.add()
    uid = pwd.getpwnam(name).pw_uid
    ok("launch", "busybox", "m", user=name, timeout=40)
    ok("user", "set", name, "--memory", "160M", "--pids", "40")
    assert kernel_limit(uid, "memory") == 160 * MIB
    assert kernel_limit(uid, "pids") == 40
    limits = users()[name]["limits"]
    assert limits["memory_bytes"] == 160 * MIB and limits["pids"] == 40
    fork = "i=0; while [ $i -lt {} ]; do sleep 1 & i=$((i+1)); done; echo all; wait"
    many = croft("exec", "m", "--", "/bin/sh", "-c", fork.format(60), user=name, timeout=30)
    assert many.status != 0 and "all" not in many.out, str(many)
    ok("user", "set", name, "--pids", "100")
    enough = croft("exec", "m", "--", "/bin/sh", "-c", fork.format(60), user=name, timeout=30)
    assert enough.out == "all\n", str(enough)


def test_set_below_what_is_used(people):
    """a memory limit below what her files in memory take is refused, and nothing is changed"""
    name = people.add(memory="96M")
    uid = pwd.getpwnam(name).pw_uid
    ok("launch", "busybox", "m", user=name, timeout=40)
    ok("exec", "m", "--", "/bin/sh", "-c", "head -c 60000000 /dev/zero > /dev/shm/held", user=name)
    result = croft("user", "set", name, "--memory", "32M", timeout=60)
    refused(result, 1, OVER_LIMIT, HOST_CANNOT)
    assert kernel_limit(uid, "memory") == 96 * MIB
    assert users()[name]["limits"]["memory_bytes"] == 96 * MIB
    assert ok("exec", "m", "--", "/bin/sh", "-c", "rm /dev/shm/held; echo fine",
              user=name).out == "fine\n"
    ok("user", "set", name, "--memory", "32M")
    assert kernel_limit(uid, "memory") == 32 * MIB


def test_promises_never_exceed_the_host(people):
    """the sum of memory-min stays below the host's memory without its reserve"""
    reserve = max(512 * MIB, host_memory() // RESERVE_PART)
    most = (host_memory() - reserve) // MIB
    first = people.add("--memory-min", f"{most * 2 // 3}M", memory=f"{most * 2 // 3}M")
    line = refused(croft("user", "add", fresh_name(), "--disk", "48M", "--memory",
                         f"{most // 2}M", "--memory-min", f"{most // 2}M"), OVER_LIMIT)
    assert "GiB" in line or "MiB" in line, line
    people.remove(first)


def test_pids_bound_the_sum_over_machines(people):
    """the envelope is one for all her instances: two machines share it"""
    name = people.add(pids="40")
    uid = pwd.getpwnam(name).pw_uid
    ok("launch", "busybox", "one", user=name, timeout=40)
    ok("launch", "busybox", "two", user=name, timeout=40)
    bomb = "i=0; while [ $i -lt 30 ]; do sleep 30 & i=$((i+1)); done; wait"
    held = [start("exec", machine, "--", "/bin/sh", "-c", bomb, user=name)
            for machine in ("one", "two")]
    try:
        current = cgroup_dir("pids", f"{uid}/all") / "pids.current"
        until(lambda: int(current.read_text()) >= 38, 10, "the envelope's filling up")
        assert int(current.read_text()) <= 40
    finally:
        for machine in ("one", "two"):
            croft("stop", "--timeout", "0", machine, user=name)
        for child in held:
            child.communicate(timeout=10)


def test_memory_bounds_the_sum_over_machines(people):
    """the guilty process dies, not the machine and not the other user"""
    name = people.add(memory="64M")
    uid = pwd.getpwnam(name).pw_uid
    ok("launch", "busybox", "one", user=name, timeout=40)
    ok("launch", "busybox", "two", user=name, timeout=40)
    eat = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ${#x}"
    result = croft("exec", "one", "--", "/bin/sh", "-c", eat, user=name, timeout=40)
    assert result.status != 0, str(result)
    top = cgroup_dir("memory", f"{uid}/all")
    peak = next(top / n for n in ("memory.max_usage_in_bytes", "memory.peak")
                if (top / n).exists())
    assert int(peak.read_text()) <= 64 * MIB
    shown = machines(name)
    assert {m["state"] for m in shown.values()} == {"running"}
    assert ok("exec", "two", "--", "/bin/echo", "alive", user=name).out == "alive\n"


def test_user_ls_shows_an_admin_all_and_a_user_herself(alice, bob):
    """user ls: who asks is what the kernel says"""
    assert {alice, bob} <= set(users())
    shown = listed(ok("user", "ls", "--json", user=alice).json(), "users")
    assert [u["name"] for u in shown] == [alice]
    table = ok("user", "ls").out
    assert alice in table and bob in table


def test_a_user_makes_and_changes_no_users(alice, bob):
    """invariant 1: admin orders are refused to who is no admin"""
    before = users()
    refused(croft("user", "add", fresh_name(), user=alice), NOT_PERMITTED)
    refused(croft("user", "set", alice, "--memory", "1G", user=alice), NOT_PERMITTED)
    refused(croft("user", "rm", "--purge", bob, user=alice, stdin=b"yes\n"), NOT_PERMITTED)
    assert {n: u["limits"] for n, u in users().items()} == \
        {n: u["limits"] for n, u in before.items()}


def test_rm_asks(people):
    """user rm asks; --purge destroys the disk; "no" changes nothing"""
    name = people.add()
    result = croft("user", "rm", name, stdin=b"no\n")
    assert result.status != 0
    assert name in users()
    result = croft("user", "rm", "--purge", name, stdin=b"")
    assert result.status != 0, "no answer is no"
    assert name in users()
    assert (STATE / "volumes" / f"{pwd.getpwnam(name).pw_uid}.ext4").exists()


def test_rm_of_one_with_running_machines_ends_them(people):
    """user rm: nothing of hers runs on"""
    name = people.add()
    uid = pwd.getpwnam(name).pw_uid
    ok("launch", "busybox", "m", user=name, timeout=40)
    block = users()[name]["block_first"]
    people.remove(name)
    alive = []
    for pid in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            owner = pid.stat().st_uid
        except OSError:
            continue
        if block <= owner < block + BLOCK or owner == uid:
            alive.append(pid.name)
    assert not alive
    for controller in ("memory", "pids", "cpu", "freezer"):
        assert not cgroup_dir(controller, str(uid)).exists()
    with pytest.raises(KeyError):
        pwd.getpwnam(name)


def test_unknown_user(alice):
    """one line, exit status 3"""
    refused(croft("user", "set", "nobody-here", "--pids", "100"), NOT_FOUND)
    refused(croft("user", "rm", "--purge", "nobody-here", stdin=b"yes\n"), NOT_FOUND)


def test_same_name_twice(alice):
    """the same name twice is refused and changes nothing"""
    before = users()[alice]
    result = croft("user", "add", alice)
    assert alice in refused(result, 1, USAGE, NOT_PERMITTED)
    assert users()[alice]["limits"] == before["limits"]
    assert users()[alice]["block_first"] == before["block_first"]


def test_an_account_that_is_there_already_is_not_taken_over():
    """an existing account is never adopted silently"""
    before = pathlib.Path("/etc/passwd").read_text()
    for name in ("daemon", "root", "nobody"):
        result = croft("user", "add", name)
        # What the disk takes is said before the account is looked for.
        result.err = result.err.splitlines(keepends=True)[-1]
        assert name in refused(result, 1, USAGE, NOT_PERMITTED)
    assert pathlib.Path("/etc/passwd").read_text() == before
