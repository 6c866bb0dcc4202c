// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Tells the host which PCI device is in which IOMMU group.
 *
 *	# data: group 3 0000:00:05.0
 *	# data: ungrouped 0000:00:06.0
 */
#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "ktap.h"

#define PCI_DEVICES "/sys/bus/pci/devices"

/* The last component of the device's iommu_group link; false without a link. */
static bool group_of(const char *device, char *group, size_t size)
{
	char path[512], target[512];
	ssize_t length;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/iommu_group", device);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return false;
	target[length] = '\0';
	snprintf(group, size, "%s", strrchr(target, '/') + 1);
	return true;
}

int main(void)
{
	struct dirent **devices;
	int number, i;

	ktap_plan(1);

	number = scandir(PCI_DEVICES, &devices, NULL, alphasort);
	for (i = 0; i < number; i++) {
		const char *device = devices[i]->d_name;
		char group[64];

		if (device[0] == '.')
			continue;
		if (group_of(device, group, sizeof(group)))
			data("group %s %s", group, device);
		else
			data("ungrouped %s", device);
	}
	ok(number > 2, "the PCI devices are listed");

	return ktap_status();
}
