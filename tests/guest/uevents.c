// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What a listener to uevents finds when an event arrives: the iommu_group link of a
 * device at its "add" and "remove", the group's directory at the "add" of /dev/vfio/N.
 *
 * The kernel goes on while the listener looks, so a wrong order shows only sometimes, and
 * less often where the processors take turns.  Hence the listener spins on a processor of
 * its own and looks many times; whoever makes the events waits with the next until the
 * listener has looked.
 */
#define _GNU_SOURCE
#include <sys/wait.h>
#include <time.h>

#include "ktap.h"
#include "pci_sysfs.h"
#include "uevent_listener.h"

#define ROUNDS 100

static int looked[2];

static void await_look(void)
{
	char byte;

	if (read(looked[0], &byte, 1) != 1)
		_exit(1);
}

static void has_looked(void)
{
	if (write(looked[1], "", 1) != 1)
		bail("no pipe");
}

/* Seconds of patience, less than the host has with a silent guest */
#define PATIENCE 40

/* Where a process sleeps that does not come to an end */
static void tell_where_it_sleeps(pid_t process)
{
	static const char * const files[] = { "status", "wchan", "stack" };
	char line[256];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		FILE *file;

		snprintf(line, sizeof(line), "/proc/%d/%s", process, files[i]);
		file = fopen(line, "r");
		if (!file)
			continue;
		while (fgets(line, sizeof(line), file))
			diag("%s: %.*s", files[i], (int)strcspn(line, "\n"), line);
		fclose(file);
	}
}

/* Calls seen() with every event until what is done in another process has ended. */
static void listen_while(void (*doing)(void), void (*seen)(const char *event))
{
	int listener = uevent_socket(), status;
	time_t deadline = time(NULL) + PATIENCE;
	bool ended = false;
	pid_t child;

	if (pipe(looked))
		bail("no pipe");
	child = fork();
	if (!child) {
		close(looked[1]);
		run_on_cpu(0);
		doing();
		_exit(0);
	}
	run_on_cpu(1);
	for (;;) {
		char event[8192];
		ssize_t length = recv(listener, event, sizeof(event) - 1, 0);

		if (length > 0) {
			event[length] = '\0';
			seen(event);
			deadline = time(NULL) + PATIENCE;
		} else if (ended) {
			break;
		} else if (time(NULL) > deadline) {
			diag("no event for %d s; who makes them:", PATIENCE);
			tell_where_it_sleeps(child);
			break;
		} else {
			ended = waitpid(child, &status, WNOHANG) == child;
		}
	}
	close(listener);
	close(looked[0]);
	close(looked[1]);
}

static char *device;
static char suffix[NAME_MAX];
static int group;
static int additions, removals, late_links, stale_links;

static void remove_and_rescan(void)
{
	for (int round = 0; round < ROUNDS; round++) {
		write_text("1", PCI_DEVICES "/%s/remove", device);
		await_look();
		write_text("1", "/sys/bus/pci/rescan");
		await_look();
	}
}

static bool has_link(void)
{
	/* Not by way of bus/pci/devices, which forgets the device earlier. */
	char path[PATH_MAX], target[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/devices/pci0000:00/%s/iommu_group", device);
	return readlink(path, target, sizeof(target)) > 0;
}

static void look_for_link(const char *event)
{
	if (is_event(event, "add", suffix)) {
		late_links += !has_link();
		additions++;
		has_looked();
	} else if (is_event(event, "remove", suffix)) {
		stale_links += has_link();
		removals++;
		has_looked();
	}
}

static int nodes, incomplete;

static void bind_and_unbind(void)
{
	for (int round = 0; round < ROUNDS; round++) {
		pci_bind_vfio(device);
		await_look();
		pci_bind_host(device);
	}
}

static void look_for_group(const char *event)
{
	char node[32], name[64];

	snprintf(node, sizeof(node), "/virtual/vfio/%d", group);
	if (!is_event(event, "add", node))
		return;
	incomplete += link_target(name, sizeof(name), GROUPS "/%d/devices/%s", group, device) ||
		      strcmp(name, device) || pci_group(device) != group ||
		      read_line(name, sizeof(name), GROUPS "/%d/type", group) <= 0 ||
		      read_line(name, sizeof(name), GROUPS "/%d/reserved_regions", group) <= 0;
	nodes++;
	has_looked();
}

int main(void)
{
	ktap_plan(3);
	device = pci_find(0x1234, 0x11e8);
	if (!device || pci_group(device) < 0)
		bail("needs an edu device in a group");
	snprintf(suffix, sizeof(suffix), "/%s", device);

	listen_while(remove_and_rescan, look_for_link);
	diag("%d additions, %d of them without the link", additions, late_links);
	ok(additions == ROUNDS && !late_links, "C7 the link is there at the device's add");
	diag("%d removals, %d of them with the link", removals, stale_links);
	ok(removals == ROUNDS && !stale_links, "C7 the link is gone at the device's remove");

	group = pci_group(device);
	listen_while(bind_and_unbind, look_for_group);
	diag("%d nodes, %d of them with an incomplete group", nodes, incomplete);
	ok(nodes == ROUNDS && !incomplete, "C7 the group is complete at the add of /dev/vfio/N");

	return ktap_status();
}
