#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# dpdk-devbind.py tells who drives network cards, and gives one to vfio-pci and back.
# shellcheck source=tests/readers/common
. /tests/common

device=$(device 8086:100e any)
group=$(group_of "$device")

# step WORD...
step() {
	dpdk-devbind.py "$@" >/tmp/devbind 2>&1
	echo "status $?, driver $(driver_of "$device")" >>/tmp/devbind
	answer "dpdk-devbind.py $*" </tmp/devbind
}

# The card's line in the section of this name
in_section() {
	# shellcheck disable=SC2317 # check calls it
	awk -v section="$1" -v device="$device" \
		'/^[A-Z]/ { here = $0 == section } here && $1 == device { found = 1 } END { exit !found }' /tmp/devbind
}

plan 5
step --status
check "the card is the kernel's" in_section "Network devices using kernel driver"
step --bind=vfio-pci "$device"
check "its group has its node" test -c "/dev/vfio/$group"
step --status
check "the card is DPDK's" in_section "Network devices using DPDK-compatible driver"
step --bind=e1000 "$device"
check "the card has its own driver again" test "$(driver_of "$device")" = e1000
check "the node is gone" test ! -e "/dev/vfio/$group"
finish
