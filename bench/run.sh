#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh - Croft beside the floor and beside podman and nsenter, on this machine, in one table
#
# usage: bench/run.sh [--rounds N] [--save]
# Needs: root, Croft installed and running, a C compiler, busybox-static. podman and crun where they
# are installed. Makes a user bench-a and takes her away again; --save writes
# docs/results/bench-DATE.txt. Rounds are interleaved and rotated (rounds.c); medians, p10, p90.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
rounds=40
save=
while [ $# -gt 0 ]; do
    case $1 in
    --rounds) rounds=$2; shift ;;
    --save) save=1 ;;
    *) sed -n '3,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
    shift
done

croft=${CROFT:-/usr/bin/croft}
lib=${CROFT_LIB:-/usr/lib/croft}
filter=$lib/filters/1.bpf
group=${CROFT_CGROUP:-croft}
user=bench-a
work=$(mktemp -d /var/tmp/croft-bench.XXXXXX)

finish() {
    "$croft" user rm --purge --yes "$user" >/dev/null 2>&1 || true
    [ ! -d "$work/podman" ] || podman_ rmi -af >/dev/null 2>&1 || true
    [ ! -d "$work/podman/overlay" ] || umount "$work/podman/overlay" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

# crun 1.8 refuses a hybrid host; podman then sees it without its version 2 tree (v1.sh).
podman_() {
    "$here/v1.sh" podman --root "$work/podman" --runroot "$work/podman-run" --runtime=crun "$@"
}

as_user() {
    setpriv --reuid "$uid" --regid "$(id -g "$user")" --clear-groups "$@"
}

build() {
    chmod 755 "$work"
    for program in floor rounds; do
        cc -O2 -std=gnu17 -D_GNU_SOURCE -static -o "$work/$program" "$here/$program.c"
    done
    root=$work/root
    mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/tmp" "$root/etc"
    cp /bin/busybox "$root/bin/"
    for name in sh true sleep cat; do ln -s busybox "$root/bin/$name"; done
    tar -C "$root" -c . >"$work/root.tar"
    chown -hR 100000:100000 "$root"
}

head_lines() {
    echo "Croft's figures, $(date -u +%Y-%m-%dT%H:%MZ)"
    echo "machine   $(nproc) CPUs, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), \
$(awk '/^MemTotal/ {printf "%.1f GiB", $2 / 1048576}' /proc/meminfo)"
    echo "kernel    $(uname -r | cut -d- -f1); $(. /etc/os-release && echo "$PRETTY_NAME"); control groups \
$([ -e /sys/fs/cgroup/cgroup.controllers ] && echo v2 || echo v1)"
    echo "versions  $("$croft" version); $(podman --version 2>/dev/null); $(crun --version 2>/dev/null | head -1)"
    echo "load      $(cut -d' ' -f1-3 /proc/loadavg) before the first round; $rounds rounds each"
}

list_run() {
    echo "floor 0 $work/floor $root $filter /bin/true"
    echo "croft-run $uid $croft run --rm busybox -- /bin/true"
    if [ -n "$podman" ] && [ "$1" = peers ]; then
        echo "podman-run 0 podman --root $work/podman --runroot $work/podman-run --runtime=crun run" \
            "--rm --network=none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024" \
            "localhost/croft-bench /bin/true"
        # With a network of its own, as croft-run has it.
        [ -z "$podman_bridge" ] || echo "podman-bridge 0 podman --root $work/podman" \
            "--runroot $work/podman-run --runtime=crun run --rm --ulimit nofile=1024:1024" \
            "--ulimit nproc=1024:1024 localhost/croft-bench /bin/true"
    fi
}

list_exec() {
    echo "nsenter 0 nsenter -t $init -a --root --wd /bin/true"
    echo "croft-exec $uid $croft exec idle -- /bin/true"
    if [ -n "$podman" ] && [ "$1" = peers ]; then
        echo "podman-exec 0 podman --root $work/podman --runroot $work/podman-run --runtime=crun exec" \
            "croft-bench /bin/true"
    fi
}

# Runs a list hot, cold, and beside the peers: these are so slow that whoever comes after one of
# them is half cold on cgroup v1, so the hot figures are taken without them.
measure() {
    title=$1
    list=$2
    printf '\n%s, hot\n' "$title"
    "$list" own | "$here/v1.sh" "$work/rounds" -r "$rounds"
    printf '\n%s, cold (100 ms idle before each)\n' "$title"
    "$list" own | "$here/v1.sh" "$work/rounds" -r "$rounds" -g 100
    [ -n "$podman" ] || return 0
    printf '\n%s, beside podman\n' "$title"
    "$list" peers | "$here/v1.sh" "$work/rounds" -r "$rounds"
}

prepare_podman() {
    podman=
    podman_bridge=
    command -v podman >/dev/null && command -v crun >/dev/null || return 0
    podman_ import "$work/root.tar" localhost/croft-bench >/dev/null 2>&1 || return 0
    podman_ run -d --network=none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 \
        --name croft-bench localhost/croft-bench /bin/sleep 100000 >/dev/null 2>&1 || return 0
    podman=1
    ! podman_ run --rm --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 \
        localhost/croft-bench /bin/true >/dev/null 2>&1 || podman_bridge=1
}

main() {
    head_lines
    "$croft" user add "$user" --memory 1G --pids 1000 --disk 512M >/dev/null
    uid=$(id -u "$user")
    as_user "$croft" launch busybox idle >/dev/null
    init=$(head -1 "/sys/fs/cgroup/pids/$group/$uid/all/idle/cgroup.procs" 2>/dev/null ||
        head -1 "/sys/fs/cgroup/$group/$uid/all/idle/payload/cgroup.procs")
    prepare_podman
    [ -n "$podman" ] || echo "podman    not measured: podman with crun is not installed or does not run here"
    measure "Start to end of /bin/true" list_run
    measure "/bin/true in a machine that runs" list_exec
    [ -z "$podman" ] || podman_ rm -f -t 0 croft-bench >/dev/null 2>&1
    echo
    CROFT=$croft CROFT_LIB=$lib CROFT_CGROUP=$group USER_UID=$uid BENCH_USER=$user "$here/memory.sh"
}

build
result=/dev/null
if [ -n "$save" ]; then
    mkdir -p "$here/../docs/results"
    result=$here/../docs/results/bench-$(date -u +%Y-%m-%d).txt
fi
# A pipe's status is that of its last command: "done" says that the first one came to its end.
(main; touch "$work/done") | tee "$work/result"
[ -e "$work/done" ]
cat "$work/result" >"$result"
