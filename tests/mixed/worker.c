/* One process of the mixed test. At each line on stdin four threads get the token at once, and the process prints
 * the results. The other languages' workers do the same. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <wxtoken.h>

#define THREADS 4

static wxtoken *wx;

static void *get(void *out)
{
    wxtoken_error err;
    if (wxtoken_get(wx, "shop", out, &err) != WXTOKEN_OK) {
        fprintf(stderr, "c: %s\n", err.message);
        exit(1);
    }
    return NULL;
}

int main(void)
{
    wxtoken_error err;
    char line[8];
    if (wxtoken_init(NULL, &wx, &err) != WXTOKEN_OK) {
        fprintf(stderr, "c: %s\n", err.message);
        return 1;
    }
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        pthread_t threads[THREADS];
        wxtoken_token tokens[THREADS];
        for (int i = 0; i < THREADS; i++)
            pthread_create(&threads[i], NULL, get, &tokens[i]);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < THREADS; i++)
            printf("%s ", tokens[i].value);
        puts("");
        fflush(stdout);
    }
    wxtoken_free(wx);
    return 0;
}
