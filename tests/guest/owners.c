// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * User space owns the DMA of a group only if what isolates the group does so: on the machine
 * intel-ports or amd-ports.
 *
 *	two ports of one device				one of them with ACS off
 *
 *	P0 - A						Q0 - C
 *	P1 - B						Q1 - D
 *
 * ACS of P0 or P1 is switched off behind the kernel's back, as setpci does: nobody gets A,
 * by group or by its node, and the log says why, until it is on again.  The driver of B does
 * not notice.
 *
 * Under the policy compat C and D are in different groups, though they reach each other: two
 * processes do not get one each.  A driver of the kernel may have B when ACS of P0 was switched
 * off at boot, with a warning and a taint when a process has A.
 */
#define _GNU_SOURCE
#include <sys/wait.h>

#include "pci_config.h"
#include "vfio_ways.h"

#define REDIRECT (PCI_ACS_RR | PCI_ACS_CR)
#define TAINT_USER 6
/* Addresses of the ports in qemu-configs/intel-ports.cfg and amd-ports.cfg */
#define TWIN_0 "0000:00:13.0"
#define TWIN_1 "0000:00:13.1"
#define OFF_0 "0000:00:05.0"
#define OFF_1 "0000:00:05.1"
#define APART "0000:00:02.0"

static char *below(const char *port)
{
	struct dirent **all;
	int count = scandir(PCI_DEVICES, &all, NULL, alphasort);
	char above[NAME_MAX + 1];

	for (int i = 0; i < count; i++)
		if (pci_above(above, sizeof(above), all[i]->d_name) && !strcmp(above, port))
			return all[i]->d_name;
	bail("nothing is below %s", port);
}

enum way { BY_GROUP, BY_NODE };
static const char *const ways[] = { "by group", "by node" };

/* Keeps the DMA of a function until it is closed. */
struct claim {
	int outer, inner;
};

static void let_go(struct claim *claim)
{
	int error = errno;

	close(claim->inner);
	close(claim->outer);
	errno = error;
}

static int claim(struct claim *claim, const char *function, enum way way)
{
	int result;

	if (way == BY_GROUP) {
		claim->outer = open_container();
		claim->inner = open_group(pci_group(function));
		result = ioctl(claim->inner, VFIO_GROUP_SET_CONTAINER, &claim->outer);
	} else {
		claim->outer = open_iommufd();
		claim->inner = open_cdev(function);
		result = bind_iommufd(claim->inner, claim->outer);
	}
	if (result)
		let_go(claim);
	return result;
}

static void check_claim(const char *function, enum way way, int expected, const char *what)
{
	struct claim mine;
	char name[128];
	int result = claim(&mine, function, way);

	snprintf(name, sizeof(name), "%s, %s", what, ways[way]);
	if (expected) {
		refused(result, expected, name);
	} else {
		if (result)
			diag("got %s", strerrorname_np(errno));
		ok(!result, "%s", name);
	}
	if (!result)
		let_go(&mine);
}

/* The lines of a part of the log that have three words. */
static int lines_with(int log, const char *word, const char *other, const char *third)
{
	char record[1024];
	int lines = 0;

	while (kernel_log_next(log, record, sizeof(record), word, other)) {
		if (!strstr(record, third))
			continue;
		diag("%s", strchr(record, ';') + 1);
		lines++;
	}
	return lines;
}

#define REGISTER_CHECKS 12

static void check_registers(void)
{
	const char *a = below(TWIN_0), *b = below(TWIN_1), *apart = below(APART);
	const char *const ports[] = { TWIN_0, TWIN_1 };

	need(!pci_bind_vfio(a) && !pci_bind_vfio(apart), "vfio-pci binds");
	for (enum way way = BY_GROUP; way <= BY_NODE; way++)
		check_claim(a, way, 0, "registers: with ACS it is had");
	for (int i = 0; i < 2; i++) {
		int control = pci_acs(ports[i]) + PCI_ACS_CTRL;
		int on = pci_read(ports[i], control, 2);
		int log = kernel_log_from_now();

		if (!pci_acs(ports[i]) || (on & REDIRECT) != REDIRECT)
			bail("%s should have ACS", ports[i]);
		pci_write(ports[i], control, 2, on & ~REDIRECT);
		for (enum way way = BY_GROUP; way <= BY_NODE; way++)
			check_claim(a, way, EPERM, i ? "registers: the port beside it is opened" :
				    "registers: the port above it is opened");
		ok(lines_with(log, ports[i], "switched off since boot", " ReqRedir CmpltRedir;") == 2,
		   "registers: the log names %s and what is off", i ? "that port" : "the port");
		if (i) {
			check_claim(apart, BY_GROUP, 0, "registers: who is elsewhere is had");
			ok(!pci_unbind(b) && !pci_bind_host(b) && pci_driver_is(b, "e1000"),
			   "registers: a driver of the kernel is not kept out");
		}
		pci_write(ports[i], control, 2, on);
		close(log);
	}
	check_claim(a, BY_GROUP, 0, "registers: it is had as before");
	pci_bind_host(a);
	pci_bind_host(apart);
}

/* Another process that owns a function until it is told to end. */
static pid_t start_owner(const char *function, enum way way, int *end)
{
	int told[2], ready[2];
	char byte = 0;
	pid_t child;

	if (pipe(told) || pipe(ready))
		bail("no pipe");
	child = fork();
	if (!child) {
		struct claim mine;

		close(told[1]);
		byte = !claim(&mine, function, way);
		if (write(ready[1], &byte, 1) != 1 || read(told[0], &byte, 1))
			_exit(1);
		_exit(0);
	}
	close(told[0]);
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		byte = 0;
	close(ready[0]);
	*end = told[1];
	ok(byte, "compat: one process owns a function, %s", ways[way]);
	return child;
}

static bool is_tainted(int bit)
{
	char value[32];

	read_line(value, sizeof(value), "/proc/sys/kernel/tainted");
	return strtoul(value, NULL, 10) >> bit & 1;
}

#define COMPAT_CHECKS 17

static void check_compat(void)
{
	const char *c = below(OFF_0), *d = below(OFF_1), *a = below(TWIN_0), *b = below(TWIN_1);
	int log, lines;

	need(!pci_bind_vfio(c) && !pci_bind_vfio(d) && !pci_bind_vfio(a),
	     "compat: vfio-pci binds");
	for (enum way way = BY_GROUP; way <= BY_NODE; way++) {
		int end;
		pid_t child = start_owner(c, way, &end);

		for (enum way other = BY_GROUP; other <= BY_NODE; other++)
			check_claim(d, other, EPERM, "compat: another one does not get the other");
		close(end);
		waitpid(child, NULL, 0);
		check_claim(d, way, 0, "compat: but after it");
	}
	/* One process, one container or context: both */
	for (enum way way = BY_GROUP; way <= BY_NODE; way++) {
		struct claim both;
		int result = claim(&both, c, way), more = -1, second = -1;

		if (!result && way == BY_GROUP) {
			second = open_group(pci_group(d));
			more = ioctl(second, VFIO_GROUP_SET_CONTAINER, &both.outer);
		} else if (!result) {
			second = open_cdev(d);
			more = bind_iommufd(second, both.outer);
		}
		ok(!more, "compat: one owner gets both, %s", ways[way]);
		close(second);
		if (!result)
			let_go(&both);
	}

	ok(!is_tainted(TAINT_USER), "compat: nothing is tainted");
	log = kernel_log_from_now();
	ok(pci_driver_is(b, "e1000") && pci_group(a) != pci_group(b),
	   "compat: the kernel uses a function");
	for (enum way way = BY_GROUP; way <= BY_NODE; way++)
		check_claim(a, way, 0, "compat: who reaches it is had");
	lines = lines_with(log, b, "exposed", TWIN_0);
	ok(lines == 1, "compat: one line names both");
	ok(is_tainted(TAINT_USER), "compat: the kernel is tainted");
	pci_bind_host(c);
	pci_bind_host(d);
	pci_bind_host(a);
}

int main(void)
{
	bool compat = pci_group(below(OFF_0)) != pci_group(below(OFF_1));

	ktap_plan(compat ? COMPAT_CHECKS : REGISTER_CHECKS);
	allow_unsafe_interrupts(true);
	if (compat)
		check_compat();
	else
		check_registers();
	allow_unsafe_interrupts(false);
	return ktap_status();
}
