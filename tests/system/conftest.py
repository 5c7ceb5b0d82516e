# SPDX-License-Identifier: Apache-2.0
"""conftest - a running Croft, throw-away users, a time limit for each test, and nothing left over

A module's users are removed when it ends, disks included, and then the host must hold what it held
before the module began: mounts, loop devices, cgroups, accounts, files, processes.
"""
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

import harness
import leftovers
from harness import BIN, LIB, STATE, croft, fresh_name, ok

TEST_SECONDS = 120
# What the host held before Croft was installed; None when it was there already and what installed
# it, this file or tools/run.sh, did not remember it in REMEMBERED.
BEFORE = None
REMEMBERED = STATE / "before.json"

# What stays by design: a removed user's records are the audit of what happened to her, and what the
# next `image build` need not fetch again.
STAYS = (f"+ file: {STATE}/records/", f"+ file: {STATE}/build/")


def programs():
    """The bytes of what is installed, as one number."""
    found = hashlib.sha256()
    for path in sorted(LIB.glob("croft*")) + [BIN]:
        found.update(path.read_bytes() if path.exists() else b"")
    return found.hexdigest()


def before_croft():
    """What the host held before Croft, or None. tools/need.sh and tools/run.sh, which write down
    here what they do to a host, are older than Croft on it."""
    written = {"packages", REMEMBERED.name}
    if not BIN.exists() and (not STATE.exists() or set(os.listdir(STATE)) <= written):
        found = leftovers.snapshot()
    elif REMEMBERED.exists():
        found = json.loads(REMEMBERED.read_text())
    else:
        return None
    notes = {str(STATE), *(str(STATE / name) for name in written)}
    found["file"] = [path for path in found["file"] if path not in notes]
    return found


@pytest.fixture(scope="session", autouse=True)
def host():
    """The product built, installed and running; ended again when the tests started it."""
    global BEFORE
    if os.geteuid() != 0:
        pytest.exit("the system tests make accounts, mounts and cgroups: run them as root", 2)
    BEFORE = before_croft()
    before = programs()
    if "CROFT_PATHS_H" not in os.environ:
        done = subprocess.run(["make", "-s", "-C", harness.TOP, "install"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stdout[-4000:]
    assert BIN.exists(), f"{BIN} is not installed"
    was_running = croft("host", "status").status == 0
    if was_running and programs() != before:
        ok("host", "stop", timeout=60)  # what runs is older than what is tested
    if not was_running or programs() != before:
        ok("host", "start", timeout=60)
    if BEFORE is not None and not REMEMBERED.exists():
        REMEMBERED.write_text(json.dumps(BEFORE))
    yield
    if not was_running and BIN.exists():
        ok("host", "stop", timeout=60)


def pytest_collection_modifyitems(items):
    """What takes Croft off the host comes last."""
    items.sort(key=lambda item: item.path.name == "test_clean_host.py")


@pytest.fixture(autouse=True)
def time_limit():
    """Ends a test that takes longer than any should."""
    def expired(_signal, _frame):
        raise TimeoutError(f"the test took longer than {TEST_SECONDS} s")
    old = signal.signal(signal.SIGALRM, expired)
    signal.alarm(TEST_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, old)


def may_stay(line):
    """What a module may leave. A private build shares its host with others: only what carries its
    own paths, groups and users is its own."""
    if line.startswith(STAYS):
        return True
    if "CROFT_PATHS_H" not in os.environ:
        return False
    own = (*map(str, (harness.RUN, harness.STATE, harness.CONF, harness.LOG, harness.LIB)),
           f":{harness.CGROUP}/", ": t-", ",t-")
    return not any(word in line for word in own)


def settled(before, timeout=10):
    """Differences to @before, waiting for what is on its way out (autoclear, rmdir, trash)."""
    end = time.monotonic() + timeout
    while True:
        lines = leftovers.compare(before, leftovers.snapshot(), may_stay)
        if not lines or time.monotonic() > end:
            return lines
        time.sleep(0.2)


@pytest.fixture(scope="module", autouse=True)
def nothing_left(host):
    """Fails the module when the host holds more, or less, than before it."""
    before = leftovers.snapshot()
    yield before
    lines = settled(before)
    assert not lines, "left over by this module:\n" + "\n".join(lines)


class Users:
    """Makes throw-away users and removes them again."""

    def __init__(self):
        self.names = []

    def add(self, *options, name=None, disk="64M", memory="128M", pids="128"):
        name = name or fresh_name()
        self.names.append(name)
        given = [o for pair in (("--disk", disk), ("--memory", memory), ("--pids", pids))
                 if pair[1] is not None and pair[0] not in options for o in pair]
        ok("user", "add", name, *given, *options, timeout=60)
        return name

    def remove(self, name):
        """Removes her with her disk. Machines are removed with her."""
        self.names.remove(name)
        return ok("user", "rm", "--purge", name, stdin=b"yes\n", timeout=60)

    def remove_all(self):
        known = harness.users()
        failures = []
        for name in list(self.names):
            if name in known:
                result = croft("user", "rm", "--purge", name, stdin=b"yes\n", timeout=60)
                if result.status != 0:
                    failures.append(str(result))
            self.names.remove(name)
        assert not failures, "\n".join(failures)


@pytest.fixture(scope="module")
def people(nothing_left):
    """A maker of users for the module; all are gone when it ends."""
    made = Users()
    yield made
    made.remove_all()


def warmed(name):
    """Her first machine brings the built-in image into her disk; tests compare what comes after."""
    ok("run", "--rm", "busybox", "--", "/bin/true", user=name, timeout=40)
    return name


@pytest.fixture(scope="module")
def alice(people):
    return warmed(people.add())


@pytest.fixture(scope="module")
def bob(people):
    return warmed(people.add())


@pytest.fixture
def scratch(tmp_path):
    """A directory that every user may read, for files that a test hands to croft."""
    path = pathlib.Path(tmp_path)
    for part in (path, *path.parents):
        if part == pathlib.Path("/tmp"):
            break
        part.chmod(0o755)
    return path
