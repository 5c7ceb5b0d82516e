# SPDX-License-Identifier: Apache-2.0
"""The gate (issue "Walls": login by croft-gate under the host's own sshd; design 11; attacks S-02
to S-07): command, exit status, terminal, window size, signals, scp, sftp, and no way around it"""
import hashlib
import io
import os
import pathlib
import pwd
import re
import signal
import socket
import subprocess
import tarfile
import tempfile
import time

import pytest

import sshd
from harness import (CONF, cgroup_dir, croft, fresh_name, import_image, machines, ok, run, until)

SERVER = "/usr/lib/openssh/sftp-server"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    why = sshd.installed()
    if why:
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("sshd")
    running = sshd.Sshd(folder)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return sshd.make_key(tmp_path_factory.mktemp("key") / "id")


@pytest.fixture(scope="module")
def dora(people, key):
    """A user with a key, who comes by ssh."""
    return people.add("--key", f"{key}.pub")


@pytest.fixture
def say(server, key, dora):
    """say(words...): one command of dora's over ssh"""
    return lambda *words, **more: server.ssh(dora, key, *words, **more)


def sftp_image(path):
    """A root file system with busybox, Debian's sftp-server and what it links."""
    listed = run(["/usr/bin/ldd", SERVER], env={"PATH": "/usr/bin:/bin"}).out
    libraries = set(re.findall(r"(/\S+)", listed))
    with tarfile.open(path, "w", dereference=True) as archive:
        archive.add("/bin/busybox", "bin/sh")
        archive.add("/bin/busybox", "bin/cat")
        archive.add("/usr/bin/scp", "usr/bin/scp")
        archive.add(SERVER, SERVER.lstrip("/"))
        passwd = b"root:x:0:0:root:/root:/bin/sh\n"
        entry = tarfile.TarInfo("etc/passwd")
        entry.size = len(passwd)
        archive.addfile(entry, io.BytesIO(passwd))
        for library in libraries | set(re.findall(
                r"(/\S+)", run(["/usr/bin/ldd", "/usr/bin/scp"], env={"PATH": "/usr/bin"}).out)):
            archive.add(library, library.lstrip("/"))
    return path


def test_command_and_exit_status(say):
    """ssh host COMMAND runs in her home; its exit status is ssh's"""
    result = say("echo out; echo err >&2; exit 41")
    assert (result.status, result.out, result.err) == (41, "out\n", "err\n"), str(result)
    assert say("id -u").out == "0\n"
    assert say("true").status == 0


def test_home_is_a_machine_of_hers(say, dora):
    """the login lands in the machine `home`, made on the first login, no other's"""
    say("echo here > /marker")
    shown = machines(dora)
    assert shown["home"]["state"] == "running"
    assert ok("exec", "home", "--", "/bin/cat", "/marker", user=dora).out == "here\n"
    assert "root" not in say("ls /root /home 2>/dev/null | head -3").err


def test_not_on_the_host(say, server):
    """nothing of the host is there: no key, no passwd of the host, no process of the host"""
    shown = say("cat /etc/passwd; ls /etc/ssh /proc | head -100; cat /proc/*/comm; hostname").out
    assert "sshd" not in shown and "croft-monitor" not in shown
    assert socket.gethostname() not in shown.split()
    assert str(server.folder) not in shown


def test_standard_input_and_100_mb(server, dora, key, scratch):
    """a command's input and output pass unharmed, as many bytes as one likes"""
    data = os.urandom(1 << 20) * 40
    (scratch / "in").write_bytes(data)
    with (scratch / "in").open("rb") as given, (scratch / "out").open("wb") as taken:
        done = subprocess.run(server.argv(dora, key, "cat"), stdin=given, stdout=taken,
                              stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256((scratch / "out").read_bytes()).digest() == hashlib.sha256(data).digest()


def test_terminal_and_window_size(server, dora, key):
    """ssh host: a shell with a terminal, its size, its changes, ctrl-c, ctrl-d"""
    with server.terminal(dora, key, rows=31, columns=97) as terminal:
        terminal.expect(r"[#$] ", 20)
        terminal.send("stty size; tty; echo $TERM\n")
        terminal.expect(r"31 97\r\n/dev/(pts/\d+|console)\r\nxterm\r\n")
        terminal.resize(40, 120)
        time.sleep(0.5)
        terminal.send("stty size\n")
        terminal.expect(r"40 120\r\n")
        terminal.expect(r"[#$] ")
        terminal.send("sleep 100\n")
        time.sleep(0.5)
        terminal.send("\x03")
        terminal.expect(r"\n.*[#$] ")
        terminal.send("exit 17\n")
        assert terminal.wait() == 17


def test_end_of_input_ends_the_shell(server, dora, key):
    with server.terminal(dora, key) as terminal:
        terminal.expect(r"[#$] ", 20)
        terminal.send("\x04")
        assert terminal.wait() == 0


def test_hang_up_ends_what_ran(server, dora, key):
    """the connection lost: the command inside gets its signal and goes"""
    child = subprocess.Popen(server.argv(dora, key, "echo up; sleep 4321"),
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             stdin=subprocess.DEVNULL)
    assert child.stdout.readline() == b"up\n"
    child.kill()
    child.communicate(timeout=5)
    until(lambda: "4321" not in ok("exec", "home", "--", "/bin/ps", user=dora).out, 15,
          "the command's end")


def test_signals(server, dora, key):
    """a command that a signal ended is told as such"""
    result = server.ssh(dora, key, "kill -TERM $$; sleep 3")
    assert result.status in (128 + signal.SIGTERM, 255), str(result)


WORDS = ["echo a'b'\"c\"", "echo $(echo sub)", "echo `echo back`", "echo one; echo two",
         "printf '%s\\n' \"a b\" 'c  d'", "echo a\necho b", "echo $HOME", "echo '$(id)'",
         "echo a && false || echo c", "echo ü", "cat <<E\nhere $((1+1))\nE", "echo '--user=bob'",
         "echo \\\\", "set -- a b; echo $#"]


@pytest.mark.parametrize("words", WORDS, ids=ascii)
def test_one_string_for_the_shell_inside(say, words):
    """S-03: SSH_ORIGINAL_COMMAND is one string for /bin/sh -c inside, expanded there alone"""
    result = say(words)
    expected = run(["/bin/busybox", "sh", "-c", words], env={"HOME": "/", "PATH": "/bin"})
    if "$HOME" in words:
        assert result.status == 0 and result.out.startswith("/"), str(result)
        return
    assert (result.status, result.out) == (expected.status, expected.out), str(result)


@pytest.mark.parametrize("words", ["/usr/bin/id; touch /tmp/croft-escaped",
                                   "$(touch /tmp/croft-escaped)", "`touch /tmp/croft-escaped`",
                                   "croft ls; touch /tmp/croft-escaped",
                                   "croft ls $(touch /tmp/croft-escaped)",
                                   "croft ls `touch /tmp/croft-escaped`",
                                   "croft ls > /tmp/croft-escaped",
                                   "croft ls\ntouch /tmp/croft-escaped",
                                   "croft ls | tee /tmp/croft-escaped",
                                   "croft;touch /tmp/croft-escaped",
                                   "croft 'ls' && touch /tmp/croft-escaped",
                                   "/usr/bin/croft ls; touch /tmp/croft-escaped",
                                   "croft image import /etc/shadow x",
                                   "croft user set root --key /etc/shadow"])
def test_no_shell_of_the_host(say, words):
    """S-03: no word makes the host run or write anything"""
    say(words)
    assert not os.path.exists("/tmp/croft-escaped")


def test_a_very_long_command(say):
    """S-03: a command of 100 kB is refused or run, never cut"""
    result = say("echo " + "x" * 100_000)
    assert result.status != 0 or len(result.out) == 100_001, str(result)
    result = say("echo " + "y" * 20_000)
    assert result.status != 0 or result.out == "y" * 20_000 + "\n"


def test_croft_over_ssh(say, dora):
    """ssh host croft ls: the host's croft as her, with quotes and backslashes"""
    result = say("croft ls")
    assert result.status == 0 and "home" in result.out, str(result)
    assert say("croft info nosuch").status == 3
    assert say("croft exec home -- /bin/sh -c 'exit 9'").status == 9
    assert say("croft exec home -- /bin/echo 'a  b' c\\ d").out == "a  b c d\n"
    assert say("croft exec home -- /bin/echo '$HOME' \\$x").out == "$HOME $x\n"
    assert say("croft user ls").out.count("\n") <= 3
    assert say("croft exec home -- /bin/echo 'unclosed").status == 125
    assert "crofter" in say("crofter ls").err, "only the exact word croft is the host's"


def test_croft_over_ssh_takes_files_from_standard_input_only(say, scratch, server, key, dora):
    """image import over ssh: - only; a host path is not opened for her"""
    secret = scratch / "secret.tar"
    with tarfile.open(secret, "w") as archive:
        archive.add("/bin/busybox", "bin/sh")
    refused = say(f"croft image import {secret} reach")
    assert refused.status not in (0, 255), str(refused)
    with secret.open("rb") as given:
        taken = subprocess.run(server.argv(dora, key, "croft image import - mine"), stdin=given,
                               capture_output=True, timeout=40, check=False)
    assert taken.returncode == 0, taken.stderr
    assert say("croft run --rm mine -- /bin/sh -c 'echo ran'").out == "ran\n"
    assert say("croft image rm mine").status == 0


@pytest.mark.parametrize("options, what", [
    (("-L", "{port}:127.0.0.1:22"), "local"), (("-D", "{port}"), "dynamic"),
    (("-R", "{port}:127.0.0.1:22"), "remote"), (("-R", "0.0.0.0:{port}:127.0.0.1:22"), "public"),
    (("-L", "{folder}/sock:/run/croft/door"), "to a socket of the host"),
    (("-R", "{folder}/sock:127.0.0.1:22"), "from a socket of the host")])
def test_no_forwarding(server, dora, key, scratch, options, what):
    """S-02: no port and no socket of the host is reached or opened through her login"""
    scratch.chmod(0o777)
    port = sshd.free_port()
    given = tuple(o.format(port=port, folder=scratch) for o in options)
    if given[0] in ("-L", "-D"):
        # The listener is at the client; what must fail is the way through the server.
        child = subprocess.Popen(server.argv(dora, key, options=(*given, "-N")),
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        try:
            family = socket.AF_UNIX if "sock" in given[1] else socket.AF_INET
            place = str(scratch / "sock") if family == socket.AF_UNIX else ("127.0.0.1", port)

            def reach():
                probe = socket.socket(family)
                probe.settimeout(5)
                try:
                    probe.connect(place)
                except OSError:
                    probe.close()
                    return None
                return probe
            probe = until(reach, 10, "ssh's own listener")
            with probe:
                if given[0] == "-D":
                    probe.sendall(b"\x05\x01\x00")
                    probe.recv(2)
                    probe.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" +
                                  server.port.to_bytes(2, "big"))
                    answer = probe.recv(10)
                    assert answer[1:2] != b"\x00", "the server opened the connection"
                else:
                    try:
                        assert probe.recv(100) == b"", "something of the host answered"
                    except ConnectionResetError:
                        pass
        finally:
            child.kill()  # asked to end, ssh may wait for the channel that was refused
            child.wait(5)
        return
    result = server.ssh(dora, key, "sleep 1",
                        options=given + ("-o", "ExitOnForwardFailure=yes"))
    assert result.status == 255, str(result)


def test_no_tunnel_agent_x11(server, dora, key, scratch):
    """S-06, S-07: no tun device, no agent socket, no X11 on the host for her"""
    result = server.ssh(dora, key, "true", options=("-w", "any", "-o", "ExitOnForwardFailure=yes"))
    assert result.status == 255, str(result)
    agent = subprocess.Popen(["/usr/bin/ssh-agent", "-D", "-a", scratch / "agent"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until((scratch / "agent").exists, 5, "the agent's start")
        before = set(pathlib.Path("/tmp").glob("ssh-*"))
        shown = server.ssh(dora, key, "env; ls /tmp", options=("-A", "-X"),
                           env={"SSH_AUTH_SOCK": str(scratch / "agent"), "DISPLAY": ":9"})
        assert shown.status == 0 and "SSH_AUTH_SOCK" not in shown.out \
            and "DISPLAY" not in shown.out, str(shown)
        assert set(pathlib.Path("/tmp").glob("ssh-*")) <= before
    finally:
        agent.terminate()
        agent.wait(5)


def test_no_environment_from_outside(server, dora, key):
    """S-05: SetEnv of LD_PRELOAD, PATH, BASH_ENV, SHELL ... reaches neither gate nor machine"""
    options = ("-o", "SetEnv=LD_PRELOAD=/x LD_LIBRARY_PATH=/x BASH_ENV=/x ENV=/x PATH=/x "
               "IFS=x HOME=/x SHELL=/x USER=root LC_ALL=x CROFT_X=1 LANG=de_DE.UTF-8")
    shown = server.ssh(dora, key, "env", options=options)
    assert shown.status == 0, str(shown)
    for word in ("LD_PRELOAD", "LD_LIBRARY_PATH", "BASH_ENV", "IFS=x", "CROFT_X", "LC_ALL",
                 "PATH=/x", "HOME=/x", "SSH_ORIGINAL_COMMAND", "SSH_CONNECTION"):
        assert word not in shown.out, str(shown)


def test_planted_files_change_nothing(server, dora, key):
    """S-05: rc, environment and authorized_keys written into her machine are not the host's"""
    planted = ("mkdir -p /root/.ssh /home/x/.ssh; for d in /root /home/x /; do mkdir -p $d/.ssh; "
               "echo 'touch /tmp/croft-escaped' > $d/.ssh/rc; echo 'A=evil' > $d/.ssh/environment; "
               "echo 'environment=\"A=evil\" ssh-ed25519 AAAA x' > $d/.ssh/authorized_keys; done")
    assert server.ssh(dora, key, planted).status == 0
    shown = server.ssh(dora, key, "env")
    assert shown.status == 0 and "evil" not in shown.out
    assert not os.path.exists("/tmp/croft-escaped")


def test_another_key_is_refused(server, dora, scratch):
    """only the key that the admin gave opens"""
    other = sshd.make_key(scratch / "other")
    result = server.ssh(dora, other, "true")
    assert result.status == 255 and "denied" in result.err.lower(), str(result)


def test_a_key_replaced_and_a_user_removed(people, server, scratch):
    """user set --key takes the old key's right; user rm takes all"""
    first, second = sshd.make_key(scratch / "1"), sshd.make_key(scratch / "2")
    name = people.add("--key", f"{first}.pub")
    assert server.ssh(name, first, "true").status == 0
    ok("user", "set", name, "--key", f"{second}.pub")
    assert server.ssh(name, first, "true").status == 255
    assert server.ssh(name, second, "true").status == 0
    people.remove(name)
    assert server.ssh(name, second, "true").status == 255


def test_the_key_file_is_roots(dora):
    """keys are root-owned files of the host"""
    held = (CONF / "keys" / dora).stat()
    assert held.st_uid == 0 and held.st_mode & 0o022 == 0


def test_login_without_the_key_file_or_the_gate_fails_closed(server, people, scratch):
    """missing or failing, the login is denied, never a host shell"""
    name = people.add()
    result = server.ssh(name, sshd.make_key(scratch / "k"), "true")
    assert result.status == 255, str(result)
    shell = pwd.getpwnam(name).pw_shell
    direct = run([shell, "-c", "echo on the host; id"], user=name, timeout=20)
    assert "on the host" not in direct.out or "uid=0" in direct.out, str(direct)
    assert f"({name})" not in direct.out


def test_sftp_and_scp_without_the_server_say_so(server, dora, key, scratch):
    """an image without sftp-server: a clear message, nothing of the host served"""
    result = server.ssh(dora, key, SERVER)
    assert result.status == 127 and "sftp-server" in result.err, str(result)
    # sshd drops what a subsystem writes to standard error; its exit status remains.
    assert server.ssh(dora, key, "sftp", options=("-s",)).status == 127
    (scratch / "file").write_text("x")
    for extra in ([], ["-O"]):
        done = run(["/usr/bin/scp", *extra, "-F", "/dev/null", "-i", key, "-P", str(server.port),
                    "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
                    "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                    scratch / "file", f"{dora}@127.0.0.1:/"], env={"PATH": "/usr/bin:/bin"})
        assert done.status != 0, str(done)
        if extra:
            assert "scp" in done.err and "not found" in done.err, str(done)


@pytest.mark.skipif(not os.path.exists(SERVER), reason=f"no {SERVER} to put into an image")
def test_sftp_and_scp_inside(server, people, scratch):
    """S-04: scp and sftp run the server inside her machine and see nothing else"""
    key = sshd.make_key(scratch / "k")
    name = people.add("--key", f"{key}.pub")
    result = import_image(name, "sftp", sftp_image(scratch / "sftp.tar"), timeout=60)
    assert result.status == 0, str(result)
    ok("launch", "sftp", "home", user=name, timeout=40)
    data = os.urandom(3 << 20)
    (scratch / "data").write_bytes(data)
    common = ["-F", "/dev/null", "-i", key, "-P", str(server.port), "-o", "BatchMode=yes",
              "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
              "-o", "LogLevel=ERROR"]
    path = {"env": {"PATH": "/usr/bin:/bin"}}
    for extra in ([], ["-O"]):
        up = run(["/usr/bin/scp", *extra, *common, scratch / "data", f"{name}@127.0.0.1:/data"],
                 **path)
        assert up.status == 0, str(up)
        down = run(["/usr/bin/scp", *extra, *common, f"{name}@127.0.0.1:/data", scratch / "back"],
                   **path)
        assert down.status == 0, str(down)
        assert (scratch / "back").read_bytes() == data
    # Canaries of the host: nothing in her machine has these names. "-" goes on after a failure.
    with tempfile.NamedTemporaryFile(dir="/", prefix="canary-") as canary:
        os.fchmod(canary.fileno(), 0o644)
        (scratch / "batch").write_text(
            f"lcd {scratch}\ncd /../../..\nls\n-get /etc/shadow stolen-shadow\n"
            f"-get {canary.name} stolen-root\n-get ../../../..{scratch}/data stolen-data\n"
            "put batch /up\n")
        shown = run(["/usr/bin/sftp", *common, "-b", scratch / "batch", f"{name}@127.0.0.1"],
                    **path)
        assert shown.status == 0, str(shown)
        # sftp repeats the commands of a batch.
        said = " ".join(x for x in shown.out.splitlines() if not x.startswith("sftp>"))
        assert os.path.basename(canary.name) not in said, str(shown)
    assert "data" in said.split(), f"ls of her own root: {shown}"
    assert not list(scratch.glob("stolen*")) and not list(pathlib.Path("/").glob("stolen*"))
    assert not os.path.exists("/up")
    inside = ok("exec", "home", "--", "/bin/cat", "/up", user=name).out
    assert inside == (scratch / "batch").read_text()


def test_the_login_is_counted_beside_her_envelope(server, people, scratch):
    """the gate and sshd's child stand in her gate group, so that she gets in at her limit"""
    key = sshd.make_key(scratch / "k")
    name = people.add("--key", f"{key}.pub")
    child = subprocess.Popen(server.argv(name, key, "echo up; sleep 60"), stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    assert child.stdout.readline() == b"up\n"
    group = cgroup_dir("pids", f"{pwd.getpwnam(name).pw_uid}/gate")
    held = {int(p) for p in (group / "cgroup.procs").read_text().split()}
    programs = {os.path.basename(os.readlink(f"/proc/{pid}/exe")) for pid in held}
    owned = [p for p in pathlib.Path("/proc").glob("[0-9]*")
             if p.stat().st_uid == pwd.getpwnam(name).pw_uid and int(p.name) not in held]
    child.kill()
    child.communicate(timeout=5)
    assert programs & {"croft", "croft-gate"} and any("sshd" in p for p in programs), programs
    assert not owned, "processes of hers on the host outside her gate group"


def test_rescue_by_ssh_at_the_pid_limit(server, people, scratch):
    """invariant 8: at 100 % of pids she logs in by ssh and kills"""
    key = sshd.make_key(scratch / "k")
    name = people.add("--key", f"{key}.pub", pids="48")
    assert server.ssh(name, key, "true").status == 0
    pids = cgroup_dir("pids", f"{pwd.getpwnam(name).pw_uid}/all") / "pids.current"
    child = subprocess.Popen(server.argv(name, key, "awk 'BEGIN { while (1) "
                                                    "system(\"sleep 999 &\") }'"),
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    try:
        until(lambda: int(pids.read_text()) >= 47, 15, "the limit")
        shown = server.ssh(name, key, "ps | grep -c '[s]leep 999'; killall -9 awk sleep; "
                                        "echo done")
        assert shown.out.endswith("done\n"), str(shown)
    finally:
        child.kill()
        child.wait(5)
        croft("stop", "--timeout", "0", "home", user=name, timeout=30)


def test_rescue_by_ssh_on_a_full_disk(server, people, scratch):
    """invariant 8: at 100 % of bytes and inodes she logs in by ssh and deletes"""
    key = sshd.make_key(scratch / "k")
    name = people.add("--key", f"{key}.pub", disk="40M")
    full = server.ssh(name, key, "dd if=/dev/zero of=/fill bs=64k 2>/dev/null; i=0; "
                                 "while : > /f$i; do i=$((i+1)); done 2>/dev/null; echo $i",
                      timeout=40)
    assert full.status in (0, 1, 2), str(full)
    ok("stop", "home", user=name, timeout=30)
    shown = server.ssh(name, key, "rm -f /fill /f*; echo new > /new && cat /new", timeout=40)
    assert shown.out == "new\n", str(shown)


def test_a_login_is_recorded(say, dora):
    """invariant 10: each login stands in her records, with its command"""
    say("true")
    until(lambda: "login" in ok("audit", user=dora).out, 5, "the record")


def test_fresh_name_is_unknown_to_sshd(server, key):
    """a name without an account is refused as any"""
    assert server.ssh(fresh_name(), key, "true").status == 255
