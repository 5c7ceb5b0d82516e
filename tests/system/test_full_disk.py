# SPDX-License-Identifier: Apache-2.0
"""A full disk of the host (issue "The whole": crash-only): /var/lib/croft on a small disk of its own

Nothing is begun that could not be recorded, and each refusal says why; what ends or takes away still
works; what was answered stays; and with room again all goes on without a restart.
"""
import errno
import os
import pathlib
import signal
import subprocess

import pytest

from harness import (HOST_CANNOT, MIB, OVER_LIMIT, STATE, croft, daemon_pid, first_process, listed,
                     machines, ok, refused, run, until, users)

SIZE = 192 * MIB


def begun(alice, bob, archive):
    """Each order that begins something, as its words and who gives it."""
    return {
        "launch": (("launch", "busybox", "four"), alice),
        "run": (("run", "--rm", "busybox", "--", "/bin/true"), alice),
        "exec": (("exec", "up", "--", "/bin/true"), alice),
        "start": (("start", "down"), alice),
        "grant": (("grant", bob, "port", "up:80", "--for", "1h"), alice),
        "ask": (("ask", alice, "port", "up:81", "--for", "1h"), bob),
        "image import": (("image", "import", archive, "more"), alice),
        "user set": (("user", "set", alice, "--pids", "99"), None),
    }


def fill(path):
    """Writes until not a byte more fits."""
    with path.open("wb", buffering=0) as file:
        for piece in (MIB, 4096, 1):
            with pytest.raises(OSError) as full:
                while True:
                    file.write(b"x" * piece)
            assert full.value.errno == errno.ENOSPC


def use_up(*words, user=None):
    """What each file of records had in hand beyond its reserve may still be written."""
    for _ in range(400):
        result = croft(*words, user=user, timeout=40)
        if result.status != 0:
            return
    assert False, f"400 times on a full disk: {result}"


@pytest.fixture(scope="module")
def small_disk(nothing_left, tmp_path_factory):
    """Croft with its state on a disk of SIZE, as on a host on which it is new."""
    image = tmp_path_factory.mktemp("disk") / "state.ext4"
    with image.open("wb") as file:
        file.truncate(SIZE)
    ok("host", "stop", timeout=60)
    done = run(["/usr/sbin/mkfs.ext4", "-q", "-m", "0", image], timeout=60)
    assert done.status == 0, str(done)
    subprocess.run(["/usr/bin/mount", "-o", "loop", image, STATE], check=True, timeout=20)
    try:
        ok("host", "start", timeout=60)
        yield STATE
        ok("host", "stop", timeout=60)
    finally:
        subprocess.run(["/usr/bin/umount", STATE], check=True, timeout=20)
        ok("host", "start", timeout=60)


@pytest.fixture(scope="module")
def pair(small_disk, people):
    """alice with a machine that runs, one that does not, one to remove, and a grant; and bob."""
    alice, bob = (people.add(disk="32M") for _ in range(2))
    for name in ("up", "down", "gone"):
        ok("launch", "busybox", name, user=alice, timeout=40)
    ok("stop", "--time", "1", "down", user=alice, timeout=40)
    ok("grant", bob, "port", "up:5432", "--for", "1h", user=alice)
    ok("grant", bob, "port", "up:5433", "--for", "1h", user=alice)
    yield alice, bob
    people.remove_all()


def grants(user):
    return [g["id"] for g in listed(ok("grants", "--json", user=user).json(), "grants")]


def test_a_full_disk(pair, small_disk, scratch):
    """refused are those that begin something; stop, rm, revoke and a restart work; then all again"""
    alice, bob = pair
    archive = scratch / "image.tar"
    archive.write_bytes((pathlib.Path("/usr/lib/croft/images/busybox.tar")).read_bytes())
    uid = users()[alice]["uid"]
    process = first_process(uid, "up")
    ballast = small_disk / "ballast"
    fill(ballast)
    use_up("run", "--rm", "busybox", "--", "/bin/true", user=alice)
    use_up("run", "--rm", "busybox", "--", "/bin/true", user=bob)
    use_up("user", "set", alice, "--pids", "100")
    before = machines(alice), grants(alice), users()
    for what, (words, user) in begun(alice, bob, archive).items():
        line = refused(croft(*words, user=user, timeout=40), HOST_CANNOT, OVER_LIMIT, 125)
        assert "disk" in line, f"{what}: {line}"
    refused(croft("user", "add", "t-full", "--disk", "32M", timeout=40), HOST_CANNOT, OVER_LIMIT)
    assert (machines(alice), grants(alice), users()) == before, "nothing of it was done"

    ok("revoke", str(grants(alice)[0]), user=alice)
    ok("rm", "--force", "gone", user=alice, timeout=40)
    assert len(grants(alice)) == 1 and set(machines(alice)) == {"up", "down"}
    old = daemon_pid("croft-monitor")
    os.kill(old, signal.SIGKILL)
    until(lambda: croft("host", "status", timeout=30).status == 0, 20, "the monitor's return")
    assert len(grants(alice)) == 1 and machines(alice)["down"]["state"] == "stopped"
    assert first_process(uid, "up") == process, "who runs is not disturbed"
    ok("stop", "--time", "1", "up", user=alice, timeout=40)
    ok("revoke", str(grants(alice)[0]), user=bob)

    ballast.unlink()
    assert set(machines(alice)) == {"up", "down"} and grants(alice) == []
    for what, (words, user) in begun(alice, bob, archive).items():
        if what == "exec":
            ok("start", "up", user=alice, timeout=40)
        done = croft(*words, user=user, timeout=40)
        assert done.status == 0, f"{what}: {done}"
    for name in pair:
        ok("audit", "verify", user=name)
    until(lambda: croft("doctor", "--verify", timeout=60).status == 0, 20, "agreement")
