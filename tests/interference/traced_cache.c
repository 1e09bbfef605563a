/*
 * A set-associative cache that programs share, for traced_cache.py. It evicts
 * the line of a set that was used longest ago. A tag is the line's number and,
 * above it, the number of its program plus 1; 0 is no line. Each program has
 * an RMID, and the programs of a VM share one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BITS 42 /* of a record: cachetrace.c */
#define PAGE_BITS 6  /* 64 lines */

struct machine {
    uint64_t sets, ways; /* sets: a power of two */
    double cycles_per_instruction, hit_cycles, miss_cycles, window_cycles, slice_cycles;
};

struct program {
    const uint64_t *records;
    uint64_t count, next, salt, arrives, leaves, rmid;
    double clock; /* cycles since the window began */
};

struct counted {
    uint64_t lines, misses, instructions;
    double cycles;
};

/* Sets of one page follow each other; the page lies anywhere (splitmix64). */
static uint64_t set_of(uint64_t line, uint64_t salt, uint64_t sets)
{
    uint64_t hash = (line >> PAGE_BITS) + salt * 0x9e3779b97f4a7c15u;

    hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ hash >> 27) * 0x94d049bb133111ebu;
    hash ^= hash >> 31;
    return (hash << PAGE_BITS | (line & ((1u << PAGE_BITS) - 1))) & (sets - 1);
}

/* Whether the set holds the tag; it does so then, as the one used last. */
static int is_hit(uint64_t *set, uint64_t ways, uint64_t tag, const struct program *programs, uint64_t *held)
{
    uint64_t way = 0;

    while (way < ways - 1 && set[way] != tag && set[way])
        way++;
    int hit = set[way] == tag;
    if (!hit) {
        if (set[way])
            held[programs[(set[way] >> LINE_BITS) - 1].rmid]--;
        held[programs[(tag >> LINE_BITS) - 1].rmid]++;
    }
    memmove(set + 1, set, way * sizeof *set);
    set[0] = tag;
    return hit;
}

/* Run a program until its clock is at `end`, or a little later. */
static void run(const struct machine *machine, struct program *programs, uint64_t number, double end,
                uint64_t *cache, uint64_t *held, struct counted *counted)
{
    struct program *program = programs + number;

    while (program->clock < end) {
        uint64_t record = program->records[program->next];
        uint64_t line = record & ((1ull << LINE_BITS) - 1), instructions = record >> LINE_BITS;
        uint64_t *set = cache + machine->ways * set_of(line, program->salt, machine->sets);
        int hit = is_hit(set, machine->ways, (number + 1) << LINE_BITS | line, programs, held);
        double cycles = instructions * machine->cycles_per_instruction +
            (hit ? machine->hit_cycles : machine->miss_cycles);

        counted->misses += !hit;
        counted->instructions += instructions;
        counted->cycles += cycles;
        program->clock += cycles;
        program->next = program->next + 1 < program->count ? program->next + 1 : 0;
    }
}

/* Counts each RMID in each window; returns whether there was memory for it. */
int simulate(const struct machine *machine, struct program *programs, uint64_t number, uint64_t rmids,
             uint64_t windows, struct counted *counted)
{
    uint64_t *cache = calloc(machine->sets * machine->ways, sizeof *cache);
    uint64_t *held = calloc(rmids, sizeof *held);
    int done = cache && held;

    for (uint64_t window = 0; done && window < windows; window++, counted += rmids) {
        for (double end = machine->slice_cycles; end <= machine->window_cycles; end += machine->slice_cycles)
            for (uint64_t each = 0; each < number; each++)
                if (window >= programs[each].arrives && window < programs[each].leaves)
                    run(machine, programs, each, end, cache, held, counted + programs[each].rmid);
        for (uint64_t each = 0; each < number; each++)
            if (window >= programs[each].arrives)
                programs[each].clock -= machine->window_cycles;
        for (uint64_t rmid = 0; rmid < rmids; rmid++)
            counted[rmid].lines = held[rmid];
    }
    free(cache), free(held);
    return done;
}
