// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * VFIO without an IOMMU: it makes a group of its own, with nothing behind it, and
 * the device reaches all memory.  That a write gets through here also shows that
 * the checks of vfio_group and vfio_cdev would see one.
 */
#define _GNU_SOURCE
#include "vfio_checks.h"

#define CHECKS 11

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
	struct edu edu = { 0 };

	ktap_plan(CHECKS);
	if (!function)
		bail("this machine has no edu device (%x:%x)", EDU_VENDOR, EDU_DEVICE);

	pci_bind_vfio(function);
	ok(!pci_driver_is(function, "vfio-pci"), "vfio-pci refuses a device without a group");
	if (write_text("Y", "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"))
		bail("enable_unsafe_noiommu_mode cannot be set");
	need(!pci_bind_vfio(function) && pci_driver_is(function, "vfio-pci"),
	     "vfio-pci takes it when the administrator allows it");
	number = pci_group(function);

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
	ok(!pci_unbind(function) && pci_group(function) < 0,
	   "the device has no group when the driver is unbound");
	ok(!pci_bind_vfio(function) && pci_group(function) == number, "the number is used again");
	pci_bind_host(function);
	free(function);
	return ktap_status();
}
