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
