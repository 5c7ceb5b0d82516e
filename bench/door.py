#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""door.py - what a door costs: opening, closing, passing through, and who stands beside it

usage: bench/door.py [--rounds N] [--pairs N] [--others N] [--save] [PART...]
PART: grant, through, fsync, ls (all of them without one). Needs: root, Croft installed and running,
a C compiler, busybox-static, iproute2. Makes the users bench-a, bench-b and, for --others, bench-c0
and so on, and takes them away again. --save writes docs/results/door-DATE.txt.

grant    from the start of the command `croft grant` until a connection goes through; from the start
         of `croft revoke` until the last byte of a running transfer, and until each end was told;
         with --others N (10000) again, with so many grants of other users in the kernel
through  TCP through the walls against a plain routed veth pair in namespaces without a rule:
         interleaved 1 s pairs, ratio of medians, bootstrap 95 % interval
fsync    bob's 4 KiB write+fsync, idle and while alice storms hers
ls       bob's `croft ls`, idle and while alice floods croftd and the door from her gate's group and
         the host's address from inside her machine
"""
import argparse
import datetime
import json
import os
import pathlib
import pwd
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
CROFT = os.environ.get("CROFT", "/usr/bin/croft")
RUN = os.environ.get("CROFT_RUN", "/run/croft")
PORT = "5432"
GATEWAY = "100.96.0.1"
OTHERS_EACH = 1000  # the most that one user may give, to four others
TO_ONE = 250


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(part * len(values)))]


def spread(values, unit="ms"):
    return (f"median {statistics.median(values):8.2f} {unit}   p10 {percentile(values, .1):8.2f}"
            f"   p90 {percentile(values, .9):8.2f}   max {max(values):8.2f}   n {len(values)}")


class Bench:
    def __init__(self, work, options):
        self.work = work
        self.options = options
        self.users = []
        self.lines = []

    def say(self, line=""):
        print(line, flush=True)
        self.lines.append(line)

    def root(self, *words, **more):
        return subprocess.run([CROFT, *words], check=True, capture_output=True, text=True, **more)

    def words_of(self, user, *words):
        account = pwd.getpwnam(user)
        return ["setpriv", "--reuid", str(account.pw_uid), "--regid", str(account.pw_gid),
                "--clear-groups", *words]

    def croft(self, user, *words, **more):
        done = subprocess.run(self.words_of(user, CROFT, *words), capture_output=True, text=True,
                              check=False, **more)
        if done.returncode != 0:
            raise SystemExit(f"{user}: croft {' '.join(words)}: {done.stderr.strip()}")
        return done

    def inside(self, user, machine, *words):
        """A program in a machine, started: its standard output is a pipe."""
        return subprocess.Popen(self.words_of(user, CROFT, "exec", machine, "--", "/door", *words),
                                stdout=subprocess.PIPE, text=True)

    def add(self, user, image=True):
        self.root("user", "add", user, "--disk", "256M")
        self.users.append(user)
        if image:
            with open(self.work / "root.tar", "rb") as tar:
                self.croft(user, "image", "import", "-", "bench", stdin=tar)

    def address(self, user, machine):
        return json.loads(self.croft(user, "info", "--json", machine).stdout)["address"]

    def close(self):
        for user in reversed(self.users):
            subprocess.run([CROFT, "user", "rm", "--purge", "--yes", user], check=False,
                           capture_output=True)


def build(work):
    subprocess.run(["cc", "-O2", "-std=gnu17", "-D_GNU_SOURCE", "-static", "-o", work / "door",
                    HERE / "door.c"], check=True)
    root = work / "root"
    for name in ("bin", "dev", "proc", "sys", "tmp", "etc"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    shutil.copy(work / "door", root / "door")
    for name in ("sh", "sleep", "cat", "true"):
        (root / "bin" / name).symlink_to("busybox")
    subprocess.run(["tar", "-C", root, "-cf", work / "root.tar", "."], check=True)
    os.chmod(work, 0o755)


def head(bench):
    model = next((line.split(": ")[1].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model name")), "unknown CPU")
    bench.say(f"What a door costs, {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%dT%H:%MZ}")
    bench.say(f"machine   {os.cpu_count()} CPUs, {model}")
    bench.say(f"kernel    {os.uname().release.split('-')[0]}; {bench.root('version').stdout.strip()}")


# -- grant ------------------------------------------------------------------------------------


def one_grant(bench, address):
    """-> ms until open, ms until the last byte, ms until the client's end, ms until the server's"""
    probe = bench.inside("bench-b", "home", "probe", address, PORT)
    assert probe.stdout.readline() == "ready\n"
    time.sleep(0.02)
    begin = time.monotonic_ns()
    bench.croft("bench-a", "grant", "bench-b", "port", f"db:{PORT}", "--for", "1h")
    opened = int(probe.stdout.readline().split()[1]) - begin
    probe.wait()

    drain = bench.inside("bench-b", "home", "drain", address, PORT)
    assert drain.stdout.readline() == "ready\n"
    time.sleep(0.05)
    begin = time.monotonic_ns()
    bench.croft("bench-a", "revoke", "bench-b", "port", f"db:{PORT}")
    last = int(drain.stdout.readline().split()[1]) - begin
    told = int(drain.stdout.readline().split()[1]) - begin
    drain.wait()
    ends = [int(line.split()[1]) for line in bench.croft("bench-a", "logs", "db").stdout.splitlines()
            if line.startswith("end ")]
    server = min((end - begin for end in ends if end > begin), default=float("nan"))
    return [value / 1e6 for value in (opened, last, told, server)]


def measure_grants(bench, title):
    address = bench.address("bench-a", "db")
    rounds = [one_grant(bench, address) for _ in range(bench.options.rounds + 1)][1:]
    bench.say(f"\n{title}")
    for name, values in zip(("grant: command's start -> connection through",
                             "revoke: command's start -> last byte",
                             "revoke: -> the client was told",
                             "revoke: -> the server was told"), zip(*rounds)):
        bench.say(f"  {name:<46} {spread(values)}")


def grants_of_others(bench):
    """A ring: each of them gives the next four as many grants as one user may."""
    count = max(5, (bench.options.others + OTHERS_EACH - 1) // OTHERS_EACH)
    names = [f"bench-c{i}" for i in range(count)]
    for name in names:
        bench.add(name)
        bench.croft(name, "launch", "bench", "db", "--", "/bin/sleep", "100000")
    begin = time.monotonic()
    for i, name in enumerate(names):
        script = "".join(f"'{CROFT}' grant {names[(i + 1 + (port - 1) // TO_ONE) % count]} port "
                         f"db:{port} --forever >/dev/null 2>&1 || exit 1\n"
                         for port in range(1, OTHERS_EACH + 1))
        subprocess.run(bench.words_of(name, "sh", "-c", script), check=True)
    total = count * OTHERS_EACH
    bench.say(f"\n{total} grants of others made in {time.monotonic() - begin:.1f} s")


def part_grant(bench):
    bench.croft("bench-a", "launch", "bench", "db", "--", "/door", "stream", PORT)
    bench.croft("bench-b", "launch", "bench", "home", "--", "/bin/sleep", "100000")
    measure_grants(bench, "One grant, alone")
    if bench.options.others:
        grants_of_others(bench)
        measure_grants(bench, f"One grant, beside {bench.options.others} others")
    bench.croft("bench-a", "rm", "-f", "db")
    bench.croft("bench-b", "rm", "-f", "home")


# -- through ----------------------------------------------------------------------------------


class Plain:
    """Two namespaces, joined by a third that routes and has no rule."""

    NAMES = ("croft-bench-a", "croft-bench-r", "croft-bench-b")

    def __enter__(self):
        for name in self.NAMES:
            self.ip("netns", "add", name)
        self.ip("-n", self.NAMES[1], "link", "set", "lo", "up")
        for i, side in enumerate((self.NAMES[0], self.NAMES[2])):
            self.ip("link", "add", f"bench{i}", "netns", self.NAMES[1], "type", "veth", "peer",
                    "name", "eth0", "netns", side)
            self.ip("-n", self.NAMES[1], "addr", "add", f"10.9.{i}.1/24", "dev", f"bench{i}")
            self.ip("-n", self.NAMES[1], "link", "set", f"bench{i}", "up")
            self.ip("-n", side, "addr", "add", f"10.9.{i}.2/24", "dev", "eth0")
            self.ip("-n", side, "link", "set", "eth0", "up")
            self.ip("-n", side, "route", "add", "default", "via", f"10.9.{i}.1")
        subprocess.run(["ip", "netns", "exec", self.NAMES[1], "sh", "-c",
                        "echo 1 >/proc/sys/net/ipv4/ip_forward"], check=True)
        return self

    def __exit__(self, *_):
        for name in self.NAMES:
            subprocess.run(["ip", "netns", "del", name], check=False)

    @staticmethod
    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    def words(self, side, *words):
        return ["ip", "netns", "exec", self.NAMES[0 if side == "a" else 2], *words]


def gbit(words):
    total, ns = map(int, subprocess.run(words, check=True, capture_output=True,
                                        text=True).stdout.split())
    return total * 8 / ns


def bootstrap(walls, plain, rounds=10000):
    source = random.Random(1)
    count = len(walls)
    ratios = []
    for _ in range(rounds):
        chosen = [source.randrange(count) for _ in range(count)]
        ratios.append(statistics.median(walls[i] for i in chosen) /
                      statistics.median(plain[i] for i in chosen))
    return percentile(ratios, .025), percentile(ratios, .975)


def part_through(bench):
    bench.croft("bench-a", "launch", "bench", "db", "--", "/door", "sink", PORT)
    bench.croft("bench-b", "launch", "bench", "home", "--", "/bin/sleep", "100000")
    bench.croft("bench-a", "grant", "bench-b", "port", f"db:{PORT}", "--for", "1h")
    address = bench.address("bench-a", "db")
    through = bench.words_of("bench-b", CROFT, "exec", "home", "--", "/door", "send", address, PORT,
                             "1000")
    walls, plain = [], []
    with Plain() as net:
        sink = subprocess.Popen(net.words("a", str(bench.work / "door"), "sink", PORT))
        beside = net.words("b", str(bench.work / "door"), "send", "10.9.0.2", PORT, "1000")
        time.sleep(0.2)
        for i in range(bench.options.pairs + 1):
            for values, words in ((walls, through), (plain, beside))[::1 if i % 2 else -1]:
                values.append(gbit(words))
        sink.kill()
        sink.wait()
    walls, plain = walls[1:], plain[1:]
    low, high = bootstrap(walls, plain)
    bench.say("\nTCP, one stream, 1 s, Gbit/s")
    bench.say(f"  through the walls   {spread(walls, 'Gb')}")
    bench.say(f"  plain routed veth   {spread(plain, 'Gb')}")
    ratio = statistics.median(walls) / statistics.median(plain)
    bench.say(f"  ratio of medians    {ratio:.3f}   95 % interval {low:.3f} .. {high:.3f}")
    bench.croft("bench-a", "rm", "-f", "db")
    bench.croft("bench-b", "rm", "-f", "home")


# -- neighbours -------------------------------------------------------------------------------


def quartet(bench, name, idle, busy, unit):
    for title, values in (("idle", idle), ("beside the storm", busy)):
        bench.say(f"  {name:<12} {title:<18} p50 {percentile(values, .5):9.2f} {unit}"
                  f"   p99 {percentile(values, .99):9.2f} {unit}   n {len(values)}")
    bench.say(f"  {name:<12} {'ratio':<18} p50 {percentile(busy, .5) / percentile(idle, .5):9.2f}x"
              f"     p99 {percentile(busy, .99) / percentile(idle, .99):9.2f}x")


def part_fsync(bench):
    for user, machine in (("bench-a", "db"), ("bench-b", "home")):
        bench.croft(user, "launch", "bench", machine, "--", "/bin/sleep", "100000")

    def times():
        run = bench.inside("bench-b", "home", "fsync", "/file", "600")
        return [int(line) / 1000 for line in run.communicate()[0].split()]

    times()
    idle = times()
    storm = bench.inside("bench-a", "db", "storm", "/file", "60")
    assert storm.stdout.readline() == "ready\n"
    time.sleep(1)
    busy = times()
    bench.croft("bench-a", "rm", "-f", "db")
    storm.wait()
    bench.croft("bench-b", "rm", "-f", "home")
    bench.say("\nbob's 4 KiB write and fsync while alice storms hers (four writers)")
    quartet(bench, "fsync", idle, busy, "ms")


def part_ls(bench):
    bench.croft("bench-a", "launch", "bench", "db", "--", "/bin/sleep", "100000")

    def times():
        values = []
        for _ in range(300):
            begin = time.monotonic_ns()
            bench.croft("bench-b", "ls")
            values.append((time.monotonic_ns() - begin) / 1e6)
        return values

    times()
    idle = times()
    # No socket of Croft's is inside; what can be knocked at from there is the host's address.
    inside = [bench.inside("bench-a", "db", "probe", GATEWAY, "1") for _ in range(8)]
    storms = []
    uid = pwd.getpwnam("bench-a").pw_uid
    group = next(path for path in (pathlib.Path(f"/sys/fs/cgroup/pids/croft/{uid}/gate"),
                                   pathlib.Path(f"/sys/fs/cgroup/croft/{uid}/gate"))
                 if path.exists())
    for name in ("api", "door"):
        # As the gate has it: her uid, in her gate's groups.
        join = "".join(f"echo $$ >{path}/cgroup.procs; " for path in group_paths(group))
        storms.append(subprocess.Popen(
            ["sh", "-c", join + "exec " + " ".join(bench.words_of(
                "bench-a", str(bench.work / "door"), "knock", f"{RUN}/{name}", "60"))],
            stdout=subprocess.PIPE, text=True))
    for storm in storms + inside:
        assert storm.stdout.readline() == "ready\n"
    time.sleep(1)
    busy = times()
    for storm in storms:
        storm.terminate()
        storm.wait()
    time.sleep(0.2)
    bench.croft("bench-a", "rm", "-f", "db")
    for knocker in inside:
        knocker.wait()
    bench.say("\nbob's `croft ls` while alice floods croftd and the door from her gate's group, "
              "and knocks at the host from inside her machine")
    quartet(bench, "croft ls", idle, busy, "ms")


def group_paths(group):
    """The gate's group in every hierarchy that has it."""
    if (group / "cgroup.controllers").exists():
        return [group]
    relative = group.relative_to("/sys/fs/cgroup/pids")
    return [path / relative for path in pathlib.Path("/sys/fs/cgroup").iterdir()
            if (path / relative / "cgroup.procs").exists() and not path.is_symlink()]


PARTS = {"grant": part_grant, "through": part_through, "fsync": part_fsync, "ls": part_ls}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--others", type=int, default=0)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[*PARTS, []])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="croft-bench.", dir="/var/tmp") as work:
        bench = Bench(pathlib.Path(work), options)
        build(bench.work)
        try:
            head(bench)
            bench.add("bench-a")
            bench.add("bench-b")
            for part in options.parts or PARTS:
                PARTS[part](bench)
        finally:
            bench.close()
    if options.save:
        results = HERE.parent / "docs/results"
        results.mkdir(exist_ok=True)
        name = f"door-{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}.txt"
        (results / name).write_text("\n".join(bench.lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
