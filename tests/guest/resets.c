// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Two functions are reset again and again, each by itself, while another member of their
 * group leaves, comes back, comes for the first time, while the group is owned by VFIO and
 * given back, and while its type is written.  Since 7.3 a function that uses ATS is without
 * translations during its reset: its group takes no other domain then (EBUSY), and who
 * comes, leaves or is owned must not lose or keep more than it had.  In the end everything
 * is as before, and DMA works, that of the functions that were reset as well.
 *
 * For the machine intel-ats, which is left with one device more.  For each thing that is done
 * during resets the host is told how often it was done and how often it was refused:
 *
 *	# data: type 12 30
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "host.h"
#include "vfio_ways.h"
#include "virtio_rng.h"

#define RESET		2	/* functions that are reset */
#define SECONDS		2	/* for each thing that is done meanwhile */
#define ROUNDS		4	/* of a device that its owner resets */
#define PATIENCE	30	/* s */
#define LIMIT		280	/* s, for all together */
#define LONGEST_PAUSE	150000	/* us between two resets, each of which takes 100 ms */

static char *ats[RESET], *beside;
static char added[NAME_MAX + 1], port[NAME_MAX + 1], free_port[NAME_MAX + 1];
static int group;

/* What is owned reaches these pages at the addresses RING_IOVA, SOURCE_IOVA, TARGET_IOVA. */
#define RING_IOVA	SECRET_IOVA
static struct rng_ring *ring;
static uint8_t *source, *target;

/* Of the processes that reset */
static struct tally {
	bool stop;
	/* Held by who scans, and by who opens a file to reset by */
	bool scan;
	long resets[RESET];
	/* The function was not there */
	long missed;
	long wrong;
} *tally;

static void watchdog(int signal)
{
	static const char text[] = "Bail out! not finished in time\n";

	(void)signal;
	if (write(STDOUT_FILENO, text, sizeof(text) - 1))
		_exit(1);
}

static bool is_there(const char *function)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), PCI_DEVICES "/%s", function);
	return !access(path, F_OK);
}

/* The names of the group's members in a line; free() it. */
static char *members(void)
{
	struct dirent **entries;
	char path[64], *text;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	int count;

	snprintf(path, sizeof(path), GROUPS "/%d/devices", group);
	count = scandir(path, &entries, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.')
			fprintf(stream, "%s ", entries[i]->d_name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	fclose(stream);
	return text;
}

static bool members_are(const char *wanted)
{
	char *found = members();
	bool same = !strcmp(found, wanted);

	if (!same)
		diag("group %d has %s", group, found);
	free(found);
	return same;
}

/* Bytes of the ATS capability; the first bit says that ATS is used. */
static unsigned int ats_control(const char *function)
{
	int at = pci_extended(function, PCI_EXT_CAP_ID_ATS);

	return at ? pci_read(function, at + PCI_ATS_CTRL, 2) : 0;
}

/* Resets */

static void lock_scan(void)
{
	while (__atomic_exchange_n(&tally->scan, true, __ATOMIC_ACQUIRE))
		usleep(1000);
}

static void unlock_scan(void)
{
	__atomic_store_n(&tally->scan, false, __ATOMIC_RELEASE);
}

static void rescan(void)
{
	lock_scan();
	write_text("1", "/sys/bus/pci/rescan");
	unlock_scan();
}

/*
 * Not a function that a scan has found and not given its addresses yet: a reset then takes
 * them away again ("BAR 4: error updating"), which has nothing to do with groups.
 */
static int reset_function(const char *function)
{
	char path[PATH_MAX];
	int fd, error;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/reset", function);
	lock_scan();
	fd = open(path, O_WRONLY | O_CLOEXEC);
	error = fd < 0 ? -errno : 0;
	unlock_scan();
	if (fd >= 0 && write(fd, "1", 1) < 0)
		error = -errno;
	if (fd >= 0)
		close(fd);
	return error;
}

static void reset_all_the_time(int which)
{
	srand(which);
	while (!__atomic_load_n(&tally->stop, __ATOMIC_RELAXED)) {
		int error = reset_function(ats[which]);

		if (!error) {
			__atomic_add_fetch(&tally->resets[which], 1, __ATOMIC_RELAXED);
		} else if (error == -ENOENT || error == -ENODEV) {
			__atomic_add_fetch(&tally->missed, 1, __ATOMIC_RELAXED);
		} else {
			diag("reset of %s: %s", ats[which], strerror(-error));
			__atomic_add_fetch(&tally->wrong, 1, __ATOMIC_RELAXED);
		}
		usleep(rand() % LONGEST_PAUSE);
	}
	fflush(stdout);
	_exit(0);
}

/* What is done and what is refused while functions are reset */
struct doing {
	const char *name;
	/* One of the functions that are reset leaves */
	bool may_miss;
	/* Does it, returns 0, -EBUSY for refused, or another errno. */
	int (*once)(void);
	long done;
	long refused;
};

static bool during_resets(struct doing *doing)
{
	pid_t children[RESET];
	time_t end;
	int error = 0;

	memset(tally, 0, sizeof(*tally));
	fflush(stdout);
	for (int i = 0; i < RESET; i++) {
		children[i] = fork();
		if (!children[i])
			reset_all_the_time(i);
	}
	end = time(NULL) + SECONDS;
	/* Once at least, however slow */
	while (!error && (time(NULL) < end || (!doing->done && time(NULL) < end + PATIENCE))) {
		error = doing->once();
		doing->done += !error;
		doing->refused += error == -EBUSY;
		if (error == -EBUSY) {
			error = 0;
			usleep(3000);
		}
	}
	__atomic_store_n(&tally->stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < RESET; i++)
		waitpid(children[i], NULL, 0);
	if (error)
		diag("%s: %s", doing->name, strerror(-error));
	diag("%s: %ld and %ld resets, %ld in vain, %ld wrong", doing->name, tally->resets[0],
	     tally->resets[1], tally->missed, tally->wrong);
	data("%s %ld %ld", doing->name, doing->done, doing->refused);
	return !error && doing->done && tally->resets[0] && tally->resets[1] && !tally->wrong &&
	       (doing->may_miss || !tally->missed);
}

/* Owners */

struct owner {
	struct assignment by_group;
	struct io_space space;
	/* Of beside, and of what is reset or -1 */
	int device;
	int reset[RESET];
	struct edu edu;
};

static bool map_pages(const struct io_space *space)
{
	return !space->map(space, ring, RING_IOVA, true) && !space->map(space, source, SOURCE_IOVA, true) &&
	       !space->map(space, target, TARGET_IOVA, true);
}

static void give_back(struct owner *owner)
{
	if (owner->edu.registers)
		edu_close(&owner->edu);
	for (int i = 0; i < RESET; i++)
		if (owner->reset[i] >= 0)
			close(owner->reset[i]);
	if (owner->device >= 0)
		close(owner->device);
	if (owner->by_group.group >= 0)
		close(owner->by_group.group);
	if (owner->space.fd >= 0)
		close(owner->space.fd);
}

static void init_owner(struct owner *owner)
{
	*owner = (struct owner){
		.by_group.group = -1,
		.space.fd = -1,
		.device = -1,
		.reset = { -1, -1 },
	};
}

/* With those that are reset, if they are bound to vfio-pci. */
static int own_by_group(struct owner *owner, bool with_reset)
{
	struct assignment *assigned = &owner->by_group;

	init_owner(owner);
	assigned->group = open_group(group);
	if (assigned->group < 0)
		return -errno;
	owner->space = (struct io_space){ .fd = open_container(), .map = map_type1, .unmap = unmap_type1 };
	if (ioctl(assigned->group, VFIO_GROUP_SET_CONTAINER, &owner->space.fd) ||
	    ioctl(owner->space.fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return -errno;
	owner->device = ioctl(assigned->group, VFIO_GROUP_GET_DEVICE_FD, beside);
	if (owner->device < 0)
		return -errno;
	for (int i = 0; i < RESET && with_reset; i++) {
		owner->reset[i] = ioctl(assigned->group, VFIO_GROUP_GET_DEVICE_FD, ats[i]);
		if (owner->reset[i] < 0)
			return -errno;
	}
	return map_pages(&owner->space) ? 0 : -errno;
}

static int enter_iommufd(struct owner *owner, int *device, const char *function)
{
	*device = open_cdev(function);
	if (*device < 0 || bind_iommufd(*device, owner->space.fd) || attach(*device, owner->space.ioas))
		return -errno;
	return 0;
}

static int own_by_cdev(struct owner *owner, bool with_reset)
{
	int error;

	init_owner(owner);
	owner->space = (struct io_space){ .fd = open_iommufd(), .map = map_ioas, .unmap = unmap_ioas };
	if (owner->space.fd < 0 || allocate_ioas(owner->space.fd, &owner->space.ioas) || !map_pages(&owner->space))
		return -errno;
	error = enter_iommufd(owner, &owner->device, beside);
	for (int i = 0; i < RESET && with_reset && !error; i++)
		error = enter_iommufd(owner, &owner->reset[i], ats[i]);
	return error;
}

static bool beside_copies(struct owner *owner)
{
	if (!owner->edu.registers && (!edu_open(&owner->edu, owner->device) || !edu_enable_dma(owner->device)))
		return false;
	return copies(&owner->edu, source, target);
}

static bool reset_one_fills(struct owner *owner, int which)
{
	struct rng rng;
	bool fills;

	fills = rng_open(&rng, owner->reset[which], ats[which]) &&
		rng_fills(&rng, ring, RING_IOVA, target, TARGET_IOVA);
	rng_close(&rng);
	if (!fills)
		diag("%s does not fill its page", ats[which]);
	return fills;
}

/* What is done during resets */

static char *with_all;

static int leave_and_come_back(const char *function)
{
	char path[64];
	int error;

	snprintf(path, sizeof(path), GROUPS "/%d/devices/%s", group, function);
	error = write_text("1", PCI_DEVICES "/%s/remove", function);
	if (!error && (is_there(function) || !access(path, F_OK)))
		error = -EEXIST;
	if (!error)
		rescan();
	if (!error && (!is_there(function) || !members_are(with_all)))
		error = -ENOENT;
	return error;
}

static int beside_leaves(void)
{
	return leave_and_come_back(beside);
}

/* Back again, it has the driver of the host. */
static int reset_one_leaves(void)
{
	int error = leave_and_come_back(ats[1]);

	return error ?: pci_unbind(ats[1]);
}

/* A function behind a port */
static bool find_behind(char *function, size_t size, const char *bridge)
{
	struct dirent **all;
	bool found = false;
	int count = scandir(PCI_DEVICES, &all, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		char above[NAME_MAX + 1];

		if (!found && all[i]->d_name[0] != '.' && pci_above(above, sizeof(above), all[i]->d_name) &&
		    !strcmp(above, bridge)) {
			snprintf(function, size, "%s", all[i]->d_name);
			found = true;
		}
		free(all[i]);
	}
	if (count >= 0)
		free(all);
	return found;
}

/* The host adds it once; then it comes and goes. */
static int added_comes(void)
{
	time_t end = time(NULL) + PATIENCE;

	if (added[0])
		return leave_and_come_back(added);
	ask_host("device_add", "{\"driver\": \"edu\", \"id\": \"added\", \"bus\": \"switch-2\"}");
	while (!find_behind(added, sizeof(added), free_port) || pci_group(added) < 0) {
		if (time(NULL) > end)
			return -ETIMEDOUT;
		usleep(20000);
	}
	diag("%s is added to group %d", added, pci_group(added));
	free(with_all);
	with_all = members();
	return pci_group(added) == group && strstr(with_all, added) ? 0 : -EXDEV;
}

static int own_and_give_back(int (*own)(struct owner *owner, bool with_reset))
{
	struct owner owner;
	int error = own(&owner, false);

	if (!error && !beside_copies(&owner))
		error = -EIO;
	give_back(&owner);
	return error;
}

static int group_is_owned(void)
{
	return own_and_give_back(own_by_group);
}

static int cdev_is_owned(void)
{
	return own_and_give_back(own_by_cdev);
}

static int write_type(const char *type)
{
	char now[32];
	int error = write_text(type, GROUPS "/%d/type", group);

	group_type(now, sizeof(now), group);
	return error ?: strcmp(now, type) ? -EINVAL : 0;
}

static int type_changes(void)
{
	static const char *const types[] = { "identity", "DMA" };
	static int next;
	int error = write_type(types[next]);

	next ^= !error;
	return error;
}

/* All that is behind the port is reset by the port, if nobody else has it. */
static int port_resets(void)
{
	int error = write_text("1", PCI_DEVICES "/%s/reset_subordinate", port);

	if (error == -EAGAIN)
		error = -EBUSY;
	return error ?: members_are(with_all) ? 0 : -ENOENT;
}

/* Those that their owner resets; as by sysfs, it may be that the port is taken. */
static bool owner_resets(int device)
{
	int error;

	do
		error = ioctl(device, VFIO_DEVICE_RESET);
	while (error && errno == EAGAIN && !usleep(3000));
	return !error;
}

/* One is reset all the time, the other one works after each of its resets, and edu meanwhile. */
static bool work_after_resets(struct owner *owner)
{
	bool right = true;
	int status;
	pid_t child;

	memset(tally, 0, sizeof(*tally));
	fflush(stdout);
	child = fork();
	if (!child) {
		bool reset = true;

		while (reset && !__atomic_load_n(&tally->stop, __ATOMIC_RELAXED)) {
			reset = owner_resets(owner->reset[1]);
			usleep(LONGEST_PAUSE);
		}
		_exit(!reset);
	}
	for (int round = 0; round < ROUNDS && right; round++)
		right = owner_resets(owner->reset[0]) && reset_one_fills(owner, 0) && beside_copies(owner);
	__atomic_store_n(&tally->stop, true, __ATOMIC_RELAXED);
	if (waitpid(child, &status, 0) != child || status)
		right = false;
	return right && reset_one_fills(owner, 1);
}

static void check_owner(const char *way, int (*own)(struct owner *owner, bool with_reset))
{
	struct owner owner;
	int error = own(&owner, true);

	if (error)
		diag("%s", strerror(-error));
	ok(!error && beside_copies(&owner) && reset_one_fills(&owner, 0) && reset_one_fills(&owner, 1),
	   "owned by its %s, all of the group do DMA", way);
	ok(!error && work_after_resets(&owner), "... and when their owner resets some of them");
	give_back(&owner);
}

static struct doing doings[] = {
	{ .name = "leave", .once = beside_leaves },
	{ .name = "leave-itself", .once = reset_one_leaves, .may_miss = true },
	{ .name = "come", .once = added_comes },
	{ .name = "own-group", .once = group_is_owned },
	{ .name = "own-cdev", .once = cdev_is_owned },
	{ .name = "type", .once = type_changes },
	{ .name = "port", .once = port_resets },
};

#define DOINGS ((int)(sizeof(doings) / sizeof(doings[0])))

static bool find_all(void)
{
	struct dirent **all;
	int count = scandir(PCI_DEVICES, &all, NULL, alphasort), found = 0;
	char behind[NAME_MAX + 1];

	beside = pci_find(EDU_VENDOR, EDU_DEVICE);
	for (int i = 0; i < count; i++) {
		const char *name = all[i]->d_name;

		if (found < RESET && pci_number(name, "vendor") == RNG_VENDOR &&
		    pci_number(name, "device") == RNG_DEVICE)
			ats[found++] = strdup(name);
		if (pcie_type(name) == PCI_EXP_TYPE_DOWNSTREAM && pci_number(name, "class") >> 8 == 0x0604 &&
		    !find_behind(behind, sizeof(behind), name))
			snprintf(free_port, sizeof(free_port), "%s", name);
	}
	for (int i = 0; i < count; i++)
		free(all[i]);
	if (count >= 0)
		free(all);
	group = beside ? pci_group(beside) : -1;
	return found == RESET && group >= 0 && pci_group(ats[0]) == group && pci_group(ats[1]) == group &&
	       pci_above(port, sizeof(port), beside) && free_port[0];
}

int main(void)
{
	unsigned int control[RESET];
	bool bound = true;
	char type[32];

	ktap_plan(1 + DOINGS + 8);
	signal(SIGALRM, watchdog);
	alarm(LIMIT);
	if (!find_all())
		bail("needs the devices of intel-ats");
	tally = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED)
		bail("no shared memory");
	ring = (struct rng_ring *)new_page(0);
	source = new_page(0);
	target = new_page(0);
	fill_pattern(source, 3);
	allow_unsafe_interrupts(true);
	with_all = members();
	group_type(type, sizeof(type), group);
	diag("group %d of type %s: %s", group, type, with_all);
	for (int i = 0; i < RESET; i++) {
		control[i] = ats_control(ats[i]);
		if (pci_unbind(ats[i]))
			bail("%s does not lose its driver", ats[i]);
	}
	ok(control[0] & PCI_ATS_CTRL_ENABLE && control[1] & PCI_ATS_CTRL_ENABLE,
	   "the functions that are reset use ATS");

	for (int i = 0; i < DOINGS; i++) {
		struct doing *doing = &doings[i];

		if (doing->once == group_is_owned && pci_bind_vfio(beside))
			bail("%s does not bind to vfio-pci", beside);
		ok(during_resets(doing), "during resets: %s", doing->name);
	}

	ok(members_are(with_all) && pci_group(ats[0]) == group, "the group has all its members");
	ok(!write_type("identity") && !write_type("DMA") && !write_type(type), "its type can be written");
	for (int i = 0; i < RESET; i++)
		bound &= !pci_bind_vfio(ats[i]) && pci_driver_is(ats[i], "vfio-pci");
	ok(bound, "those that were reset are bound to vfio-pci");
	check_owner("VFIO group", own_by_group);
	check_owner("cdevs", own_by_cdev);
	for (int i = 0; i < RESET; i++) {
		pci_bind_host(ats[i]);
		if (ats_control(ats[i]) != control[i])
			diag("ATS of %s is %#x, was %#x", ats[i], ats_control(ats[i]), control[i]);
	}
	pci_bind_host(beside);
	ok(ats_control(ats[0]) == control[0] && ats_control(ats[1]) == control[1],
	   "those that were reset use ATS as before");
	allow_unsafe_interrupts(false);
	return ktap_status();
}
