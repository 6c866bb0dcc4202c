#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# Makes KCSAN report data races in the group core and in those who use its insides, and in
# nothing else: other parts of the kernel have some of their own, which are not ours.
# It must come before what is to be watched; a report is a splat in the log.
kcsan=/sys/kernel/debug/kcsan
ours='^(iommu_|__iommu_|pci_group_|pci_requester_id_|amd_iommu_group|intel_iommu_group|test_)'

echo "KTAP version 1"
echo "1..2"
if ! [ -w $kcsan ]; then
	echo "not ok 1 the kernel looks for data races"
	exit 1
fi
awk '$2 ~ /[tT]/ { print $3 }' /proc/kallsyms | grep -E "$ours" | grep -v '[.]' | sort -u >/tmp/functions
number=0
while read -r function; do
	echo "!$function" >$kcsan && number=$((number + 1))
done </tmp/functions
echo "# $number functions"
if [ $number -gt 100 ]; then
	echo "ok 1 it knows the functions of the group core"
else
	echo "not ok 1 it knows the functions of the group core"
fi
if echo whitelist >$kcsan && echo on >$kcsan; then
	echo "ok 2 it reports their races, and is on"
	exit
fi
echo "not ok 2 it reports their races, and is on"
exit 1
