#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# drive.sh - makes a throw-away volume with a busybox layer, runs drive on it, takes it away again
#
# usage: drive.sh BUILD [drive's options] start|join|unpack|remove -- COMMAND...
# DRIVE_CGROUPS=1 also makes a control group in each v1 hierarchy that Croft uses.
set -eu

build=$(realpath "$1")
shift
volume=$(mktemp -d /var/tmp/croft-drive.XXXXXX)
group=croft-drive-$$
owner=$((1879048192 + 7 * 65536))
layer=$(printf '%064d' 7)
groups=

finish() {
    for hierarchy in $groups; do
        rmdir "/sys/fs/cgroup/$hierarchy/$group" 2>/dev/null || sleep 0.1
        rmdir "/sys/fs/cgroup/$hierarchy/$group" 2>/dev/null || true
    done
    rm -rf "$volume"
}
trap finish EXIT

chmod 755 "$volume"
mkdir -p "$volume/layers/$layer/bin" "$volume/layers/$layer/etc" "$volume/layers/$layer/root" \
    "$volume/layers/$layer/tmp" "$volume/layers/$layer/home/www" \
    "$volume/instances/drive/upper" "$volume/instances/drive/work" "$volume/stage" "$volume/trash"
root=$volume/layers/$layer
cp /bin/busybox "$root/bin/busybox"
# Its links name the place it was started from.
/bin/busybox --install -s "$root/bin"
mkdir -p "$root/usr"
ln -s ../bin "$root/usr/bin"
chmod 1777 "$root/tmp"
printf 'root:x:0:0:root:/root:/bin/sh\nwww:x:1000:1000::/home/www:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\nwww:x:1000:\nextra:x:1005:other,www\n' >"$root/etc/group"
[ -z "${DRIVE_PREPARE:-}" ] || (cd "$root" && eval "$DRIVE_PREPARE")
chown -hR "$owner:$owner" "$root" "$volume/instances/drive/upper" "$volume/instances/drive/work" \
    "$volume/stage" "$volume/trash"
cp "$build/src/croft-init" "$volume/init"
chmod 555 "$volume/init"

set -- -r "$build/src/croft-runtime" -f "${DRIVE_FILTER:-$build/tools/1.bpf}" -V "$volume" -L "$layer" "$@"
if [ -n "${DRIVE_CGROUPS:-}" ]; then
    for hierarchy in memory pids cpu freezer; do
        mkdir "/sys/fs/cgroup/$hierarchy/$group"
        groups="$groups $hierarchy"
        set -- -g "/sys/fs/cgroup/$hierarchy/$group/cgroup.procs" "$@"
    done
fi
rc=0
"${DRIVE:-$build/tests/drive}" "$@" || rc=$?
[ -z "${DRIVE_AFTER:-}" ] || (cd "$volume" && eval "$DRIVE_AFTER")
exit $rc
