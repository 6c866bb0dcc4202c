// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Since 7.3 iommufd takes a device without an IOMMU by its own node, as VFIO does by a group:
 * if the administrator allows it, for who has CAP_SYS_RAWIO, and the kernel is tainted.  The
 * address space then only says where memory is.  A device with a group is not taken so,
 * whatever is allowed.
 *
 * Run it before others that taint the kernel.
 */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "vfio_ways.h"

#ifdef IOMMU_IOAS_NOIOMMU_GET_PA

#define ALLOWED		"/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
#define TAINT_USER	(1UL << 6)
#define MARK		"noiommu-"

static unsigned long taint(void)
{
	char line[32];

	read_line(line, sizeof(line), "/proc/sys/kernel/tainted");
	return strtoul(line, NULL, 10);
}

/* The name of the device's own node, or nothing. */
static void node_of(char *name, size_t size, const char *function)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *directory;

	name[0] = '\0';
	snprintf(path, sizeof(path), PCI_DEVICES "/%s/vfio-dev", function);
	directory = opendir(path);
	while (directory && (entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			snprintf(name, size, "%s", entry->d_name);
	if (directory)
		closedir(directory);
}

static bool has_node(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", name);
	return name[0] && !access(path, F_OK);
}

static int open_noiommu_group(int number)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/" MARK "%d", number);
	return open(path, O_RDWR | O_CLOEXEC);
}

static int physical_of(const struct io_space *space, uint64_t iova, uint64_t *physical)
{
	struct iommu_ioas_noiommu_get_pa get = {
		.size = sizeof(get),
		.ioas_id = space->ioas,
		.iova = iova,
		.length = PAGE,
	};
	int result = ioctl(space->fd, IOMMU_IOAS_NOIOMMU_GET_PA, &get);

	*physical = get.out_phys;
	if (!result && get.length != PAGE) {
		errno = ERANGE;
		result = -1;
	}
	return result;
}

/* What root without CAP_SYS_RAWIO gets: the errno of opening the device and of asking for an address. */
static void without_rawio(const char *function, const struct io_space *space, int errors[2])
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2];
	int ends[2];
	pid_t child;

	errors[0] = errors[1] = -1;
	if (pipe(ends))
		bail("no pipe");
	child = fork();
	if (!child) {
		uint64_t physical;
		int got[2];

		if (syscall(SYS_capget, &header, sets))
			_exit(1);
		sets[0].effective &= ~(1u << CAP_SYS_RAWIO);
		if (syscall(SYS_capset, &header, sets))
			_exit(1);
		got[0] = open_cdev(function) < 0 ? errno : 0;
		got[1] = physical_of(space, SOURCE_IOVA, &physical) ? errno : 0;
		_exit(write(ends[1], got, sizeof(got)) != sizeof(got));
	}
	close(ends[1]);
	if (read(ends[0], errors, 2 * sizeof(errors[0])) != 2 * sizeof(errors[0]))
		diag("the process without CAP_SYS_RAWIO tells nothing");
	close(ends[0]);
	waitpid(child, NULL, 0);
}

static void check_owned(const char *function, int number)
{
	struct io_space space = { .map = map_ioas, .unmap = unmap_ioas };
	int device = open_cdev(function), second, group, errors[2];
	uint8_t *page = new_page(0);
	uint64_t physical, real;
	struct edu edu = { 0 };

	space.fd = open_iommufd();
	need(device >= 0 && space.fd >= 0 && !allocate_ioas(space.fd, &space.ioas), "the node is opened");
	group = open_noiommu_group(number);
	refused(bind_iommufd(device, space.fd), EBUSY, "the device is not bound while its group is open");
	close(group);
	need(!bind_iommufd(device, space.fd), "the device is bound to an iommufd");
	second = open_cdev(function);
	refused(bind_iommufd(second, space.fd), EINVAL, "the second opener does not bind");
	close(second);
	refused(open_noiommu_group(number), EBUSY, "the group is not opened while the device is bound");
	need(edu_open(&edu, device) && edu_enable_dma(device), "the device answers");

	need(!attach(device, space.ioas), "an address space is attached");
	need(!space.map(&space, page, SOURCE_IOVA, true), "memory is mapped");
	real = physical_address(page);
	ok(!physical_of(&space, SOURCE_IOVA, &physical) && physical == real && real,
	   "the address space says where the memory is");
	refused(physical_of(&space, TARGET_IOVA, &physical), ENOENT, "... and of no other");
	without_rawio(function, &space, errors);
	diag("without CAP_SYS_RAWIO: %s, %s", strerrorname_np(errors[0]), strerrorname_np(errors[1]));
	ok(errors[0] == EPERM, "without CAP_SYS_RAWIO the node is not opened");
	ok(errors[1] == EPERM, "... and it is not said where memory is");
	space.unmap(&space, SOURCE_IOVA);

	/* Nothing is translated: the device reaches what was never mapped */
	page = page_in_physical_reach(&real);
	memset(page, 0x33, PAGE);
	diag("a write to physical address %#" PRIx64, real);
	ok(edu_store(&edu, real, PROBED) && holds_only(page, 0, PROBED) &&
	   holds_only(page + PROBED, 0x33, PAGE - PROBED),
	   "the device writes to the physical address that it names");
	ok(!detach(device) && !destroy(space.fd, space.ioas), "the address space is detached and destroyed");
	edu_close(&edu);
	close(device);
	close(space.fd);
}

static void without_group(const char *function)
{
	int log = kernel_log_from_now(), number;
	unsigned long before = taint();
	char node[NAME_MAX + 1], name[64], record[1024];

	pci_bind_vfio(function);
	node_of(node, sizeof(node), function);
	ok(!pci_driver_is(function, "vfio-pci") && !has_node(node),
	   "a device without an IOMMU is not taken before that is allowed");
	if (write_text("Y", ALLOWED))
		bail("enable_unsafe_noiommu_mode cannot be set");
	need(!pci_bind_vfio(function) && pci_driver_is(function, "vfio-pci"),
	     "vfio-pci takes it when the administrator allows it");
	node_of(node, sizeof(node), function);
	diag("its node is %s", node);
	ok(!strncmp(node, MARK, strlen(MARK)) && has_node(node), "its node has a name that says so");
	ok(!(before & TAINT_USER) && taint() & TAINT_USER, "the kernel is tainted");
	ok(kernel_log_next(log, record, sizeof(record), function, "taint for vfio-noiommu cdev"),
	   "... and says why");
	number = pci_group(function);
	read_line(name, sizeof(name), GROUPS "/%d/name", number);
	ok(number >= 0 && !strcmp(name, "vfio-noiommu"), "the device is in a group vfio-noiommu");

	check_owned(function, number);

	ok(!pci_unbind(function) && pci_group(function) < 0 && !has_node(node) && !entries_of(GROUPS),
	   "node and group are gone when the driver is unbound");
	/* What is bound, stays what it was; what is not, is not taken again */
	ok(!pci_bind_vfio(function) && !write_text("N", ALLOWED) && has_node(node),
	   "a device that is bound is kept when it is not allowed any more");
	pci_unbind(function);
	pci_bind_vfio(function);
	ok(!pci_driver_is(function, "vfio-pci") && !has_node(node), "... and not taken again");
	close(log);
}

static void with_group(const char *function, int group)
{
	struct io_space space = { .map = map_ioas, .unmap = unmap_ioas };
	char node[NAME_MAX + 1];
	unsigned long before = taint();
	uint64_t physical;
	int device;

	if (write_text("Y", ALLOWED))
		bail("enable_unsafe_noiommu_mode cannot be set");
	need(!pci_bind_vfio(function) && pci_driver_is(function, "vfio-pci"), "the device binds to vfio-pci");
	node_of(node, sizeof(node), function);
	diag("its node is %s", node);
	ok(has_node(node) && strncmp(node, MARK, strlen(MARK)), "its node is one of a device with an IOMMU");
	ok(pci_group(function) == group && open_noiommu_group(group) < 0 && errno == ENOENT,
	   "it stays in its group, which is not one without an IOMMU");
	ok(!(taint() & TAINT_USER) && taint() == before, "the kernel is not tainted");

	device = open_cdev(function);
	space.fd = open_iommufd();
	if (device < 0 || space.fd < 0 || allocate_ioas(space.fd, &space.ioas))
		bail("the node is not opened");
	allow_unsafe_interrupts(false);
	if (interrupts_are_remapped())
		skip("interrupts are remapped", "it is held to what holds with an IOMMU");
	else
		refused(bind_iommufd(device, space.fd), EPERM, "it is held to what holds with an IOMMU");
	allow_unsafe_interrupts(true);
	need(!bind_iommufd(device, space.fd) && !attach(device, space.ioas) &&
	     !space.map(&space, new_page(0), SOURCE_IOVA, true), "it is bound, with memory mapped");
	refused(physical_of(&space, SOURCE_IOVA, &physical), EOPNOTSUPP, "it is not said where that is");
	close(device);
	close(space.fd);
	allow_unsafe_interrupts(false);
	write_text("N", ALLOWED);
}

int main(void)
{
	char *function = pci_find(EDU_VENDOR, EDU_DEVICE);
	int group;

	group = function ? pci_group(function) : -1;
	ktap_plan(group < 0 ? 23 : 7);
	if (!function)
		bail("this machine has no edu device (%x:%x)", EDU_VENDOR, EDU_DEVICE);
	if (group < 0)
		without_group(function);
	else
		with_group(function, group);
	pci_bind_host(function);
	free(function);
	return ktap_status();
}

#else

int main(void)
{
	printf("KTAP version 1\n1..0 # SKIP this kernel has no such node\n");
	return 0;
}

#endif
