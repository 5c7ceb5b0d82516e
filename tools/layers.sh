#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# layers.sh - makes the include tree of one folder: links to what it may include, nothing else
#
# layers.sh SOURCE BUILD FOLDER ALLOWED...
#   ALLOWED: a folder of SOURCE, one header of it (wire/limits.h), or a header made in BUILD
set -eu

source=$1 build=$2 folder=$3
shift 3
tree=$build/layers/$folder
rm -rf "$tree"
mkdir -p "$tree"
for allowed; do
    target=$source/$allowed
    [ -e "$target" ] || target=$build/$allowed
    mkdir -p "$tree/$(dirname "$allowed")"
    ln -s "$target" "$tree/$allowed"
done
