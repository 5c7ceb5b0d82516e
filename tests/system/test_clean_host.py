# SPDX-License-Identifier: Apache-2.0
"""The whole life on a host (issue "Walls": Done means): make run, twice; make clean-host leaves
accounts, mounts, loops, cgroups, network, files as they were, also when nothing of Croft can help it.
Runs last, and only where Croft was not installed before, or by `make run`, since it takes Croft off
the host."""
import os
import pathlib
import pwd
import signal
import subprocess
import time

import pytest

import conftest
import leftovers
from harness import (BIN, LIB, RUN, STATE, TOP, croft, daemon_pid, envelope_pids, fresh_name, ok,
                     until, users)


@pytest.fixture(scope="module", autouse=True)
def nothing_left():
    """Compares with what was before Croft, not with before this module."""
    yield


@pytest.fixture(autouse=True)
def time_limit():
    """make run has a limit of its own, below."""
    yield


# Of the first `make run` on a host, packages and image included, and of a second one.
FIRST_SECONDS, SECOND_SECONDS = 180, 90
# Who may be there: those of `make run`, who builds its image, and the tests' own.
NOT_THEIRS = ("alice", "bob", "_build")


def make(target):
    done = subprocess.run(["make", "-s", "-C", TOP, target], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=400, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def may_be_taken_off():
    """Only a Croft that these tests, or `make run`, brought here."""
    if "CROFT_PATHS_H" in os.environ:
        pytest.skip("a private build has no make run")
    if conftest.BEFORE is None:
        pytest.skip("Croft was installed before the tests: clean-host would take it off this host")
    others = [name for name in users() if name not in NOT_THEIRS and name[:2] != "t-"]
    if others:
        pytest.skip(f"this host has users of its own, whom clean-host would remove: {others}")


def nothing_is_left(said):
    """@said: by clean-host"""
    for path in (BIN, LIB, RUN, STATE):
        assert not path.exists()
    lines = conftest.settled(conftest.BEFORE)
    assert not lines, "\n".join([*lines, said])


def test_make_run_twice_and_clean_host():
    """make run makes alice and bob, again changes nothing, clean-host leaves the host as it was"""
    try:
        for limit in (FIRST_SECONDS, SECOND_SECONDS):
            begin = time.monotonic()
            shown = make("run")
            took = time.monotonic() - begin
            for words in ("alice", "bob", "PostgreSQL", "cut after", "  0 LEAKED  "):
                assert words in shown, f"{words!r} is not in:\n{shown}"
            assert "FAILED" not in shown, shown
            assert took <= limit, f"{took:.0f} s:\n{shown}"
            assert croft("host", "status").status == 0
    finally:
        said = make("clean-host")
    nothing_is_left(said)


def test_clean_host_when_super_was_killed():
    """with no super croft itself can do nothing any more: its machines, table, links, disks and
    accounts go all the same, and the host forwards as before"""
    name = fresh_name()
    forwards = pathlib.Path("/proc/sys/net/ipv4/ip_forward")
    make("install")
    try:
        ok("host", "start", timeout=60)
        ok("user", "add", name, "--disk", "64M", "--memory", "128M", "--pids", "128", timeout=60)
        ok("launch", "busybox", "up", user=name, timeout=40)
        until(lambda: forwards.read_text() == "1\n" and "table inet croft" in leftovers.firewall())
        os.kill(daemon_pid("croft-super"), signal.SIGKILL)
        until(lambda: croft("host", "status").status != 0)
        assert "table inet croft" in leftovers.firewall(), "nothing is left to clean"
        assert envelope_pids(pwd.getpwnam(name).pw_uid), "nothing is left to clean"
    finally:
        said = make("clean-host")
    nothing_is_left(said)
