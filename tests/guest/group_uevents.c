// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The uevents of groups while devices come and go: each once, in order, with the group and
 * the device in the environment; the links are there when a device joined.  That they are
 * still there when it is leaving cannot be seen from here, where the kernel does not wait for
 * the listener; events are those of the notifier, and the KUnit suite looks at its order.
 */
#define _GNU_SOURCE
#include <sys/wait.h>
#include <time.h>

#include "command_line.h"
#include "ktap.h"
#include "pci_sysfs.h"
#include "uevent_listener.h"

/* How often each device goes and comes; group_uevents=N of the command line */
static int rounds;

static int seen[2];
static const char *device;
static char path[PATH_MAX];

static void await(int events)
{
	char bytes[8];

	while (events > 0) {
		ssize_t got = read(seen[0], bytes, events);

		if (got <= 0)
			_exit(1);
		events -= got;
	}
}

static bool has_links(int group)
{
	char name[NAME_MAX + 1], link[PATH_MAX];

	snprintf(link, sizeof(link), "/sys%s/iommu_group", path);
	return !access(link, F_OK) &&
	       !link_target(name, sizeof(name), GROUPS "/%d/devices/%s", group, device) &&
	       !strcmp(name, device);
}

static const char *variable(const char *event, ssize_t length, const char *name)
{
	const char *end = event + length;
	size_t size = strlen(name);

	for (; event < end; event += strlen(event) + 1) {
		if (!strncmp(event, name, size) && event[size] == '=')
			return event + size + 1;
	}
	return "";
}

/* "change device-joined" and so on, empty if it is not of a group or not right */
static void describe(char *text, size_t size, const char *event, ssize_t length, int *group)
{
	const char *number = variable(event, length, "GROUP"), *what = variable(event, length, "EVENT");
	const char *of = variable(event, length, "DEVICE");
	char start[64];

	text[0] = '\0';
	if (strcmp(variable(event, length, "SUBSYSTEM"), "iommu_groups") ||
	    sscanf(event, "%31[a-z]@/kernel/iommu_groups/%d", start, group) != 2)
		return;
	snprintf(text, size, "%s %s", start, what);
	if (strcmp(start, "change"))
		return;
	if (atoi(number) != *group)
		snprintf(text, size, "GROUP is '%s'", number);
	else if (strcmp(what, "type-changed") ? strcmp(of, path) : *of)
		snprintf(text, size, "DEVICE is '%s'", of);
}

struct count {
	int right;
	int joined_without_links;
};

/* Counts how often the events are these, one after the other, until there are no more. */
static struct count listen_to(void (*doing)(int awaited), const char * const *expected)
{
	int listener = uevent_socket(), status, n = 0, next = 0, group;
	struct count count = {};
	bool ended = false;
	pid_t child;

	while (expected[n])
		n++;
	if (pipe(seen))
		bail("no pipe");
	child = fork();
	if (!child) {
		close(seen[1]);
		run_on_cpu(0);
		doing(n);
		_exit(0);
	}
	close(seen[0]);
	run_on_cpu(1);
	for (;;) {
		char event[8192], text[128];
		ssize_t length = recv(listener, event, sizeof(event) - 1, 0);

		if (length <= 0) {
			if (ended)
				break;
			ended = waitpid(child, &status, WNOHANG) == child;
			continue;
		}
		event[length] = '\0';
		describe(text, sizeof(text), event, length, &group);
		if (!text[0])
			continue;
		if (!strcmp(text, "change device-joined"))
			count.joined_without_links += !has_links(group);
		if (strcmp(text, expected[next])) {
			diag("event %d is '%s', not '%s'", count.right, text, expected[next]);
			break;
		}
		count.right++;
		next = (next + 1) % n;
		if (write(seen[1], "", 1) != 1)
			break;
	}
	/* Who waits for an event that does not come gets the end of the pipe */
	close(seen[1]);
	if (!ended)
		waitpid(child, &status, 0);
	close(listener);
	return count;
}

static void remove_and_rescan(int awaited)
{
	for (int round = 0; round < rounds; round++) {
		write_text("1", PCI_DEVICES "/%s/remove", device);
		await(awaited / 2);
		write_text("1", "/sys/bus/pci/rescan");
		await(awaited / 2);
	}
}

static int group_of_type;

static void change_type(int awaited)
{
	static const char * const types[] = { "identity", "identity", "nonsense", "DMA", "DMA-FQ" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		write_text(types[i], GROUPS "/%d/type", group_of_type);
	await(awaited);
}

static void find_path(const char *function)
{
	char link[PATH_MAX], *real;

	device = function;
	snprintf(link, sizeof(link), PCI_DEVICES "/%s", function);
	real = realpath(link, NULL);
	snprintf(path, sizeof(path), "%s", real ? real + strlen("/sys") : "");
	free(real);
}

static void check(const char *who, const char * const *expected, int events)
{
	struct count count = listen_to(remove_and_rescan, expected);

	ok(count.right == events * rounds, "%d times %s goes and comes: each event once, in order", rounds, who);
	ok(!count.joined_without_links, "... the links are there when it joined");
}

int main(void)
{
	static const char * const alone[] = {
		"change device-leaving", "remove ", "add ", "change device-joined", NULL
	};
	static const char * const one_of_several[] = {
		"change device-leaving", "change device-joined", NULL
	};
	static const char * const type[] = {
		"change type-changed", "change type-changed", "change type-changed", NULL
	};
	struct shared_group shared;
	char *edu = pci_find(0x1234, 0x11e8);
	char type_before[32];

	ktap_plan(5);
	rounds = number_on_command_line("group_uevents", 50);
	if (!edu || pci_group(edu) < 0)
		bail("needs an edu device in a group");
	if (!find_shared_group(&shared))
		bail("needs two functions in a group, one with a driver");

	find_path(edu);
	check("a device alone in its group", alone, 4);
	group_of_type = pci_group(edu);
	read_line(type_before, sizeof(type_before), GROUPS "/%d/type", group_of_type);
	ok(listen_to(change_type, type).right == 3, "a type is told of when it changes, and only then");
	write_text(type_before, GROUPS "/%d/type", group_of_type);
	find_path(shared.ours);
	check("one of several devices", one_of_several, 2);
	return ktap_status();
}
