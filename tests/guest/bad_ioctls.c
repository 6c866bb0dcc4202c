// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Calls of VFIO and iommufd that are unknown, in the wrong order, or have arguments that
 * make no sense: each is refused with the errno that its code says, at the function that
 * stands above the checks, and then the device can be assigned as ever.
 *
 * None of this is code of the groups; 6.12 answers the same.  What it does to groups, and
 * what must be undone there when a call fails half way, is.
 */
#define _GNU_SOURCE
#include <sys/eventfd.h>

#include "vfio_ways.h"

#define NOWHERE	((void *)8)
#define KERNEL	((void *)0xffffffff81000000)
/* Of the kernel whose headers these are: the last number of iommufd, and what type 1 says of a map that wraps around */
#ifdef IOMMU_IOAS_NOIOMMU_GET_PA
#define LAST_OF_IOMMUFD 0x95
#define WRAPS_AROUND EOVERFLOW
#else
#define LAST_OF_IOMMUFD 0x90
#define WRAPS_AROUND EINVAL
#endif

/* What is nobody's among the functions, descriptors and numbers here */
#define NO_ID	4000000

static long tried;

/* A page that the kernel can read and not write */
static void *read_only(const void *content, size_t size)
{
	uint8_t *page = new_page(0);

	memcpy(page, content, size);
	mprotect(page, PAGE, PROT_READ);
	return page;
}

static bool knows_nothing_else(int fd, unsigned int first, unsigned int last, int wanted)
{
	bool right = true;

	for (unsigned int number = 0; number < 256; number++) {
		/* Those of the interface itself */
		if (number >= first && number <= last)
			continue;
		for (int argument = 0; argument < 2; argument++) {
			int result = ioctl(fd, _IO(VFIO_TYPE, number), argument ? NOWHERE : NULL);

			tried++;
			if (result < 0 && errno == wanted)
				continue;
			diag("ioctl %u: %s, not %s", number, result < 0 ? strerrorname_np(errno) : "success",
			     strerrorname_np(wanted));
			right = false;
		}
	}
	return right;
}

/* vfio_iommu_type1_map_dma(), vfio_dma_do_map() */

static int map_with(int container, uint32_t argsz, uint32_t flags, const void *memory, uint64_t iova,
		    uint64_t size)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = argsz,
		.flags = flags,
		.vaddr = (uintptr_t)memory,
		.iova = iova,
		.size = size,
	};

	tried++;
	return ioctl(container, VFIO_IOMMU_MAP_DMA, &map);
}

static void check_bad_maps(int container)
{
	const uint32_t argsz = sizeof(struct vfio_iommu_type1_dma_map);
	const uint32_t flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
	uint8_t *memory = new_page(0x11);
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap), .iova = SOURCE_IOVA, .size = PAGE };

	refused(ioctl(container, VFIO_IOMMU_MAP_DMA, NOWHERE), EFAULT, "type 1: a map at no address");
	refused(map_with(container, 8, flags, memory, SOURCE_IOVA, PAGE), EINVAL, "... that is too short");
	refused(map_with(container, argsz, ~0U, memory, SOURCE_IOVA, PAGE), EINVAL, "... with unknown flags");
	refused(map_with(container, argsz, 0, memory, SOURCE_IOVA, PAGE), EINVAL, "... to do nothing with");
	refused(map_with(container, argsz, flags, memory, SOURCE_IOVA, 0), EINVAL, "... of no size");
	refused(map_with(container, argsz, flags, memory, SOURCE_IOVA, PAGE / 2), EINVAL, "... of half a page");
	refused(map_with(container, argsz, flags, memory, SOURCE_IOVA + 1, PAGE), EINVAL, "... not aligned");
	refused(map_with(container, argsz, flags, memory, -(uint64_t)PAGE, 2 * PAGE), WRAPS_AROUND,
		"... beyond the last address");
	/* Reserved for messages of interrupts: vfio_iommu_iova_dma_valid() */
	refused(map_with(container, argsz, flags, memory, 0xfee00000, PAGE), EINVAL,
		"... in a reserved region");
	/* vaddr_get_pfns() */
	refused(map_with(container, argsz, flags, KERNEL, SOURCE_IOVA, PAGE), EFAULT,
		"... of the kernel's memory");
	munmap(memory, PAGE);
	refused(map_with(container, argsz, flags, memory, SOURCE_IOVA, PAGE), EFAULT,
		"... of memory that is not there");

	refused(ioctl(container, VFIO_IOMMU_UNMAP_DMA, NOWHERE), EFAULT, "type 1: an unmap at no address");
	unmap.flags = ~0U;
	refused(ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap), EINVAL, "... with unknown flags");
	unmap.flags = 0;
	unmap.size = 0;
	refused(ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap), EINVAL, "... of no size");
	unmap.size = PAGE;
	ok(!ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap) && !unmap.size, "... of nothing does nothing");
	tried += 5;
}

/* vfio_set_irqs_validate_and_prepare(), vfio_pci_set_ctx_trigger_single() */

static int set_irq(int device, uint32_t argsz, uint32_t flags, uint32_t index, uint32_t start,
		   uint32_t count, int32_t eventfd)
{
	struct {
		struct vfio_irq_set set;
		int32_t eventfd;
	} irq = {
		.set = { .argsz = argsz, .flags = flags, .index = index, .start = start, .count = count },
	};

	memcpy(irq.set.data, &eventfd, sizeof(eventfd));
	tried++;
	return ioctl(device, VFIO_DEVICE_SET_IRQS, &irq);
}

static void check_bad_calls_of_device(int device)
{
	const uint32_t eventfd = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	const uint32_t argsz = sizeof(struct vfio_irq_set) + sizeof(int32_t);
	struct vfio_device_info info = { .argsz = 8 };
	struct vfio_region_info region = { .argsz = sizeof(region), .index = NO_ID };
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = VFIO_PCI_NUM_IRQS };
	struct vfio_device_feature feature = { .argsz = sizeof(feature), .flags = ~0U };
	char byte = 0;

	/* vfio_device_fops_unl_ioctl(), vfio_pci_core_ioctl() */
	refused(ioctl(device, VFIO_DEVICE_GET_INFO, NOWHERE), EFAULT, "device: information to no address");
	refused(ioctl(device, VFIO_DEVICE_GET_INFO, &info), EINVAL, "... that is too short");
	refused(ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &region), EINVAL, "... about a region too far");
	refused(ioctl(device, VFIO_DEVICE_GET_IRQ_INFO, &irq), EINVAL, "... about an interrupt too far");
	refused(ioctl(device, VFIO_DEVICE_FEATURE, &feature), EINVAL, "device: a feature that is none");
	refused(set_irq(device, 4, eventfd, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, -1), EINVAL,
		"device: an interrupt, too short");
	refused(set_irq(device, argsz, ~0U, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, -1), EINVAL, "... with unknown flags");
	refused(set_irq(device, argsz, eventfd, NO_ID, 0, 1, -1), EINVAL, "... that is not there");
	refused(set_irq(device, argsz, eventfd, VFIO_PCI_REQ_IRQ_INDEX, 1, ~0U, -1), EINVAL, "... too many");
	refused(set_irq(device, argsz, eventfd, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, NO_ID), EBADF,
		"... for a descriptor that is none");
	/* eventfd_ctx_fdget() */
	refused(set_irq(device, argsz, eventfd, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, device), EINVAL,
		"... for one that is no eventfd");
	/* vfio_pci_rw(), vfio_pci_core_mmap() */
	refused(pread(device, &byte, 1, (off_t)100 << 40), EINVAL, "device: reading what is not there");
	refused(pwrite(device, &byte, 1, (off_t)100 << 40), EINVAL, "... writing it");
	refused(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, device, (off_t)100 << 40) == MAP_FAILED ? -1 : 0, EINVAL,
		"... mapping it");
	refused(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, device, 0) == MAP_FAILED ? -1 : 0, EINVAL,
		"... mapping what is there as private");
	tried += 9;
}

/* vfio_group_fops_unl_ioctl() and those it calls, vfio_fops_unl_ioctl() */
static void check_group(const char *function)
{
	int number = pci_group(function);
	int group = open_group(number), container = open_container(), nothing = open("/dev/null", O_RDWR);
	struct vfio_group_status status = { .argsz = 4 };
	struct vfio_device_attach_iommufd_pt pt = { .argsz = sizeof(pt), .pt_id = 1 };
	char *huge = malloc(2 * PAGE), with_option[64];
	struct io_space space = { .fd = container };
	struct edu edu = { 0 };
	int none = -1, device;
	void *page = new_page(0);

	memset(huge, 'x', 2 * PAGE);
	huge[2 * PAGE - 1] = '\0';
	snprintf(with_option, sizeof(with_option), "%s vf_token=x", function);

	need(group >= 0 && container >= 0, "the group and a container open");
	refused(open_group(number), EBUSY, "the group does not open twice");
	ok(knows_nothing_else(group, 100, 120, ENOTTY), "group: ENOTTY for all other numbers");
	refused(ioctl(group, VFIO_GROUP_GET_STATUS, NOWHERE), EFAULT, "group: its status to no address");
	refused(ioctl(group, VFIO_GROUP_GET_STATUS, &status), EINVAL, "... that is too short");
	refused(ioctl(group, VFIO_GROUP_SET_CONTAINER, NOWHERE), EFAULT, "group: a container at no address");
	refused(ioctl(group, VFIO_GROUP_SET_CONTAINER, &none), EBADF, "... that is no descriptor");
	refused(ioctl(group, VFIO_GROUP_SET_CONTAINER, &nothing), EBADFD, "... that is no container");
	refused(ioctl(group, VFIO_GROUP_SET_CONTAINER, &group), EBADFD, "... that is the group itself");
	refused(ioctl(group, VFIO_GROUP_UNSET_CONTAINER), EINVAL, "... left without having been set");
	/* strndup_user(), vfio_device_get_from_name(), vfio_pci_core_match() */
	refused(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, NOWHERE), EFAULT, "group: a device at no address");
	refused(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, huge), EINVAL, "... with a name of two pages");
	refused(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, ""), ENODEV, "... without a name");
	refused(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, "ffff:ff:ff.f"), ENODEV, "... that does not exist");
	refused(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, with_option), EINVAL, "... with a token that is none");
	refused(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, function), EINVAL, "... before there is a container");

	ok(knows_nothing_else(container, 100, 102, EINVAL), "container: EINVAL for all else while it is empty");
	refused(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), EINVAL,
		"container: a type before it has a group");
	refused(map_type1(&space, page, SOURCE_IOVA, true), EINVAL, "... memory before it has a type");
	need(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), "the group enters the container");
	refused(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), EINVAL, "... and not twice");
	/* vfio_ioctl_set_iommu(): no driver has it */
	refused(ioctl(container, VFIO_SET_IOMMU, NO_ID), ENODEV, "container: a type that there is not");
	refused(ioctl(container, VFIO_SET_IOMMU, -1), ENODEV, "... and that cannot be");
	refused(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, function), EINVAL,
		"group: no device before the container has a type");
	refused(map_type1(&space, page, SOURCE_IOVA, true), EINVAL, "container: still no memory");
	need(!ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), "the container gets its type");
	refused(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), EINVAL, "... and not twice");
	/* vfio_iommu_type1_ioctl() */
	ok(knows_nothing_else(container, 100, 120, ENOTTY), "container: ENOTTY for all other numbers");
	check_bad_maps(container);
	need(!map_type1(&space, page, SOURCE_IOVA, true), "memory is mapped");
	refused(map_type1(&space, page, SOURCE_IOVA, true), EEXIST, "... and not twice");

	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, function);
	need(device >= 0 && edu_open(&edu, device), "the group gives the device");
	/* vfio_pci_core_ioctl() */
	ok(knows_nothing_else(device, 100, 120, ENOTTY), "device: ENOTTY for all other numbers");
	check_bad_calls_of_device(device);
	refused(bind_iommufd(device, nothing), EINVAL, "device of a group: it is not bound to an iommufd");
	refused(ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &pt), ENOTTY, "... and has no address space");
	refused(ioctl(group, VFIO_GROUP_UNSET_CONTAINER), EBUSY,
		"the container is not left while the device is open");
	edu_close(&edu);
	close(device);
	/* The memory goes with the last group: vfio_group_detach_container() */
	ok(!ioctl(group, VFIO_GROUP_UNSET_CONTAINER), "the container is left with memory mapped");
	refused(unmap_type1(&space, SOURCE_IOVA), EINVAL, "... which is gone with that");
	refused(ioctl(group, VFIO_GROUP_UNSET_CONTAINER), EINVAL, "... and not twice");
	close(nothing);
	close(container);
	close(group);
	munmap(page, PAGE);
	free(huge);
	tried += 30;
}

/* iommufd_fops_ioctl() and the functions of its table; iommufd_get_object() has ENOENT */
static void check_iommufd_alone(int iommufd, uint32_t ioas)
{
	const uint32_t flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE;
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc), .flags = 1 };
	struct iommu_ioas_map map = { .size = sizeof(map), .flags = flags, .ioas_id = NO_ID, .length = PAGE };
	struct iommu_ioas_copy copy = { .size = sizeof(copy), .flags = flags, .src_ioas_id = ioas, .length = PAGE };
	struct iommu_hwpt_alloc hwpt = { .size = sizeof(hwpt), .dev_id = NO_ID, .pt_id = ioas };
	struct iommu_hw_info info = { .size = sizeof(info), .dev_id = NO_ID };
	struct iommu_option option = { .size = sizeof(option), .option_id = NO_ID };
	struct io_space space = { .fd = iommufd, .ioas = ioas };
	struct {
		struct iommu_ioas_alloc alloc;
		uint32_t more;
	} longer = { .alloc = { .size = sizeof(longer) }, .more = 1 };
	void *page = new_page(0);

	map.user_va = (uintptr_t)page;
	map.iova = SOURCE_IOVA;
	ok(knows_nothing_else(iommufd, 100, LAST_OF_IOMMUFD, ENOTTY), "iommufd: ENOTTY for all other numbers");
	refused(ioctl(iommufd, IOMMU_IOAS_ALLOC, NOWHERE), EFAULT, "iommufd: an address space at no address");
	refused(ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc), EOPNOTSUPP, "... with unknown flags");
	alloc = (struct iommu_ioas_alloc){ .size = 4 };
	refused(ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc), EINVAL, "... that is too short");
	refused(ioctl(iommufd, IOMMU_IOAS_ALLOC, &longer), E2BIG, "... with more than the kernel knows");
	alloc.size = sizeof(alloc);
	refused(ioctl(iommufd, IOMMU_IOAS_ALLOC, read_only(&alloc, sizeof(alloc))), EFAULT,
		"... of which the number cannot be told");
	refused(destroy(iommufd, NO_ID), ENOENT, "iommufd: destroying what there is not");
	refused(destroy(iommufd, 0), ENOENT, "... nor can be");
	refused(ioctl(iommufd, IOMMU_OPTION, &option), EOPNOTSUPP, "iommufd: an option that there is not");
	refused(ioctl(iommufd, IOMMU_HWPT_ALLOC, &hwpt), ENOENT, "iommufd: tables for a device that there is not");
	refused(ioctl(iommufd, IOMMU_GET_HW_INFO, &info), ENOENT, "... what it can do");

	/* iommufd_ioas_map(), iopt_check_iova() */
	refused(ioctl(iommufd, IOMMU_IOAS_MAP, &map), ENOENT, "iommufd: a map of no address space");
	map.ioas_id = ioas;
	map.flags = ~0U;
	refused(ioctl(iommufd, IOMMU_IOAS_MAP, &map), EOPNOTSUPP, "... with unknown flags");
	map.flags = IOMMU_IOAS_MAP_FIXED_IOVA;
	refused(ioctl(iommufd, IOMMU_IOAS_MAP, &map), EINVAL, "... to do nothing with");
	map.flags = flags;
	map.length = 0;
	refused(ioctl(iommufd, IOMMU_IOAS_MAP, &map), EINVAL, "... of no size");
	map.length = -1;
	refused(ioctl(iommufd, IOMMU_IOAS_MAP, &map), EOVERFLOW, "... of all there is");
	map.length = 2 * PAGE;
	map.iova = -(uint64_t)PAGE;
	refused(ioctl(iommufd, IOMMU_IOAS_MAP, &map), EOVERFLOW, "... beyond the last address");
	need(!map_ioas(&space, page, SOURCE_IOVA, true), "memory is mapped");
	refused(map_ioas(&space, page, SOURCE_IOVA, true), EEXIST, "... and not twice");
	copy.dst_ioas_id = NO_ID;
	copy.src_iova = SOURCE_IOVA;
	refused(ioctl(iommufd, IOMMU_IOAS_COPY, &copy), ENOENT, "... nor copied to nowhere");
	refused(unmap_ioas(&space, TARGET_IOVA), ENOENT, "unmapping what is not mapped");
	ok(!unmap_ioas(&space, SOURCE_IOVA), "unmapping what is");
	munmap(page, PAGE);
	tried += 21;
}

static int bind_with(int device, uint32_t argsz, uint32_t flags, int iommufd)
{
	struct vfio_device_bind_iommufd bind = { .argsz = argsz, .flags = flags, .iommufd = iommufd };

	tried++;
	return ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind);
}

/* The IOMMU driver has no pages for what is not there: iopt_area_fill_domains() */
static void check_bad_memory_of_attached(const struct io_space *space)
{
	uint8_t *page = new_page(0);

	munmap(page, PAGE);
	refused(space->map(space, page, SOURCE_IOVA, true), EFAULT, "attached: memory that is not there");
	refused(space->map(space, KERNEL, SOURCE_IOVA, true), EFAULT, "... and the kernel's");
	refused(space->map(space, new_page(0), 0xfee00000, true), EINVAL, "... in a reserved region");
	tried += 3;
}

/* vfio_df_ioctl_bind_iommufd(), vfio_df_ioctl_attach_pt(), vfio_df_ioctl_detach_pt() */
static void check_cdev(const char *function)
{
	const uint32_t argsz = sizeof(struct vfio_device_bind_iommufd);
	struct io_space space = { .map = map_ioas, .unmap = unmap_ioas };
	struct vfio_device_attach_iommufd_pt pt = { .argsz = 4 };
	struct vfio_device_bind_iommufd bind = { .argsz = argsz };
	int device = open_cdev(function), nothing = open("/dev/null", O_RDWR), number = pci_group(function);
	struct iommu_hwpt_alloc hwpt = { .size = sizeof(hwpt) };
	struct edu edu = { 0 };
	int group, again;

	space.fd = open_iommufd();
	need(device >= 0 && space.fd >= 0 && !allocate_ioas(space.fd, &space.ioas), "the cdev and iommufd open");
	check_iommufd_alone(space.fd, space.ioas);

	ok(knows_nothing_else(device, VFIO_BASE + 18, VFIO_BASE + 18, EINVAL),
	   "cdev: EINVAL for everything before it is bound");
	refused(ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, NOWHERE), EFAULT, "cdev: bound to no address");
	refused(bind_with(device, 8, 0, space.fd), EINVAL, "... too short");
	refused(bind_with(device, argsz, ~0U, space.fd), EINVAL, "... with unknown flags");
	refused(bind_with(device, argsz, 0, -1), EINVAL, "... to less than nothing");
	refused(bind_with(device, argsz, 0, NO_ID), EBADF, "... to no descriptor");
	refused(bind_with(device, argsz, 0, nothing), EBADFD, "... to what is no iommufd");
	refused(bind_with(device, argsz, 0, device), EBADFD, "... to itself");
	group = open_group(number);
	refused(bind_with(device, argsz, 0, space.fd), EBUSY, "... while the group is open");
	close(group);
	/* Bound, and unbound again because the caller cannot be told */
	bind.iommufd = space.fd;
	refused(ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, read_only(&bind, sizeof(bind))), EFAULT,
		"... when its number cannot be told");
	group = open_group(number);
	need(group >= 0, "after that the group opens");
	close(group);

	need(!bind_iommufd(device, space.fd), "the device is bound");
	refused(bind_iommufd(device, space.fd), EINVAL, "... and not twice");
	again = open_cdev(function);
	refused(bind_iommufd(again, space.fd), EINVAL, "... nor by another descriptor");
	close(again);
	refused(open_group(number), EBUSY, "... and its group does not open");
	ok(knows_nothing_else(device, 100, 120, ENOTTY), "cdev: ENOTTY for all other numbers");
	check_bad_calls_of_device(device);

	refused(ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, NOWHERE), EFAULT, "cdev: attached to no address");
	refused(ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &pt), EINVAL, "... too short");
	pt = (struct vfio_device_attach_iommufd_pt){ .argsz = sizeof(pt), .flags = ~0U, .pt_id = space.ioas };
	refused(ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &pt), EINVAL, "... with unknown flags");
	refused(attach(device, NO_ID), ENOENT, "... to what there is not");
	refused(attach(device, 0), ENOENT, "... nor can be");
	pt.flags = 0;
	refused(ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, read_only(&pt, sizeof(pt))), EFAULT,
		"... when its number cannot be told");
	ok(!detach(device), "detaching what is not attached is harmless");
	need(!attach(device, space.ioas), "the address space is attached");
	ok(!attach(device, space.ioas), "attaching it again is harmless");
	refused(attach(device, NO_ID), ENOENT, "what there is not does not take its place");
	refused(destroy(space.fd, space.ioas), EBUSY, "an attached address space is not destroyed");
	check_bad_memory_of_attached(&space);
	hwpt.pt_id = space.ioas;
	refused(ioctl(space.fd, IOMMU_HWPT_ALLOC, &hwpt), ENOENT, "tables for device number 0");
	need(edu_open(&edu, device) && edu_enable_dma(device), "the device answers");
	edu_close(&edu);
	ok(!detach(device) && !detach(device), "detaching twice is harmless");
	ok(!destroy(space.fd, space.ioas), "the address space is destroyed");
	refused(attach(device, space.ioas), ENOENT, "... and not attached any more");
	refused(destroy(space.fd, space.ioas), ENOENT, "... nor destroyed again");
	close(space.fd);
	refused(attach(device, space.ioas), ENOENT, "a device outlives the descriptor of its iommufd");
	close(device);
	close(nothing);
	tried += 31;
}

static bool copies_a_page(struct io_space *space, int device)
{
	uint8_t *source = new_page(0), *target = new_page(0);
	struct edu edu = { 0 };
	bool copied;

	fill_pattern(source, 3);
	copied = edu_open(&edu, device) && edu_enable_dma(device) &&
		 !space->map(space, source, SOURCE_IOVA, true) && !space->map(space, target, TARGET_IOVA, true) &&
		 copies(&edu, source, target) &&
		 !space->unmap(space, SOURCE_IOVA) && !space->unmap(space, TARGET_IOVA);
	if (edu.registers)
		edu_close(&edu);
	munmap(source, PAGE);
	munmap(target, PAGE);
	return copied;
}

static bool group_works(const char *function)
{
	struct assignment assignment;
	struct io_space space = { .map = map_type1, .unmap = unmap_type1 };
	bool works;

	works = assign(&assignment, function);
	space.fd = assignment.container;
	works = works && copies_a_page(&space, assignment.device);
	release(&assignment);
	return works;
}

static bool cdev_works(const char *function)
{
	struct io_space space = { .fd = open_iommufd(), .map = map_ioas, .unmap = unmap_ioas };
	int device = open_cdev(function);
	bool works = !allocate_ioas(space.fd, &space.ioas) && !bind_iommufd(device, space.fd) &&
		     !attach(device, space.ioas) && copies_a_page(&space, device);

	close(device);
	close(space.fd);
	return works;
}

int main(void)
{
	char *function = pci_find(EDU_VENDOR, EDU_DEVICE);
	char before[32], now[32];
	int group;

	ktap_plan(150);
	if (!function || pci_group(function) < 0)
		bail("needs an edu device in a group");
	allow_unsafe_interrupts(true);
	group = pci_group(function);
	group_type(before, sizeof(before), group);
	need(!pci_bind_vfio(function), "the device binds to vfio-pci");

	check_group(function);
	ok(group_works(function), "after that its group is assigned and the device copies");
	ok(cdev_works(function), "... and so is the device itself");
	check_cdev(function);
	ok(cdev_works(function), "after that the device is assigned and copies");
	ok(group_works(function), "... and so is its group");

	ok(!pci_bind_host(function) && pci_group(function) == group, "the device is in its group in the end");
	group_type(now, sizeof(now), group);
	ok(!strcmp(before, now) && !write_text(before, GROUPS "/%d/type", group),
	   "... of the same type, which can be written");
	allow_unsafe_interrupts(false);
	diag("tried %ld", tried);
	free(function);
	return ktap_status();
}
