// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The anchor of a group goes with the device, comes back with it, and is not there for
 * those that stay meanwhile.  Takes the first group that is rooted in an endpoint and has
 * another one.
 */
#define _GNU_SOURCE
#include "ktap.h"
#include "pci_sysfs.h"

static bool has_anchor(int group, const char *device)
{
	char name[NAME_MAX + 1];

	return !link_target(name, sizeof(name), GROUPS "/%d/anchor", group) && !strcmp(name, device);
}

static bool has_none(int group)
{
	char name[NAME_MAX + 1];

	return link_target(name, sizeof(name), GROUPS "/%d/anchor", group) == -ENOENT;
}

int main(void)
{
	char anchor[NAME_MAX + 1], link[PATH_MAX], *before, *after;
	struct dirent **groups;
	int count, group = -1;

	ktap_plan(4);
	count = scandir(GROUPS, &groups, NULL, alphasort);
	for (int i = 0; i < count && group < 0; i++) {
		char devices[PATH_MAX];

		snprintf(devices, sizeof(devices), GROUPS "/%s/devices", groups[i]->d_name);
		if (groups[i]->d_name[0] != '.' && entries_of(devices) > 1 &&
		    !link_target(anchor, sizeof(anchor), GROUPS "/%s/anchor", groups[i]->d_name) &&
		    !is_bridge(anchor) && pci_number(anchor, "class") >> 8 != 0x0601)
			group = atoi(groups[i]->d_name);
	}
	if (group < 0)
		bail("no group here is rooted in an endpoint and has another one");

	snprintf(link, sizeof(link), GROUPS "/%d/anchor", group);
	before = realpath(link, NULL);
	snprintf(link, sizeof(link), PCI_DEVICES "/%s", anchor);
	after = realpath(link, NULL);
	ok(before && after && !strcmp(before, after), "the anchor is a link to the device");
	ok(!write_text("1", PCI_DEVICES "/%s/remove", anchor) && has_none(group),
	   "it is gone with the device, while others are in the group");
	write_text("1", "/sys/bus/pci/rescan");
	ok(has_anchor(group, anchor), "it is back with the device");
	ok(pci_group(anchor) == group, "which is in its group again");
	return ktap_status();
}
