#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh - `make run`: Croft on this host, alice and bob with a machine each, and the proof
#
# Run as root. Installs what was built, starts Croft, adds the two users with a key each, lets them
# log in by ssh; then demo.py tells the story and runs the attacks. What is there already is kept: a
# second run changes nothing.
# Everything of the demonstration lies in /var/lib/croft/demo and /run/croft-demo; `make clean-host`
# takes it all away again.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
demo=/var/lib/croft/demo
run=/run/croft-demo
lib=/usr/lib/croft
snippet=/etc/ssh/sshd_config.d/croft.conf
demo_port=2222
before_croft=/var/lib/croft/before.json

say() { printf '\n== %s\n' "$*"; }
fail() {
    status=$1
    shift
    echo "run.sh: $*" >&2
    exit "$status"
}

[ "$(id -u)" -eq 0 ] || fail 4 "make run makes accounts, disks and control groups: run it as root"

# What `make clean-host` must lead back to; the system tests compare with it.
remember_the_host() {
    [ ! -e $lib ] && [ ! -e /usr/bin/croft ] && [ ! -e $before_croft ] || return 0
    mkdir -p /var/lib/croft
    "$top/tools/leftovers" save $before_croft || rm -f $before_croft
}

# The sum over all programs: a change means that what runs is older than what is installed.
programs() { cat "$lib"/croft* /usr/bin/croft 2>/dev/null | sha256sum; }

install_croft() {
    say "install"
    before=$(programs)
    make -s -C "$top" install >/dev/null
    if croft host status >/dev/null 2>&1 && [ "$before" != "$(programs)" ]; then
        echo "the programs have changed: Croft is started again"
        croft host stop
    fi
    croft host start
}

# A private, known key: this is a demonstration, its keys live and die with it.
make_key() {
    [ -f "$demo/$1" ] || ssh-keygen -q -t ed25519 -N '' -C "croft demo, $1" -f "$demo/$1"
}

has_user() { croft user ls --json | grep -q "\"name\": \"$1\""; }

add_user() {
    make_key "$1"
    if has_user "$1"; then
        echo "user $1 is there"
    else
        croft user add "$1" --key "$demo/$1.pub"
    fi
}

# The host's own sshd: one that listens and was not started with a configuration of its own.
host_sshd() {
    for exe in /proc/[0-9]*/exe; do
        [ "$(readlink "$exe" 2>/dev/null)" = /usr/sbin/sshd ] || continue
        line=$(tr '\0' ' ' <"${exe%exe}cmdline" 2>/dev/null) || continue
        case $line in
        *" -f "*) ;;
        *"[listener]"*) basename "${exe%/exe}" && return 0 ;;
        esac
    done
    return 1
}

demo_sshd_runs() {
    [ -f $run/sshd.pid ] && [ "$(readlink "/proc/$(cat $run/sshd.pid)/exe")" = /usr/sbin/sshd ]
}

# $run/made-sshd says that sshd's own directory was not there before us.
start_demo_sshd() {
    mkdir -p $run
    [ -d /run/sshd ] || { mkdir -m 0755 /run/sshd && touch $run/made-sshd; }
    [ -f $demo/host_key ] || ssh-keygen -q -t ed25519 -N '' -f $demo/host_key
    cat >$run/sshd_config <<END
Include $snippet
Port $demo_port
ListenAddress 127.0.0.1
HostKey $demo/host_key
PidFile $run/sshd.pid
UsePAM yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
AllowGroups croft-user
PrintMotd no
Subsystem sftp /usr/lib/openssh/sftp-server
END
    /usr/sbin/sshd -t -f $run/sshd_config
    # sshd goes into the background by itself; its words go to a file, not to this terminal.
    /usr/sbin/sshd -f $run/sshd_config -E $run/sshd.log
}

# Sets $port.
find_sshd() {
    say "sshd"
    if pid=$(host_sshd); then
        /usr/sbin/sshd -t
        kill -HUP "$pid"
        port=$(/usr/sbin/sshd -T | sed -n 's/^port //p' | head -n 1)
        echo "this host's sshd (port $port) has read $snippet"
    elif demo_sshd_runs; then
        port=$demo_port
        echo "the demonstration's sshd runs on 127.0.0.1:$port"
    else
        port=$demo_port
        start_demo_sshd
        echo "no sshd ran: Debian's listens on 127.0.0.1:$port now"
    fi
}

ssh_words() {
    echo "ssh -p $port -i $demo/$1 $1@localhost"
}

log_in() {
    ssh -F /dev/null -p "$port" -i "$demo/$1" -o IdentitiesOnly=yes -o BatchMode=yes \
        -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=$demo/known_hosts \
        -o LogLevel=ERROR "$1@localhost" "$2" </dev/null
}

# sshd answers a moment after it was started.
wait_for_sshd() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        log_in alice true 2>/dev/null && return 0
        sleep 0.3
    done
    log_in alice true
}

remember_the_host
install_croft

say "users"
mkdir -p $demo
chmod 0700 $demo
add_user alice
add_user bob

"$top/tools/demo.py" machines

find_sshd
say "logins"
wait_for_sshd || fail 1 "alice cannot log in: see $run/sshd.log and /var/log/croft/croft.log"
for user in alice bob; do
    # shellcheck disable=SC2016 # expanded in the machine
    log_in $user 'echo "$(id -un) in $(hostname), process $$ of $(ls -d /proc/[0-9]* | wc -l)"' |
        sed "s/^/$user: /"
done

exec "$top/tools/demo.py" "$port"
