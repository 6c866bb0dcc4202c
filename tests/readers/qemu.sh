#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# QEMU opens a device through its group, and refuses one whose group another driver has a hand in.
# shellcheck source=tests/readers/common
. /tests/common

# A card of which the kernel has a driver, beside another device behind a conventional bridge
card=$(device 8086:100e any)
beside=$(device 1234:11e8 "$(group_of "$card")")
alone=$(device 1234:11e8 alone)

# open_device DEVICE: QEMU with it, stopped, asked for its PCI devices, ended
open_device() {
	printf 'info pci\nquit\n' | timeout 240 qemu-system-x86_64 -accel tcg -m 64 -nodefaults -display none -S \
		-monitor stdio -device "vfio-pci,host=$1" >/tmp/qemu 2>&1
	status=$?
	echo "status $status" >>/tmp/qemu
	# Less the prompt, the greeting with a version, what the monitor echoes letter by letter, and
	# the devices that QEMU gives to every PC
	sed -e 's/\r//' -e 's/^(qemu) //' -e '/^QEMU .* monitor/d' -e '/\x1b/d' \
		-e '/^  Bus  0, device   [01],/,/^ *id/d' /tmp/qemu |
		answer "qemu $1, the card's driver is $(driver_of "$card")"
}

plan 7
check "vfio-pci binds a device that is alone in its group" bind "$alone" vfio-pci
open_device "$alone"
check "QEMU opens it" test $status = 0

check "vfio-pci binds one of two devices of a group" bind "$beside" vfio-pci
open_device "$beside"
check "QEMU refuses it while the other has a driver of its own" \
	test $status = 1 -a -n "$(grep "group $(group_of "$beside") is not viable" /tmp/qemu)"
check "vfio-pci binds the other" bind "$card" vfio-pci
open_device "$beside"
check "QEMU opens it" test $status = 0

bind "$card" none
echo "$card" >/sys/bus/pci/drivers_probe
bind "$beside" none
bind "$alone" none
check "all is as it was" test "$(driver_of "$card") $(driver_of "$beside") $(driver_of "$alone")" = "e1000 none none"
finish
