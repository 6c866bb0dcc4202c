// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A function that comes late and belongs to two groups that live is refused: it is in no
 * group, no driver of an endpoint binds it, and the log says once why.  When the cause is
 * gone, it is as before.
 *
 * The cause is ACS that is switched off in a port while the machine runs, as setpci does.
 * The groups that are there stay as they are; who comes then, finds it switched off.
 *
 *	a port above a multifunction device	functions that are ports of one device
 *
 *	P -+- F0				P0 - A
 *	   +- F1, comes late			P1 - B, come late
 *
 *	{P} {F0}; F1 belongs to both		{P0} {A}; P1 belongs to both, and so does B
 */
#define _GNU_SOURCE
#include <ctype.h>

#include "pci_config.h"
#include "vfio_checks.h"

#define CHECKS 9
#define LEVEL_ERROR 3
#define ALLOWED "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"

static void rescan(void)
{
	write_text("1", "/sys/bus/pci/rescan");
}

static bool is_there(const char *name)
{
	return pci_number(name, "vendor") != 0;
}

static bool has_driver(const char *name)
{
	char driver[64];

	return !pci_driver(driver, sizeof(driver), name);
}

/* Of a number or an address. */
static bool is_part(char letter)
{
	return isdigit(letter) || (letter && strchr(":.", letter));
}

static bool has_number(const char *text, int number)
{
	char word[16];
	size_t length = snprintf(word, sizeof(word), "%d", number);

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
		if ((at == text || !is_part(at[-1])) && !isdigit(at[length]) &&
		    !(is_part(at[length]) && isxdigit(at[length + 1])))
			return true;
	return false;
}

/* How many errors of a device the log has got, and how many of them name both groups. */
static int errors_of(int log, const char *name, int group, int other, int *naming)
{
	char record[1024];
	int errors = 0;

	*naming = 0;
	while (kernel_log_next(log, record, sizeof(record), name, ";")) {
		const char *text = strstr(record, name) + strlen(name);

		if ((atoi(record) & 7) > LEVEL_ERROR || !strstr(text, "group"))
			continue;
		diag("%s", strchr(record, ';') + 1);
		errors++;
		*naming += has_number(text, group) && has_number(text, other);
	}
	return errors;
}

/*
 * If the administrator allows what has no IOMMU, VFIO takes by a group what has no group.  By
 * its node (7.3) it does not take who was refused, which has an IOMMU: that node is bound to
 * no iommufd.  6.12 has no such node.
 */
static void check_noiommu(const char *what, const char *endpoint)
{
	int device, iommufd, result, error;

	write_text("Y", ALLOWED);
	pci_bind_vfio(endpoint);
	device = open_cdev(endpoint);
	iommufd = open_iommufd();
	result = device < 0 ? 0 : bind_iommufd(device, iommufd);
	error = errno;
	if (device >= 0)
		diag("its node: %s", result ? strerrorname_np(error) : "bound");
	close(device);
	close(iommufd);
	pci_bind_host(endpoint);
	ok((device < 0 || (result && error == EINVAL)) && pci_group(endpoint) < 0,
	   "%s: iommufd does not take it for a device without an IOMMU", what);
	write_text("N", ALLOWED);
}

/*
 * `late' comes when the ACS of `port' is switched off, and would then join the groups of
 * `port' and `other'.  `below' stands behind it.
 */
static void check(const char *what, const char *port, const char *other, const char *late,
		  const char *below)
{
	int group = pci_group(port), other_group = pci_group(other), own_group = pci_group(late);
	int control = pci_acs(port) + PCI_ACS_CTRL, enabled = pci_read(port, control, 2);
	const char *endpoint = below ? below : late;
	bool had_driver = has_driver(endpoint);
	int log, errors, naming;

	diag("%s: port %s in group %d, %s in %d, late %s in %d, below it %s", what, port, group,
	     other, other_group, late, own_group, below ? below : "nothing");
	ok(group >= 0 && other_group >= 0 && group != other_group,
	   "%s: two groups live", what);

	write_text("1", PCI_DEVICES "/%s/remove", late);
	pci_write(port, control, 2, 0);
	log = kernel_log_from_now();
	rescan();

	ok(is_there(late) && pci_group(late) < 0, "%s: who comes late is in no group", what);
	ok(!below || (is_there(below) && pci_group(below) < 0),
	   "%s: what is below it is in no group", what);
	write_text(endpoint, "/sys/bus/pci/drivers_probe");
	if (has_driver(endpoint))
		diag("%s has a driver", endpoint);
	ok(had_driver && is_there(endpoint) && !has_driver(endpoint),
	   "%s: no driver binds the endpoint", what);
	check_noiommu(what, endpoint);
	errors = errors_of(log, late, group, other_group, &naming);
	diag("%d errors, %d of them name both groups", errors, naming);
	ok(errors == 1 && naming == 1, "%s: one error names both groups", what);
	ok(pci_group(port) == group && pci_group(other) == other_group,
	   "%s: the groups stay as they are", what);

	write_text("1", PCI_DEVICES "/%s/remove", late);
	pci_write(port, control, 2, enabled);
	rescan();
	ok(own_group == other_group ? pci_group(late) == other_group :
	   pci_group(late) >= 0 && pci_group(late) != group && pci_group(late) != other_group,
	   "%s: without the cause it is where it was", what);
	ok(had_driver && has_driver(endpoint), "%s: and the driver binds the endpoint", what);
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
