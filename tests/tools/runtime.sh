#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# runtime.sh BUILD - croft-runtime and croft-init alone, driven by tests/drive; prints TAP
#
# Needs root. Whole instances, without a monitor: what the runtime promises must hold whoever asks.
set -u

build=$(realpath "$1")
drive=$(dirname "$0")/drive.sh
number=0
canary=$(mktemp -d /tmp/croft-canary.XXXXXX)
output=$(mktemp)
trap 'rm -rf "$canary" "$output"' EXIT

if [ "$(id -u)" -ne 0 ]; then
    echo "1..0 # SKIP not root"
    exit 0
fi

# check NAME STATUS PATTERN [drive's arguments]: the status, and output that matches (! = that does not)
check() {
    name=$1 want=$2 pattern=$3
    shift 3
    number=$((number + 1))
    "$drive" "$build" -q "$@" >"$output" 2>&1 </dev/null
    got=$?
    case $pattern in
    '') matches=0 ;;
    '!'*) ! grep -aEq -- "${pattern#!}" "$output"; matches=$? ;;
    *) tr -d '\r\000' <"$output" | tr '\n' ' ' | tr -s ' ' | grep -aEq -- "$pattern"; matches=$? ;;
    esac
    if [ "$got" -eq "$want" ] && [ "$matches" -eq 0 ]; then
        echo "ok $number - $name"
    else
        echo "not ok $number - $name"
        echo "# status $got instead of $want, or not /$pattern/ in:"
        sed 's/^/#   /' "$output"
    fi
}

before=$(grep -Ec 'drive|overlay' /proc/mounts)

# The command's end is the instance's end.
check "exit status" 7 '' start -- /bin/sh -c 'exit 7'
check "signal" 137 '' start -- /bin/sh -c 'kill -9 $$'
check "not found" 127 'nosuch' start -- nosuch
check "not executable" 126 'denied' start -- /etc/passwd
check "no such directory" 126 'nosuch' -w /nosuch start -- /bin/true
check "orphans are reaped and ended" 0 '' start -- /bin/sh -c '(sleep 100 &) ; exit 0'

# What everything inside wears.
check "filter, no capability too many, no_new_privs 0" 0 \
    'CapInh:.0{16} CapPrm:.00000000200405ff CapEff:.00000000200405ff CapBnd:.00000000200405ff CapAmb:.0{16} NoNewPrivs:.0 Seccomp:.2' \
    start -- /bin/grep -E 'Cap|NoNew|Seccomp:' /proc/self/status
check "three descriptors" 0 '^0 1 2 3 $' start -- /bin/sh -c 'cd /proc/self/fd; ls' # 3: ls reads it
check "init has no descriptor but its own" 0 '!(/|socket|pipe)' start -- /bin/sh -c \
    'for f in /proc/1/fd/*; do readlink $f; done'
check "init cannot be written" 1 'denied' start -- /bin/sh -c 'exec 5<>/proc/1/exe'
check "own ids only" 0 ' 0 1879506944 65536 ' start -- cat /proc/self/uid_map
check "own hostname" 0 '^drive $' start -- hostname
check "loopback is up" 0 'LOOPBACK,UP' start -- ip address show lo
check "own processes only" 0 '^1 2 ' start -- /bin/sh -c 'cd /proc; echo [0-9]*'
check "no host path in the mount table" 0 '!(/var/|/run/|/tmp/|/home/)' start -- cat /proc/self/mountinfo
for call in 'mount -t tmpfs x /tmp' 'umount /proc/keys' 'unshare -U true' 'unshare -m true' \
    'mknod /tmp/m c 1 3' 'hostname x' 'reboot -f' 'swapon /bin/sh' 'chown 70000 /tmp' \
    'echo x >/proc/sys/kernel/core_pattern' 'echo h >/proc/sysrq-trigger' 'touch /sys/x' \
    'nsenter -t 1 -m true' 'ip link set lo down' 'nice -n -5 true'; do
    check "refused: $call" 9 '' start -- /bin/sh -c "$call || exit 9"
done
check "hidden" 0 '^0 $' start -- /bin/sh -c \
    'cd /proc; cat keys kallsyms diskstats interrupts slabinfo 2>/dev/null | wc -c; ls fs /sys/firmware /sys/fs >/dev/null'
check "allowed: files, links, fifos, chroot, sync" 0 '' start -- /bin/sh -c \
    'mkdir /a && mkfifo /a/f && ln -s f /a/l && chown 5:5 /a/f && sync && chroot / /bin/true'

# The network, drive playing croft-net.
check "no link without a slot" 0 '^1: lo:' start -- /bin/sh -c 'ip link show | grep -E "^[0-9]+:"; ! ip link show eth0 2>&-'
check "network: addresses" 0 'NOARP,UP.* inet 100.96.18.52/32 .*inet6 fd43:726f:6674::1234/128' -N start -- \
    ip address show eth0
check "network: nothing but what was given" 1 '' -N start -- /bin/sh -c 'ip address show eth0 | grep fe80:'
check "network: default routes" 0 'default via 100.96.0.1 dev eth0 .*default via fe80::1 dev eth0' -N start -- \
    /bin/sh -c 'ip route; ip -6 route'
check "network: the gateway answers" 0 '(refused.*){2}' -N start -- \
    /bin/sh -c 'nc -w 3 100.96.0.1 9; nc -w 3 fe80::1%eth0 9; true'
check "network: no router is listened to" 0 '^0 0 $' -N start -- \
    sh -c 'cd /proc/sys/net/ipv6/conf/eth0; cat accept_ra autoconf'
check "network: ping for every group" 0 '^0.65535 $' -N start -- cat /proc/sys/net/ipv4/ping_group_range
for call in 'ip link set eth0 down' 'ip address add 10.9.9.9/32 dev eth0' 'ip route add 10.0.0.0/8 via 100.96.0.1' \
    'ip neigh add 100.96.0.9 lladdr 02:00:00:00:00:01 dev eth0' 'echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_ra'; do
    check "network: refused: $call" 9 '' -N start -- /bin/sh -c "$call || exit 9"
done

# Its sockets, from outside.
check "sockets: nobody listens" 0 '^listening 0 0 $' -N look
check "sockets: somebody listens" 0 'listening 1 0 $' -N -b 'exec nc -ll -p 5432 -e cat' look
check "sockets: a connection is cut" 0 'cut 1 0 ' -N -b 'exec nc -ll -p 5432 -e cat' cut
seen='for p in /proc/[0-9]*; do case $p in /proc/[12]) ;; *) echo SEEN;; esac; done'
check "sockets: who joins is seen inside" 0 'SEEN' -b "while :; do $seen; done" -n 50 join -- /bin/true
check "sockets: who looks at sockets is not" 0 '!SEEN' -b "while :; do $seen; done" -n 100 look

# Users of the instance.
check "by name" 0 'uid=1000.www. gid=1000.www. groups=1005.extra. /home/www www' -u www start -- \
    /bin/sh -c 'id; echo $HOME $USER'
check "by name: no capability" 0 'CapEff:.0{16}' -u www start -- grep CapEff /proc/self/status
check "by number without account" 0 'uid=77 gid=0' -u 77 start -- id
check "her account, where there is one" 0 'uid=1000.www.*/home/www www' -u '?www' start -- /bin/sh -c 'id; echo $HOME $USER'
check "her account, else root" 0 'uid=0.root. gid=0.root.*/root root' -u '?nosuch' start -- /bin/sh -c 'id; echo $HOME $USER'
check "user and group by name" 0 'uid=1000.www. gid=1005.extra. *(groups=1005.extra. )?$' -u www:extra start -- id
check "user and group by number" 0 'uid=1000.www. gid=7 ' -u 1000:7 start -- id
check "number without account, group by name" 0 'uid=77 gid=1005.extra.' -u 77:extra start -- id
check "no group of that name" 126 'cannot find the user' -u www:nosuch start -- id
check "nobody of that name" 126 'cannot find the user' -u nosuch start -- id
export DRIVE_PREPARE='printf "www:x:+0:0::/:/bin/sh\nwww:x:0 :0::/:/\nwww:x:00:0::/:/\n" >etc/passwd'
check "no root by a sloppy number" 126 'cannot find the user' -u www start -- id
export DRIVE_PREPARE='rm etc/passwd; mkfifo etc/passwd'
check "passwd is a fifo" 126 'cannot find the user' -u www start -- id
export DRIVE_PREPARE='rm etc/passwd; truncate -s 10G etc/passwd'
check "passwd is huge" 126 'cannot find the user' -u www start -- id
unset DRIVE_PREPARE

# A terminal of the instance's own.
check "terminal" 0 '/dev/pts/0 24 80 hi' -t start -- /bin/sh -c 'tty; stty size; echo hi >/dev/tty'

# A process in a running one.
check "join: status" 5 '' join -- /bin/sh -c 'exit 5'
check "join: filter and capabilities" 0 'CapEff:.00000000200405ff CapBnd:.00000000200405ff .*NoNewPrivs:.0 Seccomp:.2' \
    join -- /bin/grep -E 'CapEff|CapBnd|CapAmb|NoNew|Seccomp:' /proc/self/status
check "join: three descriptors" 0 '^0 1 2 3 $' join -- /bin/sh -c 'cd /proc/self/fd; ls'
check "join: sees pid 1" 0 'croft-init' join -- ps
check "join: terminal" 0 '/dev/pts/0 ok' -t join -- /bin/sh -c 'tty; echo ok >/dev/tty'
check "join: user" 3 'uid=1000' -u www join -- /bin/sh -c 'id; exit 3'
check "join: refused" 9 '' join -- /bin/sh -c 'mount -t tmpfs x /tmp || exit 9'

# Images that want to lead the mounts astray.
for place in dev proc sys; do
    for target in "$canary" "../../../..$canary" tmp /proc/self/root /proc/1/root/tmp; do
        export DRIVE_PREPARE="ln -s $target $place"
        check "/$place -> ${target%%.*}: not started" 98 'Too many levels' start -- /bin/true
    done
    export DRIVE_PREPARE="touch $place"
    check "/$place is a file: not started" 98 'Not a directory' start -- /bin/true
done
unset DRIVE_PREPARE
number=$((number + 1))
if [ -z "$(ls -A "$canary")" ]; then echo "ok $number - the canary lives"; else echo "not ok $number - canary"; fi

# The files that the monitor keeps, whatever the image has in their place.
names=$(mktemp -d /tmp/croft-names.XXXXXX)
echo '100.96.0.9 db.alice' >"$names/hosts"
echo 'nameserver 100.96.0.8' >"$names/resolv"
echo secret >"$canary/secret"
for prepare in 'true' 'rmdir etc || rm -r etc' 'touch etc/hosts' 'ln -s /run/nothing etc/resolv.conf' \
    "ln -s $canary/secret etc/resolv.conf; ln -s ../../../..$canary/secret etc/hosts" \
    'mkfifo etc/hosts; ln etc/hosts etc/resolv.conf'; do
    export DRIVE_PREPARE="$prepare"
    check "names: $prepare" 0 'db.alice nameserver 100.96.0.8' -H "$names/hosts" -R "$names/resolv" start -- \
        cat /etc/hosts /etc/resolv.conf
done
check "names: read-only" 9 'Read-only' -H "$names/hosts" start -- sh -c 'echo x >/etc/hosts || exit 9'
check "names: not to be taken away" 9 'busy' -H "$names/hosts" start -- sh -c 'rm -f /etc/hosts || exit 9'
check "names: nosuid, nodev, noexec" 0 ' /etc/hosts ro,nosuid,nodev,noexec' -H "$names/hosts" start -- \
    cat /proc/self/mountinfo
for prepare in 'rm -r etc; ln -s /tmp etc' 'rm -r etc; touch etc' 'mkdir etc/hosts etc/resolv.conf'; do
    export DRIVE_PREPARE="$prepare"
    check "names: goes without: $prepare" 0 '!db.alice' -H "$names/hosts" -R "$names/resolv" start -- \
        sh -c 'cat /etc/hosts /etc/resolv.conf /tmp/hosts; true'
done
unset DRIVE_PREPARE
number=$((number + 1))
if [ "$(cat "$canary/secret" "$names/hosts")" = "$(printf 'secret\n100.96.0.9 db.alice')" ]; then
    echo "ok $number - names: what links led to is as it was"
else
    echo "not ok $number - names: what links led to"
fi
rm -r "$names"

# The log.
export DRIVE_AFTER='cat instances/drive/log.0'
check "log" 0 'LOG1.*out err' -l start -- /bin/sh -c 'echo out; echo err >&2'

# What an image does at a machine's first start.
first='mkdir -p usr/lib/croft; cat >usr/lib/croft/first-start; chmod 755 usr/lib/croft/first-start'
export DRIVE_PREPARE="echo 'echo first for \$CROFT_OWNER as \$(id -u), stdin \$(wc -c)' | (echo '#!/bin/sh'; cat) | ($first)"
check "first start: before the command, once" 0 'LOG1.*first for alice as 0, stdin 0 main 1000 main 1000 $' \
    -e CROFT_OWNER=alice -u www -n 2 -l start -- /bin/sh -c 'echo main $(id -u)'
check "first start: not without an owner" 0 '!first for' -l start -- /bin/true
unset DRIVE_AFTER
check "first start: not for a job" 0 '!first' -e CROFT_OWNER=alice start -- /bin/true
export DRIVE_AFTER='cat instances/drive/log.0'
export DRIVE_PREPARE="(echo '#!/bin/sh'; echo 'echo tried; exit 3') | ($first)"
check "first start: what fails goes again" 4 'tried .*failed, or took too long .*tried .*failed' -e CROFT_OWNER=alice -n 2 -l \
    start -- /bin/sh -c 'exit 4'
export DRIVE_PREPARE="mkdir -p usr/lib/croft; mkfifo -m 755 usr/lib/croft/first-start"
check "first start: a fifo" 4 'failed' -e CROFT_OWNER=alice -l start -- /bin/sh -c 'exit 4'
unset DRIVE_AFTER DRIVE_PREPARE

# No build but the ablation one leaves a control out.
check "nothing is left out" 98 'not permitted' -W 2 start -- /bin/true

# Image jobs.
if [ -x "$build/src/croft-image" ]; then
    export DRIVE_FILTER="$build/tools/2.bpf" DRIVE_AFTER='ls trash | wc -l'
    export DRIVE_PREPARE='cp -a bin "$volume/trash/old"; mkdir "$volume/trash/old/no"; chmod 0 "$volume/trash/old/no"'
    check "remove" 0 '^0 $|[^0-9]0 $' -x "$build/src/croft-image" remove
fi

number=$((number + 1))
after=$(grep -Ec 'drive|overlay' /proc/mounts)
if [ "$after" -eq "$before" ]; then echo "ok $number - no mount left"; else echo "not ok $number - mounts"; fi
echo "1..$number"
