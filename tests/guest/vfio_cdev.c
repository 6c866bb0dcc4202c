// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * VFIO by its newest way: the device's own node, an address space of iommufd.
 * QEMU's edu device does the DMA.
 */
#define _GNU_SOURCE
#include "vfio_ways.h"

#define OWNERSHIP_CHECKS	26
#define VIABILITY_CHECKS	3

static int device_info(int device)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	return ioctl(device, VFIO_DEVICE_GET_INFO, &info);
}

static void check_ownership(const char *function)
{
	char before[32], now[32];
	int group = pci_group(function);
	struct io_space space = { .map = map_ioas, .unmap = unmap_ioas };
	int device, second, other_iommufd, result;
	struct edu edu = { 0 };

	group_type(before, sizeof(before), group);
	need(!pci_bind_vfio(function), "the device binds to vfio-pci");
	device = open_cdev(function);
	need(device >= 0, "the device has a node of its own");
	space.fd = open_iommufd();
	other_iommufd = open_iommufd();
	need(space.fd >= 0 && !allocate_ioas(space.fd, &space.ioas), "an address space is made");

	refused(device_info(device), EINVAL, "nothing of the device before it is bound");
	refused(attach(device, space.ioas), EINVAL, "no address space before it is bound");
	refused(bind_iommufd(device, device), EBADFD, "not bound to what is no iommufd");
	result = bind_iommufd(device, space.fd);
	check_unsafe_interrupts("iommufd", result,
				"the device is bound, or interrupts are not remapped and it is refused");
	need(!result || !bind_iommufd(device, space.fd), "the device is bound");
	refused(bind_iommufd(device, space.fd), EINVAL, "the device is not bound twice");
	second = open_cdev(function);
	ok(second >= 0, "the node is opened a second time");
	refused(bind_iommufd(second, other_iommufd), EINVAL, "the second opener does not bind");
	close(second);
	refused(open_group(group), EBUSY, "the group is not opened while the device is bound");
	sysfs_refused(write_text("identity", GROUPS "/%d/type", group), EPERM,
		      "the type of an owned group is not changed");

	need(edu_open(&edu, device) && edu_enable_dma(device), "the device answers");
	check_physical_memory_is_safe(&edu, "bound and without an address space it writes nowhere");
	refused(attach(device, space.ioas + 1000), ENOENT, "no address space that was not made");
	need(!attach(device, space.ioas), "the address space is attached");
	refused(destroy(space.fd, space.ioas), EBUSY, "an attached address space is not destroyed");
	check_dma(&space, &edu, function);

	need(!detach(device), "the address space is detached");
	check_physical_memory_is_safe(&edu, "detached it writes nowhere");
	ok(!detach(device), "detaching twice is harmless");
	ok(!destroy(space.fd, space.ioas), "the address space is destroyed");
	refused(destroy(space.fd, space.ioas), ENOENT, "the address space is gone");
	edu_close(&edu);
	close(device);
	close(space.fd);
	close(other_iommufd);

	group_type(now, sizeof(now), group);
	diag("type was %s and is %s", before, now);
	ok(!strcmp(before, now) && !write_text(before, GROUPS "/%d/type", group),
	   "the type is as before and can be written");
	ok(!pci_unbind(function) && open_cdev(function) < 0,
	   "the node is gone when the driver is unbound");
	ok(!pci_bind_host(function) && pci_group(function) == group,
	   "the device is given back and is in the same group");
}

static void check_viability(void)
{
	const char *not_viable = "a device is not bound while its group has a host driver";
	const char *viable = "it is bound once the host driver is gone";
	const char *guarded = "no host driver binds to a member of an owned group";
	struct shared_group shared;
	int device, iommufd;

	if (!find_shared_group(&shared)) {
		skip(NO_SHARED_GROUP, "%s", not_viable);
		skip(NO_SHARED_GROUP, "%s", viable);
		skip(NO_SHARED_GROUP, "%s", guarded);
		return;
	}
	diag("group %d: %s is ours, %s belongs to %s", shared.group, shared.ours,
	     shared.neighbour, shared.driver);
	if (pci_bind_vfio(shared.ours))
		bail("%s does not bind to vfio-pci", shared.ours);
	device = open_cdev(shared.ours);
	iommufd = open_iommufd();
	refused(bind_iommufd(device, iommufd), EPERM, not_viable);
	ok(!pci_unbind(shared.neighbour) && !bind_iommufd(device, iommufd), "%s", viable);
	sysfs_refused(bind_driver(shared.neighbour, shared.driver), EBUSY, guarded);
	close(device);
	close(iommufd);
	bind_driver(shared.neighbour, shared.driver);
	pci_bind_host(shared.ours);
}

int main(void)
{
	char *function = pci_find(EDU_VENDOR, EDU_DEVICE);

	ktap_plan(OWNERSHIP_CHECKS + DMA_CHECKS + VIABILITY_CHECKS);
	if (!function)
		bail("this machine has no edu device (%x:%x)", EDU_VENDOR, EDU_DEVICE);
	if (group_of_bound(function) < 0)
		bail("%s is in no IOMMU group", function);
	check_ownership(function);
	check_viability();
	free(function);
	return ktap_status();
}
