// SPDX-License-Identifier: GPL-2.0-only
/*
 * rdtmove: model-specific registers of a cache monitor that is not there.
 *
 * In QEMU's software emulation a write to the three registers of Intel RDT
 * monitoring does nothing and a read gives 0. This module stands in for them,
 * below everything that the kernel does with them: resctrl's own accumulation,
 * overflow handling, resets and limbo work on what is made up here.
 *
 *   PQR_ASSOC   (0xC8F, written at context switches)  whose RMID this CPU charges
 *   QM_EVTSEL   (0xC8D)                               event and RMID to read
 *   QM_CTR      (0xC8E, read)                         the value
 *
 * Traffic is the CPU time that an RMID has been charged for in this package,
 * times `rate`; half of it is local. Occupancy is fed by the traffic since the
 * last look, up to `most_kib`, and fades within milliseconds of idleness. While
 * `still` is set no time goes by for any of it: counters keep what they have.
 *
 * Intel SDM volume 3, "Intel Resource Director Technology (Intel RDT)
 * Monitoring Features". AMD's assigned counters are not made up: they stay 0.
 * For tests in guests only.
 */
#define INCLUDE_VERMAGIC
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <linux/vermagic.h>
#include <asm/msr-index.h>
#include <asm/paravirt_types.h>
#include <asm/processor.h>

#define MOST_CPUS 16
#define MOST_RMIDS 1024
#define MOST_PACKAGES 8
#define FADE_NS (64 * NSEC_PER_MSEC) /* half of an idle RMID's lines are gone after this */
#define EXTENDED_EVENT_BIT BIT_ULL(31)
#define ERROR_BIT BIT_ULL(63)
#define UNAVAILABLE_BIT BIT_ULL(62)

static unsigned int rate = 20; /* bytes a microsecond; the counter is narrow and must not wrap twice a second */
module_param(rate, uint, 0644);
MODULE_PARM_DESC(rate, "traffic of one busy CPU in MB/s");
static unsigned int most_kib = 4096;
module_param(most_kib, uint, 0644);
MODULE_PARM_DESC(most_kib, "most that one RMID occupies of a cache block, in KiB");
static int unavailable_rmid = -1;
module_param(unavailable_rmid, int, 0644);
MODULE_PARM_DESC(unavailable_rmid, "an RMID whose counters say that they hold no value");
static int error_rmid = -1;
module_param(error_rmid, int, 0644);
MODULE_PARM_DESC(error_rmid, "an RMID whose counters say that there is an error");
static bool still;
module_param(still, bool, 0644);
MODULE_PARM_DESC(still, "whether all counters keep what they have");

struct account {
	raw_spinlock_t lock;
	u32 rmid; /* charged now */
	u64 since; /* of the last charge, nanoseconds */
	u64 selected; /* what QM_EVTSEL holds */
	u64 spent[MOST_RMIDS]; /* nanoseconds */
};

struct lines {
	u64 looked; /* nanoseconds */
	u64 traffic; /* bytes, at that time */
	u64 bytes;
};

static struct account accounts[MOST_CPUS];
static struct lines cache[MOST_PACKAGES][MOST_RMIDS];
static DEFINE_RAW_SPINLOCK(cache_lock);
static DEFINE_RAW_SPINLOCK(clock_lock);

/* Nanoseconds; between two calls all of the time counts, or none of it if `still` is set at the second. */
static u64 clock(void)
{
	static u64 looked, counted;
	unsigned long flags;
	u64 now, answer;

	raw_spin_lock_irqsave(&clock_lock, flags);
	now = ktime_get_mono_fast_ns();
	if (now > looked && !still)
		counted += now - looked;
	looked = max(now, looked);
	answer = counted;
	raw_spin_unlock_irqrestore(&clock_lock, flags);
	return answer;
}

static void charge(struct account *account, u64 now)
{
	if (account->since && now > account->since)
		account->spent[account->rmid] += now - account->since;
	account->since = now;
}

static u64 traffic_of(u32 package, u32 rmid, u64 now)
{
	u64 spent = 0;
	int cpu;

	for_each_possible_cpu(cpu) {
		struct account *account = &accounts[cpu];
		unsigned long flags;

		if (cpu >= MOST_CPUS || cpu_data(cpu).topo.pkg_id != package)
			continue;
		raw_spin_lock_irqsave(&account->lock, flags);
		charge(account, now);
		spent += account->spent[rmid];
		raw_spin_unlock_irqrestore(&account->lock, flags);
	}
	return div_u64(spent, NSEC_PER_USEC) * rate;
}

static u64 occupancy_of(u32 package, u32 rmid, u64 now)
{
	struct lines *lines = &cache[package][rmid];
	u64 traffic = traffic_of(package, rmid, now), fed, halvings, bytes;
	unsigned long flags;

	raw_spin_lock_irqsave(&cache_lock, flags);
	fed = traffic - lines->traffic;
	halvings = div_u64(now - lines->looked, FADE_NS);
	bytes = min_t(u64, (halvings < 64 ? lines->bytes >> halvings : 0) + fed, (u64)most_kib << 10);
	if (fed || halvings)
		*lines = (struct lines){ .looked = now, .traffic = traffic, .bytes = bytes };
	raw_spin_unlock_irqrestore(&cache_lock, flags);
	return bytes;
}

static u64 counter(u64 selected)
{
	u32 event = selected & 0xff, rmid = selected >> 32, package = cpu_data(smp_processor_id()).topo.pkg_id;
	u64 now = clock(), bytes;

	if (rmid >= MOST_RMIDS || package >= MOST_PACKAGES || (int)rmid == error_rmid)
		return ERROR_BIT;
	if ((int)rmid == unavailable_rmid)
		return UNAVAILABLE_BIT;
	if (selected & EXTENDED_EVENT_BIT)
		return 0;
	if (event == 1)
		bytes = occupancy_of(package, rmid, now);
	else
		bytes = traffic_of(package, rmid, now) >> (event == 3);
	return div_u64(bytes, max(1, boot_cpu_data.x86_cache_occ_scale));
}

/* void write_msr(u32 msr, u64 value) */
static int on_write(struct kprobe *probe, struct pt_regs *regs)
{
	u32 msr = regs->di;
	struct account *account;
	unsigned long flags;

	if ((msr != MSR_IA32_PQR_ASSOC && msr != MSR_IA32_QM_EVTSEL) || smp_processor_id() >= MOST_CPUS)
		return 0;
	account = &accounts[smp_processor_id()];
	raw_spin_lock_irqsave(&account->lock, flags);
	if (msr == MSR_IA32_QM_EVTSEL) {
		account->selected = regs->si;
	} else {
		charge(account, clock());
		account->rmid = min_t(u32, regs->si & 0x3ff, MOST_RMIDS - 1);
	}
	raw_spin_unlock_irqrestore(&account->lock, flags);
	return 0;
}

/* u64 read_msr(u32 msr): for our register it returns at once, and what it returns is ours */
static int on_read(struct kprobe *probe, struct pt_regs *regs)
{
	if ((u32)regs->di != MSR_IA32_QM_CTR || smp_processor_id() >= MOST_CPUS)
		return 0;
	regs->ax = counter(accounts[smp_processor_id()].selected);
	regs->ip = *(unsigned long *)regs->sp;
	regs->sp += sizeof(unsigned long);
	return 1;
}
NOKPROBE_SYMBOL(on_read);

static struct kprobe write_probe = { .pre_handler = on_write };
static struct kprobe read_probe = { .pre_handler = on_read };

static int __init rdtmove_init(void)
{
	int cpu, error;

	for (cpu = 0; cpu < MOST_CPUS; cpu++)
		raw_spin_lock_init(&accounts[cpu].lock);
	write_probe.addr = (kprobe_opcode_t *)pv_ops.cpu.write_msr;
	read_probe.addr = (kprobe_opcode_t *)pv_ops.cpu.read_msr;
	error = register_kprobe(&write_probe);
	if (error)
		return error;
	error = register_kprobe(&read_probe);
	if (error)
		unregister_kprobe(&write_probe);
	return error;
}
module_init(rdtmove_init); /* without an exit it is never unloaded */

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("made-up cache monitoring registers for tests");

/* What kbuild's modpost would write: so neither kbuild nor its helpers are needed to build this. */
MODULE_INFO(name, KBUILD_MODNAME);
MODULE_INFO(vermagic, VERMAGIC_STRING);
__visible struct module __this_module __section(".gnu.linkonce.this_module") = {
	.name = KBUILD_MODNAME,
	.init = init_module,
	.arch = MODULE_ARCH_INIT,
};
