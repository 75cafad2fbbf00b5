/* What the tests stand on: checks, a place of its own for each story, and the simulator's control API.
 *
 * A story is a function named as a sentence. It passes when none of its checks failed. Checks belong to the main
 * thread; others hand their results to it. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <stddef.h>
#include <sys/types.h>
#include <wxtoken.h>

/* Checks go on after a failure: one run tells all that is wrong. */
#define CHECK(condition) check_that(!!(condition), #condition, __FILE__, __LINE__)
#define CHECK_TEXT(text, part) check_text((text), (part), 1, __FILE__, __LINE__)
#define CHECK_HIDES(text, part) check_text((text), (part), 0, __FILE__, __LINE__)
#define CHECK_EQUAL(left, right) check_equal((left), (right), #left, __FILE__, __LINE__)

/* The call, which passes `e` as its err, has this status; with and without a wxtoken_error to write to. On success that
 * is left alone; on failure it is whole. */
#define CHECK_STATUS(expected, call)                                            \
    do {                                                                        \
        wxtoken_error *e = NULL;                                                \
        check_status((call), (expected), NULL, #call, __FILE__, __LINE__);      \
        e = fresh_error();                                                      \
        check_status((call), (expected), e, #call, __FILE__, __LINE__);         \
    } while (0)
#define CHECK_OK(call) CHECK_STATUS(WXTOKEN_OK, call)
#define CHECK_REFUSED(call) CHECK_STATUS(WXTOKEN_E_ARGUMENT, call)

#define RUN(story) run_story(story, #story)

enum { PATTERN = 0xa5 };

/* To see that an output was not written. */
#define NOT_A_HANDLE ((wxtoken *)(void *)fresh_token())

/* A directory, a store in it (or on the redis-server of $WXTOKEN_CASES_REDIS, apart from all others), an account that the simulator knows, and a handle with the account "shop" registered. */
struct place {
    char directory[64];
    char store[160];
    char id[32];
    char secret[48];
    wxtoken *wx;
};

int is_wanted(const char *story, int argc, char **argv); /* the command line names it, or none at all */
void run_story(void (*story)(void), const char *name);
__attribute__((noreturn)) void fatal(const char *what, const char *why); /* ends the run */
int finish(void); /* prints 'N passed, N failed'; the exit code */

void check_that(int holds, const char *what, const char *file, int line);
void check_text(const char *text, const char *part, int wanted, const char *file, int line);
void check_equal(long long left, long long right, const char *what, const char *file, int line);
void check_status(wxtoken_status got, wxtoken_status expected, const wxtoken_error *err, const char *call,
                  const char *file, int line);
wxtoken_error *fresh_error(void); /* one, the same each time, filled with PATTERN */
wxtoken_token *fresh_token(void); /* likewise */
const char *last_message(void);   /* that of the latest CHECK_STATUS that expected a failure */
int is_pattern(const void *memory, size_t size);

void bare_place(struct place *place);   /* directory and names; no handle, and nothing in the simulator */
void open_place(struct place *place);
void open_place_as(struct place *place, const char *kind); /* "shop" is of this kind, and not "official" */
void leave_place(struct place *place);  /* frees the handle unless NULL, and removes the directory */
void empty_place(const struct place *place); /* removes what is in the directory */
wxtoken *open_store(const char *store); /* a further handle, on the simulator */
void new_id(char id[32]);               /* an appid that nobody has used */

const char *simulator(const char *variable); /* one of WXSIM_HTTP…; without it the run ends with a message */
void sim_post(const char *path, const char *format, ...);
void sim_fault(const struct place *place, const char *fields); /* as "\"kind\":\"hang\"" */
long sim_count(const char *id, const char *field);
int sim_takes(const char *id, const char *token); /* whether the platform would serve who brings it */

/* Forks a child that ends with what `live` returns; 0 is well. One that hangs is ended by its alarm. */
pid_t bear(int (*live)(const struct place *, const char *), const struct place *place, const char *expected);
int end_of(pid_t child);    /* its status, as waitpid tells */
void wait_for(pid_t child); /* it must end well */
int complain_about(const char *what, const wxtoken_error *err); /* for a child to return when a call has failed */

char *report_of(wxtoken *wx);         /* for the caller to free */
char *standing_report_of(wxtoken *wx); /* the same without what changes by itself */
int count_directory(const char *path);
int count_threads(void); /* of this program, with the one that asks */

#endif
