# SPDX-License-Identifier: Apache-2.0
"""The host (issue "Walls": croft host start|stop|status without systemd; design 11)"""
import os
import pathlib
import pwd
import signal
import stat
import subprocess

import pytest

import leftovers
from conftest import settled
from harness import (BIN, CGROUP, HOST_CANNOT, LIB, LOG, NOT_PERMITTED, RUN, STATE, cgroup_roots,
                     croft, daemon_pid, hidden, machines, ok, processes, refused, until, users)

DAEMONS = ("croft-super", "croft-monitor", "croftd")


@pytest.fixture(autouse=True)
def running_again():
    yield
    if croft("host", "status").status != 0:
        ok("host", "start", timeout=60)


def ours():
    return [exe for exe in processes().values() if exe.startswith(str(LIB) + "/")]


def test_status_says_it_in_one_screen(alice):
    """host status: runs, since when, how many users and machines; --json"""
    shown = ok("host", "status").out
    assert "running" in shown and shown.count("\n") < 25
    data = ok("host", "status", "--json").json()
    assert data["users"] >= 1 and data["running"] >= 0
    assert croft("host", "status", user=alice).status in (0, NOT_PERMITTED)


def test_start_twice_is_no_second_croft():
    """host start on a running host: says so, starts nothing"""
    pids = [daemon_pid(n) for n in DAEMONS]
    result = croft("host", "start", timeout=60)
    assert result.status == 0 or refused(result, 1), str(result)
    assert [daemon_pid(n) for n in DAEMONS] == pids


def test_only_root_starts_and_stops(alice):
    """host start and stop are root's"""
    pids = [daemon_pid(n) for n in DAEMONS]
    refused(croft("host", "stop", user=alice), NOT_PERMITTED)
    refused(croft("host", "start", user=alice), NOT_PERMITTED)
    assert [daemon_pid(n) for n in DAEMONS] == pids


def test_no_setuid_or_setcap_file_is_installed():
    """invariant 1: nothing that Croft installs gives its caller more than he had"""
    for path in [*LIB.rglob("*"), *pathlib.Path("/usr/bin").glob("croft*")]:
        held = path.lstat()
        assert not held.st_mode & (stat.S_ISUID | stat.S_ISGID) or stat.S_ISDIR(held.st_mode), path
        assert held.st_uid == 0 and not held.st_mode & 0o022 or stat.S_ISLNK(held.st_mode), path
        assert "security.capability" not in os.listxattr(path, follow_symlinks=False), path


def test_directories_and_sockets():
    """/run/croft 0755 with two sockets of 0666, volumes closed, state closed"""
    assert RUN.stat().st_mode & 0o777 == 0o755
    for name in ("door", "api"):
        held = (RUN / name).stat()
        assert stat.S_ISSOCK(held.st_mode) and held.st_mode & 0o777 == 0o666
    assert (RUN / "volumes").stat().st_mode & 0o077 == 0
    assert (STATE / "volumes").stat().st_mode & 0o077 == 0
    for path in (STATE, STATE / "records", LOG):
        assert path.stat().st_uid == 0 or path.owner() == "croft"
        assert path.stat().st_mode & 0o022 == 0


def test_stop_leaves_nothing_and_start_brings_machines_back(people):
    """host stop ends every machine, mount, loop, cgroup, process, sysctl; start brings back those
    machines that were up, not those that were stopped"""
    name = people.add()
    ok("launch", "busybox", "up", user=name, timeout=40)
    ok("launch", "busybox", "down", user=name, timeout=40)
    ok("exec", "up", "--", "/bin/sh", "-c", "echo kept > /kept", user=name)
    ok("stop", "down", user=name, timeout=30)
    before_users = {n: (u["block_first"], u["limits"]) for n, u in users().items()}
    ok("host", "stop", timeout=60)
    assert ours() == []
    held = leftovers.snapshot()
    assert not [m for m in held["mount"] if m.startswith((f"{RUN}/", f"{STATE}/"))]
    assert not [m for m in held["loop device"] if f"{STATE}/" in m]
    assert not [p for p in held["process"] if f"{LIB}/" in p or f"{RUN}/" in p]
    for root in cgroup_roots().values():
        assert not (root / CGROUP).exists()
    assert not (RUN / "door").exists() and not (RUN / "api").exists()
    assert int(pathlib.Path("/proc/sys/kernel/pid_max").read_text()) > 0
    refused(croft("ls", user=name), HOST_CANNOT)
    refused(croft("host", "status"), HOST_CANNOT, 1)
    ok("host", "start", timeout=60)
    until(lambda: machines(name).get("up", {}).get("state") == "running", 20, "the machine")
    assert machines(name)["down"]["state"] == "stopped"
    assert ok("exec", "up", "--", "/bin/cat", "/kept", user=name).out == "kept\n"
    assert {n: (u["block_first"], u["limits"]) for n, u in users().items()} == before_users


def test_stop_and_start_twice_are_the_same():
    """the second stop and the second start find the host as the first did"""
    ok("host", "stop", timeout=60)
    first = leftovers.snapshot()
    result = croft("host", "stop", timeout=60)
    assert result.status == 0 or refused(result, 1, HOST_CANNOT)
    ok("host", "start", timeout=60)
    ok("host", "stop", timeout=60)
    lines = settled(first)
    assert not lines, "\n".join(lines)


def test_pid_max_is_raised_and_put_back():
    """kernel.pid_max is raised while Croft runs, and put back by host stop"""
    path = pathlib.Path("/proc/sys/kernel/pid_max")
    raised = int(path.read_text())
    ok("host", "stop", timeout=60)
    before = int(path.read_text())
    ok("host", "start", timeout=60)
    assert int(path.read_text()) == raised == 4194304
    ok("host", "stop", timeout=60)
    assert int(path.read_text()) == before


def test_stop_puts_the_network_back_without_croft_net():
    """N-32: the host forwards while Croft runs, and as before afterwards, even when its croft-net
    was killed"""
    path = pathlib.Path("/proc/sys/net/ipv4/ip_forward")
    ok("host", "stop", timeout=60)
    before = path.read_text()
    ok("host", "start", timeout=60)
    until(lambda: path.read_text() == "1\n")
    os.kill(daemon_pid("croft-net"), signal.SIGKILL)
    ok("host", "stop", timeout=60)
    assert path.read_text() == before
    assert "inet croft" not in subprocess.run(["nft", "list", "tables"], stdout=subprocess.PIPE,
                                              text=True, check=True).stdout


def test_stop_ends_though_a_daemon_does_not():
    """a croft-net that was stopped by a signal, and hears nothing: host stop ends it within its
    time, says so in the log and puts the network back"""
    path = pathlib.Path("/proc/sys/net/ipv4/ip_forward")
    ok("host", "stop", timeout=60)
    before = path.read_text()
    ok("host", "start", timeout=60)
    until(lambda: path.read_text() == "1\n")
    logged = (LOG / "croft.log").stat().st_size
    stuck = daemon_pid("croft-net")
    os.kill(stuck, signal.SIGSTOP)
    try:
        assert ok("host", "stop", timeout=60).seconds < 20
    finally:
        if stuck in processes():
            os.kill(stuck, signal.SIGKILL)
    assert ours() == [] and path.read_text() == before
    assert "croft-net did not end" in (LOG / "croft.log").read_bytes()[logged:].decode()


@pytest.mark.parametrize("paths", [("/run/systemd", "/run/dbus"), ("/dev/kvm",)],
                         ids=["systemd", "kvm"])
def test_without(alice, paths):
    """started where neither systemd nor a bus, or no KVM, can be seen, Croft runs machines and
    does not complain"""
    assert pwd.getpwnam("croft").pw_shell.endswith(("nologin", "false"))
    ok("host", "stop", timeout=60)
    try:
        started = hidden(paths, BIN, "host", "start", timeout=60)
        assert (started.status, started.err) == (0, ""), str(started)
        own = os.readlink("/proc/self/ns/mnt")
        assert os.readlink(f"/proc/{daemon_pid('croft-super')}/ns/mnt") != own
        shown = ok("run", "--rm", "busybox", "--", "/bin/echo", "up", user=alice, timeout=40)
        assert (shown.out, shown.err) == ("up\n", ""), str(shown)
    finally:
        # The other tests get a Croft of the host's own namespace again.
        ok("host", "stop", timeout=60)


def test_the_reserve_of_the_host():
    """the host keeps max(512 MiB, a tenth) of memory and 1,024 pids for itself"""
    roots = cgroup_roots()
    if "memory" in roots:
        limit = int((roots["memory"] / CGROUP / "memory.limit_in_bytes").read_text())
        pids = (roots["pids"] / CGROUP / "pids.max").read_text().strip()
    else:
        limit = int((roots[""] / CGROUP / "memory.max").read_text())
        pids = (roots[""] / CGROUP / "pids.max").read_text().strip()
    text = pathlib.Path("/proc/meminfo").read_text()
    total = int(text.split()[1]) * 1024
    assert total - limit >= max(512 << 20, total // 10) - 4096
    assert pids != "max" and int(pids) <= 4194304 - 1024
