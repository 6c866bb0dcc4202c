#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# udevadm looks at a device, at its group and at the group's node of VFIO.
# shellcheck source=tests/readers/common
. /tests/common

device=$(device 1234:11e8 alone)
group=$(group_of "$device")
path=/sys/bus/pci/devices/$device

plan 6
udevadm info "$path" >/tmp/info 2>&1
answer "udevadm info DEVICE" </tmp/info
check "info of a device" grep -q "^E: PCI_SLOT_NAME=$device\$" /tmp/info

udevadm test "$path" >/tmp/test 2>/tmp/test.err
status=$?
grep -v '^USEC_INITIALIZED=' /tmp/test | answer "udevadm test DEVICE"
check "test of a device" test $status = 0

udevadm info "/sys/kernel/iommu_groups/$group" >/tmp/info 2>&1
status=$?
answer "udevadm info GROUP" </tmp/info
check "info of a group" test $status = 0 -a "$(sed -n 's/^P: //p' /tmp/info)" = "/kernel/iommu_groups/$group"

check "vfio-pci binds the device" bind "$device" vfio-pci
udevadm info "/dev/vfio/$group" >/tmp/info 2>&1
# The number of the character device is whichever is free
grep -v -e '^D: ' -e '^E: MAJOR=' /tmp/info | answer "udevadm info NODE"
check "info of the group's node" grep -q "^E: DEVNAME=/dev/vfio/$group\$" /tmp/info
check "vfio-pci lets the device go" bind "$device" none
finish
