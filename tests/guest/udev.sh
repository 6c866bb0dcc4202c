#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# The uevents of groups as udev sees them: its monitor, and a rule that fires.

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

# has FILE LINE...: the block of lines of one event has all these
has() {
	file=$1
	shift
	awk -v RS= -v wanted="$(printf '%s\n' "$@")" '
		BEGIN { count = split(wanted, line, "\n") }
		{
			found = 0
			for (i = 1; i <= count; i++)
				found += index("\n" $0 "\n", "\n" line[i] "\n") > 0
			events += found == count
		}
		END { exit events != 1 }' "$file"
}

echo "KTAP version 1"
echo "1..5"

# The edu device that is alone in its group
for device in /sys/bus/pci/devices/*; do
	group=$(readlink -f "$device/iommu_group") || continue
	# shellcheck disable=SC2012 # names of devices are plain
	[ "$(cat "$device/device")" = 0x11e8 ] && [ "$(ls "$group/devices" | wc -l)" = 1 ] && break
done
device=$(readlink -f "$device")
group=${group##*/}

mkdir -p /run /etc/udev/rules.d
cat >/etc/udev/rules.d/90-groups.rules <<'END'
SUBSYSTEM=="iommu_groups", ACTION=="change", ENV{EVENT}=="device-joined", RUN+="/bin/sh -c 'echo $env{DEVICE} joined $env{GROUP} >>/tmp/fired'"
END
/lib/systemd/systemd-udevd --daemon 2>/tmp/udevd
udevadm monitor --kernel --property --subsystem-match=iommu_groups >/tmp/monitor 2>&1 &
monitor=$!
i=0
until grep -q '^KERNEL - ' /tmp/monitor || [ $i = 100 ]; do
	usleep 100000
	i=$((i + 1))
done

echo 1 >"$device/remove"
echo 1 >/sys/bus/pci/rescan
udevadm settle --timeout=30
i=0
until has /tmp/monitor ACTION=change EVENT=device-joined || [ $i = 100 ]; do
	usleep 100000
	i=$((i + 1))
done
kill $monitor
killall udevadm systemd-udevd 2>/dev/null
sed 's/^/# /' /tmp/monitor /tmp/udevd

path=/kernel/iommu_groups/$group
common="SUBSYSTEM=iommu_groups"
check "the monitor shows that the device is leaving" has /tmp/monitor ACTION=change \
	"DEVPATH=$path" $common "GROUP=$group" EVENT=device-leaving "DEVICE=${device#/sys}"
check "... and that its group goes" has /tmp/monitor ACTION=remove "DEVPATH=$path" $common
check "... and comes" has /tmp/monitor ACTION=add "DEVPATH=$path" $common
check "... and that the device joined" has /tmp/monitor ACTION=change \
	"DEVPATH=$path" $common "GROUP=$group" EVENT=device-joined "DEVICE=${device#/sys}"
check "a rule fires for the device that joined, once" \
	[ "$(cat /tmp/fired)" = "${device#/sys} joined $group" ]
exit $failed
