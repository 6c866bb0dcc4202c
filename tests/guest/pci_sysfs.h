/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * PCI functions as sysfs shows them: finding one, its IOMMU group, its driver.
 * A function is named as in sysfs, "0000:00:05.0".  What can fail returns 0 or
 * more, or a negative errno.
 */
#ifndef PCI_SYSFS_H
#define PCI_SYSFS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PCI_DEVICES "/sys/bus/pci/devices"
#define GROUPS "/sys/kernel/iommu_groups"

/* The first line of a file, without its newline. */
__attribute__((format(printf, 3, 4)))
static inline int read_line(char *line, size_t size, const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;
	ssize_t length;
	int fd;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);

	line[0] = '\0';
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	length = read(fd, line, size - 1);
	if (length < 0)
		length = -errno;
	else
		line[length] = '\0';
	close(fd);
	line[strcspn(line, "\n")] = '\0';
	return length;
}

__attribute__((format(printf, 2, 3)))
static inline int write_text(const char *text, const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;
	int fd, error = 0;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		error = -errno;
	close(fd);
	return error;
}

/* The last component of what a symbolic link points to. */
__attribute__((format(printf, 3, 4)))
static inline int link_target(char *name, size_t size, const char *format, ...)
{
	char path[PATH_MAX], target[PATH_MAX], *base;
	va_list args;
	ssize_t length;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);

	name[0] = '\0';
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return -errno;
	target[length] = '\0';
	base = strrchr(target, '/');
	snprintf(name, size, "%.*s", (int)size - 1, base ? base + 1 : target);
	return 0;
}

/* How many entries a directory has; less than 0 without the directory. */
static inline int entries_of(const char *directory)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, NULL, NULL);

	for (int i = 0; i < count; i++)
		free(entries[i]);
	if (count >= 0)
		free(entries);
	return count - 2 /* . and .. */;
}

static inline unsigned long pci_number(const char *function, const char *attribute)
{
	char line[32];

	read_line(line, sizeof(line), PCI_DEVICES "/%s/%s", function, attribute);
	return strtoul(line, NULL, 16);
}

/*
 * The name of the first function with these ids, one on the root bus before one
 * behind a bridge; free() it.
 */
static inline char *pci_find(unsigned int vendor, unsigned int device)
{
	struct dirent **entries;
	char *found = NULL;
	int count = scandir(PCI_DEVICES, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;

		if (!found && pci_number(name, "vendor") == vendor &&
		    pci_number(name, "device") == device)
			found = strdup(name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return found;
}

static inline char *pci_find_class(unsigned int class)
{
	struct dirent **entries;
	char *found = NULL;
	int count = scandir(PCI_DEVICES, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		if (!found && pci_number(entries[i]->d_name, "class") == class)
			found = strdup(entries[i]->d_name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return found;
}

/* The number of a function's group. */
static inline int pci_group(const char *function)
{
	char name[16];
	int error = link_target(name, sizeof(name), PCI_DEVICES "/%s/iommu_group", function);

	return error ? error : atoi(name);
}

static inline int pci_driver(char *driver, size_t size, const char *function)
{
	return link_target(driver, size, PCI_DEVICES "/%s/driver", function);
}

static inline bool pci_driver_is(const char *function, const char *wanted)
{
	char driver[64];

	return !pci_driver(driver, sizeof(driver), function) && !strcmp(driver, wanted);
}

static inline int pci_unbind(const char *function)
{
	char driver[64];

	if (pci_driver(driver, sizeof(driver), function))
		return 0;
	return write_text(function, PCI_DEVICES "/%s/driver/unbind", function);
}

static inline int pci_bind_vfio(const char *function)
{
	int error = write_text("vfio-pci", PCI_DEVICES "/%s/driver_override", function);

	if (!error)
		error = pci_unbind(function);
	if (!error)
		error = write_text(function, "/sys/bus/pci/drivers_probe");
	return error;
}

/* Gives a function back to the driver that matches it, if there is one. */
static inline int pci_bind_host(const char *function)
{
	int error = pci_unbind(function);

	if (!error)
		error = write_text("\n", PCI_DEVICES "/%s/driver_override", function);
	if (!error)
		error = write_text(function, "/sys/bus/pci/drivers_probe");
	return error;
}

static inline int bind_driver(const char *function, const char *driver)
{
	return write_text(function, "/sys/bus/pci/drivers/%s/bind", driver);
}

static inline bool is_bridge(const char *function)
{
	return pci_number(function, "class") >> 8 == 0x0604;
}

/* Two endpoints of one group, one of which a host driver has. */
struct shared_group {
	int group;
	char ours[NAME_MAX + 1];
	char neighbour[NAME_MAX + 1];
	char driver[NAME_MAX + 1];
};

static inline bool find_shared_group(struct shared_group *shared)
{
	struct dirent **all;
	bool found = false;
	int count = scandir(PCI_DEVICES, &all, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		for (int j = 0; j < count && !found; j++) {
			const char *ours = all[i]->d_name, *neighbour = all[j]->d_name;

			shared->group = pci_group(ours);
			if (i == j || shared->group < 0 || pci_group(neighbour) != shared->group ||
			    is_bridge(ours) || is_bridge(neighbour) ||
			    pci_driver(shared->driver, sizeof(shared->driver), neighbour))
				continue;
			snprintf(shared->ours, sizeof(shared->ours), "%s", ours);
			snprintf(shared->neighbour, sizeof(shared->neighbour), "%s", neighbour);
			found = true;
		}
	}
	for (int i = 0; i < count; i++)
		free(all[i]);
	if (count >= 0)
		free(all);
	return found;
}

#endif
