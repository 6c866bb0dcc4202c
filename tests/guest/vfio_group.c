// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * VFIO by its oldest way: /dev/vfio/GROUP, a container, the type 1 IOMMU.
 * QEMU's edu device does the DMA.
 */
#define _GNU_SOURCE
#include "vfio_ways.h"

#define OWNERSHIP_CHECKS	26
#define RESET_CHECKS		3
#define VIABILITY_CHECKS	6

static bool group_status(int group, uint32_t wanted)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	if (ioctl(group, VFIO_GROUP_GET_STATUS, &status)) {
		diag("VFIO_GROUP_GET_STATUS: %s", strerror(errno));
		return false;
	}
	if (status.flags != wanted)
		diag("group flags are %#x, wanted %#x", status.flags, wanted);
	return status.flags == wanted;
}

static bool can_be_reset(int device)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	return !ioctl(device, VFIO_DEVICE_GET_INFO, &info) && info.flags & VFIO_DEVICE_FLAGS_RESET;
}

static void check_reset_of_edu(int device, struct edu *edu)
{
	const char *name = "a reset of the device leaves it usable";

	if (!can_be_reset(device)) {
		skip("edu on the root bus has no way to be reset", "%s", name);
		return;
	}
	ok(!ioctl(device, VFIO_DEVICE_RESET) && (*edu->registers & 0xffff) == 0xed, "%s", name);
}

static int bind_cdev_of(const char *function)
{
	int device = open_cdev(function), iommufd = open_iommufd(), result, error;

	result = bind_iommufd(device, iommufd);
	error = errno;
	close(device);
	close(iommufd);
	errno = error;
	return result;
}

static void check_ownership(const char *function)
{
	char before[32], now[32];
	int group_number = pci_group(function);
	struct io_space space = { .map = map_type1, .unmap = unmap_type1 };
	struct assignment again;
	int group, container, device, result;
	struct edu edu = { 0 };

	group_type(before, sizeof(before), group_number);
	need(!pci_bind_vfio(function) && pci_driver_is(function, "vfio-pci"),
	     "the device binds to vfio-pci");
	group = open_group(group_number);
	need(group >= 0, "/dev/vfio has the number of the device's group");
	container = open_container();

	refused(open_group(group_number), EBUSY, "the group is not opened twice");
	ok(group_status(group, VFIO_GROUP_FLAGS_VIABLE), "the group is viable");
	refused(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, function), EINVAL,
		"no device descriptor without a container");
	refused(ioctl(group, VFIO_GROUP_UNSET_CONTAINER), EINVAL, "no container to leave");
	ok(ioctl(container, VFIO_GET_API_VERSION) == VFIO_API_VERSION &&
	   ioctl(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) == 1,
	   "the container knows the type 1 IOMMU");
	refused(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), EINVAL,
		"no IOMMU type before a group is in the container");
	ok(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), "the group enters the container");
	refused(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), EINVAL,
		"the group does not enter twice");
	refused(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, function), EINVAL,
		"no device descriptor without an IOMMU type");

	result = ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
	check_unsafe_interrupts("vfio_iommu_type1", result,
				"the type is set, or interrupts are not remapped and it is refused");
	need(!result || !ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU),
	     "the IOMMU type is set");
	refused(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), EINVAL,
		"the IOMMU type is not set twice");
	ok(group_status(group, VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET),
	   "the group says that it has a container");

	sysfs_refused(write_text("identity", GROUPS "/%d/type", group_number), EPERM,
		      "the type of an owned group is not changed");
	refused(bind_cdev_of(function), EBUSY, "the cdev is not bound while the group is open");

	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, function);
	need(device >= 0, "the group gives the device descriptor");
	need(edu_open(&edu, device) && edu_enable_dma(device), "the device answers");
	refused(ioctl(group, VFIO_GROUP_UNSET_CONTAINER), EBUSY,
		"the container is not left while the device is open");
	space.fd = container;
	check_dma(&space, &edu, function);
	check_reset_of_edu(device, &edu);

	edu_close(&edu);
	close(device);
	ok(!ioctl(group, VFIO_GROUP_UNSET_CONTAINER) && group_status(group, VFIO_GROUP_FLAGS_VIABLE),
	   "the group leaves the container and is viable");
	close(group);
	close(container);

	group_type(now, sizeof(now), group_number);
	diag("type was %s and is %s", before, now);
	ok(!strcmp(before, now) && !write_text(before, GROUPS "/%d/type", group_number),
	   "the type is as before and can be written");
	ok(!pci_unbind(function) && open_group(group_number) < 0 && errno == ENOENT,
	   "/dev/vfio loses the number when the driver is unbound");
	ok(!pci_bind_vfio(function) && assign(&again, function),
	   "the group can be owned a second time");
	release(&again);
	ok(!pci_bind_host(function) && pci_group(function) == group_number,
	   "the device is given back and is in the same group");
}

/* NVMe shows that it was reset: a controller that was ready is not any more. */
static bool nvme_is_reset(int device)
{
	enum {
		CONFIGURATION = 0x14,
		STATUS = 0x1c,
		QUEUE_SIZES = 0x24,
		SUBMISSION_QUEUE = 0x28,
		COMPLETION_QUEUE = 0x30,
	};
	/* entries of 64 and of 16 bytes, two in each queue, none of which is used */
	const uint32_t enabled = 6 << 16 | 4 << 20 | 1, two_entries = 1 << 16 | 1;
	struct vfio_region_info bar = {
		.argsz = sizeof(bar),
		.index = VFIO_PCI_BAR0_REGION_INDEX,
	};
	volatile uint32_t *registers;
	uint32_t before, after;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &bar))
		return false;
	registers = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, device, bar.offset);
	if (registers == MAP_FAILED)
		return false;
	registers[CONFIGURATION / 4] = 0;
	registers[QUEUE_SIZES / 4] = two_entries;
	registers[SUBMISSION_QUEUE / 4] = SOURCE_IOVA;
	registers[COMPLETION_QUEUE / 4] = TARGET_IOVA;
	registers[CONFIGURATION / 4] = enabled;
	before = registers[STATUS / 4];
	if (ioctl(device, VFIO_DEVICE_RESET))
		return false;
	after = registers[STATUS / 4];
	munmap((void *)registers, PAGE);
	diag("controller status %#x, after the reset %#x", before, after);
	return before & 1 && !(after & 1);
}

static void check_reset_of_nvme(void)
{
	const char *assigned = "an NVMe controller is assigned and says that it can be reset";
	const char *reset = "the reset stops the controller";
	const char *returned = "the controller goes back to its host driver";
	const char *reason = "no NVMe controller in this machine";
	char *function = pci_find_class(0x010802);
	struct assignment nvme;

	if (!function) {
		skip(reason, "%s", assigned);
		skip(reason, "%s", reset);
		skip(reason, "%s", returned);
		return;
	}
	need(!pci_bind_vfio(function) && assign(&nvme, function) && can_be_reset(nvme.device),
	     assigned);
	ok(nvme_is_reset(nvme.device), "%s", reset);
	release(&nvme);
	ok(!pci_bind_host(function) && pci_driver_is(function, "nvme"), "%s", returned);
	free(function);
}

static void check_viability(void)
{
	const char *not_viable = "a group with a host driver is not viable";
	const char *kept_out = "a group that is not viable does not enter a container";
	const char *viable = "the group is viable once the host driver is gone";
	const char *owned = "the viable group enters the container";
	const char *guarded = "no host driver binds to a member of an owned group";
	const char *returned = "the host driver binds again when the owner is gone";
	const char *all[] = { not_viable, kept_out, viable, owned, guarded, returned };
	struct shared_group shared;
	int group, container;

	if (!find_shared_group(&shared)) {
		for (int i = 0; i < VIABILITY_CHECKS; i++)
			skip(NO_SHARED_GROUP, "%s", all[i]);
		return;
	}
	diag("group %d: %s is ours, %s belongs to %s", shared.group, shared.ours,
	     shared.neighbour, shared.driver);
	if (pci_bind_vfio(shared.ours))
		bail("%s does not bind to vfio-pci", shared.ours);
	group = open_group(shared.group);
	container = open_container();
	ok(group_status(group, 0), "%s", not_viable);
	refused(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), EPERM, kept_out);
	ok(!pci_unbind(shared.neighbour) && group_status(group, VFIO_GROUP_FLAGS_VIABLE),
	   "%s", viable);
	ok(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), "%s", owned);
	sysfs_refused(bind_driver(shared.neighbour, shared.driver), EBUSY, guarded);
	close(group);
	close(container);
	ok(!bind_driver(shared.neighbour, shared.driver) &&
	   pci_driver_is(shared.neighbour, shared.driver), "%s", returned);
	pci_bind_host(shared.ours);
}

int main(void)
{
	char *function = pci_find(EDU_VENDOR, EDU_DEVICE);

	ktap_plan(OWNERSHIP_CHECKS + DMA_CHECKS + RESET_CHECKS + VIABILITY_CHECKS);
	if (!function)
		bail("this machine has no edu device (%x:%x)", EDU_VENDOR, EDU_DEVICE);
	if (group_of_bound(function) < 0)
		bail("%s is in no IOMMU group", function);
	check_ownership(function);
	check_reset_of_nvme();
	check_viability();
	free(function);
	return ktap_status();
}
