/* Shared by the benchmarks in C: a clock, the floor, and the lines that they print. */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
double now_ns(void);

/* The number of times that the system has taken the processor from this thread. */
long preemptions(void);

/* The result of a round that was not preempted. It repeats a preempted round, and eventually gives up. */
double undisturbed(double (*round)(void *), void *argument);

/* Prints one round's nanoseconds per operation as a line of JSON. */
void say_bench(const char *id, double ns);
void say_fact(const char *id, double value);

/* Exits with 1. */
void fail(const char *what, const char *why);

/* The work of any cache: read the clock, and copy the token. */
long long floor_copy(char *to, const char *from, size_t size);

/* The lines of a file; the last is followed by NULL. */
char **read_lines(const char *path, size_t *count);

#endif
