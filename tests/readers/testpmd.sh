#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# DPDK's testpmd opens the group of a network card, and drives the card through VFIO.
# shellcheck source=tests/readers/common
. /tests/common

card=$(device 8086:100e any)
group=$(group_of "$card")

# step WHEN: testpmd with the card, asked what it has.  The IOMMU takes addresses of 39 bits, and
# without huge pages those of the process are the device's.
step() {
	printf 'show port info 0\nquit\n' |
		timeout 240 dpdk-testpmd --lcores 0,1 --no-huge -m 32 --base-virtaddr 0x1000000000 -a "$card" \
			-- -i --total-num-mbufs=2048 >/tmp/testpmd 2>&1
	echo "status $?" >>/tmp/testpmd
	# Numbers of descriptors are not the same each time
	grep -E '^(EAL: |Invalid port|(MAC address|Device name|Driver name): |status )' /tmp/testpmd |
		sed 's/ for fd [0-9]*$//' | answer "testpmd, $1"
}

plan 4
check "vfio-pci binds the card" bind "$card" vfio-pci

exec 9<>"/dev/vfio/$group"
step "its group is open elsewhere"
exec 9>&-
check "testpmd cannot open the group" grep -q "Cannot open /dev/vfio/$group: Device or resource busy" /tmp/testpmd

step "its group is free"
check "testpmd drives the card" grep -q '^Driver name: net_e1000_em' /tmp/testpmd

bind "$card" none
echo "$card" >/sys/bus/pci/drivers_probe
check "the card has its own driver again" test "$(driver_of "$card")" = e1000
finish
