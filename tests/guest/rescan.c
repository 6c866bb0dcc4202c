// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Removes functions and has the kernel find them again: each alone with what is below
 * it, then sets of them by chance, and looks for them bus by bus in an order by chance,
 * then all.  Each time but one the partition must be as before; group numbers play no part.
 * Who comes back while others that connect it with somebody are away may be put elsewhere,
 * and stays there.
 *
 *	# data: seed 1
 */
#define _GNU_SOURCE
#include "ktap.h"
#include "pci_sysfs.h"

#define MAX_FUNCTIONS 256
#define ROUNDS 3
#define SEED 1

struct partition {
	int count;
	char name[MAX_FUNCTIONS][16];
	/* The first function of the list in the same group, -1 for none. */
	int first[MAX_FUNCTIONS];
};

static struct partition start, before, after;

static void look(struct partition *partition)
{
	struct dirent **entries;
	int groups[MAX_FUNCTIONS];
	int count = scandir(PCI_DEVICES, &entries, NULL, alphasort);

	partition->count = 0;
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		int this = partition->count;

		if (name[0] != '.' && this < MAX_FUNCTIONS) {
			snprintf(partition->name[this], sizeof(partition->name[this]), "%.15s", name);
			groups[this] = pci_group(name);
			partition->first[this] = groups[this] < 0 ? -1 : this;
			for (int j = this - 1; groups[this] >= 0 && j >= 0; j--)
				if (groups[j] == groups[this])
					partition->first[this] = j;
			partition->count++;
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

/* Those that had a group and have none, or are not there. */
static int lost(void)
{
	int found = 0;

	look(&after);
	for (int i = 0; i < before.count; i++) {
		int j = 0;

		while (j < after.count && strcmp(before.name[i], after.name[j]))
			j++;
		if (before.first[i] < 0 || (j < after.count && after.first[j] >= 0))
			continue;
		diag("%s %s", before.name[i], j < after.count ? "has no group" : "is not there");
		found++;
	}
	before = after;
	return found;
}

/* Each is told once: what is put elsewhere stays where it was put. */
static int differences(void)
{
	int found = 0;

	look(&after);
	if (after.count != before.count) {
		diag("%d functions, there were %d", after.count, before.count);
		before = after;
		return 1;
	}
	for (int i = 0; i < before.count; i++) {
		int was = before.first[i], is = after.first[i];

		if (!strcmp(before.name[i], after.name[i]) && was == is)
			continue;
		diag("%s was with %s, is %s with %s", before.name[i],
		     was < 0 ? "none" : before.name[was], after.name[i],
		     is < 0 ? "none" : after.name[is]);
		found++;
	}
	before = after;
	return found;
}

/*
 * Not the function of an IOMMU, and not the ISA bridge: for that VT-d maps what a floppy
 * controller may use, and when it comes back to its group, 6.12 warns that page 0 is
 * mapped already.
 */
static bool may_go(const char *name)
{
	unsigned long class = pci_number(name, "class") >> 8;

	return class != 0x0806 && class != 0x0601;
}

static bool remove_function(const char *name)
{
	return !write_text("1", PCI_DEVICES "/%s/remove", name);
}

static void each_alone(void)
{
	static struct partition all;
	int found = 0, removed = 0;

	all = before;
	for (int i = 0; i < all.count; i++) {
		if (!may_go(all.name[i]) || !remove_function(all.name[i]))
			continue;
		removed++;
		/* "0000:02:00.1" is on the bus "0000:02". */
		write_text("1", "/sys/class/pci_bus/%.7s/rescan", all.name[i]);
		if (differences()) {
			diag("after %s was removed and found again", all.name[i]);
			found++;
		}
	}
	diag("%d removed, each alone", removed);
	ok(removed && !found, "each function alone is found again and put where it was");
}

static void everything(void)
{
	int removed = 0;

	before = start;

	/* What is below a bridge goes before it. */
	for (int i = before.count - 1; i >= 0; i--)
		if (may_go(before.name[i]))
			removed += remove_function(before.name[i]);
	write_text("1", "/sys/bus/pci/rescan");
	diag("%d removed, all together", removed);
	ok(removed && !differences(), "all functions are found again and put where they were");
}

static void shuffle(int *order, int count)
{
	for (int i = 0; i < count; i++)
		order[i] = i;
	for (int i = count - 1; i > 0; i--) {
		int j = rand() % (i + 1), other = order[i];

		order[i] = order[j];
		order[j] = other;
	}
}

static void rescan_buses_by_chance(void)
{
	struct dirent **buses;
	int count = scandir("/sys/class/pci_bus", &buses, NULL, alphasort);
	int order[MAX_FUNCTIONS];

	if (count > MAX_FUNCTIONS)
		count = MAX_FUNCTIONS;
	shuffle(order, count);
	for (int i = 0; i < count; i++)
		write_text("1", "/sys/class/pci_bus/%s/rescan", buses[order[i]]->d_name);
	for (int i = 0; i < count; i++)
		free(buses[i]);
	if (count >= 0)
		free(buses);
}

static void some_by_chance(void)
{
	int order[MAX_FUNCTIONS], found = 0, removed = 0;

	srand(SEED);
	data("seed %d", SEED);
	for (int round = 0; round < ROUNDS; round++) {
		shuffle(order, before.count);
		for (int i = 0; i < before.count; i++)
			if (rand() % 3 == 0 && may_go(before.name[order[i]]))
				removed += remove_function(before.name[order[i]]);
		rescan_buses_by_chance();
		write_text("1", "/sys/bus/pci/rescan");
		if (lost()) {
			diag("in round %d", round);
			found++;
		}
	}
	diag("%d removed in %d rounds", removed, ROUNDS);
	ok(removed && !found, "functions by chance are found again, each in a group");
}

int main(void)
{
	look(&start);
	before = start;
	ktap_plan(3);
	each_alone();
	some_by_chance();
	everything();
	return ktap_status();
}
