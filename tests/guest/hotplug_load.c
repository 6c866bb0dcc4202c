// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Devices are added to and taken from the machine again and again, by the host, while
 * others read all of the groups, write types, bind and unbind a driver, make and remove
 * virtual functions, and watch every group by a notifier.  On the command line,
 * port_load=N: so often behind root ports, where each makes its group; conventional_load=N:
 * so often on a conventional bus, where it joins one that lives.  Several come and go at a
 * time.  Hotplug is that of PCIe and of PCI (SHPC): by ACPI, QEMU 7.2 does not tell of all
 * that overlap.
 *
 * The machine is intel or amd; the test adds a device with virtual functions and root
 * ports load-1 and so on, on the root bus from 10.0 on.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "command_line.h"
#include "groups_state.h"
#include "host.h"
#include "pci_config.h"

#define MAX_PORTS	8
#define FIRST_PORT	0x10
#define FREE_SLOTS	8
#define FIRST_FREE	0x09
#define MAX_PLACES	(MAX_PORTS > FREE_SLOTS ? MAX_PORTS : FREE_SLOTS)
#define PATIENCE	240 /* s */
/* So many times as long as he worked, each of them rests */
#define REST		19
#define SLOTS		"/sys/bus/pci/slots"
#define WATCH		"/sys/module/iommu_group_load/parameters"
#define BRIDGE		"0000:00:05.0"
#define EDU		0x1234, 0x11e8
#define E1000		0x8086, 0x100e

static bool before(time_t deadline)
{
	usleep(250000);
	return time(NULL) < deadline;
}

/* One who goes on until he is told to stop; his status says whether all was right */
static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static long long microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static pid_t start(bool (*doing)(const char *with), const char *with)
{
	pid_t child = fork();

	if (!child) {
		bool right = true;

		signal(SIGTERM, stop);
		while (!stopped && right) {
			long long begun = microseconds();

			right = doing(with);
			/* The processors have to do what is waited for, too */
			usleep(REST * (microseconds() - begun));
		}
		fflush(stdout);
		_exit(!right);
	}
	return child;
}

static bool finish(pid_t child)
{
	int status;

	kill(child, SIGTERM);
	return waitpid(child, &status, 0) == child && WIFEXITED(status) && !WEXITSTATUS(status);
}

static bool read_all(const char *unused)
{
	(void)unused;
	free(state_of_groups());
	return true;
}

static bool write_types(const char *function)
{
	static const char * const types[] = { "identity", "DMA", "auto", "DMA-FQ", "nonsense" };
	static int next;
	int error = write_text(types[next], GROUPS "/%d/type", pci_group(function));

	/* What is for later and what never was a type */
	next = (next + 1) % 5;
	if (error && error != -EINVAL && error != -EPERM)
		diag("writing %s: %s", types[next], strerror(-error));
	return !error || error == -EINVAL || error == -EPERM;
}

static bool bind_and_unbind(const char *function)
{
	static char driver[64];

	if (!driver[0])
		pci_driver(driver, sizeof(driver), function);
	if (pci_unbind(function) || bind_driver(function, driver)) {
		diag("%s of %s: %s", driver, function, strerror(errno));
		return false;
	}
	return true;
}

static bool make_and_remove_vfs(const char *physical)
{
	int error = write_text("4", PCI_DEVICES "/%s/sriov_numvfs", physical);

	error = error ?: write_text("0", PCI_DEVICES "/%s/sriov_numvfs", physical);
	if (error)
		diag("virtual functions of %s: %s", physical, strerror(-error));
	return !error;
}

static bool find_slot(char *slot, size_t size, const char *address)
{
	struct dirent **entries;
	bool found = false;
	int count = scandir(SLOTS, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		char line[32];

		read_line(line, sizeof(line), SLOTS "/%s/address", entries[i]->d_name);
		if (!found && !strcmp(line, address)) {
			snprintf(slot, size, "%s", entries[i]->d_name);
			found = true;
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return found;
}

static bool is_empty(const char *slot)
{
	char line[8];

	return read_line(line, sizeof(line), SLOTS "/%s/adapter", slot) > 0 && !strcmp(line, "0");
}

struct place {
	/* QEMU's names of the bus and of the place on it */
	char bus[32], address[8];
	/* One of which the windows of the bridge hold as many: to make one grow, the kernel moves what others use */
	const char *device;
	/* The root port, or empty */
	char port[16];
	/* Elsewhere, what the bridge's hotplug controller tells of the slot */
	const volatile uint32_t *slot_register;
	/* The kernel's name of the slot */
	char slot[32];
	char function[16];
	/* The group that the device joins, or -1 if it makes one */
	int group;
	int rounds;
};

static bool is_right(const struct place *place)
{
	char directory[64], name[NAME_MAX + 1];
	int group = pci_group(place->function), members;

	snprintf(directory, sizeof(directory), GROUPS "/%d/devices", group);
	if (link_target(name, sizeof(name), "%s/%s", directory, place->function) ||
	    strcmp(name, place->function))
		return false;
	members = entries_of(directory);
	return place->group < 0 ? members == 1 : group == place->group && members > 1;
}

/* Whether the power indicator of the slot is so; both kinds of controllers have the same numbers */
enum indicator { ON = 1, OFF = 3 };

static bool indicates(const struct place *place, enum indicator wanted)
{
	int control;

	if (place->slot_register)
		return (*place->slot_register >> 2 & 3) == wanted;
	control = pci_read(place->port, pci_express(place->port) + PCI_EXP_SLTCTL, 2);
	return (control & PCI_EXP_SLTCTL_PIC) >> 8 == wanted;
}

static bool wait_for_indicator(const struct place *place, int round, enum indicator which, bool wanted)
{
	time_t deadline = time(NULL) + PATIENCE;

	while (indicates(place, which) != wanted) {
		if (!before(deadline)) {
			diag("round %d: the indicator of slot %s is %s%d", round, place->slot, wanted ? "not " : "", which);
			return false;
		}
	}
	return true;
}

/*
 * After the button, which the host presses, one has 5 s to think again, or says that it is
 * meant.  On a busy host they may be over, and the slot is on its way without a word.
 */
static bool switch_slot(const struct place *place, int round, enum indicator until_now, const char *power)
{
	int error;

	if (!wait_for_indicator(place, round, until_now, false))
		return false;
	error = write_text(power, SLOTS "/%s/power", place->slot);
	if (error && error != -ENODEV)
		diag("round %d: power %s of slot %s: %s", round, power, place->slot, strerror(-error));
	return !error || error == -ENODEV;
}

static bool come_and_go(const struct place *place, int round)
{
	char arguments[256], path[PATH_MAX];
	time_t deadline;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s", place->function);
	snprintf(arguments, sizeof(arguments),
		 "{\"driver\": \"%s\", \"id\": \"%s-%s-%d\", \"bus\": \"%s\", \"addr\": \"%s\"}", place->device,
		 place->bus, place->address, round, place->bus, place->address);
	ask_host("device_add", arguments);
	/* A port sees that there is something, and does not wait */
	if (!place->port[0] && !switch_slot(place, round, OFF, "1"))
		return false;
	deadline = time(NULL) + PATIENCE;
	/* Its own link is there before the group's */
	while (!is_right(place)) {
		if (!before(deadline)) {
			diag("round %d: the group of %s is %d, and wrong", round, place->function,
			     pci_group(place->function));
			return false;
		}
	}
	if (!wait_for_indicator(place, round, ON, true))
		return false;

	snprintf(arguments, sizeof(arguments), "{\"id\": \"%s-%s-%d\"}", place->bus, place->address, round);
	ask_host("device_del", arguments);
	if (!switch_slot(place, round, ON, "0"))
		return false;
	deadline = time(NULL) + PATIENCE;
	while (!access(path, F_OK) || !is_empty(place->slot)) {
		if (!before(deadline)) {
			diag("round %d: %s is still there", round, place->function);
			return false;
		}
	}
	return wait_for_indicator(place, round, OFF, true);
}

/* @one_failed is shared by all: when one has failed, nobody goes on for hours */
static pid_t start_place(const struct place *place, volatile bool *one_failed)
{
	pid_t child = fork();

	if (!child) {
		bool right = true;

		for (int round = 0; right && !*one_failed && round < place->rounds; round++)
			right = come_and_go(place, round);
		if (!right)
			*one_failed = true;
		fflush(stdout);
		_exit(!right);
	}
	return child;
}

static bool find_place(struct place *place, const char *bridge, const char *bus, int device)
{
	char line[32], address[16];

	if (read_line(line, sizeof(line), PCI_DEVICES "/%s/secondary_bus_number", bridge) <= 0)
		return false;
	snprintf(place->bus, sizeof(place->bus), "%s", bus);
	snprintf(place->address, sizeof(place->address), "%02x.0", device);
	snprintf(address, sizeof(address), "0000:%02x:%02x", atoi(line), device);
	snprintf(place->function, sizeof(place->function), "%s.0", address);
	return find_slot(place->slot, sizeof(place->slot), address);
}

static char *find_physical(void)
{
	struct dirent **entries;
	char *found = NULL;
	int count = scandir(PCI_DEVICES, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		char line[16];

		if (!found && read_line(line, sizeof(line), PCI_DEVICES "/%s/sriov_totalvfs",
					entries[i]->d_name) > 0 && atoi(line) > 0)
			found = strdup(entries[i]->d_name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return found;
}

static int find_ports(struct place *places)
{
	int count = 0;

	while (count < MAX_PORTS) {
		struct place *place = &places[count];
		char bus[16];

		snprintf(place->port, sizeof(place->port), "0000:00:%02x.0", FIRST_PORT + count);
		snprintf(bus, sizeof(bus), "load-%d", count + 1);
		if (!find_place(place, place->port, bus, 0))
			break;
		place->device = "edu";
		place->group = -1;
		count++;
	}
	return count;
}

/* Slots of the conventional bridge; its BAR 0 is the registers of its hotplug controller */
#define FIRST_SLOT_REGISTER 9

static int find_conventional(struct place *places)
{
	const uint32_t *registers;
	int count = 0, fd;

	fd = open(PCI_DEVICES "/" BRIDGE "/resource0", O_RDONLY | O_CLOEXEC);
	registers = mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (registers == MAP_FAILED)
		bail("needs a conventional bridge with a hotplug controller: %s", strerror(errno));
	while (count < FREE_SLOTS) {
		struct place *place = &places[count];
		int device = FIRST_FREE + count;

		if (!find_place(place, BRIDGE, "conventional-bridge", device))
			break;
		place->device = "sdhci-pci";
		place->group = pci_group(BRIDGE);
		place->slot_register = registers + FIRST_SLOT_REGISTER + device - 1;
		count++;
	}
	return count;
}

int main(void)
{
	struct place places[MAX_PLACES] = { 0 };
	pid_t reader, other_reader, writer, binder, maker, children[MAX_PLACES];
	char *edu = pci_find(EDU), *network = pci_find(E1000), *physical = find_physical();
	char line[32], type[32], *at_first, *at_last;
	int behind_ports = number_on_command_line("port_load", 0);
	int conventional = number_on_command_line("conventional_load", 0);
	volatile bool *one_failed;
	bool all_right = true;
	int rounds, count;

	ktap_plan(9);
	if (!edu || !network || !physical)
		bail("needs an edu device on the root bus, an e1000 and a device with virtual functions");
	if (!behind_ports == !conventional)
		bail("needs either port_load=N or conventional_load=N on the command line");
	count = behind_ports ? find_ports(places) : find_conventional(places);
	if (!count)
		bail("needs slots behind root ports load-1 and so on, or behind the conventional bridge");
	diag("%d slots, the first is %s", count, places[0].slot);
	rounds = behind_ports + conventional;
	for (int i = 0; i < count; i++)
		places[i].rounds = rounds / count + (i < rounds % count);

	one_failed = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (one_failed == MAP_FAILED)
		bail("no shared memory: %s", strerror(errno));

	write_text("0", PCI_DEVICES "/%s/sriov_drivers_autoprobe", physical);
	read_line(type, sizeof(type), GROUPS "/%d/type", pci_group(edu));
	at_first = state_of_groups();
	ok(!write_text("1", WATCH "/watch"), "somebody watches the groups");
	reader = start(read_all, NULL);
	other_reader = start(read_all, NULL);
	writer = start(write_types, edu);
	binder = start(bind_and_unbind, network);
	maker = start(make_and_remove_vfs, physical);

	for (int i = 0; i < count; i++)
		children[i] = start_place(&places[i], one_failed);
	for (int i = 0, status; i < count; i++)
		all_right &= waitpid(children[i], &status, 0) == children[i] && !status;
	data("hotplugs %d %d", behind_ports, conventional);
	ok(all_right, "%d devices behind ports, %d on a conventional bus came, were in their group, and went",
	   behind_ports, conventional);

	ok(finish(reader) & finish(other_reader), "the groups were read all the time");
	ok(finish(writer), "types were written all the time");
	ok(finish(binder), "a driver was bound and unbound all the time");
	ok(finish(maker), "virtual functions were made and removed all the time");
	write_text("0", WATCH "/watch");
	read_line(line, sizeof(line), WATCH "/watches");
	data("watches %s", line);
	ok(atoi(line) > 0, "a notifier came and went all the time");
	read_line(line, sizeof(line), WATCH "/surprises");
	ok(!strcmp(line, "0"), "... and heard nothing after its end");

	/* The last word of the writer is no difference */
	write_text(type, GROUPS "/%d/type", pci_group(edu));
	at_last = state_of_groups();
	ok(!strcmp(at_first, at_last), "all groups are as before");
	if (strcmp(at_first, at_last))
		show_difference(at_first, at_last);
	return ktap_status();
}
