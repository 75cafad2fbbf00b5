/* Helpers for the tests: checks, a private place for each story, and the simulator's control API.
 *
 * A story is a function named by a sentence. It passes if none of its checks fails. Checks belong to the main
 * thread; other threads pass their results to it. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <stddef.h>
#include <sys/types.h>
#include <wxtoken.h>

/* A failed check does not stop the run, so one run reports everything that is wrong. */
#define CHECK(condition) check_that(!!(condition), #condition, __FILE__, __LINE__)
#define CHECK_TEXT(text, part) check_text((text), (part), 1, __FILE__, __LINE__)
#define CHECK_HIDES(text, part) check_text((text), (part), 0, __FILE__, __LINE__)
#define CHECK_EQUAL(left, right) check_equal((left), (right), #left, __FILE__, __LINE__)

/* Checks that the call, which passes `e` as its err, has this status, both with a wxtoken_error and with NULL. On
 * success the error is unchanged; on failure it is complete. */
#define CHECK_STATUS(expected, call)                                       \
    do {                                                                   \
        wxtoken_error *e = NULL;                                           \
        check_status((call), (expected), NULL, #call, __FILE__, __LINE__); \
        e = fresh_error();                                                 \
        check_status((call), (expected), e, #call, __FILE__, __LINE__);    \
    } while (0)
#define CHECK_OK(call) CHECK_STATUS(WXTOKEN_OK, call)
#define CHECK_REFUSED(call) CHECK_STATUS(WXTOKEN_E_ARGUMENT, call)

#define RUN(story) run_story(story, #story)

enum { PATTERN = 0xa5 };

/* For checks that an output was not written. */
#define NOT_A_HANDLE ((wxtoken *)(void *)fresh_token())

/* A directory, a store in it (or a separate one on the redis-server of $WXTOKEN_CASES_REDIS), an account at the
 * simulator, and a handle with that account registered as "shop". */
struct place {
    char directory[64];
    char store[160];
    char id[32];
    char secret[48];
    wxtoken *wx;
};

int is_wanted(const char *story, int argc, char **argv); /* the command line names it, or names no story */
void run_story(void (*story)(void), const char *name);
__attribute__((noreturn)) void fatal(const char *what, const char *why); /* ends the run */
int finish(void); /* prints 'N passed, N failed'; returns the exit code */

void check_that(int holds, const char *what, const char *file, int line);
void check_text(const char *text, const char *part, int wanted, const char *file, int line);
void check_equal(long long left, long long right, const char *what, const char *file, int line);
void check_status(wxtoken_status got, wxtoken_status expected, const wxtoken_error *err, const char *call,
                  const char *file, int line);
wxtoken_error *fresh_error(void); /* always the same one, filled with PATTERN */
wxtoken_token *fresh_token(void); /* always the same one, filled with PATTERN */
const char *last_message(void); /* the message of the latest CHECK_STATUS that expected a failure */
int is_pattern(const void *memory, size_t size);

void bare_place(struct place *place); /* only the directory and the names; no handle, and no account at the simulator */
void open_place(struct place *place);
void open_place_as(struct place *place, const char *kind); /* "shop" is of this kind instead of "official" */
void leave_place(struct place *place); /* frees the handle unless NULL, and removes the directory */
void empty_place(const struct place *place); /* removes the directory's contents */
wxtoken *open_store(const char *store); /* another handle, on the simulator */
void new_id(char id[32]); /* an unused appid */

const char *
simulator(const char *variable); /* the value of WXSIM_HTTP…; if it is not set, the run ends with a message */
void sim_post(const char *path, const char *format, ...);
void sim_fault(const struct place *place, const char *fields); /* as "\"kind\":\"hang\"" */
long sim_count(const char *id, const char *field);
int sim_takes(const char *id, const char *token); /* whether the platform accepts this token */

/* Forks a child that exits with the result of `live`; 0 means success. Its alarm ends a hang. */
pid_t bear(int (*live)(const struct place *, const char *), const struct place *place, const char *expected);
int end_of(pid_t child); /* its status from waitpid */
void wait_for(pid_t child); /* it must exit with 0 */
int complain_about(const char *what, const wxtoken_error *err); /* for a child to return after a failed call */

char *report_of(wxtoken *wx); /* the caller frees it */
char *standing_report_of(wxtoken *wx); /* this report without the values that change by themselves */
int count_directory(const char *path);
int count_threads(void); /* of this program, including the calling one */

#endif
