# SPDX-License-Identifier: Apache-2.0
"""netdrive - a croft-net without a Croft: in a network namespace that plays the host, driven over
its channel as the monitor would, with machines that are network namespaces

    world = World()                   # the host, and "outside": a router beyond it
    a = world.machine(uid, slot)      # a namespace with a link, as the runtime would set it up
"""
import os
import pathlib
import re
import socket
import struct
import subprocess
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
PATHS_H = pathlib.Path(os.environ.get("CROFT_PATHS_H", TOP / "build/src/croft-paths.h"))
PATHS = dict(re.findall(r'#define (CROFT_\w+)\s+"(.*)"', PATHS_H.read_text()))
LIB, RUN = PATHS["CROFT_LIB_DIR"], PATHS["CROFT_RUN_DIR"]

(HELLO, USER, USER_GONE, SERVICE, LINK, LINK_GONE, GRANT, GRANT_GONE, SYNCED, WHY,
 LOOK) = range(1, 12)
LAN, IPV6 = 1, 2
TCP, UDP = 6, 17
RULES = ("none grant own service internet lan no-grant no-lan host never no-table").split()
REQUEST = struct.Struct("=IIQIIHHIQ QIIII 16sIHH I16s I")
REPLY = struct.Struct("=IIQiIIIQ IIIIII")
NET4, NET6 = "100.96.0.0", "fdc0:f7e5:7001::"
PREFIX = struct.pack("=I", 0x64600000) + socket.inet_pton(socket.AF_INET6, NET6)
assert REQUEST.size == 112 and REPLY.size == 64

# Any account that is not root: croft-super would take croft-net's.
UID = 64998


class Refused(Exception):
    def __init__(self, error):
        super().__init__(os.strerror(error))
        self.errno = error


def run(*argv, check=True, **kwargs):
    got = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kwargs)
    if check and got.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: {got.returncode}\n{got.stdout}")
    return got.stdout


def address(slot, family=4):
    if family == 4:
        return f"100.96.{slot >> 8}.{slot & 255}"
    return f"{NET6}{slot:x}"


class Net:
    """One life of a croft-net."""

    def __init__(self, ns, hello=True, without=0, lib=LIB, state=None):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel, self.token = ours, 0
        ours.settimeout(20)
        # Its run directory is its own, and survives it.
        run_dir = pathlib.Path(state)
        script = (f"mount -t tmpfs none /run && mkdir -p {RUN}/net && mount --bind {run_dir} {RUN}/net"
                  f" && exec setpriv --reuid {UID} --regid {UID} --clear-groups"
                  " --inh-caps=-all,+net_admin --ambient-caps=-all,+net_admin"
                  f" --bounding-set=-all,+net_admin {lib}/croft-net 3<&{theirs.fileno()}")
        self.process = subprocess.Popen(["ip", "netns", "exec", ns, "sh", "-c", script],
                                        pass_fds=[theirs.fileno()], stderr=subprocess.PIPE)
        theirs.close()
        if hello:
            self.ask(HELLO, without=without)

    def ask(self, kind, fd=None, uid=0, slot=0, protocol=0, port=0, without=0, timeout_ms=0,
            bytes_per_s=0, packets=0, connections=0, rate=0, flags=0, target=None, family=4,
            check=True):
        self.token += 1
        packed = b"\0" * 16
        if target:
            packed = socket.inet_pton(socket.AF_INET if family == 4 else socket.AF_INET6, target)
        # A target has its own protocol and port.
        own = (protocol, port) if target is None else (0, 0)
        its = (protocol, port) if target is not None else (0, 0)
        request = REQUEST.pack(1, kind, self.token, uid, slot, *own, without, timeout_ms,
                               bytes_per_s, packets, connections, rate, flags,
                               packed, IPV6 if family == 6 and target else 0, *its,
                               *struct.unpack("=I16s", PREFIX), 0)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", fd))] if fd else []
        self.channel.sendmsg([request], rights)
        answer = self.channel.recv(4096)
        if not answer:
            raise EOFError("croft-net ended: " + self.process.stderr.read().decode())
        fields = REPLY.unpack(answer)
        assert fields[:3] == (1, kind, self.token), fields
        reply = dict(zip(("error generation cut rule expires_ms links members grants users "
                          "rules reserved").split(), fields[3:]))
        if check and reply["error"]:
            raise Refused(reply["error"])
        return reply

    def end(self, signal=None):
        if signal:
            self.process.send_signal(signal)
        self.channel.close()
        return self.process.wait(20)


class Machine:
    """A namespace with the inside end of a link, set up as croft-runtime would."""

    def __init__(self, world, uid, slot, make=True):
        self.world, self.uid, self.slot = world, uid, slot
        self.ns = f"{world.name}-m{slot}"
        self.ip = {4: address(slot, 4), 6: address(slot, 6)}
        run("ip", "netns", "add", self.ns)
        if make:
            self.link()

    def link(self):
        with open(f"/run/netns/{self.ns}") as netns:
            self.world.net.ask(LINK, fd=netns.fileno(), uid=self.uid, slot=self.slot)
        self.inside()

    def inside(self):
        mac = f"02:63:72:00:{self.slot >> 8:02x}:{self.slot & 255:02x}"
        run("ip", "-n", self.ns, "-batch", "-", input=(
            f"link set lo up\nlink set eth0 addrgenmode none\nlink set eth0 up\n"
            f"addr add {self.ip[4]}/32 dev eth0\naddr add {self.ip[6]}/128 dev eth0 nodad\n"
            f"neigh replace 100.96.0.1 lladdr {mac} nud permanent dev eth0\n"
            f"neigh replace fe80::1 lladdr {mac} nud permanent dev eth0\n"
            f"route add default via 100.96.0.1 dev eth0 onlink\n"
            f"route add default via fe80::1 dev eth0 onlink\n"))

    def run(self, *argv, **kwargs):
        return run("ip", "netns", "exec", self.ns, *argv, **kwargs)
