// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Tells the host which PCI device is in which IOMMU group, and how many entries
 * /sys/kernel/iommu_groups has.
 *
 *	# data: group 3 0000:00:05.0
 *	# data: ungrouped 0000:00:06.0
 *	# data: directory 4
 */
#define _GNU_SOURCE
#include "ktap.h"
#include "pci_sysfs.h"

int main(void)
{
	struct dirent **entries;
	int count, groups;

	ktap_plan(2);

	count = scandir(PCI_DEVICES, &entries, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		const char *device = entries[i]->d_name;
		int group = pci_group(device);

		if (device[0] == '.')
			continue;
		if (group >= 0)
			data("group %d %s", group, device);
		else
			data("ungrouped %s", device);
	}
	ok(count > 2, "the PCI devices are listed");

	groups = scandir(GROUPS, &entries, NULL, alphasort) - 2 /* . and .. */;
	if (ok(groups >= 0, GROUPS " is there"))
		data("directory %d", groups);

	return ktap_status();
}
