# SPDX-License-Identifier: Apache-2.0
# pylint: disable=redefined-outer-name # fixtures
"""croft doctor: each road to root is made on this host, named, closed by the command that was
printed, and gone; the walls are looked at where they are taken away; the kernel is held against
the records

What the host has of its own is no failure: each test compares with what was there before it. A
road counts when an account, t-..., is named on it.
"""
import contextlib
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import threading
import time

import pytest

import harness
from harness import (BIN, CGROUP, FAILED, LIB, NOT_PERMITTED, OK, RUN, STATE, USAGE, croft, ok,
                     refused, run)

PROGRAM = LIB / "croft-doctor"
SECONDS_MAX = 5
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def doctor(*options, **more):
    return run([PROGRAM, *options], timeout=30, **more)


def looked(*options):
    result = doctor("--json", *options)
    assert result.status in (OK, FAILED), str(result)
    return result.json()


def roads(name):
    """What leads @name, or everybody ("everybody"), to root."""
    return [road for road in looked()["roads"] if road["account"] == name]


def shell(command):
    """As the administrator who types what doctor printed."""
    print(command)
    done = run(["/bin/bash", "-c", command], env={"PATH": PATH, "LC_ALL": "C.UTF-8"}, timeout=30)
    assert done.status == 0, str(done)


@contextlib.contextmanager
def file(path, text="", mode=0o644, owner=0, group=0):
    """A file of the host's that is there for a while; what was there comes back."""
    path = pathlib.Path(path)
    made = [p for p in path.parents if not p.exists()]
    kept = path.read_bytes() if path.exists() else None
    kept_stat = path.stat() if kept is not None else None
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.write_text(text)
        os.chown(path, owner, group)
        path.chmod(mode)
        yield path
    finally:
        for old in (path, path.with_name(path.name + ".off")):
            with contextlib.suppress(FileNotFoundError):
                old.unlink()
        if kept is not None:
            path.write_bytes(kept)
            os.chown(path, kept_stat.st_uid, kept_stat.st_gid)
            path.chmod(kept_stat.st_mode & 0o7777)
        for directory in made:
            with contextlib.suppress(OSError):
                directory.rmdir()


@contextlib.contextmanager
def kept(*paths):
    """What these files hold, who owns them and their modes come back."""
    before = [(pathlib.Path(p), pathlib.Path(p).read_bytes(), os.stat(p)) for p in paths]
    try:
        yield
    finally:
        for path, text, meta in before:
            path.write_bytes(text)
            os.chown(path, meta.st_uid, meta.st_gid)
            path.chmod(meta.st_mode & 0o7777)


@pytest.fixture(scope="module")
def mallory(nothing_left):
    """An account of this host that is no Croft user."""
    assert nothing_left
    name = harness.fresh_name()
    done = run(["/usr/sbin/useradd", "-M", "-N", "-g", "nogroup", "-K", "SUB_UID_COUNT=0", "-K",
                "SUB_GID_COUNT=0", name])
    assert done.status == 0, str(done)
    yield name
    run(["/usr/sbin/userdel", "-f", name])
    assert name not in [entry.pw_name for entry in pwd.getpwall()]


def uid(name):
    return pwd.getpwnam(name).pw_uid


def named_closed_gone(name, words, at_least=1):
    """The test of every road: it is named, what it printed closes it, it is gone."""
    found = [road for road in roads(name) if words in road["how"]]
    assert len(found) >= at_least, f"{words!r} is not among {roads(name)}"
    for road in found:
        assert road["to"], road
        shell(road["close"])
    left = [road for road in roads(name) if words in road["how"]]
    assert not left, f"still there after {[r['close'] for r in found]}: {left}"


# --- the form ---

def test_options_and_who_may():
    assert doctor("--what").status == USAGE
    assert doctor("--json", "x").status == USAGE
    assert doctor(user="nobody").status in (NOT_PERMITTED, 126)
    refused(croft("doctor", user="nobody"), NOT_PERMITTED)
    assert croft("doctor", "--json", timeout=30).status in (OK, FAILED)


def test_it_is_fast_and_changes_nothing(nothing_left):
    watched = ("/etc", "/root", "/var/spool/cron", "/usr/local")

    def stamps():
        return {path: os.stat(path).st_mtime_ns
                for top in watched for where, _, names in os.walk(top)
                for path in [where, *(os.path.join(where, n) for n in names)]
                if os.path.exists(path)}

    before = stamps()
    result = doctor()
    assert result.status in (OK, FAILED), str(result)
    assert result.seconds < SECONDS_MAX, str(result)
    assert stamps() == before
    assert "Can this host hold the walls?" in result.out
    assert "Who is God here?" in result.out
    assert nothing_left


def test_a_clean_host_is_fine():
    """As far as Croft's users go: what else this host has is listed, and none of them is on it."""
    answer = looked()
    everybody = [road for road in answer["roads"] if road["everybody"]]
    assert not everybody, everybody
    missing = [c for c in answer["controls"] if c["state"] == "missing"]
    assert not missing, missing
    assert answer["open_to_users"] == 0
    assert answer["owner"] == "root"
    assert not [road for road in answer["roads"] if road["account"] == "root"]
    assert doctor().status == OK


def test_a_croft_user_on_the_list_is_the_exit_status(alice):
    assert doctor().status == OK
    with file("/etc/sudoers.d/t-croft", f"{alice} ALL=(ALL) /bin/true\n", 0o440):
        assert doctor().status == FAILED
        found = roads(alice)
        assert len(found) == 1 and found[0]["croft_user"], found
        assert f"{alice} (a Croft user)" in doctor().out
        shell(found[0]["close"])
        assert not roads(alice)
        assert doctor().status == OK


# --- who is God ---

def test_uid_0_twin():
    name = harness.fresh_name()
    with kept("/etc/passwd", "/etc/shadow", "/etc/group"):
        run(["/usr/sbin/useradd", "-o", "-u", "0", "-g", "0", "-M", name])
        named_closed_gone(name, "has uid 0")


def test_empty_password(mallory):
    with kept("/etc/shadow", "/etc/passwd"), \
            file("/etc/sudoers.d/t-road", f"{mallory} ALL=(root) ALL\n", 0o440):
        run(["/usr/sbin/usermod", "-p", "", mallory])
        named_closed_gone("everybody", "whose password is empty")


@pytest.mark.parametrize("text", [
    "{} ALL=(ALL:ALL) ALL",
    "{} ALL=(ALL) NOPASSWD: /usr/bin/less /var/log/x",
    "#{uid} ALL = ALL",
    "User_Alias CREW = nobody, {}\nCmnd_Alias PAGERS = /bin/more\nCREW ALL = \\\n (root) PAGERS",
])
def test_sudoers(mallory, text):
    rule = text.format(mallory, uid=uid(mallory)) + "\n"
    with file("/etc/sudoers.d/t-road", rule, 0o440):
        named_closed_gone(mallory, "sudo lets her run")


def test_sudoers_main_file_include_and_group(mallory):
    group = harness.fresh_name()
    with kept("/etc/group", "/etc/gshadow"), \
            file("/etc/t-more/rules", f"%{group} ALL=(ALL) ALL\n", 0o440), \
            file("/etc/sudoers", "@include /etc/t-more/rules\n", 0o440):
        run(["/usr/sbin/groupadd", group])
        assert not roads(mallory)
        run(["/usr/bin/gpasswd", "-a", mallory, group])
        named_closed_gone(mallory, "/etc/t-more/rules, line 1")


def test_sudo_to_one_who_has_a_road(mallory, bob):
    with file("/etc/sudoers.d/t-one", f"{mallory} ALL=({bob}) ALL\n", 0o440):
        assert not roads(mallory), "bob leads nowhere"
        with file("/etc/sudoers.d/t-two", f"{bob} ALL=ALL\n", 0o440):
            found = roads(mallory)
            assert len(found) == 1 and found[0]["to"] == bob, found
            shell(found[0]["close"])
            assert not roads(mallory) and roads(bob)


def test_a_program_of_sudo_that_she_writes(mallory):
    with file("/opt/t-tool", "#!/bin/sh\n", 0o755, owner=uid(mallory)), \
            file("/etc/sudoers.d/t-road", "games ALL=(root) /opt/t-tool\n", 0o440):
        named_closed_gone(mallory, "sudo runs it as root")


@pytest.mark.parametrize("text", ["permit {}", "permit nopass keepenv {} as root cmd /bin/sh"])
def test_doas(mallory, text):
    with file("/etc/doas.conf", text.format(mallory) + "\n", 0o400):
        named_closed_gone(mallory, "doas lets her run")
    with file("/etc/doas.conf", f"permit {mallory}\ndeny {mallory}\n", 0o400):
        assert not roads(mallory)


@pytest.mark.parametrize("group", ["docker", "lxd", "incus-admin", "libvirt", "kvm", "disk",
                                   "shadow", "adm"])
@pytest.mark.parametrize("primary", [False, True])
def test_groups(mallory, group, primary):
    with kept("/etc/group", "/etc/gshadow", "/etc/passwd"):
        run(["/usr/sbin/groupadd", "-f", group])
        run(["/usr/sbin/usermod", *(["-g"] if primary else ["-aG"]), group, mallory])
        named_closed_gone(mallory, f"is in group {group}:")


@pytest.mark.parametrize("path", ["/run/docker.sock", "/run/podman/podman.sock",
                                  "/run/containerd/containerd.sock"])
def test_sockets_of_engines(mallory, path):
    path = pathlib.Path(path)
    if path.exists():
        pytest.fail(f"this host runs {path}: the test would touch it")
    made = not path.parent.exists()
    path.parent.mkdir(exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(path))
        path.chmod(0o666)
        named_closed_gone("everybody", "who speaks to it is root")
        os.chown(path, uid(mallory), 0)
        named_closed_gone(mallory, "who speaks to it is root")
    finally:
        listener.close()
        path.unlink()
        if made:
            path.parent.rmdir()


def test_units_their_programs_and_drop_ins(mallory):
    owner = uid(mallory)
    unit = "[Service]\nExecStart=-/opt/t-daemon --flag\n"
    with file("/opt/t-daemon", "", 0o755), \
            file("/etc/systemd/system/t-road.service", unit):
        assert not roads(mallory)
        os.chown("/etc/systemd/system/t-road.service", owner, 0)
        named_closed_gone(mallory, "owns /etc/systemd/system/t-road.service")
        os.chown("/opt/t-daemon", owner, 0)
        named_closed_gone(mallory, "systemd uses it as root")
        pathlib.Path("/opt/t-daemon").unlink()
        with file("/opt/t-dir/t-daemon", "", 0o755) as program:
            pathlib.Path("/opt/t-daemon").symlink_to(program)
            os.chown(program.parent, owner, 0)
            named_closed_gone(mallory, "/opt/t-dir")
        pathlib.Path("/opt/t-daemon").unlink(missing_ok=True)
        pathlib.Path("/opt/t-daemon").write_text("")
        with file("/etc/systemd/system/t-road.service.d/x.conf", "[Service]\n", 0o666):
            named_closed_gone("everybody", "t-road.service.d/x.conf")


def test_a_unit_of_another_user_is_hers(mallory):
    unit = f"[Service]\nUser={mallory}\nExecStart=/opt/t-hers\n"
    with file("/opt/t-hers", "", 0o755, owner=uid(mallory)), \
            file("/etc/systemd/system/t-hers.service", unit):
        assert not roads(mallory)
    with file("/opt/t-hers", "", 0o755, owner=uid(mallory)), \
            file("/etc/systemd/system/t-hers.service", unit.replace("=/opt", "=+/opt")):
        named_closed_gone(mallory, "systemd uses it as root")


def test_cron(mallory):
    owner = uid(mallory)
    with file("/etc/cron.d/t-road", "* * * * * root /opt/t-job\n", 0o666):
        named_closed_gone("everybody", "cron runs it as root")
    with file("/opt/t-job", "", 0o755, owner=owner), \
            file("/etc/cron.d/t-road", "1 2 3 4 5 root cd / && bash -e /opt/t-job >/dev/null\n"):
        named_closed_gone(mallory, "/opt/t-job, and cron runs it as root")
    with file("/tmp/t-there", ""), \
            file("/etc/cron.d/t-road", "@daily root /tmp/t-not-there\n"):
        named_closed_gone("everybody", "may make /tmp/t-not-there")
    with file("/etc/cron.daily/t-road", "", 0o755, owner=owner):
        named_closed_gone(mallory, "/etc/cron.daily/t-road")
    with file("/var/spool/cron/crontabs/root", "0 0 * * * /opt/t-job\n", 0o600), \
            file("/opt/t-job", "", 0o757):
        named_closed_gone("everybody", "/opt/t-job")


def test_at_jobs():
    with file("/var/spool/cron/atjobs/a0000101", "#!/bin/sh\n", 0o702):
        named_closed_gone("everybody", "/var/spool/cron/atjobs/a0000101")


def test_path_of_root_and_of_cron(mallory):
    owner = uid(mallory)
    with file("/usr/local/bin/t-tool", "", 0o755, owner=owner):
        named_closed_gone(mallory, "root's PATH has it")
    with file("/opt/t-bin/keep", ""), \
            file("/etc/cron.d/t-road", "PATH=/usr/bin:/opt/t-bin\n* * * * * root x\n"):
        os.chmod("/opt/t-bin", 0o777)
        named_closed_gone("everybody", "cron's PATH has it")


def test_root_s_own_files(mallory):
    home = pathlib.Path(pwd.getpwuid(0).pw_dir)
    for name, mode in ((".bash_login", 0o646), (".ssh/authorized_keys", 0o622)):
        with file(home / name, "", mode):
            # Behind a closed home nobody gets there, and doctor says what the bits say all the same.
            named_closed_gone("everybody", str(home / name))
    with file(home / ".ssh/rc", "", 0o600, owner=uid(mallory)):
        named_closed_gone(mallory, "root's logins read it")


@pytest.mark.parametrize("path", ["/etc/ld.so.preload", "/etc/profile.d/t-road.sh",
                                  "/etc/pam.d/t-road", "/etc/apt/apt.conf.d/t-road",
                                  "/etc/udev/rules.d/t-road.rules"])
def test_what_root_reads(path):
    if path == "/etc/ld.so.preload" and os.path.exists(path):
        pytest.fail("this host preloads something")
    with file(path, "", 0o646):
        named_closed_gone("everybody", path)


def test_access_lists(mallory):
    with file("/etc/profile.d/t-road.sh"):
        assert not roads(mallory)
        run(["/usr/bin/setfacl", "-m", f"u:{mallory}:rw", "/etc/profile.d/t-road.sh"])
        named_closed_gone(mallory, "by its access list")
        run(["/usr/bin/setfacl", "-m", f"u:{mallory}:rw,m::r", "/etc/profile.d/t-road.sh"])
        assert not roads(mallory), "the mask takes it away"


def test_group_write_names_the_members(mallory, bob):
    group = harness.fresh_name()
    with kept("/etc/group", "/etc/gshadow"), file("/etc/cron.d/t-road", "", 0o664):
        run(["/usr/sbin/groupadd", group])
        run(["/bin/chgrp", group, "/etc/cron.d/t-road"])
        assert not roads(mallory)
        run(["/usr/bin/gpasswd", "-a", mallory, group])
        assert not roads(bob)
        named_closed_gone(mallory, f"in group {group} may write /etc/cron.d/t-road")


def test_setuid_setgid_and_capabilities():
    with file("/usr/local/bin/t-suid", "x", 0o4755) as program:
        named_closed_gone("everybody", f"may run {program}, setuid, of no package")
    with file("/usr/local/bin/t-sgid", "x", 0o2755, group=42) as program:
        named_closed_gone("everybody", f"may run {program}, setgid, of no package")
    with file("/usr/local/bin/t-caps", "x", 0o755) as program:
        run(["/usr/sbin/setcap", "cap_dac_override+ep", program])
        named_closed_gone("everybody", f"may run {program}, with capabilities")
    with file("/root/t-suid", "x", 0o4755):
        if os.stat("/root").st_mode & 0o011 == 0:
            assert not [r for r in roads("everybody") if "/root/t-suid" in r["how"]]


def test_setuid_behind_a_closed_directory_is_nobody_s(tmp_path):
    """A container's root file system, mounted below a directory of root's alone."""
    closed, root = tmp_path / "closed", tmp_path / "closed/root"
    root.mkdir(parents=True)
    for path in (*tmp_path.parents, tmp_path):
        if str(path).startswith("/tmp/"):
            path.chmod(0o755)
    closed.chmod(0o700)
    run(["/bin/mount", "-t", "tmpfs", "-o", "mode=755", "none", root])
    try:
        (root / "t-suid").write_text("x")
        (root / "t-suid").chmod(0o4755)
        assert not [r for r in roads("everybody") if str(root) in r["how"]]
        closed.chmod(0o755)
        assert [r for r in roads("everybody") if str(root) in r["how"]]
    finally:
        run(["/bin/umount", root])


@contextlib.contextmanager
def deep(top, depth):
    """Directories in each other, the last of them open: further than a path can say."""
    os.mkdir(top)
    at = os.open(top, os.O_RDONLY)
    try:
        for _ in range(depth):
            os.mkdir("d", dir_fd=at)
            below = os.open("d", os.O_RDONLY, dir_fd=at)
            os.close(at)
            at = below
        yield at
    finally:
        os.close(at)
        shutil.rmtree(top)


def test_setuid_far_below():
    """Found where a program might be; further down it is said that nobody looked."""
    def setuid_file(at):
        made = os.open("t-suid", os.O_CREAT | os.O_WRONLY, 0o755, dir_fd=at)
        os.fchmod(made, 0o4755)
        os.close(made)

    with deep("/usr/local/lib/t-deep", 100) as at:
        setuid_file(at)
        assert [r for r in roads("everybody") if "d/t-suid" in r["how"]]
        assert not [note for note in looked()["notes"] if "t-deep" in note]
    with deep("/usr/local/lib/t-deep", 900) as at:
        setuid_file(at)
        notes = [note for note in looked()["notes"] if "/usr/local/lib/t-deep/d/d/" in note]
        assert len(notes) == 1 and "too deep" in notes[0], notes


def test_a_packaged_program_that_was_made_setuid():
    path = "/usr/bin/env"
    mode = os.stat(path).st_mode & 0o7777
    try:
        os.chmod(path, 0o4755)
        named_closed_gone("everybody", f"may run {path}, setuid, which no package ships so")
    finally:
        os.chmod(path, mode)


def test_polkit(mallory):
    rule = ('// "unix-user:nobody"\npolkit.addRule(function(action, subject) {{\n'
            '  if (subject.user == "{}") {{ return polkit.Result.YES; }}\n}});\n')
    with file("/etc/polkit-1/rules.d/00-t-road.rules", rule.format(mallory)):
        named_closed_gone(mallory, "by polkit")
    admin = 'polkit.addAdminRule(function(a, s) {{ return ["unix-user:{}"]; }});\n'
    with file("/etc/polkit-1/rules.d/00-t-road.rules", admin.format(mallory)):
        named_closed_gone(mallory, "counts as an administrator")
    pkla = "[x]\nIdentity=unix-user:{}\nAction=*\nResultAny=yes\n"
    with file("/etc/polkit-1/localauthority/50-local.d/t-road.pkla", pkla.format(mallory)):
        named_closed_gone(mallory, "by polkit")


def test_names_are_safe_for_a_terminal(mallory):
    evil = "/usr/local/bin/t-\x1b[2J\n'$(touch t-pwned)"
    with file(evil, "", 0o755, owner=uid(mallory)):
        assert "\x1b" not in doctor().out
        named_closed_gone(mallory, "t-?[2J?")
        assert os.stat(evil).st_uid == 0
    assert not os.path.exists("/t-pwned")


def test_hostile_files_are_read_as_far_as_they_go(mallory):
    with file("/etc/sudoers.d/t-a", "\x00\xff((((=:,\\\n" * 1000), \
            file("/etc/cron.d/t-b", "* * * * * root " + "/a;" * 100000 + "\n"), \
            file("/etc/sudoers.d/t-road", f"{mallory} ALL=ALL\n"):
        with contextlib.suppress(FileExistsError):
            os.mkfifo("/etc/sudoers.d/t-fifo")
        os.symlink("t-loop", "/etc/sudoers.d/t-loop")
        try:
            assert roads(mallory)
        finally:
            os.unlink("/etc/sudoers.d/t-fifo")
            os.unlink("/etc/sudoers.d/t-loop")


# --- can this host hold the walls ---

def controls():
    """The first of each name."""
    found = {}
    for control in looked()["controls"]:
        found.setdefault(control["name"], control)
    return found


def test_every_control_says_how_it_is_known_and_what_to_do():
    for control in looked()["controls"]:
        assert control["known"], control
        # A kernel that Croft supports has each of these, so a probe that fails is the probe's fault.
        assert control["state"] == "present" or not control["name"].startswith(
            ("nft", "user name", "overlay", "idmapped", "veth", "conntrack", "sock_diag")), control
        assert control["state"] in ("present", "fallback", "missing", "advice"), control
        assert (control["state"] == "present") == (control["todo"] is None), control


def test_a_control_that_is_taken_away_is_missed():
    """Without nft, without control groups: each in a mount namespace of its own."""
    done = harness.hidden(["/usr/sbin/nft"], PROGRAM, "--json", timeout=30)
    state = {c["name"]: c["state"] for c in done.json()["controls"]}
    assert done.status == FAILED and state["nftables"] == "missing", str(done)
    done = harness.hidden(["/sys/fs/cgroup"], PROGRAM, "--json", timeout=30)
    state = {c["name"]: c["state"] for c in done.json()["controls"]}
    assert done.status == FAILED and state["cgroup memory"] == "missing", str(done)


def test_a_kernel_that_says_it_is_old():
    """It is said; what newer ones are known for is tried, and takes its time."""
    begun = time.monotonic()
    done = run(["/usr/bin/setarch", "--uname-2.6", PROGRAM, "--json"], timeout=30)
    assert time.monotonic() - begun > 1.5
    state = {c["name"]: c["state"] for c in done.json()["controls"]}
    assert state["Linux 6.1 or later"] == "missing"
    assert state["nft counts in elements"] == "present"


@pytest.mark.parametrize("rules, said", [
    ("table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }\n}",
     "iptables -I FORWARD -i croft+ -j ACCEPT"),
    ("table inet firewalld { chain f { type filter hook forward priority 10; policy accept;\n"
     "ct state established,related accept\n reject with icmpx admin-prohibited\n}\n}",
     'nft insert rule inet firewalld f iifname "croft*" accept'),
    ("table ip filter { chain DOCKER-USER { }\n chain FORWARD { type filter hook forward priority "
     "0; policy drop;\n jump DOCKER-USER\n}\n}", "iptables -I DOCKER-USER -i croft+ -j ACCEPT"),
])
def test_another_firewall_that_drops_what_croft_allows(rules, said):
    """In a network namespace of its own: the host's rules are nobody's to play with."""
    script = f"/usr/sbin/nft -f - <<'EOF'\n{rules}\nEOF\nexec {PROGRAM} --json"
    done = run(["/usr/bin/unshare", "-n", "/bin/bash", "-c", script], timeout=30)
    found = [c for c in done.json()["controls"] if c["name"] == "another firewall drops"]
    assert any(said in c["todo"] for c in found), str(found)
    # The rules that it told of let the packets pass.
    fixes = " ; ".join(c["todo"].split(",")[0] for c in found if c["todo"].startswith("nft"))
    if fixes:
        script = f"/usr/sbin/nft -f - <<'EOF'\n{rules}\nEOF\n{fixes}\nexec {PROGRAM} --json"
        done = run(["/usr/bin/unshare", "-n", "/bin/bash", "-c", script], timeout=30,
                   env={"PATH": PATH})
        assert not [c for c in done.json()["controls"] if c["name"] == "another firewall drops"]


def test_a_route_into_our_addresses():
    script = ("ip link set lo up; ip link add t0 type veth peer name t1; ip link set t1 up; "
              "ip link set t0 up; "
              f"ip route add 100.96.7.0/24 dev t0; exec {PROGRAM} --json")
    done = run(["/usr/bin/unshare", "-n", "/bin/sh", "-c", script], timeout=30,
               env={"PATH": PATH})
    found = [c for c in done.json()["controls"] if c["name"] == "addresses of machines"]
    assert found[0]["state"] == "missing" and "t0" in found[0]["known"], str(done)


@pytest.mark.parametrize("disabled, state", [(0, "present"), (1, "advice")])
def test_a_host_without_ipv6(disabled, state):
    script = f"sysctl -qw net.ipv6.conf.all.disable_ipv6={disabled}; exec {PROGRAM} --json"
    done = run(["/usr/bin/unshare", "-n", "/bin/sh", "-c", script], timeout=30, env={"PATH": PATH})
    found = [c for c in done.json()["controls"] if c["name"] == "IPv6"]
    assert len(found) == 1 and found[0]["state"] == state, str(done)


def test_a_resolver_on_loopback():
    with kept("/etc/resolv.conf"):
        pathlib.Path("/etc/resolv.conf").write_text("nameserver 127.0.0.53\n")
        assert controls()["resolver"]["state"] == "advice"
        pathlib.Path("/etc/resolv.conf").write_text("nameserver 192.0.2.53\n")
        assert controls()["resolver"]["state"] == "present"


# --- --verify ---

def verify():
    result = doctor("--verify", "--json")
    assert result.status in (OK, FAILED), str(result)
    answer = result.json()
    assert (result.status == OK) == (not answer["differences"]), str(result)
    return [d["what"] for d in answer["differences"]]


def test_verify_finds_what_the_records_say(alice, bob):
    assert not verify()
    ok("launch", "busybox", "one", user=alice, timeout=40)
    ok("launch", "busybox", "two", user=bob, timeout=40)
    assert not verify()
    ok("stop", "one", user=alice, timeout=40)
    assert not verify()
    ok("rm", "--force", "one", user=alice, timeout=40)
    ok("rm", "--force", "two", user=bob, timeout=40)
    assert not verify()


def test_verify_while_machines_start_and_stop(alice, bob):
    """It looks twice before it accuses."""
    stop = threading.Event()
    failures = []

    def storm(name):
        while not stop.is_set():
            result = croft("run", "--rm", "busybox", "--", "/bin/true", user=name, timeout=40)
            if result.status != 0:
                failures.append(str(result))

    threads = [threading.Thread(target=storm, args=(name,)) for name in (alice, bob)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(8):
            assert not verify()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures[0]


def test_verify_names_what_is_too_much():
    strange = 59999
    mount = RUN / "volumes" / str(strange)
    groups = [root / CGROUP / str(strange) for root in harness.cgroup_roots().values()
              if (root / CGROUP).exists()]
    try:
        mount.mkdir(mode=0o700)
        run(["/bin/mount", "-t", "tmpfs", "none", mount])
        assert any(f"mount {mount}" in what for what in verify())
    finally:
        run(["/bin/umount", mount])
        mount.rmdir()
    try:
        for group in groups:
            group.mkdir()
        assert any(f"control group {CGROUP}/{strange}" in what for what in verify())
    finally:
        for group in groups:
            group.rmdir()
    backing = STATE / "volumes" / f"{strange}.ext4"
    try:
        backing.write_bytes(bytes(1 << 20))
        device = run(["/sbin/losetup", "-f", "--show", backing], env={"PATH": PATH}).out.strip()
        assert any("loop device" in what for what in verify())
    finally:
        run(["/sbin/losetup", "-d", device])
        backing.unlink()
    try:
        run(["/sbin/ip", "link", "add", "croftfff0", "type", "veth", "peer", "name",
             "t-peer"], env={"PATH": PATH})
        assert any("link croftfff0" in what for what in verify())
    finally:
        run(["/sbin/ip", "link", "del", "croftfff0"], env={"PATH": PATH})
    assert not verify()


def test_verify_names_ids_that_are_machines(alice):
    with kept("/etc/subuid"):
        with open("/etc/subuid", "a", encoding="ascii") as out:
            out.write(f"nobody:{harness.ID_FIRST + 5}:10\n")
        assert any("/etc/subuid: nobody" in what for what in verify())
    with kept("/etc/group"):
        text = pathlib.Path("/etc/group").read_text(encoding="ascii")
        lines = [line for line in text.splitlines() if not line.startswith(f"croft-u-{uid(alice)}:")]
        pathlib.Path("/etc/group").write_text("\n".join(lines) + "\n", encoding="ascii")
        assert any(f"croft-u-{uid(alice)} should have gid" in what for what in verify())
    assert not verify()


def test_verify_names_what_is_not_there(alice):
    """A machine whose link was taken away behind Croft's back is named."""
    ok("launch", "busybox", "gone", user=alice, timeout=40)
    try:
        assert not verify()
        links = [name for name in os.listdir("/sys/class/net") if name.startswith("croft")]
        assert len(links) == 1, links
        link = links[0]
        done = run(["/sbin/ip", "link", "del", link], env={"PATH": PATH})
        assert done.status == 0, str(done)
        assert any(f"link {link}: machine gone" in what for what in verify())
    finally:
        ok("rm", "--force", "gone", user=alice, timeout=40)
    assert not verify()


def nft(*words):
    done = run(["/usr/sbin/nft", *words])
    assert done.status == 0, str(done)


@contextlib.contextmanager
def asleep(program):
    """croft-net puts its table back at once; what doctor sees until then is seen while it sleeps."""
    pids = [int(path.parent.name) for path in pathlib.Path("/proc").glob("[0-9]*/exe")
            if os.path.exists(path) and os.readlink(path) == str(LIB / program)]
    assert len(pids) == 1, pids
    os.kill(pids[0], signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pids[0], signal.SIGCONT)


def settled_verify(seconds=5):
    end = time.monotonic() + seconds
    while (left := verify()) and time.monotonic() < end:
        time.sleep(0.2)
    return left


@pytest.mark.parametrize("family", [4, 6])
def test_verify_holds_elements_against_grants(alice, bob, family):
    """An element that no grant asks for is named, and a grant without its element; so is one that
    makes a machine another user's."""
    grants, members = f"grants{family}", f"members{family}"
    ok("launch", "busybox", "db", user=alice, timeout=40)
    try:
        ok("grant", bob, "port", "db:5432", "--for", "1h", user=alice)
        assert not verify()
        listing = json.loads(run(["/usr/sbin/nft", "-j", "list", "set", "inet", "croft",
                                  grants]).out)
        found = [s["set"]["elem"] for s in listing["nftables"] if "set" in s][0][0]
        _, address, *_ = found["elem"]["val"]["concat"] if "elem" in found else found["concat"]
        with asleep("croft-net"):
            nft("add", "element", "inet", "croft", grants,
                f"{{ {uid(bob)} . {address} . tcp . 22 }}")
            nft("delete", "element", "inet", "croft", grants,
                f"{{ {uid(bob)} . {address} . tcp . 5432 }}")
            nft("add", "element", "inet", "croft", members, f"{{ {uid(bob)} . {address} }}")
            nft("delete", "element", "inet", "croft", members, f"{{ {uid(alice)} . {address} }}")
            said = verify()
            assert any(f"{grants}: uid {uid(bob)} may reach port 22 of slot" in s and
                       "nobody granted" in s for s in said), said
            assert any(f"{grants}: port 5432 of db" in s and "not open" in s for s in said), said
            assert any(f"{members}: an element for slot" in s for s in said), said
            assert any(f"{members}: machine db" in s for s in said), said
        assert not settled_verify()
        ok("revoke", bob, "port", "db:5432", user=alice)
        assert not verify()
    finally:
        ok("rm", "--force", "db", user=alice, timeout=40)
    assert not verify()


def test_json_is_ascii_and_one_object():
    for options in ((), ("--verify",)):
        out = doctor("--json", *options).out
        assert out.isascii() and isinstance(json.loads(out), dict)
    assert shutil.which("nft") and BIN.exists()
