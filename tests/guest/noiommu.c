// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* A machine without an IOMMU: VFIO makes a group of its own, with nothing behind it. */
#define _GNU_SOURCE
#include <sys/stat.h>

#include "kernel_log.h"
#include "ktap.h"
#include "pci_sysfs.h"

#define ALLOWED "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"

static int entries(const char *path)
{
	struct dirent **names;
	int count = scandir(path, &names, NULL, alphasort);

	return count < 0 ? count : count - 2 /* . and .. */;
}

static mode_t mode_of(const char *path)
{
	struct stat status;

	return lstat(path, &status) ? 0 : status.st_mode;
}

int main(void)
{
	char *edu = pci_find(0x1234, 0x11e8);
	int log = kernel_log_from_now();
	char line[256], record[1024];

	ktap_plan(13);
	if (!edu)
		bail("needs an edu device");
	ok(!entries(GROUPS), "C1 no IOMMU, no groups");

	if (write_text("1", ALLOWED) || pci_bind_vfio(edu))
		bail("%s does not bind to vfio-pci", edu);

	ok(pci_group(edu) == 0, "C3 C6 the device is in group 0");
	ok(entries(GROUPS) == 1, "C1 there is one group");
	ok(!link_target(line, sizeof(line), GROUPS "/0/devices/%s", edu) && !strcmp(line, edu),
	   "C5 the device is its member");
	read_line(line, sizeof(line), GROUPS "/0/name");
	ok(!strcmp(line, "vfio-noiommu") && mode_of(GROUPS "/0/name") == (S_IFREG | 0444),
	   "C4 its name is vfio-noiommu, 0444");
	ok(read_line(line, sizeof(line), GROUPS "/0/reserved_regions") == 0,
	   "C16 reserved_regions is empty");
	read_line(line, sizeof(line), GROUPS "/0/type");
	ok(!strcmp(line, "unknown"), "C16 type is unknown");
	ok(write_text("identity", GROUPS "/0/type") == -EINVAL &&
	   write_text("auto", GROUPS "/0/type") == -EINVAL,
	   "C8 C16 type cannot be set");
	ok(S_ISCHR(mode_of("/dev/vfio/noiommu-0")), "C10 the node is /dev/vfio/noiommu-0");

	ok(!pci_bind_host(edu) && pci_group(edu) < 0, "C16 the device leaves the group");
	ok(!entries(GROUPS), "C1 the group is gone");
	ok(!mode_of("/dev/vfio/noiommu-0"), "C10 the node is gone");
	ok(kernel_log_next(log, record, sizeof(record), edu, "Adding to iommu group 0") &&
	   kernel_log_next(log, record, sizeof(record), edu, "Removing from iommu group 0"),
	   "C11 both are logged");
	write_text("0", ALLOWED);

	return ktap_status();
}
