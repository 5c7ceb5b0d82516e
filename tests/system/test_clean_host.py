# SPDX-License-Identifier: Apache-2.0
"""The whole life on a host (issue "Walls": Done means): make run, twice; make clean-host leaves
accounts, mounts, loops, cgroups, files as they were. Runs last, and only where Croft was not
installed before, or by `make run`, since it takes Croft off the host."""
import os
import subprocess

import pytest

import conftest
from harness import BIN, LIB, RUN, STATE, TOP, croft, users


@pytest.fixture(scope="module", autouse=True)
def nothing_left():
    """Compares with what was before Croft, not with before this module."""
    yield


@pytest.fixture(autouse=True)
def time_limit():
    """make run has a limit of its own, below."""
    yield


def make(target):
    done = subprocess.run(["make", "-s", "-C", TOP, target], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


@pytest.mark.skipif("CROFT_PATHS_H" in os.environ, reason="a private build has no make run")
def test_make_run_twice_and_clean_host():
    """make run makes alice and bob, again changes nothing, clean-host leaves the host as it was"""
    if conftest.BEFORE is None:
        pytest.skip("Croft was installed before the tests: clean-host would take it off this host")
    others = [name for name in users() if name not in ("alice", "bob") and name[:2] != "t-"]
    if others:
        pytest.skip(f"this host has users of its own, whom clean-host would remove: {others}")
    try:
        for _ in range(2):
            shown = make("run")
            assert "alice@localhost" in shown and "bob@localhost" in shown
            assert ", 0 LEAKED" in shown
            assert croft("host", "status").status == 0
    finally:
        make("clean-host")
    for path in (BIN, LIB, RUN, STATE):
        assert not path.exists()
    lines = conftest.settled(conftest.BEFORE)
    assert not lines, "\n".join(lines)
