// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Devices that are unplugged while programs use them, one as a group, one by its cdev: with
 * open descriptors, registers and memory mapped, and an eventfd for the request to give the
 * device back.  The host asks, the port waits five seconds for a change of mind, and then
 * VFIO waits for the user.  Whoever the user is, and whatever is kept open of groups, the
 * unplugging ends, and a group goes with its device.
 *
 * For the machines intel-hotplug and amd-hotplug, which are left with a device behind each of
 * their two ports.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>

#include "host.h"
#include "pci_config.h"
#include "vfio_ways.h"

/* Seconds: for a wait that ends, and for all together */
#define PATIENCE	90
#define LIMIT		280

enum way { BY_GROUP, BY_CDEV, WAYS };

static const char *const way_names[WAYS] = { "group", "cdev" };

/* The ports by the addresses that their machines give them, and what is behind now */
static struct slot {
	const char *port;
	const char *name;
	char function[NAME_MAX + 1];
	int group;
} slots[WAYS] = {
	[BY_GROUP] = { .port = "0000:00:02.0", .name = "first-port" },
	[BY_CDEV] = { .port = "0000:00:03.0", .name = "second-port" },
};

static void watchdog(int signal)
{
	static const char text[] = "Bail out! not finished in time\n";

	(void)signal;
	if (write(STDOUT_FILENO, text, sizeof(text) - 1))
		_exit(1);
}

static bool await(bool (*condition)(const void *of), const void *of)
{
	time_t deadline = time(NULL) + PATIENCE;

	while (!condition(of)) {
		if (time(NULL) > deadline)
			return false;
		usleep(20000);
	}
	return true;
}

static bool find_function(struct slot *slot)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *directory;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s", slot->port);
	directory = opendir(path);
	while (directory && (entry = readdir(directory))) {
		/* 0000:01:00.0, not 0000:00:02.0:pcie004 */
		if (strlen(entry->d_name) == strlen(slot->port) && entry->d_name[4] == ':') {
			snprintf(slot->function, sizeof(slot->function), "%s", entry->d_name);
			found = true;
		}
	}
	if (directory)
		closedir(directory);
	return found;
}

static bool is_plugged(const void *slot)
{
	struct slot now = *(const struct slot *)slot;
	char path[PATH_MAX];

	if (!find_function(&now))
		return false;
	snprintf(path, sizeof(path), PCI_DEVICES "/%s/iommu_group", now.function);
	return !access(path, F_OK);
}

/*
 * Out of the kernel, and its slot without power and light, of which the port sees to the light
 * last: then QEMU lets it go as well, and the slot takes another one.
 */
static bool is_unplugged(const void *of)
{
	const uint32_t off = PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_PWR_IND_OFF;
	const struct slot *slot = of;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PCI_DEVICES "/%s", slot->function);
	return access(path, F_OK) &&
	       (pci_read(slot->port, pci_express(slot->port) + PCI_EXP_SLTCTL, 2) & off) == off;
}

/* Not at once, if the scan that found it goes on. */
static bool has_vfio(const void *slot)
{
	return pci_driver_is(((const struct slot *)slot)->function, "vfio-pci");
}

static void plug(enum way way, const char *id)
{
	struct slot *slot = &slots[way];
	char arguments[128];

	snprintf(arguments, sizeof(arguments), "{\"driver\": \"edu\", \"id\": \"%s\", \"bus\": \"%s\"}", id,
		 slot->name);
	ask_host("device_add", arguments);
	if (!await(is_plugged, slot) || !find_function(slot) || pci_bind_vfio(slot->function) ||
	    !await(has_vfio, slot))
		bail("%s does not appear, or not bind to vfio-pci", id);
	slot->group = pci_group(slot->function);
	diag("%s is %s in group %d", id, slot->function, slot->group);
}

static void unplug(const char *id)
{
	char arguments[64];

	snprintf(arguments, sizeof(arguments), "{\"id\": \"%s\"}", id);
	ask_host("device_del", arguments);
}

static bool group_exists(int group)
{
	char path[64];

	snprintf(path, sizeof(path), GROUPS "/%d", group);
	return !access(path, F_OK);
}

/* All that a program has of its device */
struct use {
	enum way way;
	struct assignment assigned;
	struct io_space space;
	int device;
	int request;
	struct edu edu;
	uint8_t *source;
	uint8_t *target;
};

static bool want_request(struct use *use)
{
	struct {
		struct vfio_irq_set set;
		int32_t eventfd;
	} irq = {
		.set = {
			.argsz = sizeof(irq.set) + sizeof(irq.eventfd),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = VFIO_PCI_REQ_IRQ_INDEX,
			.count = 1,
		},
	};

	memcpy(irq.set.data, &use->request, sizeof(use->request));
	return !ioctl(use->device, VFIO_DEVICE_SET_IRQS, &irq);
}

/* Its memory stays mapped. */
static bool device_copies(struct use *use)
{
	return edu_open(&use->edu, use->device) && edu_enable_dma(use->device) &&
	       copies(&use->edu, use->source, use->target);
}

static bool map_memory(struct use *use)
{
	use->source = new_page(0);
	use->target = new_page(0);
	fill_pattern(use->source, 5);
	return !use->space.map(&use->space, use->source, SOURCE_IOVA, true) &&
	       !use->space.map(&use->space, use->target, TARGET_IOVA, true);
}

static bool start_group(struct use *use, const char *function)
{
	bool assigned = assign(&use->assigned, function);

	use->device = use->assigned.device;
	use->space = (struct io_space){ .fd = use->assigned.container, .map = map_type1, .unmap = unmap_type1 };
	return assigned && map_memory(use);
}

/* The same iommufd and its memory are good for one device after the other. */
static bool start_cdev(struct use *use, const char *function)
{
	bool first = use->space.fd < 0;

	use->device = open_cdev(function);
	if (first) {
		use->space = (struct io_space){ .fd = open_iommufd(), .map = map_ioas, .unmap = unmap_ioas };
		if (allocate_ioas(use->space.fd, &use->space.ioas))
			return false;
	}
	return !bind_iommufd(use->device, use->space.fd) && !attach(use->device, use->space.ioas) &&
	       (!first || map_memory(use));
}

static bool start(struct use *use)
{
	const char *function = slots[use->way].function;

	return (use->way == BY_GROUP ? start_group(use, function) : start_cdev(use, function)) &&
	       want_request(use) && device_copies(use);
}

static bool is_asked_back(const void *of)
{
	struct pollfd request = { .fd = ((const struct use *)of)->request, .events = POLLIN };

	return poll(&request, 1, 0) == 1;
}

static bool somebody_is_asked_back(const void *of)
{
	const struct use *use = of;

	return is_asked_back(&use[BY_GROUP]) || is_asked_back(&use[BY_CDEV]);
}

/*
 * Who is asked first, and not again.  One removal at a time: that of the other device waits
 * until this one has ended.
 */
static enum way await_request(struct use *use)
{
	enum way way;

	if (!await(somebody_is_asked_back, use))
		bail("nobody is asked to give the device back");
	way = is_asked_back(&use[BY_GROUP]) ? BY_GROUP : BY_CDEV;
	close(use[way].request);
	use[way].request = -1;
	return way;
}

/* A program that uses a device: it gives it back when asked, or never. */
static pid_t run_user(struct use *use, bool reacts)
{
	int ready[2];
	char byte;
	pid_t child;

	if (pipe(ready))
		bail("no pipe");
	child = fork();
	if (!child) {
		if (!start(use) || write(ready[1], "", 1) != 1)
			_exit(1);
		if (!reacts)
			for (;;)
				pause();
		if (!await(is_asked_back, use))
			_exit(2);
		edu_close(&use->edu);
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		bail("a program does not get its device by %s", way_names[use->way]);
	close(ready[0]);
	return child;
}

/* Reads a file of a group until it cannot. */
static pid_t run_reader(const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	char text[PAGE];
	pid_t child = fork();

	if (!child) {
		/* A group whose device has left, and that is about to go, has no regions. */
		while (pread(file, text, sizeof(text), 0) >= 0)
			usleep(1000);
		_exit(errno);
	}
	close(file);
	return child;
}

static int status_of(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void init_use(struct use *use, enum way way)
{
	*use = (struct use){ .way = way, .space = { .fd = -1 }, .request = eventfd(0, EFD_NONBLOCK) };
}

static void check_gone(const char *when)
{
	bool gone = true;

	for (enum way way = BY_GROUP; way < WAYS; way++)
		if (!await(is_unplugged, &slots[way]))
			bail("%s: unplugging %s does not end", when, slots[way].function);
	for (enum way way = BY_GROUP; way < WAYS; way++)
		gone &= !group_exists(slots[way].group);
	ok(gone, "%s: both are unplugged, and their groups are gone", when);
}

/* Files of groups are held open and read all the time; it is the ABI of sysfs that that ends. */
static void users_react(void)
{
	static const char *const files[] = { "type", "reserved_regions" };
	struct use use[WAYS];
	pid_t user[WAYS], reader[WAYS][2];
	int held[WAYS][2];
	bool ended = true, refused_all = true;

	plug(BY_GROUP, "a-1");
	plug(BY_CDEV, "a-2");
	for (enum way way = BY_GROUP; way < WAYS; way++) {
		init_use(&use[way], way);
		user[way] = run_user(&use[way], true);
		for (int i = 0; i < 2; i++) {
			char path[64];

			snprintf(path, sizeof(path), GROUPS "/%d/%s", slots[way].group, files[i]);
			held[way][i] = open(path, O_RDWR | O_CLOEXEC);
			if (held[way][i] < 0)
				held[way][i] = open(path, O_RDONLY | O_CLOEXEC);
			reader[way][i] = run_reader(path);
		}
	}
	unplug("a-1");
	unplug("a-2");
	for (enum way way = BY_GROUP; way < WAYS; way++)
		ok(!status_of(user[way]), "the user by %s is asked to give the device back", way_names[way]);
	check_gone("users react");
	for (enum way way = BY_GROUP; way < WAYS; way++) {
		for (int i = 0; i < 2; i++) {
			char text[PAGE];

			ended &= status_of(reader[way][i]) == ENODEV;
			refused_all &= pread(held[way][i], text, sizeof(text), 0) < 0 && errno == ENODEV;
			if (!i)
				refused_all &= write(held[way][i], "identity", 8) < 0 && errno == ENODEV;
			close(held[way][i]);
		}
		close(use[way].request);
	}
	ok(ended, "who was reading files of the groups got ENODEV");
	ok(refused_all, "who has files of the groups open gets ENODEV");
}

static void users_are_killed(void)
{
	struct use use[WAYS];
	pid_t user[WAYS];
	bool there = true, killed = true;

	plug(BY_GROUP, "b-1");
	plug(BY_CDEV, "b-2");
	for (enum way way = BY_GROUP; way < WAYS; way++) {
		init_use(&use[way], way);
		user[way] = run_user(&use[way], false);
	}
	unplug("b-1");
	unplug("b-2");
	for (int i = 0; i < WAYS; i++) {
		enum way way = await_request(use);

		there &= !is_unplugged(&slots[way]) && group_exists(slots[way].group);
		kill(user[way], SIGKILL);
		killed &= status_of(user[way]) == 1000 + SIGKILL;
	}
	ok(there, "a user that does not react keeps its device and group");
	ok(killed, "... until it is killed");
	check_gone("users are killed");
}

/* VFIO lets go of the group with the last of its devices: vfio_device_remove_group(). */
static void descriptors_are_kept(void)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	struct use use[WAYS], again;
	int before[WAYS], lower, higher;

	plug(BY_GROUP, "c-1");
	plug(BY_CDEV, "c-2");
	for (enum way way = BY_GROUP; way < WAYS; way++) {
		init_use(&use[way], way);
		if (!start(&use[way]))
			bail("no device by %s", way_names[way]);
		before[way] = slots[way].group;
	}
	unplug("c-1");
	unplug("c-2");
	for (int i = 0; i < WAYS; i++) {
		enum way way = await_request(use);

		edu_close(&use[way].edu);
		close(use[way].device);
	}
	check_gone("group, container and iommufd stay open");
	refused(ioctl(use[BY_GROUP].assigned.group, VFIO_GROUP_GET_STATUS, &status), ENODEV,
		"the group that stayed open has no status");
	refused(ioctl(use[BY_GROUP].assigned.group, VFIO_GROUP_SET_CONTAINER, &use[BY_GROUP].assigned.container),
		ENODEV, "... enters no container");
	refused(ioctl(use[BY_GROUP].assigned.group, VFIO_GROUP_GET_DEVICE_FD, slots[BY_GROUP].function), ENODEV,
		"... gives no device");
	/* The container was emptied, and so has no type: vfio_group_detach_container() */
	refused(map_type1(&use[BY_GROUP].space, use[BY_GROUP].source, SOURCE_IOVA, true), EINVAL,
		"its container maps no memory");

	plug(BY_GROUP, "d-1");
	plug(BY_CDEV, "d-2");
	lower = before[BY_GROUP] < before[BY_CDEV] ? before[BY_GROUP] : before[BY_CDEV];
	higher = before[BY_GROUP] + before[BY_CDEV] - lower;
	ok(slots[BY_GROUP].group == lower && slots[BY_CDEV].group == higher,
	   "the next devices get the numbers, the lower one first");
	init_use(&again, BY_GROUP);
	ok(start(&again), "the new device is assigned by its group while the dead one is open");
	close(use[BY_GROUP].assigned.group);
	close(use[BY_GROUP].assigned.container);
	ok(copies(&again.edu, again.source, again.target), "... and still works when that is closed");
	edu_close(&again.edu);
	release(&again.assigned);

	ok(start_cdev(&use[BY_CDEV], slots[BY_CDEV].function) && device_copies(&use[BY_CDEV]),
	   "a new device reaches the memory that stayed mapped");
	edu_close(&use[BY_CDEV].edu);
	close(use[BY_CDEV].device);
	close(use[BY_CDEV].space.fd);
}

/* Of a process of the list, whether it still waits for what nobody can interrupt */
static bool is_stuck(const char *process)
{
	char path[64], line[512], *state;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", process);
	read_line(line, sizeof(line), "%s", path);
	state = strrchr(line, ')');
	if (!state || state[1] != ' ' || state[2] != 'D')
		return false;
	diag("%.60s", line);
	return true;
}

static int is_process(const struct dirent *entry)
{
	return entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
}

static bool nobody_is_stuck(const void *unused)
{
	struct dirent **processes;
	int count = scandir("/proc", &processes, is_process, versionsort);
	bool stuck = count < 0;

	(void)unused;
	for (int i = 0; i < count; i++) {
		stuck |= is_stuck(processes[i]->d_name);
		free(processes[i]);
	}
	if (count >= 0)
		free(processes);
	return !stuck;
}

int main(void)
{
	ktap_plan(20);
	signal(SIGALRM, watchdog);
	alarm(LIMIT);
	for (enum way way = BY_GROUP; way < WAYS; way++)
		if (pci_express(slots[way].port) == 0)
			bail("needs the ports of intel-hotplug or amd-hotplug");
	allow_unsafe_interrupts(true);
	users_react();
	users_are_killed();
	descriptors_are_kept();
	ok(await(nobody_is_stuck, NULL), "no process waits for something that does not come");
	for (enum way way = BY_GROUP; way < WAYS; way++)
		ok(!pci_bind_host(slots[way].function) && pci_group(slots[way].function) == slots[way].group,
		   "in the end the device of the %s is in its group", way_names[way]);
	allow_unsafe_interrupts(false);
	return ktap_status();
}
