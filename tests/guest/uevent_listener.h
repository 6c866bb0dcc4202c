/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What listeners to uevents need.  Include ktap.h before it. */
#ifndef UEVENT_LISTENER_H
#define UEVENT_LISTENER_H

#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

static inline int uevent_socket(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int size = 1 << 20, listener;

	listener = socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)))
		bail("no socket for uevents: %s", strerror(errno));
	setsockopt(listener, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return listener;
}

static inline void run_on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		bail("needs two processors");
}

/* "add@/devices/pci0000:00/0000:00:06.0" is an "add" of "/0000:00:06.0" */
static inline bool is_event(const char *event, const char *action, const char *suffix)
{
	size_t length = strlen(event);

	return !strncmp(event, action, strlen(action)) && event[strlen(action)] == '@' &&
	       length >= strlen(suffix) && !strcmp(event + length - strlen(suffix), suffix);
}

#endif
