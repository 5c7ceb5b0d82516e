# SPDX-License-Identifier: Apache-2.0
"""hostile - what stands in croftd's place in test_hostile_croftd.py

Runs as croftd does: its uid, its end of the event channel (3), the socket that its clients connect
to (4); and without what the real one puts on itself. Answers each Plan with the next forged one,
keeps every connection it was given, and tries what the test wrote down for it. Never judges.
"""
import array
import ctypes
import json
import os
import socket
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = json.load(open(os.path.join(HERE, "config.json"), encoding="ascii"))
LIBC = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_DETACH, WALL = 16, 17, 0x40000000
EVENTS, API = 3, 4
PIPES = [os.pipe()[0], os.pipe()[1], os.pipe()[1]]

results, kept, calls = {}, [], []
plans = list(CONFIG["plans"])


def attempt(name, step):
    try:
        results[name] = step()
    except Exception as error:
        results[name] = ["error", getattr(error, "errno", None), repr(error)[:200]]


# -- what its clients get -------------------------------------------------------------------------

def serve(sock):
    text = b""
    while not text.endswith(b"\0"):
        piece = sock.recv(65536)
        if not piece:
            return
        text += piece
    call = json.loads(text[:-1])
    calls.append(call["method"])
    kept.append(sock)
    if call["method"] == "Plan" and plans:
        answer = {"parameters": {"plan": plans.pop(0), "name": "forged"}}
    elif call["method"] == "Plan":
        answer = {"outcome": 3, "text": "no image named busybox"}
    elif call["method"] == "Images":
        answer = {"parameters": {"images": [{"name": "busybox", "digest": "0" * 64, "bytes": 1,
                                             "created": 0}]}}
    else:
        answer = {"parameters": {"machines": [], "users": [], "default_image": "busybox"}}
    sock.sendall(json.dumps(answer).encode() + b"\0")


def accept():
    listener = socket.socket(fileno=API)
    listener.setblocking(True)
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock,), daemon=True).start()


# -- what it tries --------------------------------------------------------------------------------

def door(message, fds=()):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.settimeout(10)
        sock.connect(CONFIG["door"])
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        sock.sendmsg([message], rights)
        reply = sock.recv(65536)
    if not reply:
        return ["closed"]
    return ["reply", int.from_bytes(reply[8:12], "little"), reply[48:528].split(b"\0")[0].decode()]


def opened(path, flags):
    os.close(os.open(path, flags))
    return ["opened"]


def pointed(call, *args):
    if call(*args) < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return ["done"]


def reached(address, port):
    with socket.create_connection((address, port), timeout=3):
        return ["reached"]


def ran(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=10, check=False)
    return ["status", done.returncode, done.stdout[-200:]]


def event_channel():
    """Whatever goes up the channel that only comes down."""
    channel = socket.socket(fileno=os.dup(EVENTS))
    channel.setblocking(False)
    sent = 0
    try:
        for _ in range(50):
            for message in CONFIG["messages"].values():
                channel.sendmsg([bytes.fromhex(message)],
                                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [API]))])
                sent += 1
    except OSError:
        pass
    return ["sent", sent]


def trace_whom_it_may():
    """For ever: every process of its uid that comes, by its program, once it could be traced."""
    tried = {os.getpid(), os.getppid()}
    while True:
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) in tried:
                continue
            try:
                if os.stat(f"/proc/{name}").st_uid != os.getuid():
                    continue
                if LIBC.ptrace(PTRACE_ATTACH, int(name), 0, 0) < 0:
                    continue
                os.waitpid(int(name), WALL)
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")[0].decode()
                LIBC.ptrace(PTRACE_DETACH, int(name), 0, 0)
                if words:  # else it is just becoming what it will be
                    tried.add(int(name))
                    with open(os.path.join(HERE, "traced"), "a", encoding="utf-8") as out:
                        out.write(words + "\n")
            except OSError:
                pass


def try_all():
    deadline = time.monotonic() + 20
    while len(kept) < CONFIG["connections"] and time.monotonic() < deadline:
        time.sleep(0.05)
    for name, message in CONFIG["messages"].items():
        data = bytes.fromhex(message)
        stdio = PIPES if name in ("run", "exec") else ()
        attempt(f"door: {name}", lambda data=data, stdio=stdio: door(data, stdio))
        # Alice's own connections, passed on: who holds them is not who made them.
        attempt(f"door with alice's connection: {name}",
                lambda data=data: door(data, [kept[0].fileno()]))
        # And spoken over: at the other end is her client, not the monitor.
        for sock in kept:
            attempt(f"over alice's connection: {name}", lambda s=sock, d=data: s.sendall(d))
    for path in CONFIG["files"]:
        attempt(f"read {path}", lambda path=path: opened(path, os.O_RDONLY))
        attempt(f"write {path}", lambda path=path: opened(path, os.O_WRONLY | os.O_APPEND))
    for path in CONFIG["directories"]:
        attempt(f"make in {path}", lambda path=path: opened(
            os.path.join(path, "hostile"), os.O_WRONLY | os.O_CREAT))
    for name, pid in CONFIG["pids"].items():
        attempt(f"signal {name}", lambda pid=pid: [str(os.kill(pid, 0))])
        attempt(f"trace {name}", lambda pid=pid: pointed(LIBC.ptrace, PTRACE_ATTACH, pid, 0, 0))
        attempt(f"enter {name}", lambda pid=pid: opened(f"/proc/{pid}/ns/net", os.O_RDONLY))
    for address, port in CONFIG["ports"]:
        attempt(f"reach {address}:{port}",
                lambda address=address, port=port: reached(address, port))
    for argv in CONFIG["commands"]:
        attempt(" ".join(argv), lambda argv=argv: ran(*argv))
    attempt("event channel", event_channel)


def main():
    threading.Thread(target=accept, daemon=True).start()
    threading.Thread(target=trace_whom_it_may, daemon=True).start()
    with open(os.path.join(HERE, "ready"), "w", encoding="ascii"):
        pass
    try_all()
    results["calls"] = calls
    with open(os.path.join(HERE, "results.new"), "w", encoding="ascii") as out:
        json.dump(results, out)
    os.rename(os.path.join(HERE, "results.new"), os.path.join(HERE, "results.json"))
    while True:
        time.sleep(60)


main()
