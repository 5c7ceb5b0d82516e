# SPDX-License-Identifier: Apache-2.0
"""The user _build, who is no person (issue "The door": Images): an admin speaks about what is
hers, by an order that says so; nobody else does, and the records name him"""
import ctypes
import os
import time

import pytest

import wire
from harness import NOT_FOUND, NOT_PERMITTED, OK, USAGE, croft, ok, run, until, users

BUILD, SYSTEM = "_build", 1 << 4


@pytest.fixture(scope="module")
def build(people, alice):
    """The user _build, made as `croft image build` makes it."""
    assert BUILD not in users(), "images are built on this host now"
    body = wire.OrderUser(fields=0b11010)  # memory, pids, disk
    body.limits.memory_bytes, body.limits.pids, body.limits.disk_bytes = 128 << 20, 128, 64 << 20
    reply = wire.speak(wire.order(wire.USER_ADD, BUILD.encode(), bytes(body)), timeout=60)
    assert reply.outcome == OK, reply.text
    people.names.append(BUILD)
    yield {**users()[BUILD], "speaker": alice}


def job(owner, *argv):
    """The plan of a job of @owner's that executes @argv in busybox: somebody's, with her ids."""
    plan, _ = wire.good_plan(owner["speaker"])
    plan.owner_uid, plan.block_first, plan.keeper_id = \
        owner["uid"], owner["block_first"], owner["keeper_id"]
    head = bytes(plan)[:-ctypes.sizeof(wire.Command)]
    return head + wire.command(*argv)


def run_job(owner, *argv, user=None, flags=SYSTEM):
    """(reply, output) of ORDER_RUN with @flags, spoken by @user (None: root)."""
    pipes = [os.pipe() for _ in range(3)]
    try:
        with wire.door(user, 30) as sock:
            wire.socket.send_fds(sock, [wire.order(wire.RUN_JOB, body=job(owner, *argv),
                                                   flags=flags)],
                                 [pipes[0][0], pipes[1][1], pipes[2][1]])
            while True:
                reply, _, _ = wire.receive(sock)
                if reply.type in (wire.REPLY_DONE, wire.REPLY_EXITED):
                    break
        os.set_blocking(pipes[1][0], False)
        time.sleep(0.1)
        try:
            out = os.read(pipes[1][0], 65536).decode()
        except BlockingIOError:
            out = ""
        return reply, out
    finally:
        for fd in (fd for pair in pipes for fd in pair):
            os.close(fd)


def test_an_admin_runs_a_job_of_hers(build):
    reply, out = run_job(build, "/bin/echo", "built")
    assert (reply.type, reply.number[0], out) == (wire.REPLY_EXITED, 0, "built\n"), reply.text


def test_her_records_name_the_admin(build):
    run_job(build, "/bin/true")
    until(lambda: "root" in ok("audit", "--user", BUILD).out, 5, "the record")
    last = [line for line in ok("audit", "--user", BUILD).out.splitlines() if " run " in line][-1]
    assert "root" in last, last


def test_without_the_flag_it_is_not_hers(build, alice):
    """an admin who is a user speaks of his own; root has none"""
    reply, _ = run_job(build, "/bin/true", flags=0)
    assert reply.outcome == NOT_PERMITTED, reply.text
    reply, _ = run_job(build, "/bin/true", flags=0, user=alice)
    assert reply.outcome == NOT_PERMITTED, reply.text


@pytest.mark.parametrize("kind", [wire.IMAGE_REMOVE, wire.REMOVE])
def test_a_user_is_refused(build, alice, kind):
    """and it stands in her own file"""
    reply = wire.speak(wire.order(kind, b"busybox", flags=SYSTEM), user=alice)
    assert reply.outcome == NOT_PERMITTED and BUILD.encode() in reply.text, reply.text
    until(lambda: BUILD in ok("audit", user=alice).out, 5, "the refusal")


def test_a_users_job_of_hers_is_refused(build, alice):
    reply, _ = run_job(build, "/bin/true", user=alice)
    assert reply.outcome == NOT_PERMITTED, reply.text


def test_an_order_without_that_flag_has_no_such_flag(build):
    reply = wire.speak(wire.order(wire.START, b"home", flags=SYSTEM))
    assert reply.outcome == USAGE, reply.text


def test_what_she_has_not_is_not_found(build):
    reply = wire.speak(wire.order(wire.REMOVE, b"nosuch", flags=SYSTEM))
    assert reply.outcome == NOT_FOUND, reply.text


def test_nobody_logs_in_as_her(build):
    """no key, no password"""
    shadow = run(["/usr/bin/getent", "shadow", BUILD]).out
    assert shadow.split(":")[1] == "*", shadow
    assert run(["/usr/bin/id", BUILD]).status == 0


def test_no_person_has_such_a_name():
    assert croft("user", "add", "_other").status == USAGE
    assert croft("launch", "busybox", BUILD).status == USAGE
