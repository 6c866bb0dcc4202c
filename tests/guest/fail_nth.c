// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Every allocation fails once: each operation below is done again and again, and the first
 * time its first allocation fails, the second time its second, until none is left.  Each
 * time all is as before, or the operation is complete, never between.
 *
 * Only a kernel of the flavour `debug' makes allocations fail.  Where the operation goes
 * through the PCI core, whose own failures are not ours, only what is called from the group
 * core may fail.  fail_nth=N of the command line: only every Nth allocation.
 */
#define _GNU_SOURCE
#include <sys/syscall.h>

#include "command_line.h"
#include "groups_state.h"
#include "uevent_listener.h"
#include "vfio_checks.h"

#define DEBUGFS	"/sys/kernel/debug"
#define LIMIT	5000

static int nth_file;
static int step;

static void set_nth(int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", nth);

	if (pwrite(nth_file, text, length, 0) != length)
		bail("cannot write to fail-nth: %s", strerror(errno));
}

/* 0 when the allocation failed; the operation had fewer otherwise */
static int remaining(void)
{
	char text[16] = "";

	if (pread(nth_file, text, sizeof(text) - 1, 0) <= 0)
		bail("cannot read fail-nth: %s", strerror(errno));
	return atoi(text);
}

static void set_knob(const char *knob, const char *value)
{
	static const char * const kinds[] = { "failslab", "fail_page_alloc" };

	for (int i = 0; i < 2; i++) {
		int error = write_text(value, DEBUGFS "/%s/%s", kinds[i], knob);

		if (error && error != -ENOENT)
			bail("%s/%s: %s", kinds[i], knob, strerror(-error));
	}
}

/* Where a function of the kernel begins and the next one does */
static void find_function(const char *name, unsigned long *start, unsigned long *end)
{
	FILE *symbols = fopen("/proc/kallsyms", "r");
	char line[512], symbol[256], type;
	unsigned long address;

	*start = 0;
	*end = -1ul;
	while (symbols && fgets(line, sizeof(line), symbols)) {
		if (sscanf(line, "%lx %c %255s", &address, &type, symbol) == 3 && !strcmp(symbol, name))
			*start = address;
	}
	if (!*start)
		bail("the kernel has no function %s", name);
	rewind(symbols);
	while (fgets(line, sizeof(line), symbols)) {
		if (sscanf(line, "%lx", &address) == 1 && address > *start && address < *end)
			*end = address;
	}
	fclose(symbols);
}

/* Only allocations below this function of the kernel fail, or all with NULL. */
static void fail_below(const char *function)
{
	char text[32];
	unsigned long start = 0, end = -1ul;

	if (function)
		find_function(function, &start, &end);
	set_knob("stacktrace-depth", "32");
	snprintf(text, sizeof(text), "%#lx", start);
	set_knob("require-start", text);
	snprintf(text, sizeof(text), "%#lx", end);
	set_knob("require-end", text);
}

/* What fails in ACPICA is not ours, and it does not survive it.  Its first files are ds*.c, its last ut*.c. */
static void spare_acpica(void)
{
	unsigned long address, first = -1ul, last = 0;
	FILE *symbols = fopen("/proc/kallsyms", "r");
	char line[512], symbol[256], text[32], type;

	while (symbols && fgets(line, sizeof(line), symbols)) {
		if (sscanf(line, "%lx %c %255s", &address, &type, symbol) != 3 || strchr(symbol, '.'))
			continue;
		if (!strncmp(symbol, "acpi_ds_", 8) && address < first)
			first = address;
		if (!strncmp(symbol, "acpi_ut_", 8) && address > last && (type | 0x20) == 't')
			last = address;
	}
	if (!symbols || last <= first || last - first > 2 << 20)
		bail("ACPICA is not in one place of the kernel");
	fclose(symbols);
	snprintf(text, sizeof(text), "%#lx", first);
	set_knob("reject-start", text);
	snprintf(text, sizeof(text), "%#lx", last);
	set_knob("reject-end", text);
}

static const char *function;
static char type_before[32];

static int arrive(void)
{
	return write_text("1", "/sys/bus/pci/rescan");
}

static int leave(void)
{
	return write_text("1", PCI_DEVICES "/%s/remove", function);
}

static bool is_there(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PCI_DEVICES "/%s", function);
	return !access(path, F_OK);
}

static int set_identity(void)
{
	return write_text("identity", GROUPS "/%d/type", pci_group(function));
}

static int set_type_before(void)
{
	return write_text(type_before, GROUPS "/%d/type", pci_group(function));
}

static int bind_vfio(void)
{
	return pci_bind_vfio(function);
}

static int unbind(void)
{
	int error = pci_unbind(function);

	return error ?: write_text("\n", PCI_DEVICES "/%s/driver_override", function);
}

static int open_files[3] = { -1, -1, -1 };

static int close_files(void)
{
	for (int i = 0; i < 3; i++) {
		if (open_files[i] >= 0)
			close(open_files[i]);
		open_files[i] = -1;
	}
	return 0;
}

static int map_memory(int container)
{
	static uint8_t *page;
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ,
		.iova = SOURCE_IOVA,
		.size = PAGE,
	};

	if (!page)
		page = new_page(0);
	map.vaddr = (uintptr_t)page;
	return ioctl(container, VFIO_IOMMU_MAP_DMA, &map);
}

static int assign_by_group(void)
{
	int *container = &open_files[0], *group = &open_files[1], *device = &open_files[2];

	*container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	*group = open_group(pci_group(function));
	if (*container < 0 || *group < 0 || ioctl(*group, VFIO_GROUP_SET_CONTAINER, container) ||
	    ioctl(*container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) || map_memory(*container))
		return -errno;
	*device = ioctl(*group, VFIO_GROUP_GET_DEVICE_FD, function);
	return *device < 0 ? -errno : 0;
}

static int assign_by_iommufd(void)
{
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	int *iommufd = &open_files[0], *device = &open_files[1];

	*iommufd = open_iommufd();
	*device = open_cdev(function);
	if (*iommufd < 0 || *device < 0 || bind_iommufd(*device, *iommufd) ||
	    ioctl(*iommufd, IOMMU_IOAS_ALLOC, &alloc))
		return -errno;
	attach.pt_id = alloc.out_ioas_id;
	return ioctl(*device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) ? -errno : 0;
}

static int load_module(void)
{
	int fd = open("/modules/iommu-group-user.ko", O_RDONLY | O_CLOEXEC), error = 0;

	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		error = -errno;
	if (fd >= 0)
		close(fd);
	return error;
}

static int unload_module(void)
{
	return syscall(SYS_delete_module, "iommu_group_user", O_NONBLOCK) ? -errno : 0;
}

static int ensure_loaded(void)
{
	return access("/sys/module/iommu_group_user", F_OK) ? load_module() : 0;
}

struct operation {
	const char *name;
	/* Of the kernel; NULL for all */
	const char *below;
	int (*operate)(void);
	/* After it, whether it failed or not; what it fails with was there before */
	int (*undo)(void);
	/* What fails is no error of the last of several steps, or is not told */
	bool is_silent;
};

/* What is left of it when it failed, or did what it says */
static bool between(const struct operation *operation, int error, const char *before, const char *after)
{
	char *now = state_of_groups();
	bool is_before = !strcmp(now, before), is_after = !strcmp(now, after), wrong;

	if (operation->is_silent)
		wrong = !is_before && !is_after;
	else
		wrong = error ? !is_before : !is_after;
	if (wrong) {
		diag("%s: %s", operation->name, error ? strerror(-error) : "no error");
		show_difference(error ? before : after, now);
	}
	free(now);
	return wrong;
}

static void fail_each(const struct operation *operation)
{
	char *before = state_of_groups(), *after, *restored;
	int error = operation->operate(), failed = 0, told = 0, wrong = 0, lost = 0;
	int useless = 0;

	if (error)
		bail("%s fails before anything else does: %s", operation->name, strerror(-error));
	after = state_of_groups();
	operation->undo();

	fail_below(operation->below);
	for (int nth = 1; nth < LIMIT; nth += step) {
		int left;

		set_nth(nth);
		error = operation->operate();
		left = remaining();
		set_nth(0);
		if (left) {
			wrong += between(operation, error, before, after);
			operation->undo();
			break;
		}
		failed++;
		told += error != 0;
		wrong += between(operation, error, before, after);
		operation->undo();
		restored = state_of_groups();
		if (strcmp(before, restored)) {
			lost++;
			diag("%s: allocation %d failed (%s), and after the undoing:", operation->name, nth,
			     error ? strerror(-error) : "no error");
			show_difference(before, restored);
		}
		free(restored);
		error = operation->operate();
		useless += error != 0;
		if (error)
			diag("%s: allocation %d failed, and after the undoing it fails: %s", operation->name,
			     nth, strerror(-error));
		operation->undo();
	}
	fail_below(NULL);
	data("faults %d of them reported %d: %s", failed, told, operation->name);
	ok(failed && failed < LIMIT, "%s: its allocations failed", operation->name);
	ok(!wrong, "%s: ... it was complete, or nothing had happened", operation->name);
	ok(!lost, "%s: ... nothing was left behind", operation->name);
	ok(!useless, "%s: ... and then it works", operation->name);
	free(before);
	free(after);
}

/* Without memory for the queue that DMA-FQ has, a domain does without it, and is complete. */
static char *state_whatever_the_queue(void)
{
	char *text = state_of_groups(), *queued;

	while ((queued = strstr(text, "'DMA-FQ'")))
		memmove(queued + strlen("'DMA"), queued + strlen("'DMA-FQ"), strlen(queued + strlen("'DMA-FQ")) + 1);
	return text;
}

/*
 * The arrival of a function, which it survives without a group.  Then nothing of a group is
 * there, neither a new one nor a member, and it can be taken away and come again.
 */
static void fail_each_of_arrival(const char *name)
{
	char *complete = state_whatever_the_queue(), *absent, *now, without[64];
	int failed = 0, survived = 0, wrong = 0, lost = 0;

	leave();
	absent = state_whatever_the_queue();
	snprintf(without, sizeof(without), "function %s group %d driver ''\n", function, -ENOENT);
	fail_below("iommu_bus_notifier");
	for (int nth = 1; nth < LIMIT; nth += step) {
		int left;

		set_nth(nth);
		arrive();
		left = remaining();
		set_nth(0);
		now = state_whatever_the_queue();
		if (left || !strcmp(now, complete)) {
			if (strcmp(now, complete)) {
				wrong++;
				show_difference(complete, now);
			}
			survived += !left;
		} else {
			char *line = strstr(now, without);

			/* All but the function itself must be as if it were not there */
			if (line)
				memmove(line, line + strlen(without), strlen(line + strlen(without)) + 1);
			if (!line || strcmp(now, absent)) {
				wrong++;
				diag("%s: allocation %d failed", name, nth);
				show_difference(absent, now);
			}
		}
		free(now);
		leave();
		now = state_whatever_the_queue();
		if (strcmp(now, absent)) {
			lost++;
			diag("%s: allocation %d failed, and after the removal:", name, nth);
			show_difference(absent, now);
		}
		free(now);
		if (left)
			break;
		failed++;
	}
	fail_below(NULL);
	arrive();
	now = state_whatever_the_queue();
	data("faults %d of them survived %d: %s", failed, survived, name);
	ok(failed && failed < LIMIT, "%s: its allocations failed", name);
	ok(!wrong, "%s: ... it had its group, or there was nothing of one", name);
	ok(!lost && !strcmp(now, complete), "%s: ... nothing was left behind", name);
	if (strcmp(now, complete))
		show_difference(complete, now);
	free(now);
	free(complete);
	free(absent);
}

static int ensure_there(void)
{
	return is_there() ? 0 : arrive();
}

int main(void)
{
	static const struct operation operations[] = {
		{ "a type is changed", NULL, set_identity, set_type_before, false },
		{ "a device is bound to vfio-pci", NULL, bind_vfio, unbind, true },
	};
	static const struct operation removal = {
		"a device is removed", NULL, leave, ensure_there, false
	};
	static const struct operation users[] = {
		{ "a device is assigned by its group", NULL, assign_by_group, close_files, true },
		{ "a device is assigned by iommufd", NULL, assign_by_iommufd, close_files, true },
	};
	static const struct operation modules[] = {
		{ "a module is loaded and makes a group", NULL, load_module, unload_module, false },
		{ "a module that made a group is unloaded", NULL, unload_module, ensure_loaded, false },
	};
	struct shared_group shared;
	char *edu = pci_find(0x1234, 0x11e8), directory[64];
	int group;

	ktap_plan(2 * 3 + 8 * 4 + 1);
	step = number_on_command_line("fail_nth", 1);
	if (!edu || pci_group(edu) < 0)
		bail("needs an edu device in a group");
	if (!find_shared_group(&shared))
		bail("needs two functions in a group, one with a driver");
	/* Nobody makes an event that nobody hears */
	uevent_socket();
	nth_file = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth_file < 0)
		bail("the kernel cannot make allocations fail: %s", strerror(errno));
	set_knob("ignore-gfp-wait", "N");
	set_knob("ignore-gfp-highmem", "N");
	set_knob("min-order", "0");
	set_knob("verbose", "0");
	spare_acpica();

	function = edu;
	group_type(type_before, sizeof(type_before), pci_group(edu));
	fail_each_of_arrival("a device that makes a group comes");
	fail_each(&removal);
	for (int i = 0; i < 2; i++)
		fail_each(&operations[i]);

	function = shared.ours;
	fail_each_of_arrival("a device that joins a group comes");
	fail_each(&removal);

	fail_each(&modules[0]);
	load_module();
	fail_each(&modules[1]);
	unload_module();

	function = edu;
	if (pci_bind_vfio(edu))
		bail("the device does not bind to vfio-pci");
	/* Whether interrupts are remapped is no matter here */
	write_text("1", "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
	write_text("1", "/sys/module/iommufd/parameters/allow_unsafe_interrupts");
	for (int i = 0; i < 2; i++)
		fail_each(&users[i]);

	unbind();
	group = pci_group(edu);
	leave();
	snprintf(directory, sizeof(directory), GROUPS "/%d", group);
	ok(access(directory, F_OK), "after all that the group goes with its device");
	return ktap_status();
}
