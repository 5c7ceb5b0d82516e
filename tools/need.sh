#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# need.sh - installs the Debian packages that are missing, and touches nothing when none is
#
# need.sh build|run|test...
set -eu

packages() {
    case $1 in
    build) echo gcc libc6-dev meson ninja-build pkg-config python3 \
        libjansson-dev libseccomp-dev libmnl-dev libarchive-dev libzstd-dev zlib1g-dev busybox-static ;;
    run) echo e2fsprogs openssh-server openssh-client passwd util-linux libjansson4 libmnl0 nftables \
        python3 ;;
    test) echo clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev libcmocka-dev \
        python3-pytest binutils git strace iproute2 conntrack acl libcap2-bin zstd ;;
    *) echo "need.sh: '$1' is none of build, run, test" >&2; exit 2 ;;
    esac
}

missing=
for group; do
    for package in $(packages "$group"); do
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$status" = installed ] || missing="$missing $package"
    done
done
[ -n "$missing" ] || exit 0

echo "installing Debian packages:$missing"
if [ "$(id -u)" -ne 0 ]; then
    echo "need.sh: not root: run 'apt-get install$missing' as root, then again" >&2
    exit 6
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of words
apt-get install -y --no-install-recommends $missing >/dev/null ||
    { apt-get update >/dev/null && apt-get install -y --no-install-recommends $missing >/dev/null; }

# So that `make clean-host` can say what it leaves behind.
mkdir -p /var/lib/croft
# shellcheck disable=SC2086
printf '%s\n' $missing >>/var/lib/croft/packages
