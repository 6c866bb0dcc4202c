#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# driverctl gives a network card to vfio-pci and back.
# shellcheck source=tests/readers/common
. /tests/common

device=$(device 8086:100e any)
group=$(group_of "$device")

# step WORD...: driverctl with these words, and the card's driver after them
step() {
	driverctl "$@" >/tmp/driverctl 2>&1
	echo "status $?, driver $(driver_of "$device")" >>/tmp/driverctl
	answer "driverctl $*" </tmp/driverctl
}

plan 7
step list-devices
step list-overrides
check "the card has its own driver, the group no node" test "$(driver_of "$device")" = e1000 -a ! -e "/dev/vfio/$group"
step set-override "$device" vfio-pci
check "vfio-pci drives the card" test "$(driver_of "$device")" = vfio-pci
check "its group has its node" test -c "/dev/vfio/$group"
step list-overrides
check "the override is listed" grep -qx "$device vfio-pci" /tmp/driverctl
step unset-override "$device"
check "the card has its own driver again" test "$(driver_of "$device")" = e1000
check "the node is gone" test ! -e "/dev/vfio/$group"
step list-overrides
check "no override is left" test -z "$(grep "$device" /tmp/driverctl)"
finish
