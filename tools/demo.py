#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""demo.py - the story of `make run`: a database that only the invited can reach

Runs as root, after run.sh has made the users alice and bob. Everything that is said in their names
is done with their uid and no other right. Each step is looked at, not believed: what failed says
FAILED, and the exit status is 1. What is there already is kept, so that it can be run again.

usage: demo.py machines    the image, and a machine each
       demo.py SSH_PORT    the story
"""
import concurrent.futures
import functools
import json
import os
import pathlib
import pwd
import re
import subprocess
import sys
import time

IMAGE = pathlib.Path("/var/lib/croft/images/debian.tar")
PACKAGES = "postgresql,iputils-ping,procps"
PORT = 5432
PSQL = "PGCONNECT_TIMEOUT=5 PGPASSWORD=report psql -X -At -U report -d shop"
TOLD_S = 1.0  # both ends of a cut connection hear of it within this time
AT_ONCE_S = 0.5  # a refused connection, with the command that makes it
AT_ONCE = 5  # so many of the tries are single connections, which are refused and not dropped
SUFFER = 10  # times by which a neighbour's fork bomb may slow somebody on this host


class Failed(Exception):
    """A step of the story did not go as it must."""


def said_by(user, *words):
    command = ["/usr/bin/croft", *words]
    if user == "root":
        return command
    account = pwd.getpwnam(user)
    return ["setpriv", "--reuid", str(account.pw_uid), "--regid", str(account.pw_gid),
            "--init-groups", "--reset-env", *command]


def croft(user, *words, check=True, timeout=120, **more):
    """`croft WORDS`, said by @user in person; root when it is "root"."""
    done = subprocess.run(said_by(user, *words), capture_output=True, text=True, timeout=timeout, cwd="/",
                          stdin=more.pop("stdin", subprocess.DEVNULL), **more)
    if check and done.returncode != 0:
        raise Failed(f"{user}: croft {' '.join(words)}: {done.stderr.strip()}")
    return done


def inside(user, machine, script, check=True, timeout=120):
    return croft(user, "exec", machine, "--", "/bin/bash", "-c", script, check=check,
                 timeout=timeout)


def machines(user):
    return {machine["name"]: machine
            for machine in json.loads(croft(user, "ls", "--json").stdout)["machines"]}


def addresses(user, machine):
    """-> its IPv4 and IPv6 address, as /etc/hosts in it has them."""
    name = f"{machine}.{user}"
    hosts = inside(user, machine, f"grep ' {name} ' /etc/hosts").stdout
    found = [line.split()[0] for line in hosts.splitlines()]
    return next(a for a in found if "." in a), next(a for a in found if ":" in a)


def step(text):
    print(f"  {text} ...", flush=True)


# -- machines ---------------------------------------------------------------------------------


def build_image():
    if IMAGE.exists():
        return
    step("the admin builds an image from Debian's archive (once)")
    begin = time.monotonic()
    croft("root", "image", "build", "debian", "--include", PACKAGES, timeout=900)
    print(f"    {IMAGE.stat().st_size / 2**20:.0f} MiB in {time.monotonic() - begin:.0f} s")


def launch(user, name):
    found = machines(user).get(name)
    if found is None:
        step(f"{user}: croft launch debian {name}")
        croft(user, "launch", "debian", name, timeout=300)
    elif found["state"] != "running":
        croft(user, "start", name)


SETTINGS = """
set -e
conf=/etc/postgresql/15/main
grep -q croft-demo $conf/postgresql.conf || {
    echo "listen_addresses = '*'   # croft-demo" >>$conf/postgresql.conf
    # PostgreSQL looks for a connection that has ended in the middle of a query only when told to.
    echo "client_connection_check_interval = 200" >>$conf/postgresql.conf
    echo 'host shop report all scram-sha-256' >>$conf/pg_hba.conf
}
pg_ctlcluster 15 main status >/dev/null || pg_ctlcluster 15 main start
for _ in $(seq 50); do
    su postgres -c 'psql -Atc "select 1"' >/dev/null 2>&1 && break
    sleep 0.1
done
touch /var/lib/postgresql/15/main/alices-data
su postgres -c 'psql -At' >/dev/null <<'END'
select 'create role report login password ''report''' where not exists
    (select from pg_roles where rolname = 'report') \\gexec
select 'create database shop owner report' where not exists
    (select from pg_database where datname = 'shop') \\gexec
END
"""


def start_database():
    step("alice: a real PostgreSQL in db")
    if inside("alice", "db", "command -v pg_ctlcluster", check=False).returncode != 0:
        raise Failed(f"{IMAGE} was made without PostgreSQL: croft image build debian --include "
                     f"{PACKAGES}, and croft rm -f db")
    inside("alice", "db", SETTINGS)


# -- bob's tries ------------------------------------------------------------------------------

TCP = "timeout 3 bash -c 'exec 3<>/dev/tcp/{0}/{1}'"


def tries(v4, v6, pid):
    """(what, bob's command in his machine, the same by alice that must succeed, in which machine)"""
    scan = ("open=; for port in $(seq 5400 5460); do timeout 1 bash -c "
            "\"exec 3<>/dev/tcp/{0}/$port\" 2>/dev/null && open=$port; done; [ -n \"$open\" ]")
    bound = ("perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, "
             "SO_REUSEADDR, 1); bind(S, pack_sockaddr_in({1}, INADDR_ANY)) or die; "
             "connect(S, pack_sockaddr_in({1}, inet_aton(\"{0}\"))) or die'")
    return [
        ("psql, by the machine's name", f"{PSQL} -h db.alice -c 'select 1'", None, "desk"),
        ("psql, by its IPv4 address", f"{PSQL} -h {v4} -c 'select 1'", None, "desk"),
        ("psql, by its IPv6 address", f"{PSQL} -h {v6} -c 'select 1'", None, "desk"),
        ("a bare TCP connection", TCP.format(v4, PORT), None, "desk"),
        ("the same from the server's own port", bound.format(v4, PORT), None, "desk"),
        ("ports 5400 to 5460, one by one", scan.format(v4), None, "desk"),
        ("a ping", f"ping -c1 -W2 {v4}", None, "desk"),
        ("a ping over IPv6", f"ping -c1 -W2 {v6}", None, "desk"),
        ("its socket in the file system", "psql -X -h /var/run/postgresql -U postgres -c 'select 1'",
         "su postgres -c \"psql -X -h /var/run/postgresql -c 'select 1'\"", "db"),
        ("its files", "find / -xdev -name alices-data 2>/dev/null | grep -q .", None, "db"),
        ("its process, in the list", "pgrep -f 'postgres: .*checkpointer'", None, "db"),
        ("a signal to its process", f"kill -0 {pid}", "kill -0 $(pgrep -o postgres)", "db"),
    ]


def bob_tries():
    """-> how many were refused. Each is also made by alice, for whom it must succeed."""
    step("bob tries to reach it, twelve ways; alice makes each try too, from a machine of hers")
    v4, v6 = addresses("alice", "db")
    pid = host_pid_of_postgres()
    refused = []
    for what, by_bob, by_alice, where in tries(v4, v6, pid):
        control = inside("alice", where, by_alice or by_bob, check=False).returncode == 0
        begin = time.monotonic()
        got_in = inside("bob", "home", by_bob, check=False, timeout=60).returncode == 0
        took = time.monotonic() - begin
        if not control:
            raise Failed(f"{what}: alice herself could not, so bob's failure says nothing")
        if got_in:
            raise Failed(f"{what}: bob got in")
        refused.append(took)
        print(f"    {what:<38} refused   (alice: works)")
    return refused


def host_pid_of_postgres():
    """The number by which the host knows the server: in bob's machine it must mean nothing."""
    uid = pwd.getpwnam("alice").pw_uid
    for group in (f"/sys/fs/cgroup/pids/croft/{uid}/all/db", f"/sys/fs/cgroup/croft/{uid}/all/db"):
        for procs in pathlib.Path(group).glob("**/cgroup.procs"):
            for pid in procs.read_text().split():
                if pathlib.Path(f"/proc/{pid}/comm").read_text() == "postgres\n":
                    return int(pid)
    raise Failed("no postgres runs in alice's machine")


# -- the grant --------------------------------------------------------------------------------


def end_old_grants():
    for grant in json.loads(croft("alice", "grants", "--json").stdout)["grants"]:
        if grant["owner"] == "alice" and grant["machine"] == "db":
            croft("alice", "revoke", str(grant["id"]))


KNOCK = ("echo ready; timeout 20 bash -c "
         "'until (exec 3<>/dev/tcp/{0}/{1}) 2>/dev/null; do :; done' && date +%s%N")


def grant():
    """-> (ms from the command's start until bob's connection goes through, his psql's word)"""
    step("alice: croft grant bob port db:5432 --for 8h")
    v4, _ = addresses("alice", "db")
    with subprocess.Popen(said_by("bob", "exec", "home", "--", "/bin/bash", "-c",
                                  KNOCK.format(v4, PORT)), stdout=subprocess.PIPE,
                          text=True) as knock:
        if not knock.stdout.readline():
            raise Failed("bob's machine does not knock")
        begin = time.time_ns()
        croft("alice", "grant", "bob", "port", f"db:{PORT}", "--for", "8h")
        opened = knock.stdout.readline()
        if not opened:
            raise Failed("bob's connection does not go through within 20 s of the grant")
        opened = int(opened) - begin
    version = inside("bob", "home", f"{PSQL} -h db.alice -c 'show server_version'").stdout
    return opened / 1e6, version.split()[0]


def sessions_of_bob():
    return int(inside("alice", "db", "su postgres -c \"psql -XAtc \\\"select count(*) from "
                      "pg_stat_activity where usename = 'report'\\\"\"").stdout)


def revoke():
    """Revokes in the middle of a query. -> (ms, connections, what bob's psql said)"""
    step("alice: croft revoke bob port db:5432, while bob's query runs")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        query = pool.submit(inside, "bob", "home", f"{PSQL} -h db.alice -c 'select pg_sleep(60)'",
                            check=False)
        due = time.monotonic() + 10
        while sessions_of_bob() == 0:
            if time.monotonic() > due:
                raise Failed("bob's query did not start")
            time.sleep(0.1)
        begin = time.monotonic()
        taken = json.loads(croft("alice", "revoke", "bob", "port", f"db:{PORT}", "--json").stdout)
        said = query.result(timeout=30)
        told = time.monotonic() - begin
    if said.returncode == 0 or told > TOLD_S:
        raise Failed(f"bob's psql ended {told:.1f} s after the revoke, with {said.returncode}")
    while sessions_of_bob() != 0:
        if time.monotonic() - begin > TOLD_S:
            raise Failed("alice's server still has bob's session")
    again = inside("bob", "home", f"{PSQL} -h db.alice -c 'select 1'", check=False)
    if again.returncode == 0:
        raise Failed("bob gets in after the revoke")
    return taken["ms"], taken["cut"]


def newest_grant(user):
    ids = [int(number) for number in re.findall(r"\bgrant (\d+): bob may use db\.alice",
                                                croft(user, "audit").stdout)]
    return max(ids, default=0)


def both_read_it(before):
    """@before: the newest grant of which alice's audit told before this run."""
    for user in ("alice", "bob"):
        number = newest_grant(user)
        about = [line for line in croft(user, "audit").stdout.splitlines()
                 if f"grant {number}: bob may" in line]
        if number <= before or len(about) < 2:
            raise Failed(f"{user}'s audit does not tell of the grant and its end")
        print(f"    {user}'s audit: {about[-1].strip()}")


# -- a fork bomb ------------------------------------------------------------------------------

LATENCY = """
perl -MTime::HiRes=time -e '
    for (1 .. 400) { my $begin = time; my $pid = fork; $pid or exec "/bin/true"; waitpid $pid, 0;
                     push @took, 1e3 * (time - $begin); }
    printf "%.2f", (sort { $a <=> $b } @took)[int(0.99 * @took)]'
"""
BOMB = "bomb() { bomb | bomb & sleep 20; }; bomb 2>/dev/null"


def fork_bomb():
    """-> (processes when it was stopped, bob's p99 in ms before and during)"""
    step("alice: a fork bomb in desk; bob goes on working")
    uid = pwd.getpwnam("alice").pw_uid
    group = next(path for path in (pathlib.Path(f"/sys/fs/cgroup/pids/croft/{uid}/all"),
                                   pathlib.Path(f"/sys/fs/cgroup/croft/{uid}/all"))
                 if path.exists())
    inside("bob", "home", LATENCY)
    before = float(inside("bob", "home", LATENCY).stdout)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pool.submit(inside, "alice", "desk", BOMB, check=False)
        due = time.monotonic() + 10
        most = 0
        while time.monotonic() < due and most < int((group / "pids.max").read_text()):
            most = max(most, int((group / "pids.current").read_text()))
            time.sleep(0.02)
        during = float(inside("bob", "home", LATENCY).stdout)
        croft("alice", "stop", "--timeout", "0", "desk", check=False)
    if most < int((group / "pids.max").read_text()):
        raise Failed(f"the bomb came to {most} processes only: nothing was shown")
    if during > SUFFER * before:
        raise Failed(f"bob's p99 {before:.1f} ms before, {during:.1f} ms during")
    return most, before, during


# -- the last screen --------------------------------------------------------------------------


def prove():
    print("\n== prove: one throw-away user attacks another, and the host", flush=True)
    summary = "Proof  FAILED"
    with subprocess.Popen(["/usr/bin/croft", "prove"], stdout=subprocess.PIPE, text=True) as run:
        for line in run.stdout:
            if re.match(r"Proof\s", line):
                summary = line.strip()
            else:
                print(line, end="", flush=True)
    return run.returncode, summary


def host_line():
    version = subprocess.run(["/usr/bin/croft", "version"], stdout=subprocess.PIPE, text=True,
                             check=True).stdout.split()[-1]
    distribution = "Linux"
    for line in open("/etc/os-release", encoding="utf-8"):
        if line.startswith("PRETTY_NAME="):
            distribution = re.sub(r" GNU/Linux| \(.*\)", "", line.split("=")[1].strip().strip('"'))
    kernel = ".".join(os.uname().release.split(".")[:2])
    v2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    groups = "v2" if v2 else "v1+v2" if os.path.exists("/sys/fs/cgroup/unified") else "v1"
    kvm = "KVM not used yet" if os.path.exists("/dev/kvm") else "no KVM"
    return (f"Croft {version} is running.        host: {distribution}, kernel {kernel}, "
            f"cgroup {groups}, {kvm}")


class Story:
    """What just happened, a line a step; a step that fails is a line too, and the exit status."""

    def __init__(self):
        self.lines = []
        self.failed = False

    def tell(self, what, how, act):
        """@how: makes (result, detail) of what @act returned."""
        try:
            result, detail = how(act())
        except Exception as failure:  # pylint: disable=broad-except # whatever it is, it is told
            self.failed = True
            result, detail = "FAILED", f"{type(failure).__name__}: {failure}"
        self.lines.append(f"  {what:<22} {result:<20} {detail}")


def make_machines():
    """A Debian machine each; alice has a second one, to see what she can and bob cannot."""
    print("\n== machines", flush=True)
    try:
        build_image()
        launch("alice", "db")
        launch("bob", "home")
        launch("alice", "desk")
    except (Failed, subprocess.TimeoutExpired) as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        return 1
    return 0


def main():
    port = sys.argv[1]
    if port == "machines":
        return make_machines()
    story = Story()
    begin = time.monotonic()
    print("\n== a database that only the invited can reach", flush=True)
    try:
        start_database()
        end_old_grants()
        before = newest_grant("alice")
    except (Failed, subprocess.TimeoutExpired) as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        return 1
    story.tell("bob -> db:5432", lambda took: (
        "refused at once" if max(took[:AT_ONCE]) < AT_ONCE_S else f"refused, {max(took):.1f} s",
        f"no grant: {len(took)} tries of 12, each of which works for alice"), bob_tries)
    story.tell("alice granted it", lambda got: (
        f"open after {got[0]:4.0f} ms", f"bob: psql -h db.alice -> PostgreSQL {got[1]}"), grant)
    story.tell("alice revoked it", lambda got: (
        f"cut after {got[0]:5.0f} ms", f"{got[1]} connection{'s' * (got[1] != 1)}, in the middle "
        f"of a query; both ends saw it"), revoke)
    story.tell("both read it", lambda _: ("in their audit", ""),
               functools.partial(both_read_it, before))
    story.tell("alice's fork bomb", lambda got: (
        f"stopped at {got[0]}", f"bob's p99 {got[1]:.1f} ms before, {got[2]:.1f} ms during"),
        fork_bomb)
    proven, summary = prove()
    print(f"\n{host_line()}")
    print(croft("root", "ls", "--all").stdout, end="")
    print("What just happened")
    print("\n".join(story.lines))
    print(f"{summary}   (all of this: {time.monotonic() - begin:.0f} s)")
    print(f"Try    ssh -p {port} -i /var/lib/croft/demo/bob bob@localhost croft ask alice port "
          f"db:{PORT} --for 1h --why report")
    print(f"       ssh -p {port} -i /var/lib/croft/demo/alice alice@localhost croft asks")
    print("       croft doctor      croft audit --user bob      Remove  make clean-host")
    return 1 if story.failed or proven != 0 else 0


if __name__ == "__main__":
    sys.exit(main())
