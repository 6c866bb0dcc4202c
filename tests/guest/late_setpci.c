// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ACS that somebody switches off in a port while the machine runs, as setpci does, takes
 * nothing from a function that comes later: it is where it was, and its driver has it.
 * Who may own it then, owners.c looks at.
 *
 *	a port above a multifunction device	functions that are ports of one device
 *
 *	P -+- F0				P0 - A
 *	   +- F1, comes late			P1 - B, come late
 *
 *	{P} {F0, F1}				{P0} {A} {P1} {B}
 */
#define _GNU_SOURCE
#include "kernel_log.h"
#include "ktap.h"
#include "pci_config.h"

#define CHECKS 7
#define LEVEL_ERROR 3

static void rescan(void)
{
	write_text("1", "/sys/bus/pci/rescan");
}

static bool is_there(const char *name)
{
	return pci_number(name, "vendor") != 0;
}

/* With the other of its device, or in a group that none of them had. */
static bool is_where_it_was(const char *name, int was, int group, int other_group)
{
	int is = pci_group(name);

	diag("%s was in group %d, is in %d", name, was, is);
	return was == group || was == other_group ? is == was :
	       is >= 0 && is != group && is != other_group;
}

static bool has_driver(const char *name)
{
	char driver[64];

	return !pci_driver(driver, sizeof(driver), name);
}

/* How many errors of a device the log has got that are about groups. */
static int errors_of(int log, const char *name)
{
	char record[1024];
	int errors = 0;

	while (kernel_log_next(log, record, sizeof(record), name, "group")) {
		if ((atoi(record) & 7) > LEVEL_ERROR)
			continue;
		diag("%s", strchr(record, ';') + 1);
		errors++;
	}
	return errors;
}

/*
 * `late' comes when the ACS of `port' is switched off, which would join it with `port' and
 * `other'.  `below' stands behind it.
 */
static void check(const char *what, const char *port, const char *other, const char *late,
		  const char *below)
{
	int group = pci_group(port), other_group = pci_group(other), own_group = pci_group(late);
	int below_group = below ? pci_group(below) : -1;
	int control = pci_acs(port) + PCI_ACS_CTRL, enabled = pci_read(port, control, 2);
	const char *endpoint = below ? below : late;
	bool had_driver = has_driver(endpoint);
	int log;

	diag("%s: port %s in group %d, %s in %d, late %s in %d, below it %s", what, port, group,
	     other, other_group, late, own_group, below ? below : "nothing");
	ok(group >= 0 && other_group >= 0 && group != other_group,
	   "%s: two groups live", what);

	write_text("1", PCI_DEVICES "/%s/remove", late);
	pci_write(port, control, 2, 0);
	log = kernel_log_from_now();
	rescan();

	/* A group of its own has a new number */
	ok(is_there(late) && is_where_it_was(late, own_group, group, other_group),
	   "%s: who comes late is where it was", what);
	ok(!below || (is_there(below) && is_where_it_was(below, below_group, group, other_group)),
	   "%s: so is what is below it", what);
	write_text(endpoint, "/sys/bus/pci/drivers_probe");
	ok(had_driver && is_there(endpoint) && has_driver(endpoint),
	   "%s: the driver binds the endpoint", what);
	ok(!errors_of(log, late), "%s: the log has no error of it", what);
	ok(pci_group(port) == group && pci_group(other) == other_group,
	   "%s: the groups stay as they are", what);

	pci_write(port, control, 2, enabled);
	write_text("1", PCI_DEVICES "/%s/remove", late);
	rescan();
	ok(is_there(late) && is_where_it_was(late, own_group, group, other_group) &&
	   had_driver && has_driver(endpoint),
	   "%s: with ACS on again as well", what);
}

static bool is_port(const char *name)
{
	return pcie_type(name) == PCI_EXP_TYPE_ROOT_PORT && pci_acs(name) &&
	       pci_read(name, pci_acs(name) + PCI_ACS_CTRL, 2);
}

static bool is_below(const char *name, const char *port)
{
	char above[NAME_MAX + 1];

	return pci_above(above, sizeof(above), name) && !strcmp(above, port);
}

/* Two functions below the port, of one group; the second is for a driver to have. */
static bool find_functions(const char **port, const char **first, const char **second,
			   struct dirent **all, int count)
{
	for (int i = 0; i < count; i++)
		for (int j = 0; j < count && is_port(*port = all[i]->d_name); j++)
			for (int k = 0; k < count && is_below(*first = all[j]->d_name, *port); k++)
				if (j != k && is_below(*second = all[k]->d_name, *port) &&
				    has_driver(*second) && pci_group(*first) >= 0 &&
				    pci_group(*first) == pci_group(*second))
					return true;
	return false;
}

/* Two ports of one slot in groups of their own, with something below each. */
static bool find_ports(const char **port, const char **other, const char **late,
		       const char **below, struct dirent **all, int count)
{
	for (int i = 0; i < count; i++)
		for (int j = 0; j < count && is_port(*port = all[i]->d_name); j++) {
			*late = all[j]->d_name;
			/* "0000:00:13.0" and "0000:00:13.1" */
			if (i == j || strncmp(*port, *late, strlen("0000:00:13")) || !is_port(*late) ||
			    pci_group(*port) == pci_group(*late))
				continue;
			*other = *below = NULL;
			for (int k = 0; k < count; k++) {
				if (is_below(all[k]->d_name, *port))
					*other = all[k]->d_name;
				if (is_below(all[k]->d_name, *late) && has_driver(all[k]->d_name))
					*below = all[k]->d_name;
			}
			if (*other && *below && pci_group(*other) != pci_group(*port))
				return true;
		}
	return false;
}

int main(void)
{
	const char *port, *other, *late, *below;
	struct dirent **all;
	int count = scandir(PCI_DEVICES, &all, NULL, alphasort);

	ktap_plan(2 * CHECKS);
	if (!find_functions(&port, &other, &late, all, count))
		bail("needs a port with ACS above a multifunction device that a driver has");
	check("function", port, other, late, NULL);
	if (!find_ports(&port, &other, &late, &below, all, count))
		bail("needs two ports with ACS as functions of one device");
	check("port", port, other, late, below);
	return ktap_status();
}
