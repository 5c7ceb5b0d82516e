# SPDX-License-Identifier: Apache-2.0
"""netdrive - a croft-net without a Croft: in a network namespace that plays the host, driven over
its channel as the monitor would, with machines that are network namespaces

    world = World()                   # the host, and "outside": a router beyond it
    world.net.ask(SYNCED)
    a = world.machine(uid, slot)      # a namespace with a link, as the runtime would set it up
    a("tcp", to=..., port=...)        # what its agent can do: netagent.py
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile

from harness import LIB, RUN

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

    def __init__(self, ns, state, lib=None, nft=None, argument=""):
        """@nft: a program to run in its place"""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel, self.token = ours, 0
        ours.settimeout(20)
        # In a mount namespace of its own: its run directory, which survives it, and a test build's
        # programs where that looks for them.
        where, run_dir = (lib["CROFT_LIB_DIR"], lib["CROFT_RUN_DIR"]) if lib else (LIB, RUN)
        script = (
            f"mount -t tmpfs none /run && mkdir -p {run_dir}/net && mount --bind {state} {run_dir}/net"
            + (f" && mount -t tmpfs none /var/tmp && mkdir -p {where}/filters"
               f" && cp {lib['build']}/croft-net {lib['build']}/croft.nft {where}/"
               f" && cp {lib['build']}/net.bpf {where}/filters/" if lib else "") +
            (f" && mount --bind {nft} /usr/sbin/nft" if nft else "") +
            f" && exec setpriv --reuid {UID} --regid {UID} --clear-groups"
            " --inh-caps=-all,+net_admin --ambient-caps=-all,+net_admin"
            f" --bounding-set=-all,+net_admin {where}/croft-net {argument} 3<&{theirs.fileno()}")
        self.process = subprocess.Popen(["ip", "netns", "exec", ns, "bash", "-c", script],
                                        pass_fds=[theirs.fileno()], stderr=subprocess.PIPE)
        theirs.close()

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
        try:
            self.channel.sendmsg([request], rights)
            answer = self.channel.recv(4096)
        except (ConnectionResetError, BrokenPipeError):
            answer = b""
        if not answer:
            raise EOFError(f"croft-net ended at request {kind}, status {self.process.wait(20)}: "
                           + self.process.stderr.read().decode())
        fields = REPLY.unpack(answer)
        assert fields[:3] == (1, kind, self.token), fields
        reply = dict(zip(("error generation cut rule expires_ms links members grants users "
                          "rules reserved").split(), fields[3:]))
        if check and reply["error"]:
            raise Refused(reply["error"])
        return reply

    def end(self, number=None):
        """Ends it, by a signal or by closing its channel. Return: its exit status"""
        if number:
            self.process.send_signal(number)
        else:
            self.channel.close()
        status = self.process.wait(20)
        self.channel.close()
        self.process.stderr.close()
        return status


class Space:
    """A network namespace with an agent in it."""

    def __init__(self, ns):
        self.ns = ns
        run("ip", "netns", "add", ns)
        run("ip", "-n", ns, "link", "set", "lo", "up")
        self.agent = None

    def ip(self, *argv):
        return run("ip", "-n", self.ns, *argv)

    def run(self, *argv, **kwargs):
        return run("ip", "netns", "exec", self.ns, *argv, **kwargs)

    def __call__(self, verb, **arguments):
        if self.agent is None:
            self.agent = subprocess.Popen(
                ["ip", "netns", "exec", self.ns, sys.executable,
                 str(pathlib.Path(__file__).with_name("netagent.py"))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.agent.stdin.write(json.dumps([verb, arguments]) + "\n")
        self.agent.stdin.flush()
        answer = json.loads(self.agent.stdout.readline())
        assert not str(answer).startswith("agent:"), (self.ns, verb, arguments, answer)
        return answer

    def remove(self):
        if self.agent is not None:
            self.agent.stdin.close()
            self.agent.kill()
            self.agent.wait()
        run("ip", "netns", "del", self.ns)


class Machine(Space):
    """A namespace with the inside end of a link, set up as croft-runtime would."""

    def __init__(self, world, uid, slot):
        super().__init__(f"{world.name}-m{slot}")
        self.world, self.uid, self.slot = world, uid, slot
        self.addresses = {4: address(slot, 4), 6: address(slot, 6)}
        self.link()

    def link(self):
        with open(f"/run/netns/{self.ns}", "rb") as netns:
            self.world.net.ask(LINK, fd=netns.fileno(), uid=self.uid, slot=self.slot)
        mac = f"02:63:72:00:{self.slot >> 8:02x}:{self.slot & 255:02x}"
        run("ip", "-n", self.ns, "-batch", "-", input=(
            f"link set eth0 addrgenmode none\nlink set eth0 up\n"
            f"addr add {self.addresses[4]}/32 dev eth0\n"
            f"addr add {self.addresses[6]}/128 dev eth0 nodad\n"
            f"neigh replace 100.96.0.1 lladdr {mac} nud permanent dev eth0\n"
            f"neigh replace fe80::1 lladdr {mac} nud permanent dev eth0\n"
            f"route add default via 100.96.0.1 dev eth0 onlink\n"
            f"route add default via fe80::1 dev eth0 onlink\n"))


# The host's uplink; beyond it a router with a neighbour on the host's own subnet, private nets, the
# metadata address and the internet.
HOST = {4: "203.0.113.2", 6: "2001:db8:1::2"}
NEIGHBOUR = {4: "203.0.113.9", 6: "2001:db8:1::9"}
PRIVATE = {4: "10.9.8.7", 6: "fd99::7"}
INTERNET = {4: "198.51.100.10", 6: "2001:db8:ffff::10"}
METADATA = {4: "169.254.169.254", 6: "fd00:ec2::254"}
# Other clouds', and some of them as somebody who translates (NAT64) would reach them.
METADATA2 = {4: "168.63.129.16", 6: "fd20:ce::254"}
METADATA3 = {4: "192.0.0.192", 6: "64:ff9b::a9fe:a9fe"}
METADATA4 = {4: "100.100.100.200", 6: "64:ff9b::a83f:8110"}
PRIVATE2 = {4: "192.168.9.7", 6: "64:ff9b::a09:807"}
OUTSIDE = (NEIGHBOUR, PRIVATE, PRIVATE2, INTERNET, METADATA, METADATA2, METADATA3, METADATA4)


class World:
    """A host with an uplink, the world beyond it, and a croft-net on the host."""

    def __init__(self, name, lib=None, **hello):
        self.name, self.lib, self.net = name, lib, None
        self.machines, self.spaces = {}, []
        self.state = tempfile.mkdtemp(prefix="croft-net-")
        os.chown(self.state, UID, UID)
        try:
            self.host = self.space("host")
            self.world = self.space("world")
            self.wire()
            self.start(**hello)
        except BaseException:
            self.remove()
            raise

    def space(self, name):
        self.spaces.append(Space(f"{self.name}-{name}"))
        return self.spaces[-1]

    def wire(self):
        host, world = self.host, self.world
        # Not the kernel's own look at sources, which a host may have or not: links that come inherit it.
        host.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
        host.ip("link", "add", "up0", "type", "veth", "peer", "up0", "netns", world.ns)
        # Addresses are there at once, without the kernel looking for doubles.
        for space, four, six in ((host, HOST[4], HOST[6]), (world, "203.0.113.1", "2001:db8:1::1")):
            space.ip("link", "set", "up0", "up")
            space.ip("addr", "add", f"{four}/24", "dev", "up0")
            space.ip("addr", "add", f"{six}/64", "dev", "up0", "nodad")
        # The kernel says "refused" to one address six times at once and then once a second.
        host.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0",
                 "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0")
        host.ip("route", "add", "default", "via", "203.0.113.1")
        host.ip("route", "add", "default", "via", "2001:db8:1::1")
        for where in OUTSIDE:
            world.ip("addr", "add", f"{where[4]}/32", "dev", "lo")
            world.ip("addr", "add", f"{where[6]}/128", "dev", "lo", "nodad")
        # The neighbour lives on the wire.
        world.run("sysctl", "-qw", "net.ipv6.conf.all.proxy_ndp=1", "net.ipv6.conf.up0.proxy_ndp=1",
                  "net.ipv6.neigh.up0.proxy_delay=0", "net.ipv4.ip_forward=1",
                  "net.ipv6.conf.all.forwarding=1")
        world.ip("neigh", "add", "proxy", NEIGHBOUR[6], "dev", "up0")
        # So that it could reach a machine, were there no wall.
        world.ip("route", "add", f"{NET4}/16", "via", HOST[4])
        world.ip("route", "add", f"{NET6}/48", "via", HOST[6])

    def start(self, **hello):
        """A new croft-net, which is told nothing but NET_HELLO."""
        self.net = Net(self.host.ns, self.state, self.lib)
        return self.net.ask(HELLO, **hello)

    def machine(self, uid, slot):
        self.machines[slot] = Machine(self, uid, slot)
        self.spaces.append(self.machines[slot])
        return self.machines[slot]

    def nft(self, *argv, **kwargs):
        return self.host.run("nft", *argv, **kwargs)

    def remove(self):
        if self.net is not None:
            self.net.end(signal.SIGKILL)
        for space in self.spaces:
            space.remove()
        shutil.rmtree(self.state)
