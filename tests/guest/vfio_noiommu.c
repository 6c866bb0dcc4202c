// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * VFIO without an IOMMU: it makes a group of its own, with nothing behind it, and
 * the device reaches all memory.  That a write gets through here also shows that
 * the checks of vfio_group and vfio_cdev would see one.
 */
#define _GNU_SOURCE
#include "vfio_checks.h"

#define CHECKS 18

static int count_entries(const char *directory)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, NULL, NULL);

	for (int i = 0; i < count; i++)
		free(entries[i]);
	if (count >= 0)
		free(entries);
	return count < 0 ? count : count - 2;
}

static int open_noiommu_group(int number)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/noiommu-%d", number);
	return open(path, O_RDWR | O_CLOEXEC);
}

int main(void)
{
	char *function = pci_find(EDU_VENDOR, EDU_DEVICE);
	int number, group, container, device;
	uint64_t physical;
	uint8_t *page;
	char line[64];
	struct edu edu = { 0 };

	ktap_plan(CHECKS);
	if (!function)
		bail("this machine has no edu device (%x:%x)", EDU_VENDOR, EDU_DEVICE);

	need(!count_entries(GROUPS), "there is no group");
	pci_bind_vfio(function);
	ok(!pci_driver_is(function, "vfio-pci"), "vfio-pci refuses a device without a group");
	if (write_text("Y", "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"))
		bail("enable_unsafe_noiommu_mode cannot be set");
	need(!pci_bind_vfio(function) && pci_driver_is(function, "vfio-pci"),
	     "vfio-pci takes it when the administrator allows it");
	number = pci_group(function);
	ok(!number && count_entries(GROUPS) == 1, "the device is in group 0, the only one");

	read_line(line, sizeof(line), GROUPS "/%d/name", number);
	ok(!strcmp(line, "vfio-noiommu"), "the group is named vfio-noiommu");
	read_line(line, sizeof(line), GROUPS "/%d/type", number);
	ok(!strcmp(line, "unknown"), "the type of the group is unknown");
	sysfs_refused(write_text("DMA", GROUPS "/%d/type", number), EINVAL,
		      "a group without a default domain takes no type");
	ok(!read_line(line, sizeof(line), GROUPS "/%d/reserved_regions", number),
	   "the group has no reserved regions");
	ok(!link_target(line, sizeof(line), GROUPS "/%d/devices/%s", number, function) &&
	   !strcmp(line, function), "the device is a member");

	refused(open_group(number), ENOENT, "/dev/vfio does not have the bare number");
	group = open_noiommu_group(number);
	need(group >= 0, "/dev/vfio has the number after noiommu-");
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	need(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), "the group enters a container");
	refused(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), ENODEV,
		"the group has no type 1 IOMMU");
	need(!ioctl(container, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU), "it has the type that is none");
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, function);
	need(device >= 0 && edu_open(&edu, device) && edu_enable_dma(device), "the device answers");

	page = page_in_physical_reach(&physical);
	memset(page, 0x33, PAGE);
	diag("a write to physical address %#" PRIx64, physical);
	ok(edu_store(&edu, physical, PROBED) && holds_only(page, 0, PROBED) &&
	   holds_only(page + PROBED, 0x33, PAGE - PROBED),
	   "the device writes to the physical address that it names");

	edu_close(&edu);
	close(device);
	close(group);
	close(container);
	ok(!pci_unbind(function) && pci_group(function) < 0 && !count_entries(GROUPS),
	   "the group is gone with the driver");
	ok(!pci_bind_vfio(function) && !pci_group(function), "the number is used again");
	pci_bind_host(function);
	free(function);
	return ktap_status();
}
