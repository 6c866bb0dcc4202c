// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs to form the groups of many PCI functions
 *
 * For a kernel with the series and for one without.  Writing "MIX N" to the file
 * iommu-group-bench in debugfs makes a hierarchy of N functions in memory, has the
 * PCI core scan it, and puts the functions into groups in the order in which they
 * were found; after "MIX N M" only the first M of them, which is for a kernel that
 * is slow.  Reading the file then gives, in a line of "name value" pairs:
 *
 *   functions    N
 *   groups       in how many groups they are
 *   decided      ns for each function, deciding included
 *   undecided    ns for each function to form the same groups without asking why
 *   memory       bytes of slab for each group, with its members
 *
 * With an emulator that counts instructions (QEMU: -icount shift=0) a ns is one.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "../pci/pci.h"

#define FIRST_DOMAIN	0x20000
#define VENDOR		0x1d55
#define EXPRESS_CAP	0x40
#define ACS_CAP		0x100
#define SRIOV_CAP	0x100
#define BAR_SIZE	0x1000
#define ISOLATED	(PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF)
#define NOT_EXPRESS	(-1)

/**
 * struct bench_function - one function of the hardware
 * @type: PCI_EXP_TYPE_*, or NOT_EXPRESS
 * @bridge: it has a secondary bus, @secondary, and buses up to @subordinate
 * @multifunction: the bit of the header
 * @acs: all of ACS is on; otherwise there is no capability
 * @vfs: number of virtual functions
 * @secondary: bus number
 * @subordinate: bus number
 * @command: what was written to that register
 * @sizing: BAR 0 was written, and says its size
 */
struct bench_function {
	int type;
	bool bridge;
	bool multifunction;
	bool acs;
	u16 vfs;
	u8 secondary;
	u8 subordinate;
	u16 command;
	bool sizing;
};

struct bench_domain {
	struct pci_sysdata sysdata;
	struct xarray functions;	/* by bus, device and function number */
};

static struct bench_domain *domains;
static unsigned int nr_domains;
static struct pci_bus **roots;
static struct resource *root_buses;
static unsigned int nr_roots;
static unsigned int nr_made;
static struct pci_dev **found;
static unsigned int nr_found, nr_wanted, nr_joining;
static DEFINE_MUTEX(bench_lock);
static char result[256];

static struct bench_function *function_at(struct pci_bus *bus, unsigned int devfn)
{
	struct bench_domain *domain = container_of((struct pci_sysdata *)bus->sysdata,
						   struct bench_domain, sysdata);

	return xa_load(&domain->functions, PCI_DEVID(bus->number, devfn));
}

static u32 read_sriov(struct bench_function *fn, int reg)
{
	switch (reg) {
	case 0:
		return PCI_EXT_CAP_ID_SRIOV | 1 << 16;
	case PCI_SRIOV_INITIAL_VF:
		return fn->vfs | fn->vfs << 16;
	case PCI_SRIOV_VF_OFFSET:
		return 1 | 1 << 16;
	case PCI_SRIOV_VF_DID:
		return 2 << 16;
	case PCI_SRIOV_SUP_PGSIZE:
	case PCI_SRIOV_SYS_PGSIZE:
		return 1;
	}
	return 0;
}

static u32 read_dword(struct bench_function *fn, int reg)
{
	switch (reg) {
	case PCI_VENDOR_ID:
		return VENDOR | 1 << 16;
	case PCI_COMMAND:
		return fn->command | (fn->type == NOT_EXPRESS ? 0 : PCI_STATUS_CAP_LIST << 16);
	case PCI_CLASS_REVISION:
		return fn->bridge ? PCI_CLASS_BRIDGE_PCI << 16 : PCI_CLASS_OTHERS << 24;
	case PCI_CACHE_LINE_SIZE:
		return (fn->bridge ? PCI_HEADER_TYPE_BRIDGE << 16 : 0) |
		       (fn->multifunction ? PCI_HEADER_TYPE_MFD << 16 : 0);
	case PCI_BASE_ADDRESS_0:
		return fn->bridge ? 0 : fn->sizing ? ~(BAR_SIZE - 1) : 0xe0000000;
	case PCI_PRIMARY_BUS:
		return fn->bridge ? fn->secondary << 8 | fn->subordinate << 16 : 0;
	case PCI_CAPABILITY_LIST:
		return fn->type == NOT_EXPRESS ? 0 : EXPRESS_CAP;
	case EXPRESS_CAP:
		return PCI_CAP_ID_EXP | (2 | fn->type << 4) << 16;
	case ACS_CAP:
		if (fn->acs)
			return PCI_EXT_CAP_ID_ACS | 1 << 16;
		break;
	case ACS_CAP + PCI_ACS_CAP:
		if (fn->acs)
			return ISOLATED | ISOLATED << 16;
		break;
	}
	return fn->vfs && reg >= SRIOV_CAP ? read_sriov(fn, reg - SRIOV_CAP) : 0;
}

static int bench_read(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *value)
{
	struct bench_function *fn = function_at(bus, devfn);

	if (!fn) {
		PCI_SET_ERROR_RESPONSE(value);
		return PCIBIOS_DEVICE_NOT_FOUND;
	}
	*value = read_dword(fn, where & ~3) >> (where % 4 * 8);
	if (size < 4)
		*value &= (1 << (size * 8)) - 1;
	return PCIBIOS_SUCCESSFUL;
}

static int bench_write(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 value)
{
	struct bench_function *fn = function_at(bus, devfn);

	if (!fn)
		return PCIBIOS_DEVICE_NOT_FOUND;
	if (where == PCI_COMMAND)
		fn->command = value;
	if (where == PCI_BASE_ADDRESS_0)
		fn->sizing = value == ~0U;
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops bench_ops = { .read = bench_read, .write = bench_write };

static int note_found(struct notifier_block *nb, unsigned long action, void *data)
{
	struct pci_dev *pdev = to_pci_dev((struct device *)data);

	if (action == BUS_NOTIFY_ADD_DEVICE && pdev->bus->ops == &bench_ops && nr_found < nr_wanted)
		found[nr_found++] = pci_dev_get(pdev);
	return NOTIFY_OK;
}

static struct notifier_block bench_nb = { .notifier_call = note_found };

/* Making hierarchies: each returns how many functions it made, 0 when there is no memory */

static struct bench_domain *new_domain(void)
{
	struct bench_domain *domain = &domains[nr_domains];

	domain->sysdata.domain = FIRST_DOMAIN + nr_domains++;
	domain->sysdata.node = NUMA_NO_NODE;
	xa_init(&domain->functions);
	return domain;
}

static struct bench_function *make(struct bench_domain *domain, u8 bus, u8 devfn, int type)
{
	struct bench_function *fn = kzalloc(sizeof(*fn), GFP_KERNEL);

	if (!fn || xa_err(xa_store(&domain->functions, PCI_DEVID(bus, devfn), fn, GFP_KERNEL)))
		panic("no memory for the benchmark");
	fn->type = type;
	nr_made++;
	return fn;
}

static void make_bridge(struct bench_domain *domain, u8 bus, u8 devfn, int type, u8 secondary,
			u8 subordinate)
{
	struct bench_function *fn = make(domain, bus, devfn, type);

	fn->bridge = true;
	fn->acs = type == PCI_EXP_TYPE_ROOT_PORT || type == PCI_EXP_TYPE_DOWNSTREAM;
	fn->secondary = secondary;
	fn->subordinate = subordinate;
}

static void scan_root(struct bench_domain *domain, u8 number, u8 last)
{
	struct resource *buses = &root_buses[nr_roots];
	LIST_HEAD(resources);
	struct pci_bus *root;

	*buses = (struct resource) {
		.name = "bench", .start = number, .end = last, .flags = IORESOURCE_BUS,
	};
	pci_add_resource(&resources, buses);
	root = pci_create_root_bus(NULL, number, &bench_ops, &domain->sysdata, &resources);
	if (!root)
		panic("no memory for the benchmark");
	roots[nr_roots++] = root;
	pci_scan_child_bus(root);
}

/* 32 integrated endpoints of one function each on each root bus */
static void make_flat(void)
{
	struct bench_domain *domain = new_domain();
	unsigned int bus, slot;

	for (bus = 0; nr_made < nr_wanted; bus++) {
		for (slot = 0; slot < 32; slot++)
			make(domain, bus, PCI_DEVFN(slot, 0), PCI_EXP_TYPE_RC_END);
		scan_root(domain, bus, bus);
	}
}

/* 32 devices of 8 functions each without ACS on each root bus */
static void make_multifunction(void)
{
	struct bench_domain *domain = new_domain();
	unsigned int bus, devfn;

	for (bus = 0; nr_made < nr_wanted; bus++) {
		for (devfn = 0; devfn < 256; devfn++)
			make(domain, bus, devfn, PCI_EXP_TYPE_RC_END)->multifunction = true;
		scan_root(domain, bus, bus);
	}
}

/*
 * Root ports, each with switches in a row of eight: at one downstream port the
 * next one, at the other an endpoint.  All ports have ACS.
 */
#define ROW 8
#define ROW_BUSES (1 + 3 * ROW)

static void make_row(struct bench_domain *domain, u8 devfn, u8 first)
{
	u8 last = first + ROW_BUSES - 1, bus = first;
	unsigned int i;

	make_bridge(domain, 0, devfn, PCI_EXP_TYPE_ROOT_PORT, first, last);
	for (i = 0; i < ROW; i++) {
		make_bridge(domain, bus, 0, PCI_EXP_TYPE_UPSTREAM, bus + 1, last);
		make_bridge(domain, bus + 1, PCI_DEVFN(0, 0), PCI_EXP_TYPE_DOWNSTREAM, bus + 2,
			    bus + 2);
		make(domain, bus + 2, 0, PCI_EXP_TYPE_ENDPOINT);
		make_bridge(domain, bus + 1, PCI_DEVFN(1, 0), PCI_EXP_TYPE_DOWNSTREAM, bus + 3,
			    last);
		bus += 3;
	}
}

static void make_switches(void)
{
	struct bench_domain *domain;
	unsigned int row;

	while (nr_made < nr_wanted) {
		domain = new_domain();
		for (row = 0; row < 255 / ROW_BUSES && nr_made < nr_wanted; row++)
			make_row(domain, PCI_DEVFN(row, 0), 1 + row * ROW_BUSES);
		scan_root(domain, 0, 255);
	}
}

/* One physical function behind a root port, the rest is virtual */
static void make_virtual(void)
{
	struct bench_domain *domain = new_domain();
	struct pci_dev *physfn;
	unsigned int i;

	make_bridge(domain, 0, 0, PCI_EXP_TYPE_ROOT_PORT, 1, 255);
	make(domain, 1, 0, PCI_EXP_TYPE_ENDPOINT)->vfs = nr_wanted - nr_made;
	scan_root(domain, 0, 255);
	physfn = pci_get_domain_bus_and_slot(domain->sysdata.domain, 1, 0);
	for (i = 0; nr_made < nr_wanted; i++) {
		make(domain, 1 + (i + 1) / 256, (i + 1) % 256, PCI_EXP_TYPE_ENDPOINT);
		if (pci_iov_add_virtfn(physfn, i))
			panic("the PCI core adds no virtual function %u", i);
	}
	pci_dev_put(physfn);
}

/* One conventional bus with bridges to more of them */
static void make_conventional(void)
{
	struct bench_domain *domain = new_domain();
	unsigned int slot, devfn;

	make_bridge(domain, 0, 0, NOT_EXPRESS, 1, 255);
	for (slot = 0; slot < 32 && nr_made < nr_wanted; slot++) {
		make_bridge(domain, 1, PCI_DEVFN(slot, 0), NOT_EXPRESS, 2 + slot, 2 + slot);
		for (devfn = 0; devfn < 256 && nr_made < nr_wanted; devfn++)
			make(domain, 2 + slot, devfn, NOT_EXPRESS)->multifunction = true;
	}
	scan_root(domain, 0, 255);
}

static const struct {
	const char *name;
	void (*make)(void);
} mixes[] = {
	{ "flat", make_flat },
	{ "multifunction", make_multifunction },
	{ "switches", make_switches },
	{ "virtual", make_virtual },
	{ "conventional", make_conventional },
};

static void clear(void)
{
	struct bench_function *fn;
	struct pci_dev *pdev;
	unsigned long rid;

	while (nr_found) {
		pdev = found[--nr_found];
		/* Offset and stride are 1 */
		if (pdev->is_virtfn)
			pci_iov_remove_virtfn(pdev->physfn,
					      pci_dev_id(pdev) - pci_dev_id(pdev->physfn) - 1);
		pci_dev_put(pdev);
	}
	while (nr_roots) {
		pci_stop_root_bus(roots[--nr_roots]);
		pci_remove_root_bus(roots[nr_roots]);
	}
	while (nr_domains) {
		nr_domains--;
		xa_for_each(&domains[nr_domains].functions, rid, fn)
			kfree(fn);
		xa_destroy(&domains[nr_domains].functions);
	}
}

static unsigned long slab_bytes(void)
{
	return (global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B) +
		global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B)) * PAGE_SIZE;
}

/* Tables of keys grow in the background, and the memory of the old ones is given back late */
static void settle(void)
{
	msleep(1000);
	rcu_barrier();
}

static void join(struct iommu_group *group, struct pci_dev *pdev)
{
	if (IS_ERR(group) || iommu_group_add_device(group, &pdev->dev))
		panic("a function of the benchmark gets no group");
	iommu_group_put(group);
}

static u64 join_all(void)
{
	u64 start = ktime_get_ns();
	unsigned int i;

	for (i = 0; i < nr_joining; i++)
		join(pci_device_group(&found[i]->dev), found[i]);
	return ktime_get_ns() - start;
}

static void leave_all(void)
{
	unsigned int i = nr_joining;

	while (i--)
		iommu_group_remove_device(&found[i]->dev);
	rcu_barrier();
}

/* As those are that were there at boot: nothing is being scanned any more */
static void set_added(bool added)
{
	unsigned int i;

	for (i = 0; i < nr_found; i++)
		assign_bit(PCI_DEV_ADDED, &found[i]->priv_flags, added);
}

static void measure(void)
{
	struct iommu_group **known = kvcalloc(1 << 16, sizeof(*known), GFP_KERNEL);
	int *ids = kvcalloc(nr_found, sizeof(*ids), GFP_KERNEL);
	unsigned int i, groups = 0;
	unsigned long slab;
	u64 decided, undecided;

	if (!known || !ids)
		panic("no memory for the benchmark");

	settle();
	slab = slab_bytes();
	join_all();
	settle();
	slab = slab_bytes() - slab;

	for (i = 0; i < nr_joining; i++) {
		struct iommu_group *group = iommu_group_get(&found[i]->dev);

		ids[i] = iommu_group_id(group);
		groups += !known[ids[i]];
		known[ids[i]] = group;
		iommu_group_put(group);
	}
	leave_all();

	/* Again, now that the slabs have their pages */
	decided = join_all();
	leave_all();

	memset(known, 0, sizeof(*known) << 16);
	undecided = ktime_get_ns();
	for (i = 0; i < nr_joining; i++) {
		struct iommu_group **group = &known[ids[i]];

		*group = *group ? iommu_group_ref_get(*group) : iommu_group_alloc();
		join(*group, found[i]);
	}
	undecided = ktime_get_ns() - undecided;
	leave_all();

	snprintf(result, sizeof(result),
		 "functions %u groups %u decided %llu undecided %llu memory %lu\n", nr_found,
		 groups, div_u64(decided, nr_joining), div_u64(undecided, nr_joining),
		 slab / groups);
	kvfree(ids);
	kvfree(known);
}

static ssize_t bench_file_write(struct file *file, const char __user *user, size_t size,
				loff_t *pos)
{
	char text[64] = {}, mix[32];
	unsigned int i;

	if (size >= sizeof(text) || copy_from_user(text, user, size))
		return -EINVAL;

	guard(mutex)(&bench_lock);
	i = sscanf(text, "%31s %u %u", mix, &nr_wanted, &nr_joining);
	if (i == 2)
		nr_joining = nr_wanted;
	if (i < 2 || !nr_joining || nr_joining > nr_wanted || nr_wanted > 8192)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(mixes); i++) {
		if (strcmp(mix, mixes[i].name))
			continue;
		found = kvcalloc(nr_wanted, sizeof(*found), GFP_KERNEL);
		if (!found)
			return -ENOMEM;
		nr_made = 0;
		pci_lock_rescan_remove();
		mixes[i].make();
		set_added(true);
		measure();
		set_added(false);
		clear();
		pci_unlock_rescan_remove();
		kvfree(found);
		return size;
	}
	return -EINVAL;
}

static ssize_t bench_file_read(struct file *file, char __user *user, size_t size, loff_t *pos)
{
	guard(mutex)(&bench_lock);
	return simple_read_from_buffer(user, size, pos, result, strlen(result));
}

static const struct file_operations bench_fops = {
	.owner = THIS_MODULE,
	.write = bench_file_write,
	.read = bench_file_read,
};

static int __init bench_init(void)
{
	int ret;

	domains = kcalloc(64, sizeof(*domains), GFP_KERNEL);
	roots = kcalloc(256, sizeof(*roots), GFP_KERNEL);
	root_buses = kcalloc(256, sizeof(*root_buses), GFP_KERNEL);
	if (!domains || !roots || !root_buses)
		return -ENOMEM;
	ret = bus_register_notifier(&pci_bus_type, &bench_nb);
	if (!ret)
		debugfs_create_file("iommu-group-bench", 0600, NULL, NULL, &bench_fops);
	return ret;
}
late_initcall(bench_init);
