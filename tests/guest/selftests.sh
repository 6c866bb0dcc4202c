#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# Runs programs of tools/testing/selftests/iommu, each a subtest: those that
# selftests=NAME,... of the kernel command line names, iommu_groups without it.

programs=$(sed -n 's/^\(.* \)\?selftests=\([^ ]*\).*/\2/p' /proc/cmdline | tr , ' ')
[ -n "$programs" ] || programs=iommu_groups

# iommufd maps 128 MiB of huge pages at once
huge=/proc/sys/vm/nr_hugepages
[ ! -e $huge ] || echo 64 >$huge

# shellcheck disable=SC2086 # one word for each program
set -- $programs
echo "KTAP version 1"
echo "1..$#"
failed=0
number=0
for name in "$@"; do
	number=$((number + 1))
	{
		"/selftests/$name" 2>&1
		echo $? >/tmp/selftest
	} | awk -v name="$name" '
		/^#  *(RUN|OK|SKIP)  / { next }
		/^TAP version 13$/ { print "    KTAP version 1"; $0 = "# Subtest: " name }
		{ print "    " $0; fflush() }'
	if [ "$(cat /tmp/selftest)" = 0 ]; then
		echo "ok $number $name"
	else
		echo "not ok $number $name"
		failed=1
	fi
done
exit $failed
