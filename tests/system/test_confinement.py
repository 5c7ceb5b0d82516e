# SPDX-License-Identifier: Apache-2.0
"""Confinement (issue "Walls": a test compares seccomp, no_new_privs, MDWE, Landlock, rlimits, open
descriptors, environment and mounts with a declared list; design 4): the list is confinement.json"""
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess

import pytest

from harness import (BIN, CGROUP, MIB, croft, daemon_pid, envelope_pids, identity, ok, start,
                     status_of, until, users)

DECLARED = json.loads((pathlib.Path(__file__).parent / "confinement.json").read_text())
INSTANCE, DAEMONS = DECLARED["instance"], DECLARED["daemons"]

# Numbers of <linux/capability.h>.
CAPABILITIES = """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE
SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME
SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE""".split()
# Whoever held one of these would have a road to the host or to other users.
NEVER = {"SYS_ADMIN", "SYS_MODULE", "SYS_RAWIO", "SYS_PTRACE", "SYS_BOOT", "SYS_TIME",
         "SYS_RESOURCE", "NET_ADMIN", "NET_RAW", "MKNOD", "MAC_ADMIN", "MAC_OVERRIDE", "BPF",
         "PERFMON", "SYSLOG", "AUDIT_CONTROL", "CHECKPOINT_RESTORE", "LINUX_IMMUTABLE"}


def names_of(mask):
    value = int(mask, 16)
    return sorted(name for number, name in enumerate(CAPABILITIES) if value >> number & 1)


def limits_of(pid):
    found = {}
    for line in pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]:
        name, rest = line[:26].strip(), line[26:].split()
        found[name] = rest[:2]
    return found


def descriptors_of(pid):
    found = {}
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[int(entry.name)] = os.readlink(entry)
        except OSError:
            continue
    return found


def environment_of(pid):
    data = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    return dict(item.decode().split("=", 1) for item in data.split(b"\0") if item)


def mounts_of(pid):
    """mount point -> "type options" of the topmost mount there; and every line."""
    found, lines = {}, pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    for line in lines:
        left, right = line.split(" - ", 1)
        fields = left.split()
        options = [o for o in fields[5].split(",") if o not in ("relatime", "noatime")]
        found[fields[4]] = f"{right.split()[0]} {','.join(options)}"
    return found, lines


@pytest.fixture(scope="module")
def subjects(alice):
    """what -> host pid of: a machine's pid 1, a command in it by exec, a job's command."""
    uid = users()[alice]["uid"]
    ok("launch", "busybox", "m", user=alice, timeout=40)
    children, found = [], {}
    first = envelope_pids(uid)
    found["machine"] = next(p for p in first if status_of(p)["NSpid"].split()[-1] == "1")
    for what, words in (("exec", ("exec", "m")), ("job", ("run", "--rm", "busybox"))):
        before = envelope_pids(uid)
        children.append(start(*words, "--", "/bin/sleep", "1000", user=alice))

        def sleeper(before=before):
            for pid in envelope_pids(uid) - before:
                try:
                    argv = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
                    if argv == b"/bin/sleep\x001000\0":
                        return pid
                except OSError:
                    continue
            return None
        found[what] = until(sleeper, 10, what)
    yield found
    for child in children:
        child.send_signal(signal.SIGTERM)
    ok("rm", "--force", "m", user=alice)
    for child in children:
        child.communicate(timeout=15)


KINDS = ["machine", "exec", "job"]


@pytest.mark.parametrize("kind", KINDS)
def test_status(subjects, kind):
    """seccomp filter on, one of it, no_new_privs 0, no inheritable or ambient capability"""
    shown = status_of(subjects[kind])
    assert {k: shown[k] for k in INSTANCE["status"]} == INSTANCE["status"]
    for mask in ("CapPrm", "CapEff", "CapBnd"):
        assert names_of(shown[mask]) == INSTANCE["capabilities"], mask
    assert not NEVER & set(INSTANCE["capabilities"])


@pytest.mark.parametrize("kind", KINDS)
def test_ids_and_namespaces(subjects, alice, kind):
    """her block and nothing else is mapped; every namespace is her own"""
    pid = subjects[kind]
    block = users()[alice]["block_first"]
    for name in ("uid_map", "gid_map"):
        shown = pathlib.Path(f"/proc/{pid}/{name}").read_text().split()
        assert " ".join(shown) == INSTANCE["uid_map"].format(block=block)
    shown = status_of(pid)
    assert set(shown["Uid"].split()) == {str(block)} and set(shown["Gid"].split()) == {str(block)}
    assert shown["Groups"] in ("", str(block))
    for name in INSTANCE["own_namespaces"]:
        own = os.readlink(f"/proc/self/ns/{name}")
        assert os.readlink(f"/proc/{pid}/ns/{name}") != own, name
    if kind == "exec":
        for name in INSTANCE["own_namespaces"]:
            assert os.readlink(f"/proc/{pid}/ns/{name}") == \
                os.readlink(f"/proc/{subjects['machine']}/ns/{name}"), name
    if kind == "job":
        for name in INSTANCE["own_namespaces"]:
            assert os.readlink(f"/proc/{pid}/ns/{name}") != \
                os.readlink(f"/proc/{subjects['machine']}/ns/{name}"), name


@pytest.mark.parametrize("kind", KINDS)
def test_limits(subjects, kind):
    """resource limits are the declared ones, whoever started Croft with which"""
    shown = limits_of(subjects[kind])
    assert {k: shown[k] for k in INSTANCE["limits"]} == INSTANCE["limits"]


@pytest.mark.parametrize("kind", KINDS)
def test_descriptors(subjects, kind):
    """pipes as 0, 1, 2; pid 1 of a machine keeps its log; nothing of the host is open"""
    shown = descriptors_of(subjects[kind])
    for number, target in shown.items():
        if kind == "machine":
            assert re.match(r"(/dev/null$|pipe:|anon_inode:|/.*log\.[01]$)", target), shown
        else:
            assert number <= 2 and re.match(r"(pipe:|/dev/null$)", target), shown
    for number in shown:
        held = os.stat(f"/proc/{subjects[kind]}/fd/{number}")
        assert not (held.st_uid == 0 and held.st_dev == os.stat("/etc").st_dev), shown


@pytest.mark.parametrize("kind", KINDS)
def test_environment(subjects, kind):
    """the declared variables and no other"""
    shown = environment_of(subjects[kind])
    assert set(shown) <= set(INSTANCE["variables"]), shown
    if kind != "machine":
        assert "PATH" in shown


@pytest.mark.parametrize("kind", KINDS)
def test_mounts(subjects, kind):
    """the mount table is the declared one: no host path, volume nosuid, proc covered"""
    shown, lines = mounts_of(subjects[kind])
    declared = INSTANCE["mounts"]
    covered = {p: m for p, m in shown.items() if p in INSTANCE["covered"]}
    rest = {p: m for p, m in shown.items() if p not in covered}
    # A file system that this kernel does not show in /proc has nothing to cover.
    absent = {p for p in set(declared) - set(rest)
              if not os.path.exists(f"/proc/{subjects[kind]}/root{p}")}
    assert {p: m for p, m in declared.items() if p not in absent} == rest
    for path, how in covered.items():
        assert how.startswith("tmpfs "), (path, how)
    for path in INSTANCE["covered"]:
        inside = f"/proc/{subjects[kind]}/root{path}"
        if os.path.exists(path) and os.path.exists(inside):
            assert path in covered, f"{path} of the host shows"
    text = "\n".join(lines)
    for word in ("/var/lib", "/run/croft", "/volumes", "loop", "ext4"):
        assert word not in text, f"{word} in the instance's mount table"


@pytest.mark.parametrize("kind", KINDS)
def test_devices(subjects, kind):
    """null zero full random urandom tty ptmx and her own terminals, nothing else"""
    shown = sorted(os.listdir(f"/proc/{subjects[kind]}/root/dev"))
    assert shown == INSTANCE["devices"]
    numbers = {name: os.stat(f"/proc/{subjects[kind]}/root/dev/{name}").st_rdev
               for name in ("null", "zero", "full", "random", "urandom", "tty")}
    assert numbers == {name: os.stat(f"/dev/{name}").st_rdev for name in numbers}


def test_shm(subjects, alice):
    """own /dev/shm of the size of her memory limit"""
    held = os.statvfs(f"/proc/{subjects['machine']}/root/dev/shm")
    assert held.f_blocks * held.f_frsize == users()[alice]["limits"]["memory_bytes"] == 128 * MIB


def test_groups_of_the_kernel(subjects, alice):
    """every process of hers stands below her envelope, in each hierarchy"""
    uid = users()[alice]["uid"]
    for kind, pid in subjects.items():
        for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if set(controllers.split(",")) & {"memory", "pids", "cpu", "freezer", "devices",
                                              "blkio", "cpuacct"}:
                assert path.startswith(f"/{CGROUP}/{uid}/all"), (kind, line)


def test_nothing_of_the_client_is_worn(alice):
    """closed descriptors, limits, priority and mask of who calls croft do not reach the instance"""
    script = ("ulimit -c unlimited; ulimit -n 50; ulimit -f 100; umask 0; trap '' TERM HUP; "
              f"exec nice -n 5 {BIN} run --rm busybox -- /bin/sh -c "
              "'umask; cat /proc/self/limits; cat /proc/self/status; cat /proc/self/stat'")
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, timeout=20,
                          cwd="/", env={"LEAK": "1", "PATH": "/usr/bin:/bin"}, check=False,
                          **identity(alice))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0022\n")
    assert re.search(r"Max open files +16384 +16384", done.stdout)
    assert re.search(r"Max file size +unlimited", done.stdout)
    assert re.search(r"Max core file size +0 +0", done.stdout)
    assert re.search(r"SigIgn:\s+0000000000000000", done.stdout)
    assert done.stdout.splitlines()[-1].rsplit(")", 1)[1].split()[16] == "0", "nice"


def test_what_root_inside_cannot(alice):
    """a sample of what root of the host can, each refused inside"""
    tries = {"mount": "mount -t tmpfs none /mnt", "hostname": "hostname other",
             "mknod": "mknod /blk b 7 0", "sysctl": "echo 1 > /proc/sys/kernel/sysrq",
             "sysrq": "echo h > /proc/sysrq-trigger", "nice": "renice -n -5 $$",
             "unshare": "unshare -U true", "dmesg": "dmesg",
             "date": "date -s 2001-01-01 >/dev/null; [ $(date +%Y) = 2001 ]",
             "chroot out": "chroot /proc/1/root/.. ls /var/lib/croft",
             "oom": "echo -1000 > /proc/self/oom_score_adj",
             "link": "ip link set lo down"}
    for what, script in tries.items():
        result = croft("run", "--rm", "busybox", "--", "/bin/sh", "-c", f"mkdir -p /mnt; {script}",
                       user=alice)
        assert result.status != 0, f"{what}: {result}"


# -- our own processes -----------------------------------------------------------------------------

@pytest.mark.parametrize("name", DAEMONS)
def test_daemon(name):
    """each daemon's uid, capabilities, seccomp, no_new_privs, limits and libraries"""
    declared, pid = DAEMONS[name], daemon_pid(name)
    shown = status_of(pid)
    uid = pwd.getpwnam(declared["uid"]).pw_uid
    assert shown["Uid"].split() == [str(uid)] * 4
    if declared["uid"] != "root":
        assert shown["Groups"] in ("", str(pwd.getpwnam(declared["uid"]).pw_gid))
    assert shown["NoNewPrivs"] == declared["NoNewPrivs"]
    assert shown["Seccomp"] == declared["Seccomp"]
    assert shown["Threads"] == "1"
    if declared["capabilities"] == "all":
        return
    for mask in ("CapEff", "CapPrm", "CapBnd"):
        assert names_of(shown[mask]) == sorted(declared["capabilities"]), (mask, name)
    assert int(shown["CapInh"], 16) == int(shown["CapAmb"], 16) == 0
    limits = limits_of(pid)
    assert {k: limits[k] for k in declared["limits"]} == declared["limits"]
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
    libraries = set(re.findall(r"/([^/\s]+)\.so[.\d]*$", maps, re.M))
    assert libraries <= set(declared["libraries"])
    assert "rwxp" not in maps


@pytest.mark.parametrize("name", DAEMONS)
def test_daemons_descriptors_and_environment(name):
    """no daemon holds a file of a user, a terminal, or the starter's environment"""
    pid = daemon_pid(name)
    for number, target in descriptors_of(pid).items():
        assert not target.startswith(("/dev/pts", "/dev/tty", "/home", "/root")), (number, target)
    assert set(environment_of(pid)) <= {"PATH", "LANG"}, environment_of(pid)
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert status_of(pid)["SigIgn"] in ("0000000000000000", "0000000000001000")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: apt install "
                    "strace shows the calls with which the daemons confine themselves")
@pytest.mark.parametrize("name", ["croft-monitor", "croft-net", "croftd"])
def test_daemon_confines_itself_at_start(name, scratch):
    """MDWE, Landlock and no_new_privs are not shown by /proc: the calls of a restart are"""
    log, old = scratch / "trace", daemon_pid(name)
    tracer = subprocess.Popen(
        ["/usr/bin/strace", "-f", "-o", log, "-p", str(daemon_pid("croft-super")), "-e",
         "trace=prctl,seccomp,landlock_create_ruleset,landlock_restrict_self"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        assert b"attached" in tracer.stderr.readline()
        os.kill(old, signal.SIGKILL)

        def back():
            try:
                return daemon_pid(name) != old and croft("host", "status").status == 0
            except AssertionError:
                return False
        until(back, 20, "the restart")
        until(lambda: "seccomp" in log.read_text().lower(), 10, "the confinement")
    finally:
        tracer.terminate()
        tracer.wait(10)
    calls = [line for line in log.read_text().splitlines()
             if line.split()[0] == str(daemon_pid(name))]
    number = {"PR_SET_MDWE": "0x41"}
    for call in DAEMONS[name]["calls"]:
        done = [c for c in calls if call in c or number.get(call, call) + " " in c]
        assert any(c.endswith("= 0") for c in done), f"{call}: {done} in {calls}"
