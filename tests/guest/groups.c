// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Tells the host which PCI device is in which IOMMU group, what else groups hold, and
 * how many entries /sys/kernel/iommu_groups has.
 *
 *	# data: group 3 0000:00:05.0
 *	# data: ungrouped 0000:00:06.0
 *	# data: group 0 PNP0103:00
 *	# data: directory 4
 *	# data: reason 3 single-function 0000:00:05.0
 *
 * The last with what is rooted where, if the kernel tells; "none" for no anchor.
 */
#define _GNU_SOURCE
#include "ktap.h"
#include "pci_sysfs.h"

static void list_others(const char *group)
{
	char directory[PATH_MAX], path[PATH_MAX];
	struct dirent **members;
	int count;

	snprintf(directory, sizeof(directory), GROUPS "/%s/devices", group);
	count = scandir(directory, &members, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		const char *device = members[i]->d_name;

		snprintf(path, sizeof(path), PCI_DEVICES "/%s", device);
		if (device[0] != '.' && access(path, F_OK))
			data("group %s %s", group, device);
	}
}

static void tell_reason(const char *group)
{
	char reason[32], anchor[NAME_MAX + 1];

	if (read_line(reason, sizeof(reason), GROUPS "/%s/reason", group) < 0)
		return;
	if (link_target(anchor, sizeof(anchor), GROUPS "/%s/anchor", group))
		strcpy(anchor, "none");
	data("reason %s %s %s", group, reason, anchor);
}

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
	for (int i = 0; i < groups + 2; i++) {
		if (entries[i]->d_name[0] == '.')
			continue;
		list_others(entries[i]->d_name);
		tell_reason(entries[i]->d_name);
	}

	return ktap_status();
}
