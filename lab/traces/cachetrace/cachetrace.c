// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cachetrace: a TCG plugin of QEMU that writes which lines a program asks the
 * shared cache for.
 *
 * Every load and store of the first thread goes through a private cache (LRU).
 * A miss becomes one record, a number of 64 bits in this machine's byte order:
 * bits 0 to 41 are the line number (virtual address / 64), bits 42 to 63 the
 * instructions since the record before. Instruction fetches and what the
 * kernel reads and writes in system calls are not seen.
 *
 * Arguments: out=FILE; from=N, the system call that begins the recording (-1:
 * the first instruction does); skip=N, the instructions after that which are
 * not recorded; records=N and instructions=N, which end the program; sets=N (a
 * power of two) and ways=N of the private cache.
 *
 * Declared here is what qemu-plugin.h of QEMU 7.2 has, which Debian does not
 * package.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define LINE_BITS 42
#define MOST_INSTRUCTIONS ((1u << 22) - 1)
#define MOST_LINES 65536

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { NO_REGISTERS = 0 };
enum { READS_AND_WRITES = 3 };
typedef void (*translated)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*executed)(unsigned, void *);
typedef void (*called)(qemu_plugin_id_t, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                       uint64_t, uint64_t, uint64_t, uint64_t);
typedef void (*accessed)(unsigned, qemu_plugin_meminfo_t, uint64_t, void *);
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translated);
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, executed, int, void *);
extern void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, accessed, int, int, void *);
extern void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, called);
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);

EXPORT int qemu_plugin_version = 1;

static FILE *out;
static int64_t from = -1;
static uint64_t skip, records = UINT64_MAX, instructions = UINT64_MAX;
static bool begun;
static uint64_t done, recorded_at, written; /* done and recorded_at: instructions since it has begun */
static uint64_t sets = 64, ways = 8;
static uint64_t lines[MOST_LINES]; /* of each set, the one used last first; 0 is none */

static void end(void)
{
    if (fclose(out)) {
        perror("cachetrace");
        _exit(1);
    }
    _exit(0);
}

static bool is_held(uint64_t line)
{
    uint64_t *set = lines + (line & (sets - 1)) * ways;
    uint64_t way = 0;

    while (way < ways - 1 && set[way] != line)
        way++;
    bool held = set[way] == line;
    memmove(set + 1, set, way * sizeof *set);
    set[0] = line;
    return held;
}

static void on_access(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    uint64_t line = address >> 6;

    (void)info, (void)data;
    if (cpu || is_held(line) || !begun || done < skip)
        return;
    uint64_t gap = done - recorded_at;
    uint64_t record = (line & ((1ull << LINE_BITS) - 1)) |
        (gap < MOST_INSTRUCTIONS ? gap : MOST_INSTRUCTIONS) << LINE_BITS;
    recorded_at = done;
    if (fwrite(&record, sizeof record, 1, out) != 1 || ++written >= records)
        end();
}

static void on_block(unsigned cpu, void *count)
{
    if (cpu || !begun)
        return;
    done += (uintptr_t)count;
    if (done <= skip)
        recorded_at = done;
    else if (done - skip >= instructions)
        end();
}

static void on_call(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c,
                    uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    begun = begun || number == from;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    size_t count = qemu_plugin_tb_n_insns(block);

    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(block, on_block, NO_REGISTERS, (void *)(uintptr_t)count);
    for (size_t each = 0; each < count; each++)
        qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(block, each), on_access, NO_REGISTERS,
                                         READS_AND_WRITES, NULL);
}

static void on_exit_of_program(qemu_plugin_id_t id, void *data)
{
    (void)id, (void)data;
    fclose(out);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int count, char **arguments)
{
    (void)info;
    for (int each = 0; each < count; each++) {
        char *value = strchr(arguments[each], '=');

        if (!value)
            return -1;
        *value++ = 0;
        uint64_t number = strtoull(value, NULL, 10);
        if (!strcmp(arguments[each], "out"))
            out = fopen(value, "wb");
        else if (!strcmp(arguments[each], "from"))
            from = strtoll(value, NULL, 10);
        else if (!strcmp(arguments[each], "skip"))
            skip = number;
        else if (!strcmp(arguments[each], "records"))
            records = number;
        else if (!strcmp(arguments[each], "instructions"))
            instructions = number;
        else if (!strcmp(arguments[each], "sets"))
            sets = number;
        else if (!strcmp(arguments[each], "ways"))
            ways = number;
        else
            return -1;
    }
    if (!out || !ways || !sets || sets & (sets - 1) || sets * ways > MOST_LINES)
        return -1;
    begun = from < 0;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_vcpu_syscall_cb(id, on_call);
    qemu_plugin_register_atexit_cb(id, on_exit_of_program, NULL);
    return 0;
}
