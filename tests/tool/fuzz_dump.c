// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * libFuzzer target for the readers of dumps of tools/iommu/iommu-groups, and for
 * what is done with what they read; built and run by test_fuzz.py.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "iommu-groups.h"

/* A message is what is wanted, and must be one line of a sensible length */
void print_err(const char *format, ...)
{
	char message[1024];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (length <= 0 || length >= (int)sizeof(message) || strchr(message, '\n'))
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	return freopen("/dev/null", "w", stdout) ? 0 : 1;
}

/* Of a text the kernel's reasons are not known, so that they are made up here */
static void add_reasons(struct topology *topology)
{
	static const char * const words[] = {
		"single-function", "isolated", "assumed", "root-port", "multifunction",
		"switch", "conventional-bus", "requester-id", "firmware", "of the future",
	};
	const char *word;
	unsigned int i;
	int number;

	for (i = 0; i < topology->nr; i++) {
		number = topology->fn[i].group;
		if (number < 0 || find_group(topology, number))
			continue;
		word = words[(number + i) % ARRAY_SIZE(words)];
		add_group(topology, number)->reason = copy_string(word);
		sort_topology(topology);
		if (topology->nr_groups == 20)
			break;
	}
}

/* @partitions are those under all policies */
static void check_partition(struct partition *partitions, enum policy policy)
{
	struct partition *partition = &partitions[policy];
	const struct topology *topology = partition->topology;
	const struct selection all = { .group = -1, .function = -1 };
	struct style style = {};
	unsigned int i, j;

	for (i = 0; i < topology->nr && i < 6; i++) {
		for (j = 0; j < topology->nr && j < 6; j++) {
			enum tri state = belong_together(partition, i, j);

			if (state != belong_together(partition, j, i))
				abort();
			/* What is sure by safe is sure by strict as well */
			if (policy == POLICY_SAFE && state == YES &&
			    belong_together(&partitions[POLICY_STRICT], i, j) != YES)
				abort();
			print_why(partition, i, j, j & 1);
		}
	}
	print_groups(partition, &all, &style);
	style = (struct style) { .color = true, .utf8 = true };
	print_groups(partition, &all, &style);
	style.json = true;
	print_groups(partition, &all, &style);
	print_verdict(partitions, policy, true, &style);
	style.json = false;
	print_verdict(partitions, policy, false, &style);
	print_dot(partition);
}

/* With more services on there are never larger sets */
static void check_what_if(const struct topology *topology)
{
	const struct selection all = { .group = -1, .function = -1, .now = topology };
	struct partition partition, with;
	struct topology copy;
	struct style style = {};
	unsigned int i;

	copy_with_iommu(&copy, topology);
	make_partition(&partition, topology, POLICY_SAFE);
	make_partition(&with, &copy, POLICY_SAFE);
	if (count_sets(&with) < count_sets(&partition))
		abort();
	for (i = 0; i < topology->nr; i++) {
		if (partition.perhaps[i] == i && with.perhaps[i] != i && !topology->left_out)
			abort();
	}
	print_groups(&with, &all, &style);
	style.json = true;
	print_groups(&with, &all, &style);
	free_partition(&partition);
	free_partition(&with);
	free(copy.fn);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct partition partitions[NR_POLICIES];
	struct topology topology = {};
	enum policy policy;
	FILE *file;

	if (!size)
		return 0;
	file = fmemopen((void *)data, size, "r");
	if (!file)
		abort();
	if (!read_text(&topology, file, "input")) {
		if (size & 1)
			add_reasons(&topology);
		for (policy = 0; policy < NR_POLICIES; policy++)
			make_partition(&partitions[policy], &topology, policy);
		for (policy = 0; policy < NR_POLICIES; policy++)
			check_partition(partitions, policy);
		for (policy = 0; policy < NR_POLICIES; policy++)
			free_partition(&partitions[policy]);
		if (!topology.has_groups)
			check_what_if(&topology);
	}
	fclose(file);
	free_topology(&topology);
	return 0;
}
