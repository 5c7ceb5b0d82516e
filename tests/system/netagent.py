# SPDX-License-Identifier: Apache-2.0
"""netagent - what netdrive runs in a namespace: it does what one line of JSON says, and says how it
went in another. Standard library only."""
import json
import os
import select
import socket
import struct
import sys
import threading
import time

# What a person would see, for what the kernel says.
NAMES = {"ECONNREFUSED": "refused", "EHOSTUNREACH": "refused", "EACCES": "refused",
         "ECONNRESET": "reset", "EPERM": "refused", "ENETUNREACH": "refused"}
ANSWER = b"re: "  # what every answer begins with
SEEN = []       # datagrams that arrived: (our port, their address, payload)
HELD = {}       # connections that stay open: name -> socket


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def outcome(error):
    if isinstance(error, socket.timeout):
        return "silence"
    return NAMES.get(errno_name(error), errno_name(error))


def errno_name(error):
    import errno
    return errno.errorcode.get(error.errno, str(error))


def bound(kind, to, source, sport):
    sock = socket.socket(family(to), kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if source:
        # IP_TRANSPARENT, IPV6_TRANSPARENT: an address that is nobody's here, and is sent with
        sock.setsockopt(*((socket.IPPROTO_IP, 19) if family(to) == socket.AF_INET
                          else (socket.IPPROTO_IPV6, 75)), 1)
    if source or sport:
        sock.bind((source or ("::" if family(to) == socket.AF_INET6 else "0.0.0.0"), sport))
    return sock


def do_serve(ports, addresses=("::", "0.0.0.0")):
    """Answers on TCP and UDP with what came."""
    for port in ports:
        for address in addresses:
            stream = socket.create_server((address, port), family=family(address), backlog=1024,
                                          reuse_port=True)
            threading.Thread(target=accepting, args=(stream,), daemon=True).start()
            datagram = socket.socket(family(address), socket.SOCK_DGRAM)
            if family(address) == socket.AF_INET6:
                datagram.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            datagram.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            datagram.bind((address, port))
            threading.Thread(target=echoing, args=(datagram, port), daemon=True).start()


def accepting(stream):
    while True:
        connection, _ = stream.accept()
        threading.Thread(target=talking, args=(connection,), daemon=True).start()


def talking(connection):
    try:
        while data := connection.recv(65536):
            connection.sendall(data)
    except OSError:
        pass
    connection.close()


def echoing(datagram, port):
    while True:
        data, peer = datagram.recvfrom(65536)
        SEEN.append((port, peer[0], data.decode("latin1")))
        # An answer may come to a server, where it came from one's port: two would go on for ever.
        if data.startswith(ANSWER):
            continue
        try:
            datagram.sendto(ANSWER + data, peer)
        except OSError:
            pass


def do_tcp(to, port, source=None, sport=0, timeout=1.0, hold=None):
    """open, refused (at once) or silence; hold: keeps the connection under this name"""
    sock = bound(socket.SOCK_STREAM, to, source, sport)
    # An end that waits must not keep the port from the next try.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.settimeout(timeout)
    try:
        sock.connect((to, port))
        sock.sendall(b"hello")
        if sock.recv(5) != b"hello":
            return "closed"
    except OSError as error:
        sock.close()
        return outcome(error)
    if hold:
        HELD[hold] = sock
    else:
        sock.close()
    return "open"


def do_again(hold, timeout=1.0):
    """Whether a held connection still carries: open, reset, refused or silence"""
    sock = HELD[hold]
    sock.settimeout(timeout)
    try:
        sock.sendall(b"again")
        return "open" if sock.recv(5) == b"again" else "closed"
    except OSError as error:
        return outcome(error)


def do_many(to, port, count, timeout=1.0):
    """Connects @count times at once and keeps what opened; says how many."""
    socks = []
    for _ in range(count):
        sock = bound(socket.SOCK_STREAM, to, None, 0)
        sock.setblocking(False)
        sock.connect_ex((to, port))
        socks.append(sock)
    end = time.monotonic() + timeout
    open_, waiting = [], socks
    while waiting and time.monotonic() < end:
        _, ready, _ = select.select([], waiting, [], end - time.monotonic())
        for sock in ready:
            if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                open_.append(sock)
        waiting = [s for s in waiting if s not in ready]
    HELD[f"many {len(HELD)}"] = open_
    return len(open_)


def do_drop():
    """Lets go of everything held."""
    for held in HELD.values():
        for sock in held if isinstance(held, list) else [held]:
            sock.close()
    HELD.clear()


def do_udp(to, port, source=None, sport=0, payload="hello", timeout=0.4, answer=True):
    """open (answered), refused or silence"""
    sock = bound(socket.SOCK_DGRAM, to, source, sport)
    sock.settimeout(timeout)
    try:
        sock.connect((to, port))
        sock.send(payload.encode("latin1"))
        if not answer:
            return "sent"
        sock.recv(65536)
        return "open"
    except OSError as error:
        return outcome(error)
    finally:
        sock.close()


def do_flood(to, port, count, size=10, seconds=0):
    """Sends @count datagrams, or for @seconds; says how many were sent"""
    sock = bound(socket.SOCK_DGRAM, to, None, 0)
    sock.connect((to, port))
    sent, end = 0, time.monotonic() + seconds
    while sent < count and (not seconds or time.monotonic() < end):
        try:
            sock.send(b"flood" + b"x" * (size - 5))
        except OSError:
            pass
        sent += 1
    return sent


def do_ping(to, timeout=0.5, source=None):
    six = family(to) == socket.AF_INET6
    sock = socket.socket(family(to), socket.SOCK_RAW,
                         socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
    if source:
        sock.bind((source, 0))
    body = struct.pack("!BBHHH", 128 if six else 8, 0, 0, os.getpid() & 0xffff, 1)
    if not six:
        total = sum(struct.unpack("!4H", body))
        body = body[:2] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + body[4:]
    end = time.monotonic() + timeout
    try:
        sock.sendto(body, (to, 0))
        while time.monotonic() < end:
            sock.settimeout(max(end - time.monotonic(), 0.01))
            data, peer = sock.recvfrom(2048)
            kind = data[0] if six else data[20]
            if kind == (129 if six else 0) and peer[0] == to:
                return "open"
            if kind in ((1,) if six else (3,)):
                return "refused"
    except OSError as error:
        return outcome(error)
    finally:
        sock.close()
    return "silence"


def do_raw(packet, to):
    """An IPv4 packet as it is, header and all (hex)"""
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    sock.sendto(bytes.fromhex(packet), (to, 0))
    sock.close()
    return "sent"


def do_seen(clear=True):
    found = list(SEEN)
    if clear:
        SEEN.clear()
    return found


def main():
    for line in sys.stdin:
        verb, arguments = json.loads(line)
        try:
            answer = globals()["do_" + verb](**arguments)
        except Exception as error:  # pylint: disable=broad-except
            answer = f"agent: {type(error).__name__}: {error}"
        print(json.dumps(answer), flush=True)


main()
