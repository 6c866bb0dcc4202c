// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What nobody should write into /sys/kernel/iommu_groups: garbage, too much, nothing, pieces
 * of words and words with something around them, into "type" of each group, by those who may
 * write there and by those who may not; and attempts on the files and directories that
 * cannot be written.  Each has the errno that the ABI says, and nothing changes by it.
 *
 * The errnos come from Documentation/ABI/testing/sysfs-kernel-iommu_groups, or from what
 * stands beside them.  6.12 gives the same.
 */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "vfio_ways.h"

#define HUGE	(64 << 10)
#define NOBODY	65534
#define ROUNDS	200

static const char *const words[] = { "identity", "DMA", "DMA-FQ", "auto" };

#define WORDS ((int)(sizeof(words) / sizeof(words[0])))

/* Of this process and its children */
static struct tally {
	long tried;
	long wrong;
} *tally;

/* Right after the call: wanted is an errno, or 0 for success. */
static void expect(long result, int wanted, const char *what)
{
	int error = errno;

	__atomic_add_fetch(&tally->tried, 1, __ATOMIC_RELAXED);
	if (result < 0 ? error == wanted : !wanted)
		return;
	if (__atomic_add_fetch(&tally->wrong, 1, __ATOMIC_RELAXED) < 20)
		diag("%s: %s, not %s", what, result < 0 ? strerrorname_np(error) : "no error",
		     wanted ? strerrorname_np(wanted) : "success");
}

static void expect_that(bool condition, const char *what)
{
	errno = 0;
	expect(condition ? 0 : -1, 0, what);
}

/* Holds when nothing was wrong since the last time. */
static bool holds(const char *name)
{
	long wrong = __atomic_exchange_n(&tally->wrong, 0, __ATOMIC_RELAXED);

	if (wrong)
		diag("%ld wrong", wrong);
	return ok(!wrong, "%s", name);
}

/* All of a directory of groups, as text. */
static void describe(FILE *text, const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, versionsort);

	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		char full[PATH_MAX], content[PAGE * 2] = "";
		struct stat status;

		snprintf(full, sizeof(full), "%s/%s", path, name);
		free(entries[i]);
		if (strrchr(full, '/')[1] == '.' || lstat(full, &status))
			continue;
		if (S_ISREG(status.st_mode)) {
			int file = open(full, O_RDONLY | O_CLOEXEC);

			if (read(file, content, sizeof(content) - 1) < 0)
				snprintf(content, sizeof(content), "%s", strerror(errno));
			close(file);
		} else if (S_ISLNK(status.st_mode) &&
			   readlink(full, content, sizeof(content) - 1) < 0) {
			snprintf(content, sizeof(content), "%s", strerror(errno));
		}
		fprintf(text, "%s %o %d %s\n", full, status.st_mode, status.st_uid, content);
		if (S_ISDIR(status.st_mode))
			describe(text, full);
	}
	if (count >= 0)
		free(entries);
}

static void describe_functions(FILE *text)
{
	struct dirent **entries;
	int count = scandir(PCI_DEVICES, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		char driver[NAME_MAX + 1];

		pci_driver(driver, sizeof(driver), entries[i]->d_name);
		fprintf(text, "%s %d %s\n", entries[i]->d_name, pci_group(entries[i]->d_name), driver);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

static char *snapshot(void)
{
	char *text;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		bail("no memory");
	describe(stream, GROUPS);
	describe_functions(stream);
	fclose(stream);
	return text;
}

/* A file that is written to, and what comes of each value */
struct target {
	char path[64];
	int fd;
	int wanted;
};

static void try_value(const struct target *target, const char *value, size_t length)
{
	long result = write(target->fd, value, length);
	char what[128], start[9] = "";
	int error = errno;

	for (size_t i = 0; i < length && i < sizeof(start) - 1; i++)
		start[i] = value[i] < ' ' || value[i] > '~' ? '?' : value[i];
	snprintf(what, sizeof(what), "%s, %zu bytes: %s", target->path, length, start);
	errno = error;
	expect(result, target->wanted, what);
}

static void try_text(const struct target *target, const char *format, ...)
{
	char value[128];
	va_list args;

	va_start(args, format);
	vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	try_value(target, value, strlen(value));
}

/* None of these is a word, with or without a newline after it. */
static void try_garbage(const struct target *target)
{
	static const char *const values[] = {
		"\n", "\n\n", " ", "0", "1", "-1", "Y", "unknown", "blocked", "unmanaged", "default",
		"DMA_FQ", "dma", "Identity", "AUTO", "translated", "DMA DMA-FQ", "DMA,identity",
		"../type", "%s%s%s%n", "$(reboot)", "\xff\xfe", "\xc3\x84", "\x7f", "\x1b[2J",
	};
	char value[128];

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		try_text(target, "%s", values[i]);
	srandom(1);
	for (int i = 0; i < 64; i++) {
		size_t length = 1 + random() % sizeof(value);

		for (size_t j = 0; j < length; j++)
			value[j] = random();
		try_value(target, value, length);
	}
}

static bool is_word(const char *text)
{
	for (int i = 0; i < WORDS; i++)
		if (!strcmp(text, words[i]))
			return true;
	return false;
}

/* Pieces of the words, words with one bit or one byte too many; a newline may end a word. */
static void try_near_words(const struct target *target)
{
	for (int i = 0; i < WORDS; i++) {
		const char *word = words[i];
		int length = strlen(word);
		char value[16];

		for (int piece = 1; piece < length; piece++) {
			snprintf(value, sizeof(value), "%.*s", piece, word);
			if (!is_word(value))
				try_text(target, "%s", value);
			try_text(target, "%s", word + piece);
		}
		for (int bit = 0; bit < length * 8; bit++) {
			snprintf(value, sizeof(value), "%s", word);
			value[bit / 8] ^= 1 << bit % 8;
			try_value(target, value, length);
		}
		for (int byte = 1; byte < 256; byte++) {
			if (byte != '\n')
				try_text(target, "%s%c", word, byte);
			try_text(target, "%c%s", byte, word);
		}
		try_text(target, "%s\n\n", word);
		try_text(target, "%s\r\n", word);
		try_text(target, "%s \n", word);
		try_text(target, "%s\n%s", word, word);
	}
}

/* sysfs hands on the first page of it; what is written is counted. */
static void try_huge(const struct target *target)
{
	char *value = malloc(HUGE);

	if (!value)
		bail("no memory");
	for (int i = 0; i < WORDS; i++) {
		const char *word = words[i];

		memset(value, ' ', HUGE);
		memcpy(value, word, strlen(word));
		try_value(target, value, HUGE);
		for (int at = 0; at < HUGE; at++)
			value[at] = at % (strlen(word) + 1) < strlen(word) ?
				    word[at % (strlen(word) + 1)] : '\n';
		try_value(target, value, HUGE);
	}
	for (int byte = 0; byte < 256; byte += 51) {
		memset(value, byte, HUGE);
		try_value(target, value, HUGE);
		try_value(target, value, PAGE);
		try_value(target, value, PAGE - 1);
		try_value(target, value, PAGE + 1);
	}
	free(value);
}

static void try_words(const struct target *target)
{
	for (int i = 0; i < WORDS; i++) {
		try_text(target, "%s", words[i]);
		try_text(target, "%s\n", words[i]);
	}
}

static void open_type(struct target *target, int group, int wanted)
{
	snprintf(target->path, sizeof(target->path), GROUPS "/%d/type", group);
	target->fd = open(target->path, O_WRONLY | O_CLOEXEC);
	target->wanted = wanted;
	if (target->fd < 0)
		bail("%s: %s", target->path, strerror(errno));
}

/* EINVAL "for another word", whoever has the group. */
static void try_all_garbage(int group)
{
	struct target type;

	open_type(&type, group, EINVAL);
	try_garbage(&type);
	try_near_words(&type);
	try_huge(&type);
	close(type.fd);
}

static void for_each_group(void (*visit)(int group))
{
	struct dirent **entries;
	int count = scandir(GROUPS, &entries, NULL, versionsort);

	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.')
			visit(atoi(entries[i]->d_name));
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

/* Nothing is no value: write(2) of no byte succeeds and does nothing (sysfs_kf_write()). */
static void try_nothing(int group)
{
	struct target type;

	open_type(&type, group, 0);
	try_value(&type, "", 0);
	expect(ftruncate(type.fd, 0), 0, "truncating type");
	close(type.fd);
	type.fd = open(type.path, O_WRONLY | O_TRUNC | O_APPEND | O_CLOEXEC);
	try_value(&type, "", 0);
	close(type.fd);
}

/* write(2): EFAULT where memory ends, also in the middle of a word */
static void try_bad_memory(int group)
{
	uint8_t *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct target type;

	open_type(&type, group, EFAULT);
	if (pages == MAP_FAILED || munmap(pages + PAGE, PAGE))
		bail("no memory");
	expect(write(type.fd, (void *)0xffffffff81000000, 8), EFAULT, "writing from the kernel's memory");
	for (int i = 0; i < WORDS; i++) {
		char *start = (char *)pages + PAGE - strlen(words[i]);

		memmove(start, words[i], strlen(words[i]));
		expect(write(type.fd, start, strlen(words[i]) + 1), EFAULT, "a word that ends in no memory");
		expect(write(type.fd, start, HUGE), EFAULT, "much that is in no memory");
	}
	munmap(pages, PAGE);
	/* kernfs_fop_mmap() wants a binary file; there is no ioctl. */
	expect(ioctl(type.fd, _IO(0, 0xff), NULL), ENOTTY, "an ioctl of type");
	close(type.fd);
	type.fd = open(type.path, O_RDWR | O_CLOEXEC);
	expect(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, type.fd, 0) == MAP_FAILED ? -1 : 0, ENODEV,
	       "mapping type");
	close(type.fd);
}

/* EPERM: "if a driver is bound to one of its devices, or if somebody owns it" */
static void check_occupied(int group, const char *name)
{
	struct target type;
	char now[32];

	open_type(&type, group, EPERM);
	group_type(now, sizeof(now), group);
	for (int i = 0; i < WORDS; i++) {
		/* "The only exception is the change from DMA to DMA-FQ." */
		if (!strcmp(words[i], "DMA-FQ") && !strcmp(now, "DMA"))
			continue;
		try_text(&type, "%s", words[i]);
		try_text(&type, "%s\n", words[i]);
		/* What follows a NUL is not read, wherever sysfs reads a word. */
		try_value(&type, words[i], strlen(words[i]) + 1);
	}
	close(type.fd);
	try_all_garbage(group);
	holds(name);
}

/* Runs it in a process of its own, which may give up what it likes. */
static void apart(void (*run)(const void *with), const void *with)
{
	int status = 0;
	pid_t child = fork();

	if (!child) {
		run(with);
		_exit(0);
	}
	waitpid(child, &status, 0);
	if (child < 0 || status)
		expect_that(false, "a process ends");
}

static void try_without(const struct target *type)
{
	try_words(type);
	try_garbage(type);
	try_near_words(type);
	try_huge(type);
}

static void without_capability(const void *with)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2];
	int capability = *(const int *)with;
	struct target type;

	if (syscall(SYS_capget, &header, sets))
		_exit(1);
	sets[capability / 32].effective &= ~(1U << capability % 32);
	if (syscall(SYS_capset, &header, sets))
		_exit(1);
	open_type(&type, pci_group(pci_find(EDU_VENDOR, EDU_DEVICE)), EACCES);
	try_without(&type);
	close(type.fd);
	open_type(&type, pci_group(pci_find_class(0x010802)), EACCES);
	try_without(&type);
}

/* Who became another user and kept what root had opened */
static void with_descriptor_of_root(const void *with)
{
	if (setuid(NOBODY))
		_exit(1);
	try_without(with);
}

static void open_for_writing_at(int group, int wanted)
{
	static const char *const files[] = { "type", "reason", "reserved_regions", "name" };
	static const int ways[] = { O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC, O_RDWR | O_APPEND };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[PATH_MAX];
		int file;

		snprintf(path, sizeof(path), GROUPS "/%d/%s", group, files[i]);
		/* root has "type", 6.12 has no "reason", and few groups have a "name" */
		if ((!strcmp(files[i], "type") && !getuid()) || access(path, F_OK))
			continue;
		for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++)
			expect(open(path, ways[way] | O_CLOEXEC), wanted, path);
		if (getuid()) {
			expect(chmod(path, 0666), EPERM, path);
			continue;
		}
		/* With another mode it opens; kobj_attr_store() has EIO for what has no store(). */
		expect(chmod(path, 0666), 0, path);
		file = open(path, O_WRONLY | O_CLOEXEC);
		expect(write(file, "DMA", 3), EIO, path);
		close(file);
		expect(chmod(path, 0444), 0, path);
	}
}

/* sysfs adds EACCES of its own to modes, also for root; see kernfs_fop_open(). */
static void open_for_writing(int group)
{
	open_for_writing_at(group, EACCES);
}

/*
 * sysfs does not let user space create, remove or rename anything: vfs_mkdir() and so on
 * have EPERM where a directory has no such method, and opening a new file EACCES.  Who may
 * not write to the directory has EACCES before.
 */
static void change_directory(const char *directory, const char *file, const char *link)
{
	int wanted = getuid() ? EACCES : EPERM;
	char new[PATH_MAX], old[PATH_MAX], removed[PATH_MAX], linked[PATH_MAX];

	snprintf(new, sizeof(new), "%s/99999", directory);
	snprintf(old, sizeof(old), "%s/%s", directory, file);
	snprintf(removed, sizeof(removed), "%s/%s", directory, "devices");
	snprintf(linked, sizeof(linked), "%s/%s", directory, link);

	expect(open(new, O_WRONLY | O_CREAT | O_CLOEXEC, 0644), EACCES, "creating a file");
	expect(mkdir(new, 0755), wanted, "creating a directory");
	expect(symlink("type", new), wanted, "creating a link");
	expect(mknod(new, S_IFIFO | 0644, 0), wanted, "creating a FIFO");
	if (*file)
		expect(rename(old, new), wanted, "renaming");
	if (!access(removed, F_OK)) {
		expect(rmdir(removed), wanted, "removing a directory");
		expect(rename(removed, new), wanted, "renaming a directory");
	}
	if (*link)
		expect(unlink(linked), wanted, "removing a link");
}

static void change_directories(int group)
{
	char directory[64], devices[80], anchor[80], name[80], *disk = pci_find_class(0x010802);
	int wanted = getuid() ? EACCES : EPERM;

	snprintf(directory, sizeof(directory), GROUPS "/%d", group);
	snprintf(devices, sizeof(devices), "%s/devices", directory);
	snprintf(anchor, sizeof(anchor), "%s/anchor", directory);
	change_directory(directory, "type", access(anchor, F_OK) ? "" : "anchor");
	change_directory(devices, "", group == pci_group(disk) ? disk : "");
	snprintf(name, sizeof(name), "%s/name", directory);
	if (access(name, F_OK))
		expect(open(name, O_WRONLY | O_CLOEXEC), ENOENT, "a name that is not there");
	expect(rmdir(directory), wanted, "removing a group");
	snprintf(name, sizeof(name), GROUPS "/%d", group + 1000);
	expect(rename(directory, name), wanted, "renumbering a group");
	snprintf(name, sizeof(name), "%s/type", directory);
	expect(unlink(name), wanted, "removing type");
	free(disk);
}

static void all_read_only_things(const void *with)
{
	if (with && setuid(NOBODY))
		_exit(1);
	for_each_group(open_for_writing);
	for_each_group(change_directories);
	change_directory(GROUPS, "0", "");
}

/* All at once.  What they get depends on who comes first, but is one of these. */

static void expect_either(long result, int one, const char *what)
{
	expect(result, result < 0 && errno == one ? one : 0, what);
}

static void read_everything(const void *with)
{
	if (with && setuid(NOBODY))
		_exit(1);
	for (int round = 0; round < ROUNDS / 20; round++) {
		char *text = snapshot();
		int groups = 0;

		for (char *at = text; (at = strstr(at, "/type ")); groups++, at += 6) {
			char word[16] = "";

			if (sscanf(at + 6, "%*o %*d %15[^\n]", word) != 1)
				word[0] = '\0';
			expect_that(is_word(word) && strcmp(word, "auto"), "a type that is read");
		}
		expect_that(groups, "groups that are read");
		free(text);
	}
}

/* Of a group that comes and goes from hand to hand */
static void write_words(const void *with)
{
	struct target type;

	open_type(&type, *(const int *)with, 0);
	for (int round = 0; round < ROUNDS; round++) {
		const char *word = words[(round + getpid()) % WORDS];

		expect_either(write(type.fd, word, strlen(word)), EPERM, "a word for the free group");
	}
}

static void write_garbage(const void *with)
{
	struct target type;

	(void)with;
	open_type(&type, pci_group(pci_find(EDU_VENDOR, EDU_DEVICE)), EINVAL);
	try_garbage(&type);
	try_near_words(&type);
	open_type(&type, pci_group(pci_find_class(0x010802)), EINVAL);
	try_garbage(&type);
	try_near_words(&type);
}

static void take_and_leave(const void *with)
{
	int group = open_group(*(const int *)with);
	int container = open_container();

	for (int round = 0; round < ROUNDS / 4; round++) {
		expect(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), 0, "taking the group");
		expect(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0, "its container");
		expect(ioctl(group, VFIO_GROUP_UNSET_CONTAINER), 0, "leaving the group");
	}
}

static void use_disk(const void *with)
{
	int disk = open("/dev/nvme0n1", O_RDWR | O_DIRECT | O_CLOEXEC);
	uint8_t *written = new_page(0), *found = new_page(0);

	(void)with;
	for (int round = 0; round < ROUNDS / 4; round++) {
		fill_pattern(written, round);
		memset(found, 0, PAGE);
		expect(pwrite(disk, written, PAGE, round * PAGE), 0, "writing to the disk");
		expect(pread(disk, found, PAGE, round * PAGE), 0, "reading from it");
		expect_that(!memcmp(written, found, PAGE), "what was read");
	}
}

static void all_at_once(const int *group)
{
	static const struct {
		void (*run)(const void *with);
		bool with;
	} users[] = {
		{ write_words, true }, { write_words, true }, { write_garbage, false },
		{ take_and_leave, true }, { read_everything, false }, { read_everything, true },
		{ use_disk, false },
	};
	const int count = sizeof(users) / sizeof(users[0]);
	int ended = 0, status;

	for (int i = 0; i < count; i++) {
		if (!fork()) {
			users[i].run(users[i].with ? group : NULL);
			_exit(0);
		}
	}
	while (wait(&status) >= 0)
		ended += !status;
	expect_that(ended == count, "all processes end");
}

static void report_change(const char *before, const char *now)
{
	while (*before && *before == *now) {
		before++;
		now++;
	}
	diag("was ...%.60s", before);
	diag("is  ...%.60s", now);
}

static void unchanged(const char *before, const char *name)
{
	char *now = snapshot();

	if (strcmp(before, now))
		report_change(before, now);
	ok(!strcmp(before, now), "%s", name);
	free(now);
}

static void check_owned(const char *edu)
{
	int container = open_container(), group;
	int number = pci_group(edu);

	need(!pci_bind_vfio(edu), "vfio-pci takes the free device");
	group = open_group(number);
	need(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) &&
	     !ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), "VFIO owns its group");
	check_occupied(number, "a group that VFIO owns: EPERM for words, EINVAL for the rest");
	need(!ioctl(group, VFIO_GROUP_UNSET_CONTAINER), "VFIO leaves the group");
	close(group);
	close(container);
}

#define UNSAFE "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"

/* A group that VFIO makes, with a name and without a default domain, so no word is for it. */
static int without_iommu(const char *edu)
{
	char *before, name[32];
	struct target type;

	ktap_plan(7);
	write_text("Y", UNSAFE);
	need(!pci_bind_vfio(edu) && pci_group(edu) >= 0, "VFIO makes a group");
	read_line(name, sizeof(name), GROUPS "/%d/name", pci_group(edu));
	ok(!strcmp(name, "vfio-noiommu"), "... with a name");
	before = snapshot();
	open_type(&type, pci_group(edu), EINVAL);
	try_words(&type);
	close(type.fd);
	try_all_garbage(pci_group(edu));
	try_nothing(pci_group(edu));
	try_bad_memory(pci_group(edu));
	holds("EINVAL for words and for what is none");
	all_read_only_things(NULL);
	holds("root does not write to other files, nor change directories");
	apart(all_read_only_things, "nobody");
	holds("another user does not write to any file, nor change directories");
	unchanged(before, "nothing has changed by all that");
	ok(!pci_bind_host(edu) && pci_group(edu) < 0 && entries_of(GROUPS) == 0, "the group goes in the end");
	write_text("N", UNSAFE);
	diag("tried %ld", tally->tried);
	return ktap_status();
}

int main(void)
{
	const int admin = CAP_SYS_ADMIN, rawio = CAP_SYS_RAWIO;
	char *edu = pci_find(EDU_VENDOR, EDU_DEVICE);
	char *disk = pci_find_class(0x010802);
	char *before, type_before[32];
	struct target type;
	int group;

	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED)
		bail("no memory");
	if (edu && entries_of(GROUPS) == 0)
		return without_iommu(edu);
	ktap_plan(19);
	if (!edu || !disk || pci_group(edu) < 0 || pci_group(disk) < 0)
		bail("needs an edu and an nvme device in groups");
	allow_unsafe_interrupts(true);
	for (int tries = 0; access("/dev/nvme0n1", F_OK) && tries < 600; tries++)
		usleep(100000);
	group = pci_group(edu);
	before = snapshot();

	for_each_group(try_all_garbage);
	holds("all groups: EINVAL for what is no word");
	for_each_group(try_nothing);
	holds("all groups: nothing written is nothing done");
	for_each_group(try_bad_memory);
	holds("all groups: EFAULT where there is no memory");
	unchanged(before, "nothing has changed by all that");

	check_occupied(pci_group(disk), "a group with a driver: EPERM for words, EINVAL for the rest");

	apart(without_capability, &admin);
	holds("EACCES for root without CAP_SYS_ADMIN");
	apart(without_capability, &rawio);
	holds("EACCES for root without CAP_SYS_RAWIO");
	open_type(&type, group, EACCES);
	apart(with_descriptor_of_root, &type);
	close(type.fd);
	holds("EACCES for another user with a descriptor of root's");

	all_read_only_things(NULL);
	holds("root does not write to other files, nor change directories");
	apart(all_read_only_things, "nobody");
	holds("another user does not write to any file, nor change directories");
	unchanged(before, "nothing has changed by all that either");

	check_owned(edu);

	group_type(type_before, sizeof(type_before), group);
	all_at_once(&group);
	holds("all at once, each has its answer, and the disk works");
	ok(!write_text(type_before, GROUPS "/%d/type", group), "the free group takes a word after that");
	pci_bind_host(edu);
	unchanged(before, "in the end all is as it was in the beginning");

	allow_unsafe_interrupts(false);
	diag("tried %ld", tally->tried);
	ok(tally->tried > 10000, "that was a lot");
	return ktap_status();
}
