// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * /sys/kernel/debug/iommu/groups: what is a group in sysfs is a group there, with the
 * driver of each member.  Hands the lines to the host:
 *
 *	# data: line 3 0000:01:00.0 xhci_hcd single-function 0000:01:00.0 - -
 */
#define _GNU_SOURCE
#include "ktap.h"
#include "pci_sysfs.h"

#define LINES "/sys/kernel/debug/iommu/groups"
#define COLUMNS "# group device driver reason requester-ids open-port missing-acs\n"

static bool is_right(int group, const char *device, const char *driver)
{
	char path[PATH_MAX], name[NAME_MAX + 1];

	snprintf(path, sizeof(path), GROUPS "/%d/devices/%s", group, device);
	if (access(path, F_OK))
		return false;
	if (link_target(name, sizeof(name), GROUPS "/%d/devices/%s/driver", group, device))
		strcpy(name, "-");
	return !strcmp(name, driver);
}

static int members(void)
{
	struct dirent **groups;
	int count = scandir(GROUPS, &groups, NULL, NULL), found = 0;

	for (int i = 0; i < count; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), GROUPS "/%s/devices", groups[i]->d_name);
		if (groups[i]->d_name[0] != '.')
			found += entries_of(path);
		free(groups[i]);
	}
	free(groups);
	return found;
}

int main(void)
{
	int lines = 0, right = 0, last = -1, in_order = 0;
	char line[1024];
	FILE *file;

	ktap_plan(5);
	file = fopen(LINES, "r");
	if (!ok(file, "root reads " LINES))
		bail("the file does not open");
	ok(fgets(line, sizeof(line), file) && !strcmp(line, COLUMNS), "it begins with what its columns are");
	while (fgets(line, sizeof(line), file)) {
		char device[256], driver[256], reason[32], ids[512], port[256], missing[64], more;
		int group;

		line[strcspn(line, "\n")] = '\0';
		data("line %s", line);
		lines++;
		if (sscanf(line, "%d %255s %255s %31s %511s %255s %63s %c", &group, device, driver, reason, ids, port, missing, &more) != 7)
			continue;
		right += is_right(group, device, driver);
		in_order += group >= last;
		last = group;
	}
	fclose(file);
	ok(right == lines, "each line is a member and its driver");
	ok(lines == members(), "each member of each group has a line");
	ok(in_order == lines, "by the numbers of the groups");
	return ktap_status();
}
