# SPDX-License-Identifier: GPL-2.0-only OR MIT
# shellcheck shell=sh disable=SC2034
# What every script of this directory shares; read with `.`, not run.

ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
BUILD=$ROOT/build
# The git repository with the trees of all bases
REPOSITORY=$BUILD/linux.git

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

# The kernels that the series is made for, newest first
bases() {
	(cd "$ROOT/scripts/bases" && printf '%s\n' [0-9]*) | sort -rV
}

# use_base [NAME]: what scripts/bases/NAME says, without NAME of the newest, and where things of it are
use_base() {
	[ $# -gt 0 ] || set -- "$(bases | head -n1)"
	bases | grep -qxF -e "$1" || die "there is no base '$1'; there are: $(bases | paste -sd' ')"
	base=$1
	# shellcheck source=scripts/bases/7.3
	. "$ROOT/scripts/bases/$base"
	place=$BUILD/$base
	linux=$place/linux
	src=$place/src
	queue=$ROOT/$BASE_QUEUE
	series=$ROOT/$BASE_SERIES
}

in_repository() {
	git -C "$REPOSITORY" "$@"
}

in_linux() {
	git -C "$linux" "$@"
}

need_tree() {
	[ -e "$linux/.git" ] || die "build/$base/linux is missing: run scripts/get-tree --base $base first"
}

refuse_in_between() {
	for state in rebase-apply rebase-merge; do
		[ ! -e "$(in_linux rev-parse --path-format=absolute --git-path $state)" ] ||
			die "build/$base/linux is in the middle of a git am or rebase; finish it (git rebase --continue) or abort it first"
	done
}

# One at a time makes trees, imports or exports.
lock_trees() {
	need flock util-linux
	mkdir -p "$BUILD"
	exec 9>"$BUILD/trees.lock"
	flock -n 9 || {
		echo "${0##*/}: waiting for another get-tree, import, export or carry to end" >&2
		flock 9
	}
}

# The names in $series, a line each
list_series() {
	sed 's/#.*//; s/[[:space:]].*//; /^$/d' "$series"
}

# What the patches are and their order, as a hash
hash_queue() {
	{
		list_series 2>/dev/null || :
		(cd "$queue" 2>/dev/null && cat ./*.patch) || :
	} 2>/dev/null | sha256sum | cut -d' ' -f1
}

# record_queue HASH: the queue and the branch say the same now
record_queue() {
	in_linux update-ref "refs/iommu-groups/exported-$base" "series-$base"
	in_linux config "iommu-groups.$base.queue" "$1"
}

# Those of the C library are of an older kernel than the guest's.
uapi_headers="include/uapi/linux/iommufd.h include/uapi/linux/vfio.h"

# put_headers COMMIT DIRECTORY: without what only the kernel's own compiler knows, as make headers does it
put_headers() {
	mkdir -p "$2/linux"
	for header in $uapi_headers; do
		in_linux show "$1:$header" |
			sed -E 's/ __user / /g; s/ \*__user / */g; s/ __counted_by\([^)]*\)//g' >"$2/linux/${header##*/}"
	done
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
