/* Threads decide while another one swaps two policies under them (F04): every verdict is that of one of them, whole.
 *
 * threads A.image B.image DECISIONS: A allows /a and nothing else, B allows /b. Each thread goes on until each policy has
 * decided so many of its requests. */

#include "portcullis.h"
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 3
/* What nobody needs who gets to see both policies. */
#define TRIES_MAX 100000000L

static uint64_t engine;
static char digests[2][65];
static long wanted;
static atomic_int running, freed;

/* Which policy decided: its digest stands in the line. */
static int policy_of(uint64_t exchange) {
    portcullis_text line;
    char text[4096];
    CHECK(portcullis_exchange_json(exchange, NULL, 0, &line) == PORTCULLIS_OK && line.len < sizeof text);
    memcpy(text, line.ptr, line.len);
    text[line.len] = 0;
    int is_a = strstr(text, digests[0]) != NULL, is_b = strstr(text, digests[1]) != NULL;
    CHECK(is_a != is_b);
    return is_b;
}

static void *decide(void *unused) {
    uint64_t worker, kept = 0;
    int32_t kept_effect = 0;
    long seen[2] = {0, 0};
    CHECK(portcullis_worker_new(&worker, NULL) == PORTCULLIS_OK);
    for (long i = 0;; i++) {
        portcullis_request request = {0};
        portcullis_verdict verdict = {0};
        uint64_t exchange;
        request.struct_size = sizeof request;
        verdict.struct_size = sizeof verdict;
        request.method = portcullis_str("GET");
        request.scheme = portcullis_str("https");
        request.authority = portcullis_str("a.example");
        int asks_b = (int)(i % 2);
        request.target = portcullis_str(asks_b ? "/b" : "/a");
        int32_t effect = portcullis_exchange_begin(engine, worker, &request, &exchange, &verdict, NULL);
        if (effect == PORTCULLIS_E_HANDLE) {
            CHECK(atomic_load(&freed) && exchange == 0 && verdict.effect == PORTCULLIS_DENY);
            break;
        }
        int is_b = policy_of(exchange);
        CHECK(effect == (is_b == asks_b ? PORTCULLIS_ALLOW : PORTCULLIS_DENY) && effect == verdict.effect);
        CHECK((verdict.upstream_target.len == 2) == (effect == PORTCULLIS_ALLOW));
        if (++seen[is_b] == wanted && seen[!is_b] >= wanted)
            atomic_fetch_sub(&running, 1);
        CHECK(i < TRIES_MAX);
        /* One exchange in a hundred stays under way while others come and go. */
        if (i % 100 == 0) {
            CHECK(kept == 0 || portcullis_exchange_effect(kept) == kept_effect);
            CHECK(portcullis_exchange_free(kept) == PORTCULLIS_OK);
            kept = exchange;
            kept_effect = effect;
        } else {
            CHECK(portcullis_exchange_free(exchange) == PORTCULLIS_OK);
        }
    }
    CHECK(portcullis_exchange_effect(kept) == kept_effect);
    CHECK(portcullis_worker_free(worker) == PORTCULLIS_OK);
    return unused;
}

static void load(const char *path) {
    uint64_t error = 0;
    if (portcullis_engine_load_file(engine, path, strlen(path), &error) != PORTCULLIS_OK) {
        complain(error);
        exit(1);
    }
}

int main(int argc, char **argv) {
    pthread_t threads[THREADS];
    uint8_t digest[32];
    long swaps = 0;
    CHECK(argc == 4);
    wanted = atol(argv[3]);
    CHECK(portcullis_engine_new(&engine, NULL) == PORTCULLIS_OK);
    for (int i = 0; i < 2; i++) {
        load(argv[1 + i]);
        CHECK(portcullis_engine_digest(engine, digest) == PORTCULLIS_OK);
        for (int byte = 0; byte < 32; byte++)
            snprintf(digests[i] + 2 * byte, 3, "%02x", digest[byte]);
    }
    atomic_store(&running, THREADS);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, decide, NULL) == 0);
    while (atomic_load(&running) > 0)
        load(argv[1 + swaps++ % 2]);
    atomic_store(&freed, 1);
    int32_t code;
    while ((code = portcullis_engine_free(engine)) == PORTCULLIS_E_BUSY)
        ;
    CHECK(code == PORTCULLIS_OK);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(swaps > 0);
    puts("whole");
    return 0;
}
