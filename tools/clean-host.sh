#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# clean-host.sh - `make clean-host`: takes Croft off this host, whatever state it is in
#
# Users with their disks, machines, sshd of the demonstration, accounts and groups, mounts, loop
# devices, control groups, the network, settings of the kernel, files. Works by croft where it answers, and by hand for what is left.
# Debian packages stay. Nothing is deleted while something of Croft is still mounted.
set -eu

lib=/usr/lib/croft
state=/var/lib/croft
run=/run/croft
demo=/run/croft-demo

say() { echo "clean-host: $*"; }

[ "$(id -u)" -eq 0 ] || { say "run it as root" >&2; exit 4; }

# By croft itself: each user's machines end and her account goes as it came.
remove_users() {
    command -v croft >/dev/null && croft host status >/dev/null 2>&1 || return 0
    croft user ls --json | sed -n 's/^ *"name": "\([a-z0-9_-]*\)",*$/\1/p' | while read -r user; do
        say "user $user, with the disk"
        croft user rm "$user" --purge --yes || true
    done
    croft host stop || true
}

end_demo_sshd() {
    [ -f $demo/sshd.pid ] || return 0
    pid=$(cat $demo/sshd.pid)
    if [ "$(readlink "/proc/$pid/exe")" = /usr/sbin/sshd ]; then
        say "the demonstration's sshd, $pid"
        kill "$pid" || true
    fi
}

# Pids whose program is one of Croft's, also when its file was replaced.
croft_pids() {
    for exe in /proc/[0-9]*/exe; do
        case $(readlink "$exe" 2>/dev/null) in
        $lib/*) basename "${exe%/exe}" ;;
        esac
    done
}

end_programs() {
    [ -n "$(croft_pids)" ] || return 0
    say "programs that still run"
    # shellcheck disable=SC2046 # a list of numbers
    kill $(croft_pids) 2>/dev/null || true
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        [ -n "$(croft_pids)" ] || return 0
        sleep 0.2
    done
    # shellcheck disable=SC2046
    kill -KILL $(croft_pids) 2>/dev/null || true
}

# Every directory named croft at the top of a hierarchy.
cgroup_tops() {
    for top in /sys/fs/cgroup/croft /sys/fs/cgroup/*/croft; do
        [ -f "$top/cgroup.procs" ] && echo "$top"
    done | sort -u
}

end_instances() {
    for top in $(cgroup_tops); do
        find "$top" -name freezer.state 2>/dev/null | while read -r file; do
            echo THAWED >"$file" 2>/dev/null || true
        done
        for _ in 1 2 3 4 5; do
            pids=$(find "$top" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u)
            [ -n "$pids" ] || break
            # shellcheck disable=SC2086
            kill -KILL $pids 2>/dev/null || true
            sleep 0.2
        done
    done
}

remove_cgroups() {
    for top in $(cgroup_tops); do
        for _ in 1 2 3 4 5; do
            find "$top" -depth -type d -exec rmdir {} + 2>/dev/null || true
            [ -d "$top" ] || break
            sleep 0.2
        done
        [ ! -d "$top" ] || say "$top is still in use"
    done
}

unmount_all() {
    awk -v run="$run/" 'index($2, run) == 1 { print $2 }' /proc/self/mounts | sort -r |
        while read -r point; do
            umount "$point" 2>/dev/null || umount -l "$point" || true
        done
    losetup -a 2>/dev/null | grep "$state/volumes/" | cut -d: -f1 | while read -r loop; do
        losetup -d "$loop" || true
    done
}

# What croft could not remove because it did not run.
remove_accounts() {
    awk -F: -v gate="$lib/croft-gate" '$7 == gate { print $1 }' /etc/passwd | while read -r user; do
        say "account $user"
        userdel "$user" 2>/dev/null || true
    done
    # A user's own group, which has no member any more.
    awk -F: '$1 ~ /^croft-u-[0-9]+$/ && $4 == "" { print $1 }' /etc/group | while read -r group; do
        groupdel "$group" 2>/dev/null || true
    done
    # Who is in it still was added by another installation of Croft, which needs what they share.
    members=$(getent group croft-user | cut -d: -f4)
    if [ -n "$members" ]; then
        say "croft-user still has members ($members): the shared account and groups stay"
        return 0
    fi
    for account in croft croft-net; do
        ! getent passwd $account >/dev/null || userdel $account 2>/dev/null || true
    done
    for group in croft-user croft-admin croft-net croft; do
        ! getent group $group >/dev/null || groupdel $group 2>/dev/null || true
    done
}

# The links, the table and whether the host forwards, where no super did it at its end. It wants a
# socket for its channel, which a shell cannot make.
tidy_network() {
    [ -x $lib/croft-net ] && [ -d $run/net ] || return 0
    /usr/bin/python3 -c 'import os, socket, sys
channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
os.dup2(channel.fileno(), 3)
os.set_inheritable(3, True)
os.execv(sys.argv[1], ["croft-net", "tidy"])' $lib/croft-net ||
        say "the network of the host is not as it was: nft list tables, ip link" >&2
}

restore_pid_max() {
    [ -f $run/pid_max.before ] || return 0
    cat $run/pid_max.before >/proc/sys/kernel/pid_max
}

remove_files() {
    if grep -q " $run/" /proc/self/mounts; then
        say "something is still mounted below $run: nothing was deleted; see /proc/self/mounts" >&2
        exit 1
    fi
    if [ -s $state/packages ]; then
        say "these Debian packages were installed for Croft and stay:" \
            "$(sort -u $state/packages | tr '\n' ' ')"
    fi
    [ ! -f $demo/made-sshd ] || rmdir /run/sshd 2>/dev/null || true
    rm -rf --one-file-system $state $run $demo /etc/croft /var/log/croft $lib
    rm -f /usr/bin/croft /etc/ssh/sshd_config.d/croft.conf \
        /usr/share/man/man1/croft*.1 /usr/share/man/man5/croft*.5 \
        /usr/share/man/man7/croft*.7 /usr/share/man/man8/croft*.8
    rm -rf /usr/share/doc/croft
}

reload_sshd() {
    pid=$(cat /run/sshd.pid 2>/dev/null) || return 0
    [ "$(readlink "/proc/$pid/exe")" != /usr/sbin/sshd ] || kill -HUP "$pid"
}

remove_users
end_demo_sshd
end_programs
end_instances
tidy_network
unmount_all
remove_cgroups
remove_accounts
restore_pid_max
remove_files
reload_sshd
say "done"
