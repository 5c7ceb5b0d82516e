#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# v1.sh - runs a command where a hybrid host looks like pure cgroup v1: crun 1.8.1, which Debian 12
# has, refuses a version 2 tree that offers any controller beside version 1
[ -d /sys/fs/cgroup/unified ] || exec "$@"
exec unshare -m --propagation private sh -c 'umount /sys/fs/cgroup/unified && exec "$@"' sh "$@"
