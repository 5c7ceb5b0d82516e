# SPDX-License-Identifier: Apache-2.0
"""storm - users who work on their machines while Croft's processes are killed, and what they were told

Theory of operation: each user is one thread that gives one order after another, drawn from a seed.
What answered OK is written into her part of the model, and from then on has to stay true; an order
that failed may have happened or not, so her world is looked at once Croft answers again, and has to
be one of the two. A failure is excused only by a kill shortly before it. One more thread kills.
"""
import os
import pwd
import random
import signal
import threading
import time
from dataclasses import dataclass, field

import harness
from harness import croft, first_process, listed, ok, processes, until, users

DAEMONS = ("croftd", "croft-monitor", "croft-net", "croft-super")
# From a kill until all is told again, with other users' orders in between.
RECOVERY_SECONDS = 8
# Between two orders: without it all are done before Croft has come back once.
PAUSE_SECONDS = 0.5
CALM_SECONDS = 0.5
SETTLED = ("running", "stopped")


def uid_of(user):
    return pwd.getpwnam(user).pw_uid


def pid_of(name):
    path = str(harness.LIB / name)
    return next((pid for pid, exe in processes().items()
                 if exe.removesuffix(" (deleted)") == path), None)


def answers():
    """Whether monitor and croftd both answer."""
    return croft("host", "status", timeout=30).status == 0


@dataclass
class Machine:
    """state, and what its pid 1 is; said: what `exec` answered OK for, maybe: what it did not."""
    state: str
    process: tuple = None
    said: set = field(default_factory=set)
    maybe: set = field(default_factory=set)


class Killer:
    """Kills one of Croft's processes again and again; starts Croft again where that was super."""

    def __init__(self, seed, names=DAEMONS):
        self.random = random.Random(f"killer {seed}")
        self.names = names
        self.kills = []
        self.last = 0.0
        self.ended = threading.Event()
        self.calm = threading.Lock()
        self.failure = None
        self.thread = threading.Thread(target=self.work)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def excuses(self, begun):
        """Whether an order that began at @begun and has failed now may blame a kill."""
        return self.last > begun - RECOVERY_SECONDS

    def work(self):
        try:
            while not self.ended.wait(self.random.uniform(0.01, 0.4)):
                with self.calm:
                    self.kill(self.random.choice(self.names))
                if self.random.random() < 0.7:
                    until(answers, 30, "Croft's return")
        except (AssertionError, OSError) as failure:
            self.failure = failure

    def kill(self, name):
        pid = pid_of(name)
        if pid is None:
            return
        self.last = time.monotonic()
        self.kills.append(name)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        if name == "croft-super":
            # Where systemd is init, it does this; here the tests are the one who notices.
            time.sleep(self.random.uniform(0, 0.3))
            until(lambda: croft("host", "start", timeout=60).status == 0, 30, "host start")
        self.last = time.monotonic()


class Person:
    """One user of the storm: what she was told, and the orders that she gives."""

    MACHINES = ("one", "two", "three")
    IMAGES = ("blue", "red")

    def __init__(self, name, others, archive, seed, count):
        self.name, self.others, self.archive, self.count = name, others, archive, count
        self.uid = uid_of(name)
        self.random = random.Random(seed)
        self.machines, self.grants, self.images = {}, {}, set()
        self.pids = users()[name]["limits"]["pids"]
        self.answered, self.failed = {}, {}
        self.failure = None
        self.serial = 0
        self.diary = []

    # -- what is ---------------------------------------------------------------------------------

    def look(self):
        """(machines' states, ids of her grants, her images, her pids), once nothing moves."""
        def settled():
            shown = croft("ls", "--json", user=self.name, timeout=30)
            if shown.status != 0:
                return None
            states = {m["name"]: m["state"] for m in listed(shown.json(), "machines")}
            return (states,) if all(s in SETTLED for s in states.values()) else None

        def rest():
            given = croft("grants", "--json", user=self.name, timeout=30)
            stored = croft("image", "ls", "--json", user=self.name, timeout=30)
            known = croft("user", "ls", "--json", timeout=30)
            if any(answer.status != 0 for answer in (given, stored, known)):
                return None
            own = next(u for u in listed(known.json(), "users") if u["name"] == self.name)
            return ({g["id"] for g in listed(given.json(), "grants")
                     if g.get("owner") == self.name},
                    {i["name"] for i in listed(stored.json(), "images")}, own["limits"]["pids"])
        states = until(settled, 40, f"a settled list of {self.name}")[0]
        return (states, *until(rest, 40, f"the lists of {self.name}"))

    def model(self):
        return ({n: m.state for n, m in self.machines.items()}, set(self.grants),
                {"busybox"} | self.images, self.pids)

    def check(self):
        """What she was told is what is, and no machine of hers was started again."""
        seen, told = self.look(), self.model()
        assert seen == told, f"{self.name} sees {seen}, was told {told}: {self.history()}"
        for name, machine in self.machines.items():
            if machine.state == "running":
                now = first_process(self.uid, name)
                assert now == machine.process, \
                    f"{name} of {self.name} was {machine.process} and is {now}: {self.history()}"

    def history(self):
        """Her last orders and the last kills, for whoever reads a failure."""
        return "\n".join(["", *self.diary[-8:],
                          *croft("audit", "--user", self.name).out.splitlines()[-24:],
                          *harness.LOG.joinpath("croft.log").read_text().splitlines()[-30:]])

    def check_said(self):
        """What an exec answered for is in the machine, and nothing was done twice."""
        for name, machine in self.machines.items():
            if machine.state == "stopped":
                ok("start", name, user=self.name, timeout=40)
            text = ok("exec", name, "--", "/bin/sh", "-c", "cat /said 2>/dev/null || true",
                      user=self.name, timeout=40).out.split()
            assert len(text) == len(set(text)), f"an exec was done twice: {text}"
            assert machine.said <= set(text) <= machine.said | machine.maybe, (text, machine)

    # -- what she does -----------------------------------------------------------------------------

    def work(self, killer):
        try:
            for _ in range(self.count):
                time.sleep(self.random.uniform(0, PAUSE_SECONDS))
                self.one(killer)
        except Exception as failure:  # pylint: disable=broad-exception-caught
            self.failure = failure

    def one(self, killer):
        act, *words = self.draw()
        begun = time.monotonic()
        result = getattr(self, act)(*words)
        self.diary.append(f"{act} {words}: {result.status} {result.err.strip()}")
        tally = self.answered if result.status == 0 else self.failed
        tally[act] = tally.get(act, 0) + 1
        if result.status == 0:
            return
        assert killer.excuses(begun), f"{self.name}: {result}"
        lines = result.err.splitlines()
        assert lines and all(line.isprintable() for line in lines), str(result)
        with killer.calm:
            # A machine that shall run again shows as stopped until its turn to start comes.
            until(answers, 40, "Croft's return")
            time.sleep(CALM_SECONDS)
            self.accept(act, *words)

    def draw(self):
        """An order that could succeed now."""
        rng = self.random
        up = [n for n, m in self.machines.items() if m.state == "running"]
        down = [n for n, m in self.machines.items() if m.state == "stopped"]
        free = [n for n in self.MACHINES if n not in self.machines]
        self.serial += 1
        choices = [("run",), ("user_set", rng.randrange(90, 128))]
        choices += [("launch", rng.choice(free))] * 3 if free else []
        choices += [("exec", rng.choice(up), str(self.serial))] * 4 if up else []
        choices += [("stop", rng.choice(up))] if up else []
        choices += [("start", rng.choice(down))] * 2 if down else []
        choices += [("rm", rng.choice(up + down))] if up + down else []
        choices += [("grant", rng.choice(up), rng.choice(self.others), 1000 + self.serial)] * 2 \
            if up else []
        choices += [("revoke", rng.choice(sorted(self.grants)))] * 2 if self.grants else []
        stored = sorted(self.images)
        choices += [("image_rm", rng.choice(stored))] if stored else []
        missing = [n for n in self.IMAGES if n not in self.images]
        choices += [("image_import", rng.choice(missing))] if missing else []
        return rng.choice(choices)

    def say(self, *words, timeout=60, **more):
        return croft(*words, user=self.name, timeout=timeout, **more)

    def run(self):
        return self.say("run", "--rm", "busybox", "--", "/bin/true")

    def user_set(self, pids):
        result = croft("user", "set", self.name, "--pids", str(pids), timeout=60)
        if result.status == 0:
            self.pids = pids
        return result

    def launch(self, name):
        result = self.say("launch", "busybox", name)
        if result.status == 0:
            self.machines[name] = Machine("running", first_process(self.uid, name))
            assert self.machines[name].process, f"{name} has no pid 1: {result}"
        return result

    def exec(self, name, word):
        result = self.say("exec", name, "--", "/bin/sh", "-c", f"echo {word} >> /said")
        machine = self.machines[name]
        (machine.said if result.status == 0 else machine.maybe).add(word)
        return result

    def stop(self, name):
        result = self.say("stop", "--time", "1", name)
        if result.status == 0:
            self.machines[name].state = "stopped"
        return result

    def start(self, name):
        result = self.say("start", name)
        if result.status == 0:
            self.machines[name].state = "running"
            self.machines[name].process = first_process(self.uid, name)
        return result

    def rm(self, name):
        result = self.say("rm", "--force", name)
        if result.status == 0:
            self.accept_machine(name, None)
        return result

    def grant(self, name, other, port):
        result = self.say("grant", other, "port", f"{name}:{port}", "--for", "8h", "--json")
        if result.status == 0:
            self.grants[result.json()["id"]] = name
        return result

    def revoke(self, number):
        result = self.say("revoke", str(number))
        if result.status == 0:
            del self.grants[number]
        return result

    def image_import(self, name):
        result = harness.import_image(self.name, name, self.archive, timeout=60)
        if result.status == 0:
            self.images.add(name)
        return result

    def image_rm(self, name):
        result = self.say("image", "rm", name)
        if result.status == 0:
            self.images.remove(name)
        return result

    # -- what may have happened --------------------------------------------------------------------

    def accept(self, act, *words):
        """An order failed: of what it is about, either state is right; the model takes what is."""
        states, grants, images, pids = self.look()
        name = words[0] if words else None
        if act in ("launch", "stop", "start", "rm"):
            self.accept_machine(name, states.get(name))
        elif act == "user_set" and pids == name:
            self.pids = pids
        elif act == "grant":
            for number in grants - set(self.grants):
                assert len(grants - set(self.grants)) == 1
                self.grants[number] = name
        elif act == "revoke" and name not in grants:
            del self.grants[name]
        elif act == "image_import" and name in images:
            self.images.add(name)
        elif act == "image_rm" and name not in images:
            self.images.remove(name)
        self.check()

    def accept_machine(self, name, state):
        """A stop or rm that was cut in two may have ended its pid 1: then it runs anew."""
        if state is None:
            self.machines.pop(name, None)
            self.grants = {n: m for n, m in self.grants.items() if m != name}
            return
        machine = self.machines.setdefault(name, Machine(state))
        machine.state = state
        machine.process = first_process(self.uid, name)

    def clear(self):
        """Takes everything back that she made."""
        for number in list(self.grants):
            ok("revoke", str(number), user=self.name, timeout=40)
        for name in list(self.machines):
            ok("rm", "--force", name, user=self.name, timeout=40)
        for name in list(self.images):
            ok("image", "rm", name, user=self.name, timeout=40)
        self.machines, self.grants, self.images = {}, {}, set()


def rage(persons, killer):
    """Lets @persons work while @killer kills; both at their end have nothing to complain of."""
    threads = [threading.Thread(target=person.work, args=(killer,)) for person in persons]
    with killer:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for failure in [killer.failure, *(person.failure for person in persons)]:
        if failure is not None:
            raise failure
    until(answers, 40, "Croft's return")


def agrees(what=""):
    """The records and the world agree, within the time that takes things out."""
    result = None

    def clean():
        nonlocal result
        result = croft("doctor", "--verify", timeout=60)
        return result.status == 0
    try:
        until(clean, 20)
    except AssertionError as failure:
        raise AssertionError(f"{what} {result}") from failure

