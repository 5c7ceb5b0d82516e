# SPDX-License-Identifier: Apache-2.0
"""Disk and rescue (issue "Walls": Disks; design 5, invariant 8): full is never locked out"""
import os
import pwd
import re
import statistics

import pytest

from harness import (MIB, RUN, STATE, cgroup_dir, croft, machines, ok, run, start, until)

SH = "/bin/sh"
# Takes every process it can get, again and again; a shell would end at the first refusal.
HOARD = ("awk", 'BEGIN { while (1) system("sleep 1000 &") }')


@pytest.fixture
def carol(people):
    """A user of her own for each test, since what it leaves is a full disk."""
    name = people.add(disk="48M", pids="64", memory="64M")
    ok("launch", "busybox", "home", user=name, timeout=40)
    yield name
    people.remove(name)


def inside(user, script, **more):
    more.setdefault("timeout", 40)
    return croft("exec", "home", "--", SH, "-c", script, user=user, **more)


def bob_is_well(bob):
    """Another user's run and write take no harm. Returns nothing, asserts."""
    result = ok("run", "--rm", "busybox", "--", SH, "-c",
                "echo fine > /file && sync && cat /file", user=bob, timeout=20)
    assert result.out == "fine\n" and result.seconds < 5


def fill_bytes(user):
    result = inside(user, "dd if=/dev/zero of=/fill bs=64k 2>&1; echo x >> /fill2; "
                          "for i in 1 2 3 4 5 6 7 8; do dd if=/dev/zero of=/small$i bs=1k count=64 "
                          "2>/dev/null; done; df -k / | tail -n 1")
    assert "No space left" in result.out, str(result)
    return result


def fill_inodes(user):
    result = inside(user, "mkdir -p /many; i=0; while : > /many/$i; do i=$((i+1)); done 2>&1; "
                          "echo made $i")
    assert "No space left" in result.out or "nonexistent" in result.out \
        or "an't create" in result.out, str(result)
    made = int(re.search(r"made (\d+)", result.out)[1]) if "made" in result.out else 0
    return made


@pytest.mark.parametrize("fill", [fill_bytes, fill_inodes])
def test_full_disk(carol, bob, fill):
    """at 100 % of bytes, of inodes: she gets in, looks, deletes, and can write again"""
    space = os.statvfs(STATE)
    fill(carol)
    after = os.statvfs(STATE)
    assert abs(space.f_bfree - after.f_bfree) * space.f_frsize < 8 * MIB, \
        "her disk was set aside before; filling it takes nothing from the host"
    bob_is_well(bob)
    looked = inside(carol, "ls / >/dev/null && echo looked")
    assert looked.out == "looked\n", str(looked)
    assert "home" in ok("ls", user=carol).out
    deleted = inside(carol, "rm -rf /fill /fill2 /small* /many && echo new > /new && cat /new")
    assert (deleted.status, deleted.out) == (0, "new\n"), str(deleted)


@pytest.mark.parametrize("fill", [fill_bytes, fill_inodes])
def test_stopped_machine_starts_on_a_full_disk(carol, bob, fill):
    """a STOPPED machine starts at 100 %, and she cleans up"""
    fill(carol)
    ok("stop", "home", user=carol, timeout=30)
    bob_is_well(bob)
    ok("start", "home", user=carol, timeout=30)
    assert machines(carol)["home"]["state"] == "running"
    deleted = inside(carol, "rm -rf /fill /fill2 /small* /many && echo new > /new && cat /new")
    assert (deleted.status, deleted.out) == (0, "new\n"), str(deleted)
    # And once more: the spare was put back, so that the second time goes as the first.
    fill(carol)
    ok("stop", "home", user=carol, timeout=30)
    ok("start", "home", user=carol, timeout=30)
    assert inside(carol, "echo in").out == "in\n"


def test_full_disk_lets_her_remove_a_machine(carol):
    """rm works at 100 % of bytes and gives the space back"""
    ok("launch", "busybox", "big", user=carol, timeout=40)
    ok("exec", "big", "--", SH, "-c", "dd if=/dev/zero of=/fill bs=64k 2>/dev/null; true",
       user=carol, timeout=40)
    ok("rm", "--force", "big", user=carol, timeout=30)
    until(lambda: inside(carol, "dd if=/dev/zero of=/try bs=1M count=8 2>/dev/null && rm /try"
                         ).status == 0, 15, "the space's return")


def test_pids_at_the_limit(carol, bob):
    """at 100 % of pids: she gets in, looks, kills"""
    uid = pwd.getpwnam(carol).pw_uid
    child = start("exec", "home", "--", *HOARD, user=carol)
    pids = cgroup_dir("pids", f"{uid}/all")
    try:
        until(lambda: int((pids / "pids.current").read_text()) >= 63, 15, "the pids' end")
        bob_is_well(bob)
        looked = inside(carol, "ps | grep -c '[s]leep 1000'")
        assert int(looked.out) >= 40, str(looked)
        killed = inside(carol, "killall -9 awk sleep; echo done")
        assert "done" in killed.out, str(killed)
        until(lambda: int((pids / "pids.current").read_text()) < 10, 10, "the end of them")
    finally:
        croft("stop", "--timeout", "0", "home", user=carol, timeout=30)
        child.communicate(timeout=15)


def test_fork_bomb_is_hers_alone(carol, bob):
    """a fork bomb stops at her limit; bob works on; stop ends it"""
    uid = pwd.getpwnam(carol).pw_uid
    before = [ok("ls", user=bob).seconds for _ in range(5)]
    child = start("exec", "home", "--", SH, "-c", "f() { f | f & }; f; sleep 20", user=carol)
    try:
        pids = cgroup_dir("pids", f"{uid}/all")
        # v1 counts a refusal where the fork was tried, v2 where the limit stands.
        until(lambda: any("max 0" not in (group / "pids.events").read_text()
                          for group in (pids, pids / "home")), 15, "the limit")
        during = [ok("ls", user=bob).seconds for _ in range(5)]
        bob_is_well(bob)
        assert statistics.median(during) < 10 * statistics.median(before) + 0.5, (before, during)
        assert int((pids / "pids.current").read_text()) <= 64
        ok("stop", "--timeout", "0", "home", user=carol, timeout=30)
        assert machines(carol)["home"]["state"] == "stopped"
    finally:
        croft("stop", "--timeout", "0", "home", user=carol, timeout=30)
        child.communicate(timeout=15)


def test_memory_held_by_files_in_shm(carol, bob):
    """at 100 % of memory, held by files that no process owns: she gets in and deletes them"""
    inside(carol, "dd if=/dev/zero of=/dev/shm/fill bs=64k 2>/dev/null; true")
    bob_is_well(bob)
    freed = inside(carol, "rm -f /dev/shm/fill && echo freed")
    assert freed.out == "freed\n", str(freed)
    assert machines(carol)["home"]["state"] == "running"


def test_shm_is_as_large_as_her_memory(carol):
    """own /dev/shm of the size of her memory limit"""
    shown = inside(carol, "df -k /dev/shm | tail -n 1")
    assert int(shown.out.split()[1]) * 1024 == 64 * MIB, str(shown)


def test_the_volume_is_mounted_nosuid_nodev():
    """design 5: for the host the volume is nosuid,nodev"""
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        volumes = [line for line in table if "/volumes/" in line.split()[4]
                   and " - ext4 /dev/loop" in line]
    for line in volumes:
        options = line.split()[5].split(",")
        assert "nosuid" in options and "nodev" in options, line


def test_volumes_are_closed_to_everybody(alice):
    """0700 above: no host user walks into a volume, not even its owner"""
    ok("run", "--rm", "busybox", "--", "/bin/true", user=alice)
    for path in (RUN / "volumes", STATE / "volumes"):
        result = run(["/bin/ls", path], user=alice)
        assert result.status != 0, f"{path} is open: {result}"
