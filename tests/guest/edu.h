/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * QEMU's teaching device (docs/specs/edu) through a VFIO device descriptor: a
 * DMA engine with a buffer of its own.  It reaches addresses of 28 bits, or
 * what its property dma_mask says, where that would end below all memory.
 */
#ifndef EDU_H
#define EDU_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8
#ifdef __aarch64__
#define EDU_REACH	(1ULL << 32)
#else
#define EDU_REACH	(1ULL << 28)
#endif
/* The device model aborts QEMU when a copy touches the buffer's last byte. */
#define EDU_LONGEST	4095

enum {
	EDU_IDENTIFICATION = 0x00,
	EDU_DMA_SOURCE = 0x80,
	EDU_DMA_DESTINATION = 0x88,
	EDU_DMA_COUNT = 0x90,
	EDU_DMA_COMMAND = 0x98,
	EDU_DMA_BUFFER = 0x40000,
};

enum {
	EDU_COMMAND_RUN = 1,
	EDU_COMMAND_TO_MEMORY = 2,
};

struct edu {
	volatile uint32_t *registers;
	size_t size;
};

/* Returns false when this is no such device. */
static inline bool edu_open(struct edu *edu, int device)
{
	struct vfio_region_info bar = {
		.argsz = sizeof(bar),
		.index = VFIO_PCI_BAR0_REGION_INDEX,
	};
	void *registers;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &bar))
		return false;
	registers = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, bar.offset);
	if (registers == MAP_FAILED)
		return false;
	edu->registers = registers;
	edu->size = bar.size;
	return (edu->registers[EDU_IDENTIFICATION / 4] & 0xffff) == 0xed;
}

static inline void edu_close(struct edu *edu)
{
	munmap((void *)edu->registers, edu->size);
}

static inline bool edu_enable_dma(int device)
{
	struct vfio_region_info config = {
		.argsz = sizeof(config),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	uint16_t command;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config) ||
	    pread(device, &command, sizeof(command), config.offset + PCI_COMMAND) != sizeof(command))
		return false;
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	return pwrite(device, &command, sizeof(command), config.offset + PCI_COMMAND) == sizeof(command);
}

static inline bool edu_copy(struct edu *edu, uint64_t from, uint64_t to, uint32_t length,
			    uint32_t direction)
{
	edu->registers[EDU_DMA_SOURCE / 4] = from;
	edu->registers[EDU_DMA_DESTINATION / 4] = to;
	edu->registers[EDU_DMA_COUNT / 4] = length;
	edu->registers[EDU_DMA_COMMAND / 4] = EDU_COMMAND_RUN | direction;
	for (int tries = 0; tries < 500; tries++) {
		if (!(edu->registers[EDU_DMA_COMMAND / 4] & EDU_COMMAND_RUN))
			return true;
		usleep(10000);
	}
	return false;
}

/* From an address in the device's view of memory into its buffer. */
static inline bool edu_load(struct edu *edu, uint64_t iova, uint32_t length)
{
	return edu_copy(edu, iova, EDU_DMA_BUFFER, length, 0);
}

/* From the device's buffer to an address in its view of memory. */
static inline bool edu_store(struct edu *edu, uint64_t iova, uint32_t length)
{
	return edu_copy(edu, EDU_DMA_BUFFER, iova, length, EDU_COMMAND_TO_MEMORY);
}

#endif
