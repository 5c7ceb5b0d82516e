# SPDX-License-Identifier: Apache-2.0
"""Crash-only (issue "The whole"; invariants 9, 10): whatever of Croft is killed at whatever moment

No machine stops that nobody stopped, the records and the world agree, nothing is left over, and
what was answered stays true.
"""
import os
import pathlib
import random
import signal

import pytest

import leftovers
import storm
from conftest import settled
from harness import ok, until
from test_layouts import BASE, Image, layer

LONG = bool(os.environ.get("CROFT_TEST_LONG"))
SEEDS = [int(os.environ.get("CROFT_SEED", 0)) or random.randrange(1, 1 << 30)
         for _ in range(5 if LONG else 1)]
OPERATIONS = 300 if LONG else 60
# The limit of conftest.py is for tests that do one thing.
STORM_SECONDS = 900 if LONG else 110


@pytest.fixture(scope="module")
def crowd(people):
    """Three users who know each other."""
    names = [people.add(disk="96M", pids="128") for _ in range(3)]
    for name in names:
        ok("run", "--rm", "busybox", "--", "/bin/true", user=name, timeout=40)
    until(lambda: not list(pathlib.Path("/sys/class/net").glob("croft*")), 20, "the runs' end")
    return names


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("crash") / "image.tar"
    path.write_bytes(Image(BASE, layer(("srv/mark", "crash"))).oci().tar())
    return path


@pytest.mark.parametrize("seed", SEEDS)
def test_storm_of_kills(crowd, archive, seed, capsys):
    """croftd, monitor, net and super killed at random moments under mixed orders of three users"""
    signal.alarm(STORM_SECONDS)
    before = leftovers.snapshot()
    count = OPERATIONS // len(crowd)
    persons = [storm.Person(name, [n for n in crowd if n != name], archive, f"{i} {seed}", count)
               for i, name in enumerate(crowd)]
    killer = storm.Killer(seed)
    storm.rage(persons, killer)
    answered = sum(sum(p.answered.values()) for p in persons)
    failed = sum(sum(p.failed.values()) for p in persons)
    with capsys.disabled():
        print(f"\nseed {seed}: {len(killer.kills)} kills, {answered} orders answered, "
              f"{failed} failed")
    assert killer.kills and answered > count, "a storm in which hardly anything answered"
    for person in persons:
        person.check()
    storm.agrees()
    for person in persons:
        ok("audit", "verify", user=person.name, timeout=40)
        person.check_said()
        person.clear()
    storm.agrees()
    lines = settled(before, 20)
    assert not lines, "\n".join(lines)
