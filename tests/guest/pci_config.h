/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The configuration space of PCI functions, by names as in sysfs.  What is not there reads
 * as 0, like a capability that a function does not have.
 */
#ifndef PCI_CONFIG_H
#define PCI_CONFIG_H

#include <linux/pci_regs.h>
#include <stdint.h>

#include "pci_sysfs.h"

static inline uint32_t pci_read(const char *function, int offset, int size)
{
	char path[PATH_MAX];
	uint32_t value = 0;
	int fd;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/config", function);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, &value, size, offset) != size)
		value = 0;
	close(fd);
	return value;
}

static inline bool pci_write(const char *function, int offset, int size, uint32_t value)
{
	char path[PATH_MAX];
	bool written;
	int fd;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/config", function);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	written = fd >= 0 && pwrite(fd, &value, size, offset) == size;
	close(fd);
	return written;
}

/* Where the PCIe capability is. */
static inline int pci_express(const char *function)
{
	int at = pci_read(function, PCI_CAPABILITY_LIST, 1);

	while (at && pci_read(function, at, 1) != PCI_CAP_ID_EXP)
		at = pci_read(function, at + PCI_CAP_LIST_NEXT, 1);
	return at;
}

/* The PCI_EXP_TYPE of a function, -1 of one that is conventional. */
static inline int pcie_type(const char *function)
{
	int at = pci_express(function);

	return at ? (int)(pci_read(function, at + PCI_EXP_FLAGS, 2) & PCI_EXP_FLAGS_TYPE) >> 4 : -1;
}

/* Where an extended capability is. */
static inline int pci_extended(const char *function, unsigned int id)
{
	int at = 0x100;
	uint32_t header = pci_read(function, at, 4);

	while (header && at && PCI_EXT_CAP_ID(header) != id) {
		at = PCI_EXT_CAP_NEXT(header);
		header = pci_read(function, at, 4);
	}
	return header ? at : 0;
}

static inline int pci_acs(const char *function)
{
	return pci_extended(function, PCI_EXT_CAP_ID_ACS);
}

/* The bridge above a function; not so for one of a root bus. */
static inline bool pci_above(char *bridge, size_t size, const char *function)
{
	char path[PATH_MAX], real[PATH_MAX], *name;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/..", function);
	if (!realpath(path, real))
		return false;
	name = strrchr(real, '/') + 1;
	snprintf(bridge, size, "%s", name);
	return strncmp(name, "pci", 3);
}

#endif
