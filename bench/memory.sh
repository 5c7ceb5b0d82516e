#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# memory.sh - what Croft itself takes, and what one more idle machine takes
#
# usage: CROFT=... CROFT_LIB=... CROFT_CGROUP=... USER_UID=... BENCH_USER=... memory.sh (for run.sh)
# A machine, with its network and one sleep, is PSS of its processes + slab + kernel stacks + page
# tables + per-cpu memory, over MACHINES of them.
set -eu
machines=20

pss() { # PIDs... -> KiB
    total=0
    for pid in "$@"; do
        total=$((total + $(awk '/^Pss:/ {print $2}' "/proc/$pid/smaps_rollup" 2>/dev/null || echo 0)))
    done
    echo "$total"
}

kernel() { # slab + stacks + page tables + per-cpu, KiB
    sync
    echo 3 >/proc/sys/vm/drop_caches
    sleep 1
    awk '/^(Slab|KernelStack|PageTables|Percpu):/ {sum += $2} END {print sum}' /proc/meminfo
}

as_user() {
    setpriv --reuid "$USER_UID" --regid "$(id -g "$BENCH_USER")" --clear-groups "$@"
}

of_user() { # pids of all her machines
    cat /sys/fs/cgroup/pids/"$CROFT_CGROUP/$USER_UID"/all/*/cgroup.procs 2>/dev/null ||
        cat /sys/fs/cgroup/"$CROFT_CGROUP/$USER_UID"/all/*/payload/cgroup.procs
}

host_pids=
for exe in /proc/[0-9]*/exe; do
    program=$(readlink "$exe" 2>/dev/null) || continue
    # A program that was installed again while it ran.
    case ${program% (deleted)} in
    "$CROFT_LIB"/croft-super | "$CROFT_LIB"/croft-monitor | "$CROFT_LIB"/croft-net | \
        "$CROFT_LIB"/croftd)
        pid=${exe#/proc/}
        host_pids="$host_pids ${pid%/exe}"
        ;;
    esac
done
[ -n "$host_pids" ] || {
    echo "memory.sh: Croft's daemons are not to be found below $CROFT_LIB" >&2
    exit 1
}
echo "Memory, KiB"
for pid in $host_pids; do
    printf '%-28s %6d PSS\n' "$(cat "/proc/$pid/comm")" "$(pss "$pid")"
done
# shellcheck disable=SC2086
printf '%-28s %6d PSS\n' "together" "$(pss $host_pids)"

# shellcheck disable=SC2046
pss_before=$(pss $(of_user))
kernel_before=$(kernel)
i=0
while [ $i -lt $machines ]; do
    as_user "$CROFT" launch busybox "idle-$i" -- /bin/sleep 1000000 >/dev/null
    i=$((i + 1))
done
kernel_after=$(kernel)
# shellcheck disable=SC2046
pss_after=$(pss $(of_user))
awk -v n=$machines -v p=$((pss_after - pss_before)) -v k=$((kernel_after - kernel_before)) 'BEGIN {
    printf "%-28s %6d PSS + %d kernel = %d (of %d machines)\n",
        "one more idle machine", p / n, k / n, (p + k) / n, n }'
