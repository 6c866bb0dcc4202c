/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The two ways to own a device: a group with a container, and a cdev with an iommufd. */
#ifndef VFIO_WAYS_H
#define VFIO_WAYS_H

#include "vfio_checks.h"

/* For programs that do not look at interrupts. */
static inline void allow_unsafe_interrupts(bool allowed)
{
	write_text(allowed ? "Y" : "N", "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
	write_text(allowed ? "Y" : "N", "/sys/module/iommufd/parameters/allow_unsafe_interrupts");
}

static inline int open_container(void)
{
	return open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
}

static inline int map_type1(const struct io_space *space, void *memory, uint64_t iova, bool writable)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | (writable ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uintptr_t)memory,
		.iova = iova,
		.size = PAGE,
	};

	return ioctl(space->fd, VFIO_IOMMU_MAP_DMA, &map);
}

static inline int unmap_type1(const struct io_space *space, uint64_t iova)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = PAGE,
	};
	int error = ioctl(space->fd, VFIO_IOMMU_UNMAP_DMA, &unmap);

	if (!error && unmap.size != PAGE) {
		errno = ENOENT;
		error = -1;
	}
	return error;
}

/* A function of which this process is the owner. */
struct assignment {
	int container;
	int group;
	int device;
};

static inline bool assign(struct assignment *assignment, const char *function)
{
	assignment->device = -1;
	assignment->group = open_group(pci_group(function));
	assignment->container = open_container();
	if (ioctl(assignment->group, VFIO_GROUP_SET_CONTAINER, &assignment->container) ||
	    ioctl(assignment->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return false;
	assignment->device = ioctl(assignment->group, VFIO_GROUP_GET_DEVICE_FD, function);
	return assignment->device >= 0;
}

static inline void release(struct assignment *assignment)
{
	close(assignment->device);
	close(assignment->group);
	close(assignment->container);
}

static inline int map_ioas(const struct io_space *space, void *memory, uint64_t iova, bool writable)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 (writable ? IOMMU_IOAS_MAP_WRITEABLE : 0),
		.ioas_id = space->ioas,
		.user_va = (uintptr_t)memory,
		.length = PAGE,
		.iova = iova,
	};

	return ioctl(space->fd, IOMMU_IOAS_MAP, &map);
}

static inline int unmap_ioas(const struct io_space *space, uint64_t iova)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = space->ioas,
		.iova = iova,
		.length = PAGE,
	};

	return ioctl(space->fd, IOMMU_IOAS_UNMAP, &unmap);
}

static inline int allocate_ioas(int iommufd, uint32_t *ioas)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	int error = ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc);

	*ioas = alloc.out_ioas_id;
	return error;
}

static inline int destroy(int iommufd, uint32_t id)
{
	struct iommu_destroy destroy = { .size = sizeof(destroy), .id = id };

	return ioctl(iommufd, IOMMU_DESTROY, &destroy);
}

static inline int attach(int device, uint32_t id)
{
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach), .pt_id = id };

	return ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
}

static inline int detach(int device)
{
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };

	return ioctl(device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach);
}

#endif
