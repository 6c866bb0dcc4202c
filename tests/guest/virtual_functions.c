// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Enables all virtual functions of every physical one.  Virtual functions are not joined
 * with each other: each is alone in its group, unless the physical function is in one
 * with others, because of what is above it; then they are there too.
 */
#define _GNU_SOURCE
#include "ktap.h"
#include "pci_sysfs.h"

#define MAX_PHYSICAL 8

static int members(int group)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), GROUPS "/%d/devices", group);
	return entries_of(path);
}

static int total(const char *physical)
{
	char line[32];

	read_line(line, sizeof(line), PCI_DEVICES "/%s/sriov_totalvfs", physical);
	return atoi(line);
}

static int enable(const char *physical, int number)
{
	char line[32];

	/* A driver has no business with them. */
	write_text("0", PCI_DEVICES "/%s/sriov_drivers_autoprobe", physical);
	snprintf(line, sizeof(line), "%d", number);
	return write_text(line, PCI_DEVICES "/%s/sriov_numvfs", physical);
}

static void check(const char *physical)
{
	int wanted = total(physical), there = 0, alone = 0, with_physical = 0;
	int groups = entries_of(GROUPS), shared, error;

	shared = members(pci_group(physical)) > 1;
	error = enable(physical, wanted);
	for (int i = 0; i < wanted; i++) {
		char name[NAME_MAX + 1];
		int group;

		if (link_target(name, sizeof(name), PCI_DEVICES "/%s/virtfn%d", physical, i))
			continue;
		there++;
		group = pci_group(name);
		if (group < 0)
			continue;
		alone += members(group) == 1;
		with_physical += group == pci_group(physical);
	}
	diag("%s: %d of %d virtual functions (%d), %d alone, %d with the physical one", physical,
	     there, wanted, error, alone, with_physical);
	ok(there == wanted, "all %d virtual functions are there", wanted);
	data("virtual %s %d %d", physical, alone, with_physical);
	if (shared)
		ok(with_physical == wanted, "they are with the physical function and its neighbours");
	else
		ok(alone == wanted, "each is alone in its group");
	enable(physical, 0);
	ok(entries_of(GROUPS) == groups, "their groups go with them");
}

int main(void)
{
	struct dirent **entries;
	const char *physical[MAX_PHYSICAL];
	int number = 0, count = scandir(PCI_DEVICES, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++)
		if (total(entries[i]->d_name) && number < MAX_PHYSICAL)
			physical[number++] = entries[i]->d_name;
	ktap_plan(3 * number);
	if (!number)
		bail("needs a function that has virtual ones");
	for (int i = 0; i < number; i++)
		check(physical[i]);
	return ktap_status();
}
