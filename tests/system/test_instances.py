# SPDX-License-Identifier: Apache-2.0
"""Instances (issue "Walls": Instances; design 4): every verb, exit statuses, signals, terminals"""
import concurrent.futures
import hashlib
import os
import re
import signal
import subprocess
import time

import pytest

from harness import (BIN, NOT_FOUND, USAGE, Terminal, croft, croft_on_terminal, envelope_pids,
                     identity, machines, ok, refused, run, start, until, users)

SH = "/bin/sh"


@pytest.fixture(scope="module")
def machine(alice):
    """A machine of alice's that is up for the whole module."""
    ok("launch", "busybox", "m", user=alice, timeout=40)
    yield "m"
    ok("rm", "--force", "m", user=alice)


def inside(user, name, script, *options, **more):
    return croft("exec", *options, name, "--", SH, "-c", script, user=user, **more)


# -- run ---------------------------------------------------------------------------------------

def test_run_gives_output_apart(alice):
    """run: standard output and standard error stay two streams"""
    result = croft("run", "--rm", "busybox", "--", SH, "-c", "echo out; echo err >&2", user=alice)
    assert (result.status, result.out, result.err) == (0, "out\n", "err\n"), str(result)


@pytest.mark.parametrize("status", [0, 1, 2, 3, 6, 42, 125, 127, 255])
def test_run_passes_the_exit_status(alice, status):
    """run passes the command's own exit status"""
    result = croft("run", "--rm", "busybox", "--", SH, "-c", f"exit {status}", user=alice)
    assert result.status == status and result.err == "", str(result)


@pytest.mark.parametrize("argv, status", [(["/no/such"], 127), (["nosuchword"], 127),
                                          (["/etc"], 126), (["/etc/passwd"], 126)])
def test_run_and_exec_say_what_cannot_be_executed(alice, machine, argv, status):
    """126 cannot be executed, 127 not found, as Docker"""
    for words in (("run", "--rm", "busybox"), ("exec", machine)):
        result = croft(*words, "--", *argv, user=alice)
        assert argv[0] in refused(result, status)


def test_run_of_an_unknown_image_is_125(alice):
    """125: croft itself failed before the command, as Docker"""
    assert "nosuch" in refused(croft("run", "--rm", "nosuch", "--", "/bin/true", user=alice), 125)


def test_exec_in_an_unknown_machine_is_125(alice):
    assert "nosuch" in refused(croft("exec", "nosuch", "--", "/bin/true", user=alice), 125)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_death_by_signal_is_128_plus(alice, machine, number):
    """a command that a signal ended is 128 + its number, as a shell and Docker say it"""
    script = f"kill -{int(number)} $$; sleep 5"
    result = inside(alice, machine, f"exec {SH} -c '{script}'")
    assert result.status == 128 + number, str(result)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
@pytest.mark.parametrize("verb", ["run", "exec"])
def test_signals_reach_the_command(alice, machine, verb, number):
    """a signal that croft gets arrives inside; the command answers it as it likes"""
    words = ["run", "--rm", "busybox"] if verb == "run" else ["exec", machine]
    script = (f"trap 'echo caught; exit 7' {number.name[3:]}; echo ready; "
              "while :; do sleep 0.1; done")
    child = start(*words, "--", SH, "-c", script, user=alice)
    try:
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(number)
        out, err = child.communicate(timeout=10)
        assert (child.returncode, out) == (7, b"caught\n"), err
    finally:
        child.kill()
        child.wait()


def test_standard_input_reaches_only_who_asks(alice, machine):
    """-i passes standard input; without it the command sees its end at once"""
    for words in (("run", "--rm"), ("exec",)):
        target = "busybox" if words[0] == "run" else machine
        given = croft(*words, "-i", target, "--", "/bin/cat", user=alice, stdin=b"to you\n")
        assert given.out == "to you\n", str(given)
        kept = croft(*words, target, "--", "/bin/cat", user=alice, stdin=b"not this\n")
        assert (kept.status, kept.out) == (0, ""), str(kept)


def test_100_mb_through_both_ways_unharmed(alice, machine, scratch):
    """pipes: 100 MB in and out, byte for byte, no stall"""
    block = os.urandom(1 << 20)
    source = scratch / "in"
    with source.open("wb") as file:
        for _ in range(100):
            file.write(block)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    for words in (("run", "--rm", "-i", "busybox"), ("exec", "-i", machine)):
        with source.open("rb") as given, (scratch / "out").open("wb") as taken:
            done = subprocess.run([BIN, *words, "--", "/bin/cat"], stdin=given, stdout=taken,
                                  stderr=subprocess.PIPE, env={}, cwd="/", timeout=60,
                                  check=False, **identity(alice))
        assert done.returncode == 0, done.stderr
        assert hashlib.sha256((scratch / "out").read_bytes()).hexdigest() == digest


def test_a_reader_that_goes_away_ends_it(alice):
    """croft run ... | head: no endless writer is left behind"""
    child = start("run", "--rm", "busybox", "--", SH, "-c", "while echo yes; do :; done",
                  user=alice)
    assert child.stdout.read(1000)
    child.stdout.close()
    child.wait(10)
    child.stderr.close()
    until(lambda: not machines(alice).keys() - {"m"}, 10, "the job's end")


def test_a_killed_client_leaves_nothing(alice, machine):
    """kill -9 of croft: the run or exec it spoke for ends"""
    uid = users()[alice]["uid"]
    before = len(envelope_pids(uid))
    children = [start("run", "--rm", "busybox", "--", SH, "-c", "echo up; sleep 60", user=alice),
                start("exec", machine, "--", SH, "-c", "echo up; sleep 60", user=alice)]
    for child in children:
        assert child.stdout.readline() == b"up\n"
    for child in children:
        child.kill()
        child.communicate(timeout=5)
    until(lambda: len(envelope_pids(uid)) <= before, 15, "the end of what a dead client ran")


def test_rm_leaves_nothing_and_without_it_the_job_is_kept(alice):
    """--rm: no machine, no cgroup, no directory; else `ls` shows how it ended, `rm` removes it"""
    ok("run", "--rm", "busybox", "--", "/bin/true", user=alice)
    until(lambda: set(machines(alice)) <= {"m"}, 5, "the job's going")
    result = croft("run", "busybox", "--", SH, "-c", "echo kept; exit 5", user=alice)
    assert result.status == 5
    kept = [m for n, m in machines(alice).items() if n != "m"]
    assert len(kept) == 1 and kept[0]["kind"] == "job" and kept[0]["state"] == "stopped"
    assert kept[0]["exit_code"] == 5
    ok("rm", kept[0]["name"], user=alice)
    assert set(machines(alice)) <= {"m"}


def test_twenty_execs_at_once(alice, machine):
    """20 parallel execs: each gets its own answer"""
    def one(number):
        return inside(alice, machine, f"echo {number}; exit {number}", timeout=60)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        results = list(pool.map(one, range(20)))
    assert [(r.status, r.out.strip()) for r in results] == [(i, str(i)) for i in range(20)]


def test_ten_runs_at_once(alice):
    """parallel runs of one user are served one after the other, none is lost"""
    def one(number):
        return croft("run", "--rm", "busybox", "--", "/bin/echo", str(number), user=alice,
                     timeout=60)
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        results = list(pool.map(one, range(10)))
    assert [(r.status, r.out.strip()) for r in results] == [(0, str(i)) for i in range(10)], \
        "\n".join(str(r) for r in results if r.status)


def test_environment_and_arguments_are_exact(alice, machine):
    """arguments reach the command byte for byte; the client's environment does not"""
    odd = ["", " ", "a b", "'", '"', "$HOME", "`id`", "\\", "*", "--", "-x", "ü", "a\nb"]
    result = croft("exec", machine, "--", SH, "-c", 'for a in "$@"; do printf "<%s>" "$a"; done',
                   "sh", *odd, user=alice, env={"LEAK": "1", "LD_PRELOAD": "/x"})
    assert result.out == "".join(f"<{a}>" for a in odd), str(result)
    result = croft("exec", machine, "--", "/usr/bin/env", user=alice, env={"LEAK": "1"})
    if result.status == 127:
        result = croft("exec", machine, "--", "/bin/env", user=alice, env={"LEAK": "1"})
    assert result.status == 0 and "LEAK" not in result.out and "PATH=" in result.out, str(result)


# -- machines ----------------------------------------------------------------------------------

def test_life_of_a_machine(alice):
    """launch, ls, info, stop, start, rm: states and exit statuses"""
    ok("launch", "busybox", "life", user=alice, timeout=40)
    shown = machines(alice)["life"]
    assert shown["state"] == "running" and shown["image"] == "busybox"
    assert shown["kind"] in ("machine", "container")
    assert "life" in ok("ls", user=alice).out and "running" in ok("ls", user=alice).out
    info = ok("info", "--json", "life", user=alice).json()
    info = info.get("machine", info)
    assert info["name"] == "life" and info["limits"] and info["pids"] >= 1
    assert "life" in ok("info", "life", user=alice).out
    ok("exec", "life", "--", SH, "-c", "echo stays > /stays", user=alice)
    ok("stop", "life", user=alice, timeout=30)
    assert machines(alice)["life"]["state"] == "stopped"
    refused(croft("exec", "life", "--", "/bin/true", user=alice), 125)
    ok("start", "life", user=alice)
    assert ok("exec", "life", "--", "/bin/cat", "/stays", user=alice).out == "stays\n"
    result = croft("rm", "life", user=alice)
    assert result.status != 0 and "life" in machines(alice), "a running machine is not removed"
    refused(result, 1, 2, 4)
    ok("rm", "--force", "life", user=alice)
    assert "life" not in machines(alice)
    refused(croft("info", "life", user=alice), NOT_FOUND)


def test_same_name_twice(alice, machine):
    """launch of a name that is taken: refused, the first one runs on"""
    since = machines(alice)[machine]["since"]
    assert machine in refused(croft("launch", "busybox", machine, user=alice), 1, USAGE, 4)
    assert machines(alice)[machine]["since"] == since


def test_stop_twice_and_start_twice(alice):
    """what is already so is said or accepted, never an endless wait or a broken machine"""
    ok("launch", "busybox", "twice", user=alice, timeout=40)
    for verb, state in (("start", "running"), ("stop", "stopped"), ("stop", "stopped"),
                        ("start", "running")):
        croft(verb, "twice", user=alice, timeout=30)
        assert machines(alice)["twice"]["state"] == state
    ok("rm", "--force", "twice", user=alice)


def test_stop_ends_what_does_not_want_to(alice):
    """stop --timeout: a machine whose processes ignore signals is gone in time"""
    ok("launch", "busybox", "stubborn", user=alice, timeout=40)
    child = start("exec", "stubborn", "--", SH, "-c",
                  "trap '' TERM HUP INT; echo up; while :; do sleep 1; done", user=alice)
    assert child.stdout.readline() == b"up\n"
    begun = time.monotonic()
    ok("stop", "--timeout", "1", "stubborn", user=alice, timeout=30)
    assert time.monotonic() - begun < 8
    child.communicate(timeout=10)
    assert child.returncode not in (0, None)
    ok("rm", "stubborn", user=alice)


def test_a_machine_is_its_owners_alone(alice, bob, machine):
    """bob gets for alice's machine what he gets for one that is not there"""
    for words in (("info",), ("stop",), ("start",), ("rm", "--force"), ("logs",)):
        hers = refused(croft(*words, machine, user=bob), NOT_FOUND)
        none = refused(croft(*words, "nosuch", user=bob), NOT_FOUND)
        assert re.sub(rf"\b{machine}\b", "*", hers) == none.replace("nosuch", "*")
    hers = refused(croft("exec", machine, "--", "/bin/true", user=bob), 125)
    none = refused(croft("exec", "nosuch", "--", "/bin/true", user=bob), 125)
    assert re.sub(rf"\b{machine}\b", "*", hers) == none.replace("nosuch", "*")
    assert machine not in machines(bob)
    assert machines(alice)[machine]["state"] == "running"


def test_two_users_may_use_the_same_name(alice, bob, machine):
    ok("launch", "busybox", machine, user=bob, timeout=40)
    ok("exec", machine, "--", SH, "-c", "echo bob > /who", user=bob)
    assert inside(alice, machine, "cat /who").status != 0
    ok("rm", "--force", machine, user=bob)
    assert machines(alice)[machine]["state"] == "running"


def test_shell_and_home(alice):
    """shell: an interactive shell in the machine"""
    ok("launch", "busybox", "home", user=alice, timeout=40)
    with croft_on_terminal("shell", "home", user=alice) as terminal:
        terminal.expect(r"[#$] ")
        terminal.send("echo $((6 * 7)); id -u\n")
        terminal.expect(r"42\r\n0\r\n")
        terminal.send("exit 3\n")
        assert terminal.wait() == 3
    ok("rm", "--force", "home", user=alice)


# -- who runs ----------------------------------------------------------------------------------

@pytest.mark.parametrize("who, uid", [(None, 0), ("0", 0), ("root", 0), ("1000", 1000),
                                      ("65534", 65534)])
def test_exec_user(alice, machine, who, uid):
    """--user takes a number or a name of the machine's own passwd"""
    options = ("--user", who) if who else ()
    result = croft("exec", *options, machine, "--", "id", "-u", user=alice)
    assert result.out == f"{uid}\n", str(result)


@pytest.mark.parametrize("who", ["01", "+1", "-1", "4294967295", "4294967296", "65535", "65536",
                                 "1e3", "0x0", " 0", "0 ", "1:", ":1", "1:1:1",
                                 "nosuchname", "root\n", "../root", "r" * 10000])
def test_exec_user_strange(alice, machine, who):
    """what is neither USER nor USER:GROUP, each a number of her range or a name: refused, never
    taken for another user"""
    result = croft("exec", "--user", who, machine, "--", "id", "-u", user=alice)
    assert result.out == "", str(result)
    refused(result, 125, 126, USAGE)


def test_another_user_inside_keeps_no_power(alice, machine):
    """exec --user 1000: no capability left, root's files closed"""
    result = inside(alice, machine, "grep -E 'Cap(Eff|Prm)' /proc/self/status; id -G",
                    "--user", "1000")
    assert re.findall(r"Cap...:\s*(\w+)", result.out) == ["0" * 16] * 2, str(result)
    assert inside(alice, machine, "umask 077; echo x > /rooted").status == 0
    assert inside(alice, machine, "cat /rooted", "--user", "1000").status != 0


# -- terminals ---------------------------------------------------------------------------------

@pytest.mark.parametrize("verb", ["run", "exec"])
def test_terminal(alice, machine, verb):
    """-it: a terminal inside, its size, its changes, ctrl-c, ctrl-d, the exit status"""
    words = ("run", "--rm", "-it", "busybox") if verb == "run" else ("exec", "-it", machine)
    with croft_on_terminal(*words, "--", SH, user=alice, rows=33, columns=101) as terminal:
        terminal.expect(r"[#$] ")
        terminal.send("tty; stty size\n")
        terminal.expect(r"/dev/(pts/\d+|console)\r\n33 101\r\n")
        terminal.resize(50, 132)
        time.sleep(0.3)
        terminal.send("stty size\n")
        terminal.expect(r"50 132\r\n")
        terminal.expect(r"[#$] ")
        terminal.send("sleep 100\n")
        time.sleep(0.5)
        begun = time.monotonic()
        terminal.send("\x03")
        terminal.expect(r"\n.*[#$] ")
        assert time.monotonic() - begun < 5
        terminal.send("echo $((40 + 2)); (exit 9)\n")
        terminal.expect(r"42\r\n.*[#$] ")
        terminal.send("\x04")
        assert terminal.wait() == 9


def test_terminal_leaves_ours_as_it_was(alice, machine):
    """croft puts the person's terminal back into the mode it had, also after ctrl-c"""
    script = (f"{SH} -c 'stty -g; {BIN} exec -it {machine} -- {SH} -c \"exit 4\"; echo st=$?; "
              f"stty -g'")
    with Terminal(["/bin/sh", "-c", script], user=alice,
                  env={"TERM": "xterm", "PATH": "/usr/bin:/bin"}) as terminal:
        before = terminal.expect(r"([0-9a-f:]{30,})\r\n")[1]
        terminal.expect(r"st=4\r\n")
        assert terminal.expect(r"([0-9a-f:]{30,})\r\n")[1] == before
        terminal.wait()


def test_terminal_where_there_is_none(alice, machine):
    """-t with a pipe for standard input: one line, nothing run"""
    result = croft("exec", "-it", machine, "--", "/bin/echo", "ran", user=alice)
    assert result.out == "", str(result)
    refused(result, USAGE, 125)


def test_the_persons_terminal_never_goes_inside(alice, machine):
    """without -t the command has pipes, never the terminal croft was started on"""
    with croft_on_terminal("exec", machine, "--", SH, "-c",
                           "for f in 0 1 2; do [ -t $f ] && echo tty$f; done; "
                           "ls -l /proc/self/fd; echo end", user=alice) as terminal:
        shown = terminal.expect(r"(.*)end\r\n")[1].decode()
        terminal.wait()
    assert "tty0" not in shown and "tty1" not in shown and "tty2" not in shown, shown
    assert "/dev/pts" not in shown, shown


# -- logs --------------------------------------------------------------------------------------

def test_logs_of_a_job_and_follow(alice):
    """logs shows what the main process printed; -f follows until it ends"""
    ok("launch", "busybox", "talker", "--", SH, "-c",
       "i=0; while [ $i -lt 5 ]; do echo line $i; i=$((i+1)); sleep 0.3; done", user=alice,
       timeout=40)
    followed = ok("logs", "-f", "talker", user=alice, timeout=20)
    assert followed.out == "".join(f"line {i}\n" for i in range(5)), str(followed)
    assert ok("logs", "talker", user=alice).out == followed.out
    ok("rm", "--force", "talker", user=alice)


def test_the_log_is_a_ring(alice):
    """detached output: a machine that prints without end costs two files of 1 MiB, not the disk"""
    ok("launch", "busybox", "loud", "--", SH, "-c",
       "awk 'BEGIN { for (i = 0; i < 60000; i++) printf \"%d %080d\\n\", i, 0; "
       "print \"the end\" }'; sleep 1000", user=alice, timeout=40)
    until(lambda: "the end" in ok("logs", "loud", user=alice).out[-200:], 60, "the last line")
    shown = ok("logs", "loud", user=alice).out
    assert 500_000 < len(shown) <= 2 * (1 << 20) + 4096
    numbers = [int(line.split()[0]) for line in shown.splitlines()[1:-1]]
    assert numbers == list(range(numbers[0], 60000)), "the newest part, in order, without a hole"
    ok("rm", "--force", "loud", user=alice)


def test_logs_cannot_move_the_readers_cursor_or_are_raw_only_for_pipes(alice):
    """a log is bytes of the machine: exact through a pipe"""
    ok("launch", "busybox", "esc", "--", SH, "-c", "printf 'a\\033[2Jb\\n'; sleep 1000",
       user=alice, timeout=40)
    until(lambda: ok("logs", "esc", user=alice).out == "a\x1b[2Jb\n", 10, "the log")
    ok("rm", "--force", "esc", user=alice)


def test_images(alice):
    """the busybox image is there without a network"""
    shown = ok("image", "ls", user=alice).out
    assert "busybox" in shown
    result = run([BIN, "run", "--rm", "busybox", "--", "/bin/busybox"], user=alice)
    assert "BusyBox" in result.out + result.err
