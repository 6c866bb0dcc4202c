/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The checks that hold however VFIO was entered: by group or by cdev. */
#ifndef VFIO_CHECKS_H
#define VFIO_CHECKS_H

#include <inttypes.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#include "edu.h"
#include "kernel_log.h"
#include "ktap.h"
#include "pci_sysfs.h"

#define PAGE		4096
#define COPIED		1024
/* Short: VT-d reports a fault for each word, and the kernel drops many. */
#define PROBED		16
_Static_assert(COPIED <= EDU_LONGEST, "the edu device cannot copy that much");

/* One page each, below EDU_REACH. */
#define SOURCE_IOVA	0x0a000000ULL
#define TARGET_IOVA	0x0a001000ULL
#define SECRET_IOVA	0x0a002000ULL
#define IOVAS_END	0x0a010000ULL

#define NO_SHARED_GROUP	"no group here has two endpoints and a host driver for one"

/* What a device reaches, and how this program changes it. */
struct io_space {
	int fd;
	uint32_t ioas;
	int (*map)(const struct io_space *space, void *memory, uint64_t iova, bool writable);
	int (*unmap)(const struct io_space *space, uint64_t iova);
};

/* For a check without which the others mean nothing. */
static inline void need(bool condition, const char *name)
{
	if (!ok(condition, "%s", name))
		bail("the other checks need this one");
}

/* A call that must be refused: with this errno and no other. */
static inline bool refused(int result, int expected, const char *name)
{
	int error = errno;

	if (result >= 0)
		diag("wanted %s, the call succeeded", strerrorname_np(expected));
	else if (error != expected)
		diag("wanted %s, got %s", strerrorname_np(expected), strerrorname_np(error));
	return ok(result < 0 && error == expected, "%s", name);
}

/* The same for the functions of pci_sysfs.h, which return the errno. */
static inline bool sysfs_refused(int error, int expected, const char *name)
{
	errno = -error;
	return refused(error, expected, name);
}

static inline int open_group(int number)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/vfio/%d", number);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* The device's own node, /dev/vfio/devices/vfioX. */
static inline int open_cdev(const char *function)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int device = -1;
	DIR *directory;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/vfio-dev", function);
	directory = opendir(path);
	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry->d_name);
		device = open(path, O_RDWR | O_CLOEXEC);
	}
	if (directory)
		closedir(directory);
	return device;
}

static inline int open_iommufd(void)
{
	return open("/dev/iommu", O_RDWR | O_CLOEXEC);
}

static inline int bind_iommufd(int device, int iommufd)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = iommufd };

	return ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind);
}

static inline void group_type(char *type, size_t size, int group)
{
	read_line(type, size, GROUPS "/%d/type", group);
}

/*
 * The number of a function's group.  Where the IOMMU is known from a device tree or from a
 * VIOT table, 6.12 puts a function into a group as a driver binds to it, the first time.
 */
static inline int group_of_bound(const char *function)
{
	if (pci_group(function) < 0 && !pci_bind_vfio(function))
		pci_bind_host(function);
	return pci_group(function);
}

static inline bool interrupts_are_remapped(void)
{
	/* The last is Arm's, which knows devices apart. */
	const char *const lines[] = {
		"DMAR-IR: Enabled IRQ remapping",
		"AMD-Vi: Interrupt remapping enabled",
		"ITS [mem ",
	};
	bool remapped = false;
	char record[1024];

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]) && !remapped; i++) {
		int log = kernel_log_open();

		remapped = kernel_log_next(log, record, sizeof(record), lines[i], "");
		close(log);
	}
	return remapped;
}

/*
 * Without interrupt remapping a device can raise any interrupt by DMA: VFIO and
 * iommufd refuse it until the administrator takes the risk.
 */
static inline void check_unsafe_interrupts(const char *module, int result, const char *name)
{
	int error = errno;
	bool remapped = interrupts_are_remapped();

	diag("interrupts are %s", remapped ? "remapped" : "not remapped");
	errno = error;
	if (remapped) {
		if (result < 0)
			diag("got %s", strerrorname_np(errno));
		ok(result >= 0, "%s", name);
		return;
	}
	refused(result, EPERM, name);
	error = write_text("Y", "/sys/module/%s/parameters/allow_unsafe_interrupts", module);
	if (error)
		bail("allow_unsafe_interrupts of %s: %s", module, strerror(-error));
	diag("allow_unsafe_interrupts of %s is now on", module);
}

static inline uint8_t *new_page(uint8_t value)
{
	uint8_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (page == MAP_FAILED)
		bail("no memory");
	memset(page, value, PAGE);
	return page;
}

static inline bool holds_only(const uint8_t *memory, uint8_t value, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (memory[i] != value) {
			diag("byte %zu is %#x, wanted %#x", i, memory[i], value);
			return false;
		}
	}
	return true;
}

/* No two bytes beside each other, and no two pages with other seeds, are alike. */
static inline void fill_pattern(uint8_t *page, uint8_t seed)
{
	for (int i = 0; i < PAGE; i++)
		page[i] = seed + i * 7;
}

static inline uint64_t physical_address(const void *page)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (pread(pagemap, &entry, sizeof(entry), (uintptr_t)page / PAGE * sizeof(entry)) !=
	    sizeof(entry))
		entry = 0;
	close(pagemap);
	return (entry & ((1ULL << 55) - 1)) * PAGE;
}

/* A page at a physical address that the device could name, if it got through. */
static inline uint8_t *page_in_physical_reach(uint64_t *physical)
{
	for (int tries = 0; tries < 32768; tries++) {
		uint8_t *page = new_page(0);

		*physical = physical_address(page);
		if (*physical && *physical < EDU_REACH &&
		    (*physical < SOURCE_IOVA || *physical >= IOVAS_END))
			return page;
	}
	bail("no page below %#llx", EDU_REACH);
}

/* A device that nothing translates, or that is not held back, would write there. */
static inline void check_physical_memory_is_safe(struct edu *edu, const char *name)
{
	uint64_t physical;
	uint8_t *page = page_in_physical_reach(&physical);

	memset(page, 0x33, PAGE);
	diag("a write to physical address %#" PRIx64, physical);
	ok(edu_store(edu, physical, PROBED) && holds_only(page, 0x33, PAGE), "%s", name);
}

static inline bool copies(struct edu *edu, const uint8_t *source, uint8_t *target)
{
	memset(target, 0, PAGE);
	return edu_load(edu, SOURCE_IOVA, COPIED) && edu_store(edu, TARGET_IOVA, COPIED) &&
	       !memcmp(target, source, COPIED) &&
	       holds_only(target + COPIED, 0, PAGE - COPIED);
}

/* Its driver names the IOMMU above a function dmar, ivhd, smmu3; virtio-iommu's does not. */
static inline bool iommu_is(const char *kind, const char *function)
{
	char name[64], device[64];

	link_target(name, sizeof(name), PCI_DEVICES "/%s/iommu", function);
	link_target(device, sizeof(device), PCI_DEVICES "/%s/iommu/device", function);
	return !strncmp(name, kind, strlen(kind)) || !strncmp(device, kind, strlen(kind));
}

static inline unsigned int requester_id(const char *function)
{
	unsigned int bus, slot, number;

	if (sscanf(function, "%*x:%x:%x.%x", &bus, &slot, &number) != 3)
		bail("%s is no name of a PCI function", function);
	return bus << 8 | slot << 3 | number;
}

static inline bool blocked_write_is_logged(struct edu *edu, const char *function, uint64_t iova)
{
	/* SMMUv3's driver prints an event as numbers, the device in one line, the address below. */
	bool in_lines = iommu_is("smmu3", function), named = !in_lines, logged = false;
	char record[1024], device[32], address[32];
	int log = kernel_log_from_now();

	/* "0000:00:05.0" on AMD, "[00:05.0]" on Intel */
	snprintf(device, sizeof(device), "%s", function + 5);
	snprintf(address, sizeof(address), "%#" PRIx64, iova);
	if (iommu_is("virtio", function))
		snprintf(device, sizeof(device), " EP %u ", requester_id(function));
	if (in_lines) {
		snprintf(device, sizeof(device), "0x%08x", requester_id(function));
		snprintf(address, sizeof(address), "0x%016" PRIx64, iova);
	}
	edu_store(edu, iova, PROBED);
	for (int waits = 0; waits < 50 && !logged; waits++) {
		if (!named)
			named = kernel_log_next(log, record, sizeof(record), device, "");
		logged = named && kernel_log_next(log, record, sizeof(record),
						  in_lines ? "" : device, address);
		if (!logged)
			usleep(20000);
	}
	close(log);
	if (logged)
		diag("%s", record);
	return logged;
}

static inline void check_blocked_write_is_logged(struct edu *edu, const char *function,
						 uint64_t iova)
{
	const char *name = "the kernel log names the device and the address of a blocked write";
	bool logged = blocked_write_is_logged(edu, function, iova);

	if (!logged && iommu_is("ivhd", function)) {
		skip("QEMU's AMD IOMMU blocks a page without an event", "%s", name);
		return;
	}
	/* VT-d drops faults beyond a number in 5 seconds: outlast them. */
	for (int tries = 0; tries < 6 && !logged; tries++)
		logged = blocked_write_is_logged(edu, function, iova);
	ok(logged, "%s", name);
}

#define DMA_CHECKS 8

static inline void check_dma(const struct io_space *space, struct edu *edu, const char *function)
{
	uint8_t *source = new_page(0), *target = new_page(0), *replacement = new_page(0x44);
	uint8_t *secret = new_page(0x55);

	memset(source, 0x66, PAGE);
	if (space->map(space, source, SOURCE_IOVA, false))
		bail("mapping memory for reading: %s", strerror(errno));
	check_blocked_write_is_logged(edu, function, SOURCE_IOVA);
	ok(holds_only(source, 0x66, PAGE), "a page mapped for reading is not written");

	fill_pattern(source, 1);
	if (space->map(space, target, TARGET_IOVA, true))
		bail("mapping memory: %s", strerror(errno));
	ok(copies(edu, source, target), "the device copies one mapped page to another");

	if (space->unmap(space, TARGET_IOVA))
		bail("unmapping memory: %s", strerror(errno));
	memset(target, 0x77, PAGE);
	ok(edu_store(edu, TARGET_IOVA, PROBED) && holds_only(target, 0x77, PAGE),
	   "a page that was unmapped is not written");

	if (space->map(space, replacement, TARGET_IOVA, true))
		bail("mapping memory again: %s", strerror(errno));
	ok(copies(edu, source, replacement) && holds_only(target, 0x77, PAGE),
	   "another page mapped at the same address is written instead");

	/* The buffer holds what copies() left there when the load is blocked. */
	if (space->map(space, secret, SECRET_IOVA, true) || space->unmap(space, SECRET_IOVA))
		bail("mapping a page for a moment: %s", strerror(errno));
	ok(edu_load(edu, SECRET_IOVA, PROBED) && edu_store(edu, TARGET_IOVA, PROBED) &&
	   !memchr(replacement, 0x55, PROBED), "a page that was unmapped is not read");

	check_physical_memory_is_safe(edu, "a physical address leads nowhere");

	ok(copies(edu, source, replacement), "the mapped pages are reached as before");

	if (space->unmap(space, SOURCE_IOVA) || space->unmap(space, TARGET_IOVA))
		bail("unmapping memory: %s", strerror(errno));
}

#endif
