#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# prove-ablate.sh - takes one control away at a time and shows which attacks then get through
#
# usage: tools/prove-ablate.sh [CONTROL...]     (default: userns seccomp caps cgroup idrange nftables)
# Builds the test build with paths, state and control group of its own below /var/tmp/croft-ablate,
# which is removed again. Run as root, while no other Croft runs: both would hand out the same ids.
# Exit status 0 when every control was seen to stop something.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
stage=/var/tmp/croft-ablate
build=${ABLATE_BUILD:-$top/build-prove}
rows=${ABLATE_ROWS:-}
failed=0

if /usr/bin/croft host status >/dev/null 2>&1; then
    echo "prove-ablate.sh: Croft runs on this host: stop it first (croft host stop)" >&2
    exit 1
fi

unstage() {
    [ ! -x $stage/bin/croft ] || $stage/bin/croft host stop >/dev/null 2>&1 || true
    rm -rf $stage /run/croft-ablate /var/lib/croft-ablate /etc/croft-ablate /var/log/croft-ablate
}
trap unstage EXIT
trap 'exit 1' INT TERM

[ -f "$build/build.ninja" ] || meson setup "$build" "$top" -Dablate=true -Dprefix=$stage \
    -Dlib_dir=$stage/lib -Drun_dir=/run/croft-ablate -Dstate_dir=/var/lib/croft-ablate \
    -Dconf_dir=/etc/croft-ablate -Dlog_dir=/var/log/croft-ablate -Dcgroup=croft-ablate >/dev/null
ninja -C "$build" --quiet

unstage
mkdir -p $stage/bin $stage/lib/filters $stage/lib/images
for program in "$build"/src/croft*; do
    [ -f "$program" ] && [ -x "$program" ] && cp "$program" $stage/lib/
done
mv $stage/lib/croft $stage/bin/croft
cp "$build"/tools/*.bpf $stage/lib/filters/
cp "$top"/src/net/croft.nft $stage/lib/
cp "$build"/tools/busybox.tar $stage/lib/images/
chmod -R go=rX $stage

for control in "${@:-userns seccomp caps cgroup idrange nftables}"; do
    for one in $control; do
        echo "== without $one"
        # shellcheck disable=SC2086
        if $stage/bin/croft prove --without "$one" --sshd "$build/packaging/croft.conf" \
            ${rows:+--only $rows}; then
            echo "without $one: attacks get through, as they must"
        else
            echo "without $one: NOTHING gets through: no row proves this control"
            failed=1
        fi
    done
done
exit $failed
