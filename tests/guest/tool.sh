#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# Runs iommu-groups, tools/iommu of the series, and hands on what it says: the status of
# --verify, and line by line its JSON and that of the groups.
#
#	# data: tool status 0
#	# data: tool verify {
#	# data: tool groups {

failed=0
number=0
# check NAME COMMAND...
check() {
	name=$1
	shift
	number=$((number + 1))
	if "$@"; then
		echo "ok $number $name"
	else
		echo "not ok $number $name"
		failed=1
	fi
}

echo "KTAP version 1"
echo "1..3"

iommu-groups --verify >/tmp/verdict 2>&1
status=$?
echo "# data: tool status $status"
sed 's/^/# /' /tmp/verdict
# 2 is trouble, and no groups; the others are verdicts, which the host judges
if [ -n "$(ls /sys/kernel/iommu_groups)" ]; then
	check "it gives a verdict" [ $status != 2 ]
else
	check "it says that there are no groups" grep -q 'there are no IOMMU groups' /tmp/verdict
fi

iommu-groups --verify --json >/tmp/verdict 2>/tmp/complaint
again=$?
sed 's/^/# data: tool verify /' /tmp/verdict
check "it gives the same one as JSON" [ $again = $status ]

iommu-groups --json >/tmp/groups 2>/tmp/complaint
shown=$?
sed 's/^/# data: tool groups /' /tmp/groups
check "it shows the groups" [ $shown = 0 ]

exit $failed
