#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# libvirt lists the PCI devices and their groups, and gives a network card to vfio-pci and back.
# shellcheck source=tests/readers/common
. /tests/common

card=$(device 8086:100e any)

# The name that libvirt gives to the device at an address
node() {
	echo "pci_$1" | tr :. __
}

# step WORD...: virsh with these words
step() {
	virsh -q -c qemu:///system "$@" >/tmp/virsh 2>&1
	echo "status $?, driver $(driver_of "$card")" >>/tmp/virsh
	answer "virsh $*" </tmp/virsh
}

# The group's number and the addresses of its members in the XML that virsh printed
told() {
	sed -n "/<iommuGroup/,/<.iommuGroup/ {
		s/.*<iommuGroup number='\([0-9]*\)'.*/\1/p
		s/.*<address domain='0x\(....\)' bus='0x\(..\)' slot='0x\(..\)' function='0x\(.\)'.*/\1:\2:\3.\4/p
	}" /tmp/virsh
}

# What sysfs says of it, in the same format
true_of() {
	local group
	group=$(group_of "$1") && echo "$group" && members "$group"
}

mkdir -p /run/libvirt /run/lock /run/udev /var/lib/libvirt /var/log/libvirt /var/cache/libvirt
/lib/systemd/systemd-udevd --daemon >/tmp/udevd 2>&1
udevadm trigger --action=add
udevadm settle --timeout=120
libvirtd --daemon >/tmp/libvirtd 2>&1
i=0
until [ -e /run/libvirt/libvirt-sock ] || [ $i = 60 ]; do
	sleep 1
	i=$((i + 1))
done

plan 8
step nodedev-list --cap pci
check "libvirt lists each PCI function" \
	test "$(sed '$d' /tmp/virsh | sort | xargs)" = "$(for path in /sys/bus/pci/devices/*; do node "${path##*/}"; done | sort | xargs)"

wrong=0
devices=0
for path in /sys/bus/pci/devices/*; do
	address=${path##*/}
	virsh -q -c qemu:///system nodedev-dumpxml "$(node "$address")" >/tmp/virsh 2>&1
	sed -n '/<iommuGroup/,/<.iommuGroup/p' /tmp/virsh | answer "virsh nodedev-dumpxml $(node "$address")"
	devices=$((devices + 1))
	[ "$(told | sort)" = "$(true_of "$address" | sort)" ] || wrong=$((wrong + 1))
done
check "there are devices" test $devices -gt 0
check "libvirt tells the group of each and its members" test $wrong = 0

check "the card has its own driver" test "$(driver_of "$card")" = e1000
step nodedev-detach "$(node "$card")" --driver vfio
check "vfio-pci drives the card" test "$(driver_of "$card")" = vfio-pci
check "its group has its node" test -c "/dev/vfio/$(group_of "$card")"
step nodedev-reattach "$(node "$card")"
check "the card has its own driver again" test "$(driver_of "$card")" = e1000
check "the node is gone" test ! -e "/dev/vfio/$(group_of "$card")"

log /tmp/libvirtd
log /var/log/libvirt/libvirtd.log
kill "$(cat /run/libvirtd.pid)"
udevadm control --exit
finish
