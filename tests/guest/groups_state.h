/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * All that user space sees of groups, as one text, to compare before with after: a line for
 * each group, by number, and one for each PCI function.
 */
#ifndef GROUPS_STATE_H
#define GROUPS_STATE_H

#include "ktap.h"
#include "pci_sysfs.h"

static inline int by_number(const struct dirent **one, const struct dirent **other)
{
	return atoi((*one)->d_name) - atoi((*other)->d_name);
}

static inline void add_group(FILE *text, const char *group)
{
	char type[64], reason[64], name[256], anchor[64], directory[64];
	struct dirent **members;
	int count;

	read_line(type, sizeof(type), GROUPS "/%s/type", group);
	read_line(reason, sizeof(reason), GROUPS "/%s/reason", group);
	read_line(name, sizeof(name), GROUPS "/%s/name", group);
	link_target(anchor, sizeof(anchor), GROUPS "/%s/anchor", group);
	fprintf(text, "group %s type '%s' reason '%s' name '%s' anchor '%s' members", group, type, reason,
		name, anchor);
	snprintf(directory, sizeof(directory), GROUPS "/%s/devices", group);
	count = scandir(directory, &members, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		if (members[i]->d_name[0] != '.')
			fprintf(text, " %s", members[i]->d_name);
		free(members[i]);
	}
	if (count >= 0)
		free(members);
	fputc('\n', text);
}

/* free() it */
static inline char *state_of_groups(void)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	struct dirent **entries;
	int count;

	if (!file)
		bail("no memory");
	count = scandir(GROUPS, &entries, NULL, by_number);
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.')
			add_group(file, entries[i]->d_name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	count = scandir(PCI_DEVICES, &entries, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		char driver[64];

		if (entries[i]->d_name[0] != '.') {
			pci_driver(driver, sizeof(driver), entries[i]->d_name);
			fprintf(file, "function %s group %d driver '%s'\n", entries[i]->d_name,
				pci_group(entries[i]->d_name), driver);
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	fclose(file);
	return text;
}

/* Prints where two such texts part. */
static inline void show_difference(const char *wanted, const char *found)
{
	size_t line = 0;

	for (size_t i = 0; wanted[i] && wanted[i] == found[i]; i++) {
		if (wanted[i] == '\n')
			line = i + 1;
	}
	diag("wanted: %.*s", (int)strcspn(wanted + line, "\n"), wanted + line);
	diag("found:  %.*s", (int)strcspn(found + line, "\n"), found + line);
}

#endif
