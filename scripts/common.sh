# SPDX-License-Identifier: GPL-2.0-only OR MIT
# shellcheck shell=sh disable=SC2034
# What every script of this directory shares; read with `.`, not run.

ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
BUILD=$ROOT/build

# The answer of git and of sorting must not depend on whose machine it is.
export LC_ALL=C GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_PREFIX

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# need TOOL PACKAGE
need() {
	command -v "$1" >/dev/null || die "$1 is missing: install the package $2 (scripts/setup does)"
}

# set_architecture NAME: what the kernel calls it, and the prefix of its compiler
set_architecture() {
	case $1 in
	x86_64) kernel_arch=x86 cross='' ;;
	arm64) kernel_arch=arm64 cross=aarch64-linux-gnu- ;;
	powerpc64) kernel_arch=powerpc cross=powerpc64le-linux-gnu- ;;
	*) die "there is no architecture '$1'; there are: x86_64 arm64 powerpc64" ;;
	esac
	need "${cross}gcc" "gcc${cross:+-${cross%-}}"
}
