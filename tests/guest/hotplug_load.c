// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Devices are added to and taken from the machine again and again, by the host, while
 * others read all of the groups, write types, bind and unbind a driver, make and remove
 * virtual functions, and watch every group by a notifier.  hotplug_load=N of the command
 * line: so often behind root ports, where each makes its group, and a tenth of it on
 * a conventional bus, where it joins one that lives.
 *
 * The machine is intel or amd; the test adds root ports load-1 and so on, on the root bus
 * from 10.0 on, and may add a device with virtual functions.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

#include "command_line.h"
#include "groups_state.h"
#include "host.h"

#define MAX_PORTS	8
#define FIRST_PORT	0x10
#define PATIENCE	240 /* s */
/* So many times as long as he worked, each of them rests */
#define REST		9
#define SLOTS		"/sys/bus/pci/slots"
#define WATCH		"/sys/module/iommu_group_load/parameters"
#define BRIDGE		"0000:00:05.0"
#define LATE_DEVICE	0x09
#define EDU		0x1234, 0x11e8
#define E1000		0x8086, 0x100e

static int rounds;

static bool before(time_t deadline)
{
	usleep(20000);
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
	/* The kernel's name of that place, which tells when the host has taken the device away */
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

static bool come_and_go(const struct place *place, int round)
{
	char arguments[256], path[PATH_MAX];
	time_t deadline = time(NULL) + PATIENCE;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s", place->function);
	snprintf(arguments, sizeof(arguments),
		 "{\"driver\": \"edu\", \"id\": \"%s-%s-%d\", \"bus\": \"%s\", \"addr\": \"%s\"}", place->bus,
		 place->address, round, place->bus, place->address);
	ask_host("device_add", arguments);
	/* Its own link is there before the group's */
	while (!is_right(place)) {
		if (!before(deadline)) {
			diag("round %d: the group of %s is %d, and wrong", round, place->function,
			     pci_group(place->function));
			return false;
		}
	}
	snprintf(arguments, sizeof(arguments), "{\"id\": \"%s-%s-%d\"}", place->bus, place->address, round);
	ask_host("device_del", arguments);
	deadline = time(NULL) + PATIENCE;
	while (!access(path, F_OK) || !is_empty(place->slot)) {
		if (!before(deadline)) {
			diag("round %d: %s is still there", round, place->function);
			return false;
		}
	}
	return true;
}

/* One device at a time: of those that come while others go, QEMU 7.2 does not tell all. */
static pid_t start_place(const struct place *place)
{
	pid_t child = fork();

	if (!child) {
		int turn = open("/tmp/turn", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		for (int round = 0; round < place->rounds; round++) {
			bool right;

			flock(turn, LOCK_EX);
			right = come_and_go(place, round);
			flock(turn, LOCK_UN);
			if (!right)
				_exit(1);
		}
		_exit(0);
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

int main(void)
{
	struct place places[MAX_PORTS + 1] = { 0 };
	pid_t reader, other_reader, writer, binder, maker = 0, children[MAX_PORTS + 1];
	char *edu = pci_find(EDU), *network = pci_find(E1000), *physical = find_physical();
	char line[32], type[32], *at_first, *at_last;
	bool gone[MAX_PORTS + 1];
	int ports = 0;

	ktap_plan(10);
	rounds = number_on_command_line("hotplug_load", 50);
	if (!edu || !network)
		bail("needs an edu device on the root bus and an e1000");
	while (ports < MAX_PORTS) {
		char bridge[16], bus[16];

		snprintf(bridge, sizeof(bridge), "0000:00:%02x.0", FIRST_PORT + ports);
		snprintf(bus, sizeof(bus), "load-%d", ports + 1);
		if (!find_place(&places[ports], bridge, bus, 0))
			break;
		places[ports++].group = -1;
	}
	if (!ports || !find_place(&places[ports], BRIDGE, "conventional-bridge", LATE_DEVICE))
		bail("needs slots behind root ports and behind the conventional bridge");
	places[ports].group = pci_group(BRIDGE);
	for (int i = 0; i < ports; i++)
		places[i].rounds = rounds / ports + (i < rounds % ports);
	places[ports].rounds = rounds / 10;
	diag("%d ports, slot %s of the conventional bus", ports, places[ports].slot);

	if (physical)
		write_text("0", PCI_DEVICES "/%s/sriov_drivers_autoprobe", physical);
	read_line(type, sizeof(type), GROUPS "/%d/type", pci_group(edu));
	at_first = state_of_groups();
	ok(!write_text("1", WATCH "/watch"), "somebody watches the groups");
	reader = start(read_all, NULL);
	other_reader = start(read_all, NULL);
	writer = start(write_types, edu);
	binder = start(bind_and_unbind, network);
	if (physical)
		maker = start(make_and_remove_vfs, physical);

	for (int i = 0; i <= ports; i++)
		children[i] = start_place(&places[i]);
	for (int i = 0, status; i <= ports; i++)
		gone[i] = waitpid(children[i], &status, 0) == children[i] && !status;
	for (int i = 1; i < ports; i++)
		gone[0] &= gone[i];
	data("hotplugs %d %d", rounds, rounds / 10);
	ok(gone[0], "%d times a device behind a port comes, makes its group, and goes", rounds);
	ok(gone[ports], "%d times a device on a conventional bus comes, joins, and goes", rounds / 10);

	ok(finish(reader) & finish(other_reader), "the groups were read all the time");
	ok(finish(writer), "types were written all the time");
	ok(finish(binder), "a driver was bound and unbound all the time");
	if (physical)
		ok(finish(maker), "virtual functions were made and removed all the time");
	else
		skip("no function here has virtual functions", "virtual functions were made and removed all the time");
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
