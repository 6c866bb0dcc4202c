// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The contract of /sys/kernel/iommu_groups with the programs in the field, as far
 * as a machine with groups shows it.  The checks begin with the line of the contract.
 */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <regex.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ktap.h"
#include "pci_sysfs.h"

#define TRACING "/sys/kernel/tracing"

/* A check looks at many files; it holds when nothing was wrong with any. */
static int faults;

#define fault(...) (diag(__VA_ARGS__), faults++)

static void holds(const char *what)
{
	ok(!faults, "%s", what);
	faults = 0;
}

static bool matches(const char *text, const char *pattern)
{
	regex_t regex;
	bool matched;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB))
		bail("bad pattern %s", pattern);
	matched = !regexec(&regex, text, 0, NULL, 0);
	regfree(&regex);
	return matched;
}

static int is_entry(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Calls visit() with each entry's name; returns how many there are. */
static int for_each_entry_of(const char *path, void (*visit)(const char *path, const char *name))
{
	struct dirent **entries;
	int count = scandir(path, &entries, is_entry, versionsort);

	if (count < 0) {
		fault("%s: %s", path, strerror(errno));
		return 0;
	}
	for (int i = 0; i < count; i++) {
		if (visit)
			visit(path, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return count;
}

static void for_each_group(void (*visit)(const char *path, const char *name))
{
	for_each_entry_of(GROUPS, visit);
}

static mode_t mode_of(const char *path, const char *name)
{
	char full[PATH_MAX];
	struct stat status;

	snprintf(full, sizeof(full), "%s/%s", path, name);
	return lstat(full, &status) ? 0 : status.st_mode;
}

static void group_is_decimal_directory(const char *path, const char *name)
{
	if (!matches(name, "^(0|[1-9][0-9]*)$"))
		fault("%s/%s is not a plain decimal number", path, name);
	if (!S_ISDIR(mode_of(path, name)))
		fault("%s/%s is not a directory", path, name);
}

static int next_number;

static void number_is_next(const char *path, const char *name)
{
	if (atoi(name) != next_number)
		fault("%s/%s stands where %d is expected", path, name, next_number);
	next_number++;
}

static void group_has_member(const char *path, const char *name)
{
	char devices[PATH_MAX];

	snprintf(devices, sizeof(devices), "%s/%s/devices", path, name);
	if (!for_each_entry_of(devices, NULL))
		fault("%s is empty", devices);
}

static void file_has_mode(const char *path, const char *name, mode_t mode)
{
	if (mode_of(path, name) != mode)
		fault("%s/%s has mode %o, not %o", path, name, mode_of(path, name), mode);
}

static void group_files_have_modes(const char *path, const char *name)
{
	char group[PATH_MAX];

	snprintf(group, sizeof(group), "%s/%s", path, name);
	file_has_mode(group, "devices", S_IFDIR | 0755);
	file_has_mode(group, "reserved_regions", S_IFREG | 0444);
	file_has_mode(group, "type", S_IFREG | 0644);
}

static void entry_is_of_the_abi(const char *path, const char *name)
{
	char *const old[] = { "devices", "reserved_regions", "type" };

	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++)
		if (!strcmp(name, old[i]))
			return;
	if (!strcmp(name, "reason") && S_ISREG(mode_of(path, name)))
		return;
	if (!strcmp(name, "anchor") && S_ISLNK(mode_of(path, name)))
		return;
	fault("%s/%s is not in the ABI of a group without a name", path, name);
}

static void group_has_no_other_entry(const char *path, const char *name)
{
	char group[PATH_MAX];

	snprintf(group, sizeof(group), "%s/%s", path, name);
	for_each_entry_of(group, entry_is_of_the_abi);
}

/* path is GROUPS/N/devices */
static void member_is_link_to_device(const char *path, const char *name)
{
	char member[PATH_MAX], back[PATH_MAX], device[PATH_MAX], group[PATH_MAX];

	snprintf(member, sizeof(member), "%s/%s", path, name);
	if (!S_ISLNK(mode_of(path, name)))
		fault("%s is not a symlink", member);
	if (!matches(name, "^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]$"))
		fault("%s is not named as a PCI function", member);
	if (!realpath(member, device)) {
		fault("%s leads nowhere", member);
		return;
	}
	if (strcmp(strrchr(device, '/') + 1, name))
		fault("%s is the link to %s", member, device);
	snprintf(back, sizeof(back), "%s/iommu_group/devices", device);
	if (!realpath(back, group) || strcmp(group, path))
		fault("%s does not lead back to %s", back, path);
}

static void members_are_links_to_devices(const char *path, const char *name)
{
	char devices[PATH_MAX];

	snprintf(devices, sizeof(devices), "%s/%s/devices", path, name);
	for_each_entry_of(devices, member_is_link_to_device);
}

static int components(const char *path)
{
	int count = 0;

	for (; *path; path++)
		count += *path == '/';
	return count + 1;
}

/* The link of a device in /sys/devices/A/B is ../../../kernel/iommu_groups/N. */
static void device_link_is_short(const char *path, const char *name)
{
	char link[PATH_MAX], device[PATH_MAX], target[PATH_MAX], wanted[PATH_MAX] = "";
	ssize_t length;

	snprintf(link, sizeof(link), "%s/%s", path, name);
	if (!realpath(link, device))
		bail("%s leads nowhere", link);
	snprintf(link, sizeof(link), "%s/iommu_group", device);
	length = readlink(link, target, sizeof(target) - 1);
	if (length < 0)
		return;
	target[length] = '\0';

	for (int depth = components(device + strlen("/sys/")); depth; depth--)
		strcat(wanted, "../");
	strcat(wanted, "kernel/iommu_groups/");
	if (strncmp(target, wanted, strlen(wanted)) ||
	    !matches(target + strlen(wanted), "^(0|[1-9][0-9]*)$"))
		fault("%s is %s, not %sN", link, target, wanted);
	if (components(target) > 16)
		fault("%s has %d parts", link, components(target));
}

static int memberships;
static const char *member_sought;

static void count_membership(const char *path, const char *name)
{
	char devices[PATH_MAX];

	snprintf(devices, sizeof(devices), "%s/%s/devices", path, name);
	if (S_ISLNK(mode_of(devices, member_sought)))
		memberships++;
}

static void device_is_in_its_one_group(const char *path, const char *name)
{
	int expected = S_ISLNK(mode_of(path, name)) && pci_group(name) >= 0;

	memberships = 0;
	member_sought = name;
	for_each_group(count_membership);
	if (memberships != expected)
		fault("%s is a member of %d groups, not of %d", name, memberships, expected);
}

static void type_is_a_word(const char *path, const char *name)
{
	char type[64];

	read_line(type, sizeof(type), "%s/%s/type", path, name);
	if (!matches(type, "^(unknown|blocked|identity|unmanaged|DMA|DMA-FQ)$"))
		fault("%s/%s/type is '%s'", path, name, type);
}

static void regions_are_sorted(const char *path, const char *name)
{
	unsigned long long start, end, last = 0;
	char file[PATH_MAX], line[256];
	bool msi = false;
	FILE *regions;

	snprintf(file, sizeof(file), "%s/%s/reserved_regions", path, name);
	regions = fopen(file, "r");
	if (!regions) {
		fault("%s: %s", file, strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), regions)) {
		line[strcspn(line, "\n")] = '\0';
		if (!matches(line, "^0x[0-9a-f]{16} 0x[0-9a-f]{16} (direct|direct-relaxable|reserved|msi)$"))
			fault("%s: malformed: %s", file, line);
		sscanf(line, "%llx %llx", &start, &end);
		if (start < last || end < start)
			fault("%s: out of order: %s", file, line);
		last = start;
		msi |= strstr(line, " msi") != NULL;
	}
	fclose(regions);
	if (!msi)
		fault("%s: x86 writes MSIs to 0xfee00000, no such region", file);
}

static const char *kernel_log(void)
{
	static char log[1 << 20];
	int length = klogctl(3 /* read all */, log, sizeof(log) - 1);

	log[length < 0 ? 0 : length] = '\0';
	return log;
}

static void addition_was_logged(const char *path, const char *name)
{
	char line[NAME_MAX + 64];
	int group = pci_group(name);

	(void)path;
	if (group < 0)
		return;
	snprintf(line, sizeof(line), " %s: Adding to iommu group %d\n", name, group);
	if (!strstr(kernel_log(), line))
		fault("the addition of %s to group %d is not logged", name, group);
}

/* Writes to a group's type without the capability, as root otherwise. */
static int write_type_without(int capability, int group, const char *word)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2];
	int status;
	pid_t child = fork();

	if (!child) {
		if (syscall(SYS_capget, &header, sets))
			_exit(EIO);
		sets[capability / 32].effective &= ~(1U << capability % 32);
		if (syscall(SYS_capset, &header, sets))
			_exit(EIO);
		_exit(-write_text(word, GROUPS "/%d/type", group));
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

static int write_type_as_another_user(int group, const char *word)
{
	int status;
	pid_t child = fork();

	if (!child) {
		if (setuid(65534))
			_exit(EIO);
		_exit(-write_text(word, GROUPS "/%d/type", group));
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

static void type_answers(int group, const char *word, int wanted)
{
	int answer = write_text(word, GROUPS "/%d/type", group);

	if (answer != wanted)
		fault("writing %s to type of group %d: %s, not %s", word, group,
		      strerror(-answer), strerror(-wanted));
}

static void type_reads(int group, const char *wanted)
{
	char type[64];

	read_line(type, sizeof(type), GROUPS "/%d/type", group);
	if (strcmp(type, wanted))
		fault("type of group %d is %s, not %s", group, type, wanted);
}

static void type_writes(const char *disk)
{
	int group = pci_group(disk);
	char before[64];

	read_line(before, sizeof(before), GROUPS "/%d/type", group);

	if (write_type_as_another_user(group, "auto") != -EACCES)
		fault("another user may write");
	if (write_type_without(CAP_SYS_ADMIN, group, "auto") != -EACCES)
		fault("root without CAP_SYS_ADMIN may write");
	if (write_type_without(CAP_SYS_RAWIO, group, "auto") != -EACCES)
		fault("root without CAP_SYS_RAWIO may write");
	holds("C8 type: -EACCES for who may not");

	type_answers(group, "translated", -EINVAL);
	type_answers(group, "DMA-FQX", -EINVAL);
	type_answers(group, "blocked", -EINVAL);
	holds("C8 type: -EINVAL for an unknown word");

	type_answers(group, "identity", -EPERM);
	type_answers(group, "auto", -EPERM);
	type_reads(group, before);
	holds("C8 type: -EPERM while a driver is bound");

	if (pci_unbind(disk))
		fault("%s does not leave its driver", disk);
	type_answers(group, "identity", 0);
	type_reads(group, "identity");
	type_answers(group, "DMA-FQ", 0);
	type_reads(group, "DMA-FQ");
	type_answers(group, "auto", 0);
	type_reads(group, before);
	type_answers(group, "DMA", 0);
	type_reads(group, "DMA");
	holds("C8 type: identity, DMA-FQ, auto and DMA without a driver");

	if (bind_driver(disk, "nvme"))
		fault("%s does not return to its driver", disk);
	type_answers(group, "DMA-FQ", 0);
	type_reads(group, "DMA-FQ");
	holds("C8 type: DMA to DMA-FQ with a driver bound");
}

static void type_of_owned_group(const char *edu)
{
	int group = pci_group(edu), container, group_file;
	char node[64];

	if (pci_bind_vfio(edu))
		fault("%s does not bind to vfio-pci", edu);
	snprintf(node, sizeof(node), "/dev/vfio/%d", group);
	container = open("/dev/vfio/vfio", O_RDWR);
	group_file = open(node, O_RDWR);
	/* VFIO_GROUP_SET_CONTAINER */
	if (ioctl(group_file, _IO(';', 100 + 4), &container))
		fault("VFIO does not claim group %d: %s", group, strerror(errno));
	type_answers(group, "identity", -EPERM);
	close(group_file);
	close(container);
	if (pci_bind_host(edu))
		fault("%s does not leave vfio-pci", edu);
	holds("C8 type: -EPERM while the group is owned");
}

static bool trace_has(const char *event, int group, const char *device)
{
	char wanted[NAME_MAX + 64];
	static char trace[1 << 16];
	int file = open(TRACING "/trace", O_RDONLY);
	size_t length = 0;
	ssize_t more;

	while ((more = read(file, trace + length, sizeof(trace) - 1 - length)) > 0)
		length += more;
	close(file);
	trace[length] = '\0';
	snprintf(wanted, sizeof(wanted), "%s: IOMMU: groupID=%d device=%s\n", event, group, device);
	return strstr(trace, wanted) != NULL;
}

static bool group_exists(int group)
{
	char path[64];

	snprintf(path, sizeof(path), GROUPS "/%d", group);
	return !access(path, F_OK);
}

#define MAX_DEVICES 256

static struct {
	char name[NAME_MAX + 1];
	int group;
} remembered[MAX_DEVICES];
static int remembered_count;

static void remember_group(const char *path, const char *name)
{
	(void)path;
	if (remembered_count == MAX_DEVICES)
		bail("more than %d PCI devices", MAX_DEVICES);
	strcpy(remembered[remembered_count].name, name);
	remembered[remembered_count++].group = pci_group(name);
}

/* Takes away the only members of two groups and brings the second back first. */
static void removal_and_rescan(const char *first, const char *second)
{
	int lower = pci_group(first), higher = pci_group(second);
	char bus_of_second[] = "dddd:bb";

	memcpy(bus_of_second, second, strlen(bus_of_second));
	for_each_entry_of(PCI_DEVICES, remember_group);
	if (write_text("1", TRACING "/events/iommu/enable") || write_text("0\n", TRACING "/trace"))
		fault("no tracepoints of the iommu subsystem");

	if (write_text("1", PCI_DEVICES "/%s/remove", first) ||
	    write_text("1", PCI_DEVICES "/%s/remove", second))
		fault("%s and %s cannot be removed", first, second);
	if (group_exists(lower) || group_exists(higher))
		fault("group %d or %d is there without its only member", lower, higher);
	holds("C1 a group whose last member has left is gone");

	if (write_text("1", "/sys/class/pci_bus/%s/rescan", bus_of_second) ||
	    write_text("1", "/sys/bus/pci/rescan"))
		fault("no rescan of the PCI bus");
	diag("before: %s %d, %s %d", first, lower, second, higher);
	diag("after: %s %d, %s %d", first, pci_group(first), second, pci_group(second));
	if (lower >= higher || pci_group(second) != lower || pci_group(first) != higher)
		fault("the lowest free number does not go to the first that asks");
	holds("C3 the lowest free number is given first");

	for (int i = 0; i < remembered_count; i++)
		if (strcmp(remembered[i].name, first) && strcmp(remembered[i].name, second) &&
		    pci_group(remembered[i].name) != remembered[i].group)
			fault("%s has moved from group %d to %d", remembered[i].name,
			      remembered[i].group, pci_group(remembered[i].name));
	holds("C15 the devices that stayed have kept their groups");

	if (!trace_has("remove_device_from_group", lower, first) ||
	    !trace_has("remove_device_from_group", higher, second))
		fault("no event remove_device_from_group");
	if (!trace_has("add_device_to_group", higher, first) ||
	    !trace_has("add_device_to_group", lower, second))
		fault("no event add_device_to_group");
	holds("C11 tracepoints of removal and addition");

	for_each_entry_of(PCI_DEVICES, addition_was_logged);
	holds("C11 an addition after boot is logged");
}

int main(void)
{
	char *edu = pci_find(0x1234, 0x11e8);
	char *disk = pci_find_class(0x010802);
	char *express = pci_find(0x1b36, 0x000d);

	ktap_plan(22);
	if (!edu || !disk || !express)
		bail("needs an edu, an nvme and an xHCI device");

	for_each_group(group_is_decimal_directory);
	holds("C1 C2 only directories with decimal names");
	for_each_group(group_has_member);
	holds("C1 no group without a member");
	for_each_group(number_is_next);
	holds("C3 numbers from 0 without a gap at boot");
	for_each_group(group_files_have_modes);
	holds("C4 devices, reserved_regions 0444, type 0644");
	for_each_group(group_has_no_other_entry);
	holds("C4 nothing else in a group, no name unless one is set");
	for_each_group(members_are_links_to_devices);
	holds("C5 devices/ holds links named as the PCI functions");
	for_each_entry_of(PCI_DEVICES, device_link_is_short);
	holds("C6 iommu_group is a short relative link");
	for_each_entry_of(PCI_DEVICES, addition_was_logged);
	holds("C11 every addition is logged");
	for_each_group(type_is_a_word);
	holds("C8 type is one of its words");
	for_each_group(regions_are_sorted);
	holds("C9 reserved_regions: format, words, order");
	for_each_entry_of(PCI_DEVICES, device_is_in_its_one_group);
	holds("C15 a device is in one group at most");

	type_writes(disk);
	type_of_owned_group(edu);
	removal_and_rescan(edu, express);

	return ktap_status();
}
