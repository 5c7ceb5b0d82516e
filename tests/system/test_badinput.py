# SPDX-License-Identifier: Apache-2.0
"""Bad input at the command line (issue "Walls": Bad input): one line, a documented exit status,
nothing changed"""
import io
import os
import re
import tarfile

import pytest

from harness import (BIN, FAILED, GIB, HOST_CANNOT, MIB, NOT_FOUND, NOT_PERMITTED, OVER_LIMIT,
                     STATE, USAGE, cgroup_dir, croft, import_image, listed, machines, ok, refused,
                     run, until, users)

BAD_NAMES = ["", "a/b", "/", "/etc/passwd", ".", "..", "../../etc", "a\nb", "\n", "a\x1b[2Jb",
             "\x1b]0;x\x07", "A", "aB", "1a", "-a", "--", "a-", "a b", " a", "a.b", "a_b", "ä",
             "a\u202eb", "%s%n", "$(id)", "`id`", "a;b", "*", "a" * 33, "a" * 10240]


def names(shown):
    return {item["name"] for item in listed(shown, "images")}


def images(user):
    return names(ok("image", "ls", "--json", user=user).json())


@pytest.fixture(autouse=True)
def nothing_changes(alice):
    def state():
        return (set(machines(alice)), images(alice),
                {n: u["limits"] for n, u in users().items()},
                set(os.listdir(STATE / "volumes")), set(os.listdir(cgroup_dir("pids", ""))))
    before = state()
    yield
    # croftd hears of what is gone a moment after the client does.
    until(lambda: state() == before, 5, "the state's being as before")


# -- names -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda n: ascii(n)[:24])
def test_bad_names(alice, name):
    """names with /, .., newline, escape sequences, 10 kB: refused before anything happens"""
    for words in (["launch", "busybox", name], ["info", name], ["start", name], ["stop", name],
                  ["rm", name], ["logs", name]):
        refused(croft(*words, user=alice), USAGE, NOT_FOUND)
    refused(croft("launch", name, "fine", user=alice), USAGE, NOT_FOUND)
    refused(croft("run", "--rm", name, "--", "/bin/true", user=alice), 125)
    refused(croft("exec", name, "--", "/bin/true", user=alice), 125)
    refused(croft("image", "import", "-", name, user=alice), USAGE)
    refused(croft("image", "rm", name, user=alice), USAGE, NOT_FOUND)
    refused(croft("user", "add", name), USAGE)
    refused(croft("user", "set", name, "--pids", "100"), USAGE, NOT_FOUND)
    refused(croft("user", "rm", "--purge", name, stdin=b"yes\n"), USAGE, NOT_FOUND)


def test_unknown_names(alice):
    """unknown machine, image, user: exit status 3 and the name in the sentence"""
    for words in (["info", "ghost"], ["start", "ghost"], ["stop", "ghost"], ["rm", "ghost"],
                  ["logs", "ghost"], ["image", "rm", "ghost"], ["launch", "ghost", "fine"]):
        assert "ghost" in refused(croft(*words, user=alice), NOT_FOUND)
    assert "ghost" in refused(croft("user", "set", "ghost", "--pids", "50"), NOT_FOUND)


@pytest.mark.parametrize("words", [["nosuchverb"], ["ls", "--nosuch"], ["ls", "extra"],
                                   ["launch"], ["launch", "busybox"], ["info"], ["run"],
                                   ["exec"], ["user"], ["user", "nosuch"], ["host", "nosuch"],
                                   ["image"], ["stop", "m", "--timeout"],
                                   ["stop", "m", "--timeout", "x"],
                                   ["launch", "busybox", "m", "--memory"],
                                   ["launch", "busybox", "m", "--memory="],
                                   ["nosuchverb\x1b[2J"], ["ls", "-\x1b"]],
                         ids=lambda w: ascii(" ".join(w)))
def test_bad_usage(alice, words):
    """bad usage is 2 (125 for run and exec), one line"""
    refused(croft(*words, user=alice), 125 if words[0] in ("run", "exec") else USAGE)


# -- limits ----------------------------------------------------------------------------------------

BAD_LIMITS = [("--memory", "0"), ("--memory", "-1"), ("--memory", "1"), ("--memory", "100T"),
              ("--memory", "18446744073709551615"), ("--memory", "18446744073709551616"),
              ("--memory", "99999999999999999999999"), ("--memory", "1.5"), ("--memory", "1e9"),
              ("--memory", "0x10000000"), ("--memory", " 64M"), ("--memory", "64M "),
              ("--memory", "64Mx"), ("--memory", ""), ("--memory", "64m\n"), ("--memory", "inf"),
              ("--memory", "16777216T"), ("--memory-min", "-1"), ("--memory-min", "100T"),
              ("--pids", "0"), ("--pids", "-1"), ("--pids", "1"), ("--pids", "4294967296"),
              ("--pids", "4194305"), ("--pids", "ten"), ("--cpus", "-1"), ("--cpus", "1000"),
              ("--cpus", "nan"), ("--cpus", "0.0001"), ("--disk", "0"), ("--disk", "-1"),
              ("--disk", "1M"), ("--disk", "1000T"), ("--inodes", "0"), ("--inodes", "-1"),
              ("--inodes", "1")]


@pytest.mark.parametrize("option, value", BAD_LIMITS)
def test_bad_limits_of_a_new_user(option, value):
    """limits of 0, negative, no number, above the host: no user is made"""
    refused(croft("user", "add", "t-never", option, value), USAGE, OVER_LIMIT, HOST_CANNOT)


@pytest.mark.parametrize("option, value", [b for b in BAD_LIMITS if b[0] != "--disk"
                                           and b[0] != "--inodes"])
def test_bad_limits_of_a_user(alice, option, value):
    """user set refuses the same and leaves what was"""
    refused(croft("user", "set", alice, option, value), USAGE, OVER_LIMIT, HOST_CANNOT)


def test_promises_above_the_host_or_the_ceiling(alice):
    """memory-min above memory, and above what the host has left, is refused"""
    refused(croft("user", "set", alice, "--memory-min", "129M"), USAGE, OVER_LIMIT)
    refused(croft("user", "add", "t-never", "--memory", "64M", "--memory-min", "65M",
                  "--disk", "48M"), USAGE, OVER_LIMIT)


@pytest.mark.parametrize("option, value", [("--memory", "129M"), ("--pids", "129"),
                                           ("--memory", "0"), ("--pids", "0"),
                                           ("--memory", "-1"), ("--cpus", "1000")])
def test_limits_of_a_machine_above_her_envelope(alice, option, value):
    """a machine's limits stay within its owner's"""
    refused(croft("launch", "busybox", "never", option, value, user=alice), USAGE, OVER_LIMIT)
    refused(croft("run", "--rm", option, value, "busybox", "--", "/bin/true", user=alice), 125)


def test_a_disk_bigger_than_the_free_space():
    """the sentence has the arithmetic: what was asked, what is free"""
    space = os.statvfs(STATE)
    free = space.f_bavail * space.f_frsize
    asked = free // GIB + 50
    line = refused(croft("user", "add", "t-never", "--disk", f"{asked}G"), OVER_LIMIT, HOST_CANNOT)
    assert f"{asked} GiB" in line, line
    figures = [float(x) for x in re.findall(r"([\d.]+) GiB", line)]
    assert any(abs(x - free / GIB) < 2 for x in figures), f"free is {free / GIB:.1f} GiB: {line}"


@pytest.mark.parametrize("size", ["32M", "64M", "128M"])
def test_user_set_has_no_disk(alice, size):
    """a disk keeps the size it was made with: user set refuses --disk and says so"""
    line = refused(croft("user", "set", alice, "--disk", size), USAGE)
    assert "size of a disk is set when the user is added" in line


def test_bad_keys(alice, scratch):
    """--key: a file that is no public key, is absent, is a directory, is too long"""
    cases = {"empty": b"", "text": b"hello\n", "private": b"-----BEGIN OPENSSH PRIVATE KEY-----\n",
             "options": b'command="/bin/sh" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== x\n',
             "zero": b"ssh-ed25519 AAAA\0BBBB x\n", "long": b"ssh-ed25519 " + b"A" * 200000}
    for name, data in cases.items():
        (scratch / name).write_bytes(data)
        refused(croft("user", "set", alice, "--key", scratch / name), USAGE, OVER_LIMIT)
    for path in ("/no/such/file", "/etc", "/dev/zero"):
        refused(croft("user", "set", alice, "--key", path, timeout=10), USAGE, NOT_FOUND,
                OVER_LIMIT, FAILED)


# -- images ----------------------------------------------------------------------------------------

def add(archive, name, data=b"", kind=tarfile.REGTYPE, mode=0o755, **fields):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size = kind, mode, len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(data))


def tar(path, fill):
    with tarfile.open(path, "w") as archive:
        with open("/bin/busybox", "rb") as busybox:
            add(archive, "bin/busybox", busybox.read())
        for applet in ("sh", "cat", "dd", "head", "ls"):
            add(archive, f"bin/{applet}", kind=tarfile.SYMTYPE, linkname="busybox")
        fill(archive)
    return path


def test_archives_that_are_none(alice, scratch):
    """truncated, empty, text, noise, a directory for a file: refused in one line"""
    whole = tar(scratch / "whole.tar", lambda archive: None).read_bytes()
    cases = {"nothing": b"", "text": b"this is no archive\n" * 100,
             "noise": os.urandom(100_000), "cut in a head": whole[:300],
             "cut in a file": whole[:200_000], "zeroes": b"\0" * 10240,
             "a broken gzip": b"\x1f\x8b\x08\x00" + b"\xff" * 5000}
    for name, data in cases.items():
        path = scratch / name.replace(" ", "-")
        path.write_bytes(data)
        refused(import_image(alice, "bad", path, timeout=40), FAILED, USAGE)
    refused(croft("image", "import", "/no/such/file", "bad", user=alice), NOT_FOUND, FAILED, USAGE)
    refused(croft("image", "import", "/etc", "bad", user=alice), FAILED, USAGE)


ESCAPES = {
    "dots": lambda a: add(a, "../../../../tmp/croft-escaped", b"x"),
    "absolute": lambda a: add(a, "/tmp/croft-escaped", b"x"),
    "dots within": lambda a: add(a, "bin/../../../../../tmp/croft-escaped", b"x"),
    "through a link": lambda a: (add(a, "out", kind=tarfile.SYMTYPE, linkname="/tmp"),
                                 add(a, "out/croft-escaped", b"x")),
    "through a link up": lambda a: (add(a, "up", kind=tarfile.SYMTYPE, linkname="../../../../.."),
                                    add(a, "up/tmp/croft-escaped", b"x")),
    "hard link out": lambda a: add(a, "shadow", kind=tarfile.LNKTYPE, linkname="/etc/shadow"),
    "hard link up": lambda a: add(a, "shadow", kind=tarfile.LNKTYPE,
                                  linkname="../../../../../../etc/shadow"),
    "hard link through a link": lambda a: (
        add(a, "etc2", kind=tarfile.SYMTYPE, linkname="/etc"),
        add(a, "shadow", kind=tarfile.LNKTYPE, linkname="etc2/shadow")),
    "block device": lambda a: add(a, "disk", kind=tarfile.BLKTYPE, devmajor=254, devminor=0),
    "character device": lambda a: add(a, "mem", kind=tarfile.CHRTYPE, devmajor=1, devminor=1),
    "proc": lambda a: add(a, "proc", kind=tarfile.SYMTYPE, linkname="/"),
    "dev": lambda a: add(a, "dev", kind=tarfile.SYMTYPE, linkname="/proc/self/root"),
}


@pytest.mark.parametrize("what", ESCAPES)
def test_archives_that_reach_out(alice, scratch, what):
    """../, absolute names, links, devices: nothing outside changes; refused or kept inside"""
    secret = open("/etc/shadow", "rb").read()
    result = import_image(alice, "reach", tar(scratch / "a.tar", ESCAPES[what]), timeout=40)
    assert not os.path.exists("/tmp/croft-escaped")
    if result.status != 0:
        refused(result, FAILED, USAGE, NOT_PERMITTED)
        return
    shown = croft("run", "--rm", "reach", "--", "/bin/sh", "-c",
                  "/bin/sh --help >/dev/null 2>&1; cat /shadow /etc2/shadow; echo > /disk; "
                  "cat /mem | head -c 16; ls /dev /proc >/dev/null", user=alice, timeout=40)
    for line in secret.decode().splitlines():
        assert line not in shown.out
    ok("image", "rm", "reach", user=alice)
    assert not os.path.exists("/tmp/croft-escaped")


def test_archive_with_setuid_files(alice, scratch):
    """setuid files in an image mean something inside only; the host's view is nosuid"""
    def fill(archive):
        add(archive, "bin/su-sh", open("/bin/busybox", "rb").read(), mode=0o4755, uid=0)
        add(archive, "etc/passwd", b"root:x:0:0::/:/bin/sh\nu:x:1000:1000::/:/bin/sh\n", mode=0o644)
    result = import_image(alice, "setuid", tar(scratch / "a.tar", fill), timeout=40)
    assert result.status == 0, str(result)
    block = users()[alice]["block_first"]
    pid = ok("run", "--rm", "setuid", "--", "/bin/sh", "-c", "echo $$", user=alice)
    assert pid.status == 0 and block >= 1 << 30
    ok("image", "rm", "setuid", user=alice)


def test_archive_with_owners_outside_her_range(alice, scratch):
    """ids above 65535 in an archive cannot become somebody else's on disk"""
    for uid in (65536, 100000, 2**31 - 1):
        path = tar(scratch / f"{uid}.tar", lambda a, u=uid: add(a, "file", b"x", uid=u, gid=u))
        result = import_image(alice, "owners", path, timeout=40)
        if result.status == 0:
            ok("image", "rm", "owners", user=alice)
        else:
            refused(result, FAILED, USAGE)


@pytest.mark.parametrize("what", ["bytes", "gzip", "inodes", "sparse", "long names", "deep"])
def test_bombs(alice, bob, scratch, what):
    """a bomb is stopped at her disk's end, her disk is as before, bob is served"""
    path = scratch / "bomb.tar"
    if what == "sparse":
        with open(scratch / "sparse", "wb") as file:
            file.truncate(64 * GIB)
        run(["/bin/tar", "-C", scratch, "-S", "-cf", path, "sparse"])
    elif what == "gzip":
        with tarfile.open(path, "w:gz", compresslevel=9) as archive:
            add(archive, "zeroes", b"\0" * (200 * MIB))
    else:
        def fill(archive):
            if what == "bytes":
                add(archive, "zeroes", b"\0" * (100 * MIB))
            if what == "inodes":
                for number in range(6000):
                    add(archive, f"f{number}")
            if what == "long names":
                for number in range(50):
                    add(archive, "/".join([f"{number:03}" + "n" * 240] * 15))
            if what == "deep":
                add(archive, "/".join(["d"] * 1500))
        tar(path, fill)
    result = import_image(alice, "bomb", path, timeout=60)
    assert ok("ls", user=bob).seconds < 2
    if what in ("bytes", "gzip", "inodes"):
        refused(result, OVER_LIMIT, FAILED)
    elif result.status != 0:
        refused(result, OVER_LIMIT, FAILED, USAGE)
    else:
        ok("image", "rm", "bomb", user=alice)
    # What was unpacked is deleted in the background, by a process with her ids and limits.
    until(lambda: croft("run", "--rm", "busybox", "--", "/bin/sh", "-c", "i=0; "
                        "while [ $i -lt 1000 ] && : > /i$i; do i=$((i+1)); done && "
                        "dd if=/dev/zero of=/f bs=1M count=20 2>/dev/null && echo room",
                        user=alice).out == "room\n", 20, "the room's return")


def digest_of(user, name):
    return {i["name"]: i["digest"] for i in
            listed(ok("image", "ls", "--json", user=user).json(), "images")}.get(name)


def imported(user, name, path):
    """Imports once there is room: what the tests before removed is deleted in the background."""
    until(lambda: import_image(user, name, path, timeout=40).status == 0, 20, "room for an image")


def test_same_image_name_twice(alice, scratch):
    """the same image again is the same; another one under its name takes the name, and a machine
    that was made of the first runs on and starts again"""
    first = tar(scratch / "a.tar", lambda archive: None)
    other = tar(scratch / "b.tar", lambda archive: add(archive, "other", b"x"))
    imported(alice, "twice", first)
    digest = digest_of(alice, "twice")
    ok("launch", "twice", "of-first", user=alice, timeout=40)
    imported(alice, "twice", first)
    assert digest_of(alice, "twice") == digest
    imported(alice, "twice", other)
    assert digest_of(alice, "twice") not in (digest, None)
    assert ok("run", "--rm", "twice", "--", "/bin/cat", "/other", user=alice).out == "x"
    for _ in range(2):
        result = ok("exec", "of-first", "--", "/bin/sh", "-c", "[ -e /other ] || echo first",
                    user=alice)
        assert result.out == "first\n"
        ok("stop", "of-first", user=alice, timeout=30)
        ok("start", "of-first", user=alice)
    ok("rm", "--force", "of-first", user=alice)
    ok("image", "rm", "twice", user=alice)


def test_an_image_in_use_is_not_pulled_away(alice, scratch):
    """image rm while a machine is made of it: refused, or the machine works on"""
    imported(alice, "used", tar(scratch / "a.tar", lambda archive: None))
    ok("launch", "used", "user-of-it", user=alice, timeout=40)
    result = croft("image", "rm", "used", user=alice)
    if result.status != 0:
        refused(result, FAILED, USAGE, NOT_PERMITTED)
    assert ok("exec", "user-of-it", "--", "/bin/sh", "-c", "echo works", user=alice).out == \
        "works\n"
    ok("stop", "user-of-it", user=alice, timeout=30)
    ok("start", "user-of-it", user=alice)
    ok("rm", "--force", "user-of-it", user=alice)
    croft("image", "rm", "used", user=alice)


# -- the host --------------------------------------------------------------------------------------

def test_odd_surroundings_of_the_client(alice):
    """croft with closed 0 1 2, a deleted directory, blocked signals, no file size: no crash"""
    for script in ("exec {} ls <&- >&- 2>&-", "exec {} ls <&-",
                   "ulimit -f 0; exec {} ls", "ulimit -n 8; exec {} ls",
                   "trap '' PIPE CHLD; exec {} ls",
                   "mkdir -p /tmp/croft-gone-$$ && cd /tmp/croft-gone-$$ && rmdir "
                   "/tmp/croft-gone-$$ && exec {} ls"):
        result = run(["/bin/sh", "-c", script.format(BIN)], user=alice)
        assert 0 <= result.status <= 6 and "AddressSanitizer" not in result.err, str(result)
