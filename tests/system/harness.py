# SPDX-License-Identifier: Apache-2.0
"""harness - runs the installed croft as root or as one of its users, with or without a terminal

Theory of operation: the tests see the product as people do, through its programs, its sockets and
what the kernel shows of it. Nothing here imports code of Croft. Every call has a time limit; a
command that exceeds it is a failed test, not a hung one.
"""
import fcntl
import json
import os
import pathlib
import pty
import pwd
import re
import secrets
import select
import signal
import struct
import subprocess
import termios
import time
from dataclasses import dataclass

TOP = pathlib.Path(__file__).resolve().parents[2]

# Defaults of the installed product; a private build under other paths is tested by naming its
# generated header in CROFT_PATHS_H.
PATHS = {
    "CROFT_BIN_DIR": "/usr/bin",
    "CROFT_LIB_DIR": "/usr/lib/croft",
    "CROFT_RUN_DIR": "/run/croft",
    "CROFT_STATE_DIR": "/var/lib/croft",
    "CROFT_CONF_DIR": "/etc/croft",
    "CROFT_LOG_DIR": "/var/log/croft",
    "CROFT_CGROUP": "croft",
}
if os.environ.get("CROFT_PATHS_H"):
    for line in pathlib.Path(os.environ["CROFT_PATHS_H"]).read_text().splitlines():
        found = re.match(r'#define\s+(CROFT_\w+)\s+"(.*)"', line)
        if found and found[1] in PATHS:
            PATHS[found[1]] = found[2]

BIN = pathlib.Path(PATHS["CROFT_BIN_DIR"]) / "croft"
LIB = pathlib.Path(PATHS["CROFT_LIB_DIR"])
RUN = pathlib.Path(PATHS["CROFT_RUN_DIR"])
STATE = pathlib.Path(PATHS["CROFT_STATE_DIR"])
CONF = pathlib.Path(PATHS["CROFT_CONF_DIR"])
LOG = pathlib.Path(PATHS["CROFT_LOG_DIR"])
CGROUP = PATHS["CROFT_CGROUP"]

# The exit statuses of croft (croft(1), "Exit status").
OK, FAILED, USAGE, NOT_FOUND, NOT_PERMITTED, OVER_LIMIT, HOST_CANNOT = range(7)

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
ID_FIRST, ID_LAST, BLOCK = 1879048192, 2147352575, 65536


@dataclass
class Result:
    """What a finished command left behind."""

    argv: list
    status: int
    out: str
    err: str
    seconds: float

    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return (f"{' '.join(map(str, self.argv))[:300]}\n  exit status {self.status} after "
                f"{self.seconds:.2f} s\n  stdout: {self.out[-1500:]!r}\n"
                f"  stderr: {self.err[-1500:]!r}")


def identity(user):
    """Arguments for subprocess that make the child a process of @user with her groups."""
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    groups = os.getgrouplist(user, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups}


def run(argv, user=None, stdin=b"", timeout=20, env=None, binary=False, **more):
    """Runs @argv to its end, in / and with an empty environment, as @user (None: root)."""
    start = time.monotonic()
    if isinstance(stdin, str):
        stdin = stdin.encode()
    given = {"stdin": stdin} if not isinstance(stdin, bytes) else {"input": stdin}
    done = subprocess.run([os.fspath(a) for a in argv], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=env or {}, cwd="/", timeout=timeout,
                          check=False, **given, **identity(user), **more)
    out = done.stdout if binary else done.stdout.decode(errors="replace")
    return Result(list(argv), done.returncode, out, done.stderr.decode(errors="replace"),
                  time.monotonic() - start)


def hidden(paths, *argv, **more):
    """Runs @argv as root in a mount namespace where @paths are empty; what is absent stays so."""
    script = ('n=$1; shift; while [ "$n" -gt 0 ]; do n=$((n - 1))\n'
              'if [ -d "$1" ]; then mount -t tmpfs none "$1" || exit 99\n'
              'elif [ -e "$1" ]; then mount --bind /dev/null "$1" || exit 99; fi\n'
              'shift; done; exec "$@"')
    return run(["/usr/bin/unshare", "-m", "/bin/sh", "-c", script, "hidden", str(len(paths)),
                *paths, *argv], env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}, **more)


def croft(*args, user=None, **more):
    """Runs croft with @args; never judges the exit status."""
    return run([BIN, *args], user=user, **more)


def ok(*args, user=None, **more):
    """Runs croft with @args, which must succeed."""
    result = croft(*args, user=user, **more)
    assert result.status == 0, str(result)
    return result


def start(*args, user=None, **more):
    """Starts croft with @args and returns the Popen; the caller ends it."""
    more.setdefault("stdin", subprocess.DEVNULL)
    more.setdefault("stdout", subprocess.PIPE)
    more.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen([BIN, *map(str, args)], env={}, cwd="/", **identity(user), **more)


def refused(result, *statuses):
    """Asserts the form of every failure: one line on stderr, nothing on stdout, known status."""
    assert result.status in statuses, str(result)
    assert result.out == "", str(result)
    assert result.err.endswith("\n"), str(result)
    line = result.err[:-1]
    assert line.strip(), str(result)
    assert all(c.isprintable() for c in line), f"more than one clean line: {result}"
    assert len(line) <= 600, f"a line nobody reads: {result}"
    return line


def machines(user):
    """name -> object, as `croft ls --json` shows them to @user."""
    shown = ok("ls", "--json", user=user).json()
    return {m["name"]: m for m in listed(shown, "machines")}


def listed(shown, key):
    """The list in a --json answer, whether it is wrapped in an object or not."""
    return shown[key] if isinstance(shown, dict) else shown


def users():
    """name -> object, as `croft user ls --json` shows them to root."""
    return {u["name"]: u for u in listed(ok("user", "ls", "--json").json(), "users")}


def until(condition, timeout=10, what="it"):
    """Polls @condition; returns its first true value, fails after @timeout seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not happen within {timeout} s"
        time.sleep(0.03)


def fresh_name():
    """A name for a throw-away user."""
    return "t-" + "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz") for _ in range(5))


class Terminal:
    """A child on a pseudo-terminal of its own, as a person's shell would start it."""

    def __init__(self, argv, user=None, rows=24, columns=80, env=None):
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        if user is not None:
            os.fchown(slave, pwd.getpwnam(user).pw_uid, -1)
        os.set_blocking(self.master, False)
        self.seen = b""
        self.process = subprocess.Popen(
            [os.fspath(a) for a in argv], stdin=slave, stdout=slave, stderr=slave, cwd="/",
            env=env or {"TERM": "xterm"}, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **identity(user))
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, text):
        data = text.encode() if isinstance(text, str) else text
        while data:
            select.select([], [self.master], [], 5)
            data = data[os.write(self.master, data):]

    def read_some(self, timeout):
        ready, _, _ = select.select([self.master], [], [], timeout)
        if not ready:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.seen += data
        return bool(data)

    def expect(self, pattern, timeout=10):
        """Reads until @pattern; what came before it is forgotten. Returns the match."""
        regex = re.compile(pattern.encode() if isinstance(pattern, str) else pattern, re.S)
        end = time.monotonic() + timeout
        while True:
            found = regex.search(self.seen)
            if found:
                self.seen = self.seen[found.end():]
                return found
            left = end - time.monotonic()
            assert left > 0, f"no {pattern!r} in {self.seen[-2000:]!r}"
            if not self.read_some(min(left, 0.5)) and self.process.poll() is not None:
                assert regex.search(self.seen), f"ended without {pattern!r}: {self.seen[-2000:]!r}"

    def wait(self, timeout=10):
        """Waits for the end, reading on. Returns the exit status."""
        end = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < end, f"still running; seen {self.seen[-2000:]!r}"
            self.read_some(0.1)
        while self.read_some(0.05):
            pass
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(5)
        os.close(self.master)


def croft_on_terminal(*args, user=None, **more):
    return Terminal([BIN, *args], user=user, **more)


# -- what the kernel shows ---------------------------------------------------------------------

def processes():
    """pid -> path of the executable, of every process that has one."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = os.readlink(entry / "exe")
            except OSError:
                continue
    return found


def daemon_pid(name):
    """The pid of croft-super or a daemon of its; fails when there is not exactly one. A daemon that
    an earlier test has ended is given the moment that its restart takes."""
    path = str(LIB / name)
    for _ in range(30):
        pids = [p for p, exe in processes().items() if exe.removesuffix(" (deleted)") == path]
        if pids:
            break
        time.sleep(0.1)
    assert len(pids) == 1, f"{name}: pids {pids}"
    return pids[0]


def status_of(pid):
    """/proc/PID/status as a dictionary."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {key: value.strip() for key, value in
            (line.split(":", 1) for line in text.splitlines() if ":" in line)}


def cgroup_roots():
    """controller (v1) or "" (v2) -> mount point of the hierarchies of this host."""
    roots = {}
    for text in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = text.split(" - ", 1)
        point, (kind, _, options) = left.split()[4], right.split(" ", 2)
        if kind == "cgroup2":
            roots[""] = pathlib.Path(point)
        elif kind == "cgroup":
            for option in options.split(","):
                if option in ("cpu", "cpuacct", "memory", "pids", "freezer", "devices", "blkio"):
                    roots[option] = pathlib.Path(point)
    return roots


def cgroup_dir(controller, group):
    """The directory of @group (below Croft's top) where @controller is managed."""
    roots = cgroup_roots()
    base = roots.get(controller, roots.get(""))
    return base / CGROUP / group


def envelope_pids(uid):
    """Every host pid below the user's envelope."""
    found = set()
    top = cgroup_dir("pids", f"{uid}/all")
    if top.is_dir():
        for where, _, files in os.walk(top):
            if "cgroup.procs" in files:
                found |= {int(p) for p in pathlib.Path(where, "cgroup.procs").read_text().split()}
    return found


def started(pid):
    """When @pid was started: no later process has the same pair."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]


def first_process(uid, machine):
    """(pid, start time) of the machine's pid 1 as the host's kernel shows it; None: not up."""
    for where, _, files in os.walk(cgroup_dir("pids", f"{uid}/all/{machine}")):
        if "cgroup.procs" not in files:
            continue
        for pid in pathlib.Path(where, "cgroup.procs").read_text().split():
            try:
                inner = status_of(pid)["NSpid"].split()
                if len(inner) == 2 and inner[1] == "1":
                    return pid, started(pid)
            except (OSError, KeyError):
                continue
    return None


def import_image(user, name, archive, **more):
    """`croft image import`, from standard input as over ssh."""
    with open(archive, "rb") as given:
        return croft("image", "import", "-", name, user=user, stdin=given, **more)
