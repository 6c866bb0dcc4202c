/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * QEMU's virtio-rng-pci through a VFIO device descriptor: it writes random bytes to memory.
 * With iommu_platform=on it does so through the IOMMU, with ats=on by addresses that it asks
 * the IOMMU to translate.  Virtio 1.2, sections 4.1 (PCI) and 2.7 (split virtqueues).
 */
#ifndef VIRTIO_RNG_H
#define VIRTIO_RNG_H

#include <stddef.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "pci_config.h"
#include "vfio_checks.h"

#define RNG_VENDOR	0x1af4
#define RNG_DEVICE	0x1044
#define RNG_LENGTH	64
#define RNG_QUEUE	4

struct rng {
	int device;
	volatile struct virtio_pci_common_cfg *common;
	volatile uint16_t *notify;
	void *bar;
	size_t size;
};

/* One page, which the device reads and writes */
struct rng_ring {
	struct vring_desc descriptors[RNG_QUEUE];
	struct {
		uint16_t flags;
		volatile uint16_t index;
		uint16_t ring[RNG_QUEUE];
	} available;
	struct {
		uint16_t flags;
		volatile uint16_t index;
		struct vring_used_elem ring[RNG_QUEUE];
	} used __attribute__((aligned(4)));
};

/* Where the vendor's capability of that type is. */
static inline int virtio_capability(const char *function, int type)
{
	int at = pci_read(function, PCI_CAPABILITY_LIST, 1);

	while (at && (pci_read(function, at, 1) != PCI_CAP_ID_VNDR ||
		      (int)pci_read(function, at + VIRTIO_PCI_CAP_CFG_TYPE, 1) != type))
		at = pci_read(function, at + PCI_CAP_LIST_NEXT, 1);
	return at;
}

static inline bool rng_open(struct rng *rng, int device, const char *function)
{
	int common = virtio_capability(function, VIRTIO_PCI_CAP_COMMON_CFG);
	int notify = virtio_capability(function, VIRTIO_PCI_CAP_NOTIFY_CFG);
	struct vfio_region_info bar = {
		.argsz = sizeof(bar),
		.index = pci_read(function, common + VIRTIO_PCI_CAP_BAR, 1),
	};

	rng->device = device;
	rng->bar = MAP_FAILED;
	if (!common || !notify || pci_read(function, notify + VIRTIO_PCI_CAP_BAR, 1) != bar.index ||
	    ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &bar))
		return false;
	rng->size = bar.size;
	rng->bar = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, bar.offset);
	if (rng->bar == MAP_FAILED)
		return false;
	rng->common = rng->bar + pci_read(function, common + VIRTIO_PCI_CAP_OFFSET, 4);
	/* There is one queue, which is the first */
	rng->notify = rng->bar + pci_read(function, notify + VIRTIO_PCI_CAP_OFFSET, 4);
	return true;
}

static inline void rng_close(struct rng *rng)
{
	if (rng->bar != MAP_FAILED)
		munmap(rng->bar, rng->size);
}

static inline void rng_add_status(struct rng *rng, uint8_t status)
{
	rng->common->device_status |= status;
}

/* The device is set up anew, so that it may have been reset. */
static inline bool rng_start(struct rng *rng, uint64_t ring_iova)
{
	volatile struct virtio_pci_common_cfg *common = rng->common;
	const uint64_t descriptors = ring_iova + offsetof(struct rng_ring, descriptors);
	const uint64_t available = ring_iova + offsetof(struct rng_ring, available);
	const uint64_t used = ring_iova + offsetof(struct rng_ring, used);

	/* The same bits as those of edu */
	if (!edu_enable_dma(rng->device))
		return false;
	common->device_status = 0;
	for (int tries = 0; common->device_status && tries < 100; tries++)
		usleep(1000);
	rng_add_status(rng, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	rng_add_status(rng, VIRTIO_CONFIG_S_DRIVER);
	common->guest_feature_select = 0;
	common->guest_feature = 0;
	common->guest_feature_select = 1;
	common->guest_feature = 1u << (VIRTIO_F_VERSION_1 - 32) | 1u << (VIRTIO_F_ACCESS_PLATFORM - 32);
	rng_add_status(rng, VIRTIO_CONFIG_S_FEATURES_OK);
	if (!(common->device_status & VIRTIO_CONFIG_S_FEATURES_OK))
		return false;
	common->queue_select = 0;
	common->queue_size = RNG_QUEUE;
	common->queue_desc_lo = descriptors;
	common->queue_desc_hi = descriptors >> 32;
	common->queue_avail_lo = available;
	common->queue_avail_hi = available >> 32;
	common->queue_used_lo = used;
	common->queue_used_hi = used >> 32;
	common->queue_enable = 1;
	rng_add_status(rng, VIRTIO_CONFIG_S_DRIVER_OK);
	return true;
}

/* It fills the beginning of a page, and no more than that. */
static inline bool rng_fills(struct rng *rng, struct rng_ring *ring, uint64_t ring_iova,
			     uint8_t *target, uint64_t target_iova)
{
	static const uint8_t zeros[RNG_LENGTH];

	memset(ring, 0, sizeof(*ring));
	memset(target, 0, PAGE);
	if (!rng_start(rng, ring_iova)) {
		diag("virtio-rng does not start");
		return false;
	}
	ring->descriptors[0] = (struct vring_desc){
		.addr = target_iova,
		.len = RNG_LENGTH,
		.flags = VRING_DESC_F_WRITE,
	};
	ring->available.index = 1;
	__sync_synchronize();
	*rng->notify = 0;
	for (int tries = 0; !ring->used.index && tries < 300; tries++)
		usleep(10000);
	if (!ring->used.index) {
		diag("virtio-rng does not answer, its status is %#x", rng->common->device_status);
		return false;
	}
	return memcmp(target, zeros, RNG_LENGTH) &&
	       holds_only(target + RNG_LENGTH, 0, PAGE - RNG_LENGTH);
}

#endif
