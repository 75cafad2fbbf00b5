/* What the benchmarks in C share: a clock, the floor, and the lines they print. */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
double now_ns(void);

/* How often the system has taken the processor from this thread. */
long preemptions(void);

/* What a round came to, run again while the system takes the processor away in its middle; in the end it gives up. */
double undisturbed(double (*round)(void *), void *argument);

/* One round's nanoseconds per operation, as a line of JSON. */
void say_bench(const char *id, double ns);
void say_fact(const char *id, double value);

/* Exits with 1. */
void fail(const char *what, const char *why);

/* What any cache must do: ask what time it is, and copy the token. */
long long floor_copy(char *to, const char *from, size_t size);

/* The lines of a file; the last is followed by NULL. */
char **read_lines(const char *path, size_t *count);

#endif
