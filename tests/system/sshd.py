# SPDX-License-Identifier: Apache-2.0
"""sshd - Debian's own sshd on a free loopback port, with the snippet that Croft installs

Everything that a careless administrator may have switched on is on in the main part: forwarding,
X11, environment, an sftp subsystem of the host. The snippet must take it away for Croft's users.
"""
import os
import pathlib
import socket
import subprocess

from harness import BIN, PATHS, Terminal, run, until

ETC = pathlib.Path("/etc") if BIN.parent == pathlib.Path("/usr/bin") else BIN.parent.parent / "etc"
SNIPPET = ETC / "ssh/sshd_config.d/croft.conf"

CONFIG = """
Include {snippet}
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile {folder}/pid
UsePAM yes
StrictModes no
KbdInteractiveAuthentication no
AllowTcpForwarding yes
AllowStreamLocalForwarding yes
AllowAgentForwarding yes
GatewayPorts yes
X11Forwarding yes
PermitTunnel yes
PermitUserEnvironment yes
AcceptEnv *
MaxStartups 100
Subsystem sftp /usr/lib/openssh/sftp-server
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_key(path):
    run(["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], timeout=20)
    return pathlib.Path(path)


class Sshd:
    """A private sshd; stop() ends it and nothing else."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        make_key(self.folder / "host_key")
        config = self.folder / "config"
        config.write_text(CONFIG.format(snippet=SNIPPET, port=self.port, folder=folder))
        pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", config],
                                        stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, cwd="/", env={"PATH": "/usr/bin:/bin"})
        until(self.answers, 10, "sshd's start")

    def answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def argv(self, user, key, *words, options=()):
        return ["/usr/bin/ssh", "-F", "/dev/null", "-i", key, "-p", str(self.port),
                "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                *options, f"{user}@127.0.0.1", *words]

    def ssh(self, user, key, *words, options=(), timeout=20, **more):
        return run(self.argv(user, key, *words, options=options), timeout=timeout,
                   env={"PATH": "/usr/bin:/bin", **more.pop("env", {})}, **more)

    def terminal(self, user, key, *words, rows=24, columns=80):
        return Terminal(self.argv(user, key, *words, options=("-tt",)), rows=rows,
                        columns=columns)

    def read_log(self):
        return (self.folder / "log").read_text(errors="replace")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.log.close()


def installed():
    """Why there can be no test with sshd, or None."""
    if not os.path.exists("/usr/sbin/sshd"):
        return "no sshd on this host (openssh-server)"
    if not SNIPPET.exists():
        return f"{SNIPPET} is not installed (paths: {PATHS['CROFT_BIN_DIR']})"
    return None
