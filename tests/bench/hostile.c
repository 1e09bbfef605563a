/*
 * What a tenant can run in its own pod to trouble whoever looks at it. Settings come from the environment, so that
 * the command line can be that of a QEMU:
 *
 * HOSTILE_CGROUP  cgroup to enter, a directory
 * HOSTILE_DO      `lock`: hold the own mmap lock almost always, by moving HOSTILE_SIZE MiB with mremap(2), page by page
 *                 `fork`: make HOSTILE_SIZE children a second; each lives for a second
 *
 * It writes one line to standard output when it has begun, and runs at the lowest CPU priority: it is not the CPU
 * that it takes from others.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14, include/uapi/asm-generic/mman-common.h */
#endif
#define MIB (1024UL * 1024UL)
#define HUGE_PAGE (2 * MIB)

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void enter(const char *cgroup)
{
	char path[4096];
	int file;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	file = open(path, O_WRONLY);
	if (file < 0 || write(file, "0", 1) != 1)
		fail(path);
	close(file);
}

static void begun(void)
{
	if (write(STDOUT_FILENO, "begun\n", 6) != 6)
		exit(1);
}

/*
 * Every page is mapped to the one zero page, which takes page tables and no memory. The two places differ by one
 * page, modulo a huge page: so the kernel can't move whole page tables (mm/mremap.c can_align_down, extent check).
 */
static void hold_lock(size_t size)
{
	char *area = mmap(NULL, 2 * size + 2 * HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *place[2];

	if (area == MAP_FAILED)
		fail("mmap");
	place[0] = (char *)(((unsigned long)area + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	place[1] = place[0] + size + 4096;
	if (mmap(place[0], size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		fail("mmap of a fixed place");
	madvise(place[0], size, MADV_NOHUGEPAGE);
	if (madvise(place[0], size, MADV_POPULATE_READ))
		fail("madvise");
	begun();
	for (unsigned int turn = 0;; turn ^= 1)
		if (mremap(place[turn], size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place[turn ^ 1]) == MAP_FAILED)
			fail("mremap");
}

static void fork_often(long per_second)
{
	struct timespec pause = {.tv_nsec = 999999999 / per_second}, life = {.tv_sec = 1};

	signal(SIGCHLD, SIG_IGN); /* nobody waits for them */
	begun();
	for (;;) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			nanosleep(&life, NULL);
			_exit(0);
		}
		nanosleep(&pause, NULL);
	}
}

int main(void)
{
	const char *cgroup = getenv("HOSTILE_CGROUP"), *what = getenv("HOSTILE_DO"), *size = getenv("HOSTILE_SIZE");

	if (!cgroup || !what || !size)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "qemu-system-x86");
	setpriority(PRIO_PROCESS, 0, 19);
	enter(cgroup);
	if (!strcmp(what, "lock"))
		hold_lock(strtoul(size, NULL, 10) * MIB);
	else
		fork_often(strtol(size, NULL, 10));
	return 0;
}
