#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# Two endpoints behind the switch without ACS of machine virtio, where groups are formed as
# drivers bind: one gets a driver while the other's port is away, the other when it is back.
# For a kernel with initcall_blacklist=nvme_init, so that no driver was there before.
devices=/sys/bus/pci/devices
first_port=0000:04:00.0
below_first=0000:05:00.0
below_second=0000:06:00.0

group() {
	readlink "$devices/$1/iommu_group" | sed 's,.*/,,'
}

bind() {
	echo vfio-pci >"$devices/$1/driver_override"
	echo "$1" >/sys/bus/pci/drivers_probe
}

number=0
status=0
check() {
	number=$((number + 1))
	if [ "$1" = "$2" ]; then
		echo "ok $number $3"
	else
		echo "# '$1' and '$2'"
		echo "not ok $number $3"
		status=1
	fi
}

echo "KTAP version 1"
echo "1..4"
check "$(group $below_first)$(group $below_second)" '' "neither endpoint has a group"
echo 1 >"$devices/$first_port/remove"
bind $below_second
echo 1 >/sys/bus/pci/rescan
before=$(group $below_second)
[ -n "$before" ] || before=none
check "$(group $first_port)" "$before" "the port that is back joins the group of the other port"
bind $below_first
check "$(group $below_first)" "$before" "and so does what is below it when a driver binds"
check "$(group $below_second)" "$before" "which is the group that it was"
exit $status
