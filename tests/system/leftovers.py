# SPDX-License-Identifier: Apache-2.0
"""leftovers - compares what the host holds before and after: the one check that nothing leaks

A snapshot is a dictionary: kind -> sorted list of strings. compare() returns the differences as
lines that a person can read. tools/leftovers is the same as a command.
"""
import glob
import json
import os
import pathlib
import shutil
import subprocess
import sys

from harness import CGROUP, CONF, ID_FIRST, ID_LAST, LIB, LOG, RUN, STATE, cgroup_roots

# Directories in which an account or a run may leave a file behind.
SHARED_DIRS = ("/home", "/var/mail", "/var/spool/mail", "/var/spool/cron/crontabs",
               "/var/spool/cron/atjobs", "/var/lib/systemd/linger", "/run/user",
               "/etc/ssh/sshd_config.d", "/run/netns", "/var/run/netns")
SYSCTLS = ("kernel/pid_max", "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding",
           "kernel/core_pattern")


def mounts():
    found = []
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ", 1)
        found.append(f"{left.split()[4]} {right.split()[0]}")
    return found


def loops():
    found = []
    for device in pathlib.Path("/sys/block").glob("loop*"):
        try:
            backing = (device / "loop/backing_file").read_text().strip()
        except OSError:
            continue
        found.append(backing)  # which number it has is chance
    return found


def cgroups():
    found = []
    for controller, root in cgroup_roots().items():
        top = root / CGROUP
        for where, _, _ in os.walk(top):
            found.append(f"{controller or 'v2'}:{os.path.relpath(where, root)}")
    # A hierarchy that somebody mounted and that did not go with its mount stands only here.
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        found.append("hierarchy " + line.split(":")[1])
    return found


def networks():
    found = [f"link {name}" for name in os.listdir("/sys/class/net")]
    own = os.readlink("/proc/self/ns/net")
    for kind in ("net", "user", "mnt"):
        seen = set()
        for pid in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                seen.add(os.readlink(pid / "ns" / kind))
            except OSError:
                continue
        if kind == "net":
            seen.discard(own)
        found += [f"{kind} namespace number {i}" for i, _ in enumerate(sorted(seen))]
    return found


def firewall():
    nft = shutil.which("nft")
    if nft is None:
        return []
    done = subprocess.run([nft, "list", "tables"], capture_output=True, text=True, timeout=10,
                          check=False)
    return done.stdout.splitlines()


def accounts():
    found = []
    for path in ("/etc/passwd", "/etc/group", "/etc/gshadow", "/etc/shadow"):
        for line in pathlib.Path(path).read_text().splitlines():
            fields = line.split(":")
            # Of shadow only the name: its other fields are secrets and dates.
            text = line if path in ("/etc/passwd", "/etc/group") else fields[0]
            found.append(f"{path}: {text}")
    for path in ("/etc/subuid", "/etc/subgid"):
        if os.path.exists(path):
            found += [f"{path}: {line}" for line in pathlib.Path(path).read_text().splitlines()]
    return found


def files():
    found = []
    for top in (RUN, STATE, CONF, LOG, LIB):
        if top.exists():
            device = top.stat().st_dev
            for where, dirs, names in os.walk(top):
                dirs[:] = [d for d in dirs if not os.path.ismount(os.path.join(where, d))
                           or os.lstat(os.path.join(where, d)).st_dev == device]
                found += [os.path.join(where, name) for name in dirs + names]
    for pattern in ("/usr/bin/croft*", "/usr/share/man/man*/croft*", "/usr/share/doc/croft*"):
        found += glob.glob(pattern)
    for top in SHARED_DIRS:
        if os.path.isdir(top):
            found += [os.path.join(top, name) for name in os.listdir(top)]
    return sorted(set(found))


def croft_processes():
    """Our programs, and whatever runs under an id that Croft gives out or in its cgroups."""
    found = []
    for pid in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            exe = os.readlink(pid / "exe")
            uid = pid.stat().st_uid
            groups = (pid / "cgroup").read_text()
        except OSError:
            continue
        # Which croft-setup or runtime happens to be at work is not a leak; super, monitor and
        # croftd are always there while the host runs.
        ours = exe.startswith(str(LIB) + "/")
        theirs = ID_FIRST <= uid <= ID_LAST or f":/{CGROUP}/" in groups
        if ours or theirs:
            found.append(f"{exe} uid {uid}")
    return found


def sysctls():
    found = []
    for name in SYSCTLS:
        try:
            found.append(f"{name} = {pathlib.Path('/proc/sys', name).read_text().strip()}")
        except OSError:
            continue
    return found


KINDS = {"mount": mounts, "loop device": loops, "cgroup": cgroups, "network": networks,
         "nft": firewall, "account": accounts, "file": files, "process": croft_processes,
         "sysctl": sysctls}


def snapshot():
    """What the host holds now. Runs as: root."""
    return {kind: sorted(find()) for kind, find in KINDS.items()}


def compare(before, after, allow=lambda line: False):
    """Lines "+ kind: what" (new) and "- kind: what" (gone); @allow(line) lets one pass."""
    lines = []
    for kind in KINDS:
        old, new = list(before[kind]), list(after[kind])
        for item in list(old):
            if item in new:
                old.remove(item)
                new.remove(item)
        lines += [f"- {kind}: {item}" for item in old] + [f"+ {kind}: {item}" for item in new]
    return [line for line in lines if not allow(line)]


def main(argv):
    """leftovers save FILE | leftovers compare FILE"""
    if len(argv) != 3 or argv[1] not in ("save", "compare"):
        print("usage: leftovers save FILE | leftovers compare FILE", file=sys.stderr)
        return 2
    if argv[1] == "save":
        pathlib.Path(argv[2]).write_text(json.dumps(snapshot(), indent=1) + "\n")
        return 0
    before = json.loads(pathlib.Path(argv[2]).read_text())
    lines = compare(before, snapshot())
    print("\n".join(lines) if lines else "nothing is left over: the host is as it was")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
