#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# lspci -v tells the group of each function.
# shellcheck source=tests/readers/common
. /tests/common

# What lspci -v, and what lspci -vmm printed as the group of a function
in_text() {
	awk -v device="$1" '/^[^ \t]/ { here = $1 == device }
		here && /^\tFlags: .*, IOMMU group [0-9]+/ { sub(/.*, IOMMU group /, ""); print }' /tmp/text
}
in_records() {
	awk -v device="$1" '$1 == "Slot:" { here = $2 == device } here && $1 == "IOMMUGroup:" { print $2 }' /tmp/records
}

plan 3
lspci -Dv >/tmp/text 2>/tmp/errors
sed -n -e '/^[^ \t]/p' -e 's/^\tFlags: .*, \(IOMMU group.*\)/\t\1/p' -e '/^\tKernel driver/p' /tmp/text | answer "lspci -Dv"
lspci -Dvmmk >/tmp/records 2>>/tmp/errors
grep -E '^((Slot|Driver|IOMMUGroup):|$)' /tmp/records | answer "lspci -Dvmmk"
answer "errors" </tmp/errors

devices=0
wrong_text=0
wrong_records=0
for path in /sys/bus/pci/devices/*; do
	devices=$((devices + 1))
	group=$(group_of "${path##*/}")
	[ "$(in_text "${path##*/}")" = "$group" ] || wrong_text=$((wrong_text + 1))
	[ "$(in_records "${path##*/}")" = "$group" ] || wrong_records=$((wrong_records + 1))
done
check "there are devices, and groups" test "$devices" -gt 0 -a -n "$(ls /sys/kernel/iommu_groups)"
check "lspci -v tells the group of each function" test $wrong_text = 0
check "lspci -vmm does" test $wrong_records = 0
finish
