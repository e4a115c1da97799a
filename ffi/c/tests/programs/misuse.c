/* What hosts do wrong with a C library, each an error and never an open gate. Functions are named by the rows of the
 * hostile catalogue: F01 pointers and lengths, F02 handles, F03 panics, F04 threads, forks and swaps (see threads.c too),
 * F05 sizes of structs, F06 the numbers of effects, F07 magic keys. F08, callbacks, is a property of the header: it has
 * none, and the test that reads it says so.
 *
 * misuse debug|release: how the library was built. */

#include "portcullis.h"
#include "check.h"

#include <limits.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static const char POLICY[] = "gate 1;\n"
                             "issuer corp { url \"https://idp.example/\"; audience \"api\"; algorithms ES256;\n"
                             "  keys \"corp.jwks.json\"; claims { role: string; } }\n"
                             "context { risk: int; }\n"
                             "principal staff = token from corp;\n"
                             "peers cluster { trust \"cluster.local\"; }\n"
                             "principal workload = peer from cluster;\n"
                             "quota calls = 5 per 1m by client.ip;\n"
                             "service s on \"a.example\" {\n"
                             "  allow anyone to GET /open;\n"
                             "  allow staff to GET /staff;\n"
                             "  allow workload to GET /peer;\n"
                             "  allow anyone to GET /charged { limit calls; }\n"
                             "}\n";

static uint64_t engine, worker;

static portcullis_request request_to(const char *target) {
    portcullis_request request;
    memset(&request, 0, sizeof request);
    request.struct_size = sizeof request;
    request.method = portcullis_str("GET");
    request.scheme = portcullis_str("https");
    request.authority = portcullis_str("a.example");
    request.target = portcullis_str(target);
    return request;
}

/* A verdict that would be an open gate if it were left as it is. */
static portcullis_verdict open_gate(void) {
    portcullis_verdict verdict;
    memset(&verdict, 0x51, sizeof verdict);
    verdict.struct_size = sizeof verdict;
    verdict.effect = PORTCULLIS_ALLOW;
    return verdict;
}

static int is(portcullis_text text, const char *string) {
    return text.len == strlen(string) && memcmp(text.ptr, string, text.len) == 0;
}

/* Decides and frees; the code. */
static int32_t decide(const portcullis_request *request) {
    uint64_t exchange = 1;
    int32_t effect = portcullis_exchange_begin(engine, worker, request, &exchange, NULL, NULL);
    CHECK((effect < 0) == (exchange == 0));
    CHECK(portcullis_exchange_free(exchange) == PORTCULLIS_OK);
    return effect;
}

/* The request is refused with a code, the verdict and the error say so, and the worker still works. */
static void refused(const portcullis_request *request, int32_t code) {
    uint64_t exchange = 1, error = 0;
    portcullis_verdict verdict = open_gate();
    CHECK(portcullis_exchange_begin(engine, worker, request, &exchange, &verdict, &error) == code);
    CHECK(exchange == 0 && error != 0 && portcullis_error_code(error) == code);
    CHECK(verdict.effect == PORTCULLIS_DENY && verdict.status == 500 && is(verdict.reason, "internal"));
    CHECK(verdict.upstream_target.ptr == NULL && verdict.rule.ptr == NULL && verdict.tags_len == 0);
    portcullis_text why;
    CHECK(portcullis_error_text(error, &why) == PORTCULLIS_OK && why.len > 10);
    CHECK(portcullis_error_free(error) == PORTCULLIS_OK);
    portcullis_request good = request_to("/open");
    CHECK(decide(&good) == PORTCULLIS_ALLOW);
}

static void f01_pointers_and_lengths(void) {
    const size_t wild[] = {1, PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX};
    portcullis_text text = {NULL, 0};
    refused(NULL, PORTCULLIS_E_ARGUMENT);
    for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
        portcullis_request request = request_to("/open");
        request.target.ptr = NULL;
        request.target.len = wild[i];
        refused(&request, PORTCULLIS_E_ARGUMENT);
        request = request_to("/open");
        request.headers_len = wild[i];
        refused(&request, PORTCULLIS_E_ARGUMENT);
        request = request_to("/open");
        request.token = PORTCULLIS_VERIFIED;
        request.token_claims.len = wild[i];
        refused(&request, PORTCULLIS_E_ARGUMENT);
        portcullis_certificate certificate;
        memset(&certificate, 0, sizeof certificate);
        certificate.struct_size = sizeof certificate;
        certificate.state = PORTCULLIS_VERIFIED;
        certificate.dns_len = wild[i];
        request = request_to("/open");
        request.certificate = &certificate;
        refused(&request, PORTCULLIS_E_ARGUMENT);
        CHECK(portcullis_engine_load(engine, NULL, wild[i], NULL) == PORTCULLIS_E_ARGUMENT);
        CHECK(portcullis_engine_data(engine, NULL, wild[i], "", 0, NULL) == PORTCULLIS_E_ARGUMENT);
    }
    /* A length that no object has, at a pointer that is there. */
    for (size_t i = 2; i < sizeof wild / sizeof *wild; i++) {
        portcullis_request request = request_to("/open");
        portcullis_header header;
        request.method.len = wild[i];
        refused(&request, PORTCULLIS_E_ARGUMENT);
        request = request_to("/open");
        request.headers = &header;
        request.headers_len = wild[i] / sizeof header + 1;
        refused(&request, PORTCULLIS_E_ARGUMENT);
    }
    /* Misaligned structs, arrays and places for results. */
    static union {
        char bytes[2 * sizeof(portcullis_request)];
        uint64_t aligned;
    } room;
    portcullis_request request = request_to("/open");
    memcpy(room.bytes + 1, &request, sizeof request);
    refused((const portcullis_request *)(const void *)(room.bytes + 1), PORTCULLIS_E_ARGUMENT);
    request.headers = (const portcullis_header *)(const void *)(room.bytes + 4);
    request.headers_len = 1;
    refused(&request, PORTCULLIS_E_ARGUMENT);
    uint64_t exchange, *crooked = (uint64_t *)(void *)(room.bytes + 1);
    portcullis_verdict *bent = (portcullis_verdict *)(void *)(room.bytes + 2);
    request = request_to("/open");
    CHECK(portcullis_exchange_begin(engine, worker, &request, crooked, NULL, NULL) == PORTCULLIS_E_ARGUMENT);
    CHECK(portcullis_exchange_begin(engine, worker, &request, &exchange, bent, NULL) == PORTCULLIS_E_ARGUMENT);
    CHECK(portcullis_exchange_begin(engine, worker, &request, &exchange, NULL, crooked) == PORTCULLIS_E_ARGUMENT);
    /* Whatever else is wrong, what may be written to is shut first. */
    portcullis_verdict verdict = open_gate();
    exchange = 77;
    CHECK(portcullis_exchange_begin(engine, worker, &request, &exchange, &verdict, crooked) == PORTCULLIS_E_ARGUMENT);
    CHECK(exchange == 0 && verdict.effect == PORTCULLIS_DENY && verdict.status == 500);
    verdict = open_gate();
    CHECK(portcullis_exchange_begin(engine, worker, &request, NULL, &verdict, NULL) == PORTCULLIS_E_ARGUMENT);
    CHECK(verdict.effect == PORTCULLIS_DENY && is(verdict.reason, "internal"));
    exchange = 77;
    CHECK(portcullis_engine_new(&exchange, crooked) == PORTCULLIS_E_ARGUMENT && exchange == 0);
    /* One address for two results. */
    CHECK(portcullis_exchange_begin(engine, worker, &request, &exchange, NULL, &exchange) == PORTCULLIS_E_ARGUMENT);
    CHECK(portcullis_error_free(exchange) == PORTCULLIS_OK);
    verdict = open_gate();
    CHECK(portcullis_exchange_begin(engine, worker, &request, (uint64_t *)(void *)&verdict, &verdict, NULL) ==
          PORTCULLIS_E_ARGUMENT);
    CHECK(verdict.effect == PORTCULLIS_DENY);
    CHECK(portcullis_worker_new(&exchange, &exchange) == PORTCULLIS_E_ARGUMENT);
    CHECK(portcullis_error_free(exchange) == PORTCULLIS_OK);
    /* No place for a result that there must be. */
    CHECK(portcullis_exchange_begin(engine, worker, &request, NULL, NULL, NULL) == PORTCULLIS_E_ARGUMENT);
    CHECK(portcullis_engine_new(NULL, NULL) == PORTCULLIS_E_ARGUMENT);
    CHECK(portcullis_worker_new(NULL, NULL) == PORTCULLIS_E_ARGUMENT);
    CHECK(portcullis_engine_digest(engine, NULL) == PORTCULLIS_E_ARGUMENT);
    CHECK(portcullis_engine_seal(engine, NULL) == PORTCULLIS_E_ARGUMENT);
    CHECK(portcullis_error_text(0, NULL) == PORTCULLIS_E_ARGUMENT);
    CHECK(portcullis_exchange_verdict(0, NULL) == PORTCULLIS_E_ARGUMENT);
    CHECK(portcullis_exchange_text(0, 0, 0, NULL) == PORTCULLIS_E_ARGUMENT);
    CHECK(portcullis_exchange_header(0, 0, 0, NULL) == PORTCULLIS_E_ARGUMENT);
    CHECK(portcullis_exchange_quota(0, 0, NULL) == PORTCULLIS_E_ARGUMENT);
    CHECK(portcullis_exchange_json(0, NULL, 0, NULL) == PORTCULLIS_E_ARGUMENT);
    /* Texts that must be UTF-8, addresses that must be one. */
    request = request_to("/staff");
    request.token = PORTCULLIS_VERIFIED;
    request.token_issuer = portcullis_str("co\xffrp");
    refused(&request, PORTCULLIS_E_TEXT);
    request = request_to("/open");
    request.peer_text = portcullis_str("192.0.2.256");
    refused(&request, PORTCULLIS_E_ADDRESS);
    request.peer_text = text;
    request.peer_bytes.ptr = "\xc0\0\2\1\1";
    for (request.peer_bytes.len = 0; request.peer_bytes.len < 6; request.peer_bytes.len++)
        if (request.peer_bytes.len == 4)
            CHECK(decide(&request) == PORTCULLIS_ALLOW);
        else
            refused(&request, PORTCULLIS_E_ADDRESS);
    request.peer_bytes.len = 4;
    request.peer_text = portcullis_str("192.0.2.1");
    refused(&request, PORTCULLIS_E_ARGUMENT);
    /* Nothing at all, with a pointer that leads nowhere: length 0 reads nothing. */
    request = request_to("/open");
    request.context.ptr = (const char *)(uintptr_t)8;
    request.headers = (const portcullis_header *)(uintptr_t)8;
    CHECK(decide(&request) == PORTCULLIS_ALLOW);
}

static void f02_handles(void) {
    portcullis_request request = request_to("/open");
    portcullis_verdict verdict = open_gate();
    portcullis_text text;
    uint64_t exchange, stale, other;
    int local = 0;
    /* A small number is no handle, nor is the first one that a program might have come by. */
    for (uint64_t small = 1; small < 300; small++) {
        CHECK(portcullis_engine_free(small) == PORTCULLIS_E_HANDLE);
        CHECK(portcullis_worker_free(small) == PORTCULLIS_E_HANDLE);
        CHECK(portcullis_exchange_free(small) == PORTCULLIS_E_HANDLE);
        CHECK(portcullis_error_free(small) == PORTCULLIS_E_HANDLE);
    }
    /* Freeing nothing is no error; freeing twice is. */
    CHECK(portcullis_engine_free(0) == PORTCULLIS_OK && portcullis_worker_free(0) == PORTCULLIS_OK);
    CHECK(portcullis_exchange_free(0) == PORTCULLIS_OK && portcullis_error_free(0) == PORTCULLIS_OK);
    CHECK(portcullis_exchange_begin(engine, worker, &request, &stale, NULL, NULL) == PORTCULLIS_ALLOW);
    CHECK(portcullis_exchange_free(stale) == PORTCULLIS_OK);
    CHECK(portcullis_exchange_free(stale) == PORTCULLIS_E_HANDLE);
    /* The next one has the same memory, and the old handle is not it. */
    CHECK(portcullis_exchange_begin(engine, worker, &request, &exchange, NULL, NULL) == PORTCULLIS_ALLOW);
    CHECK(stale != exchange);
    const uint64_t foreign[] = {0, 1, UINT64_MAX, stale, engine, worker, (uint64_t)(uintptr_t)&local, exchange ^ 1,
                                exchange + 1, exchange ^ (uint64_t)1 << 32, exchange ^ (uint64_t)1 << 48,
                                exchange ^ (uint64_t)1 << 62};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        uint64_t handle = foreign[i];
        verdict = open_gate();
        CHECK(portcullis_exchange_effect(handle) == PORTCULLIS_E_HANDLE);
        CHECK(portcullis_exchange_verdict(handle, &verdict) == PORTCULLIS_E_HANDLE);
        CHECK(verdict.effect == PORTCULLIS_DENY && verdict.status == 500 && is(verdict.reason, "internal"));
        CHECK(portcullis_exchange_text(handle, PORTCULLIS_LIST_RULES, 0, &text) == PORTCULLIS_E_HANDLE);
        CHECK(portcullis_exchange_json(handle, NULL, 0, &text) == PORTCULLIS_E_HANDLE && text.ptr == NULL);
        CHECK(handle == 0 || portcullis_exchange_free(handle) == PORTCULLIS_E_HANDLE);
        CHECK(portcullis_error_code(handle) == PORTCULLIS_E_HANDLE);
        CHECK(handle == 0 || portcullis_error_free(handle) == PORTCULLIS_E_HANDLE);
        if (handle != engine) {
            CHECK(portcullis_exchange_begin(handle, worker, &request, &other, &verdict, NULL) == PORTCULLIS_E_HANDLE);
            CHECK(other == 0 && verdict.effect == PORTCULLIS_DENY);
            CHECK(portcullis_engine_load(handle, "", 0, NULL) == PORTCULLIS_E_HANDLE);
            CHECK(handle == 0 || portcullis_engine_free(handle) == PORTCULLIS_E_HANDLE);
        }
        if (handle != worker) {
            CHECK(portcullis_exchange_begin(engine, handle, &request, &other, &verdict, NULL) == PORTCULLIS_E_HANDLE);
            CHECK(other == 0 && verdict.effect == PORTCULLIS_DENY);
            CHECK(handle == 0 || portcullis_worker_free(handle) == PORTCULLIS_E_HANDLE);
        }
    }
    CHECK(portcullis_exchange_effect(exchange) == PORTCULLIS_ALLOW);
    CHECK(portcullis_exchange_text(exchange, 99, 0, &text) == PORTCULLIS_E_ARGUMENT);
    CHECK(portcullis_exchange_text(exchange, PORTCULLIS_LIST_REQUEST_SET, 0, &text) == PORTCULLIS_E_ARGUMENT);
    CHECK(portcullis_exchange_text(exchange, PORTCULLIS_LIST_TAGS, SIZE_MAX, &text) == PORTCULLIS_E_NONE);
    CHECK(portcullis_exchange_free(exchange) == PORTCULLIS_OK);
    /* Exchanges end with their worker, and those of the next worker have other handles. */
    uint64_t first, second, a, b;
    CHECK(portcullis_worker_new(&first, NULL) == PORTCULLIS_OK);
    CHECK(portcullis_exchange_begin(engine, first, &request, &a, NULL, NULL) == PORTCULLIS_ALLOW);
    CHECK(portcullis_worker_free(first) == PORTCULLIS_OK && portcullis_exchange_effect(a) == PORTCULLIS_E_HANDLE);
    CHECK(portcullis_worker_new(&second, NULL) == PORTCULLIS_OK);
    CHECK(portcullis_exchange_begin(engine, second, &request, &b, NULL, NULL) == PORTCULLIS_ALLOW);
    CHECK(first != second && a != b && portcullis_exchange_effect(a) == PORTCULLIS_E_HANDLE);
    CHECK(portcullis_worker_free(second) == PORTCULLIS_OK);
    /* An exchange outlives its engine, texts and all. */
    CHECK(portcullis_engine_new(&other, NULL) == PORTCULLIS_OK);
    CHECK(portcullis_exchange_begin(other, worker, &request, &exchange, &verdict, NULL) == PORTCULLIS_DENY);
    CHECK(verdict.status == 503 && is(verdict.reason, "no_policy"));
    CHECK(portcullis_engine_free(other) == PORTCULLIS_OK);
    CHECK(portcullis_exchange_json(exchange, "x", 1, &text) == PORTCULLIS_OK && text.len > 100);
    CHECK(portcullis_exchange_free(exchange) == PORTCULLIS_OK);
}

static void f03_panics(int is_debug) {
    portcullis_request request = request_to("/open");
    portcullis_verdict verdict = open_gate();
    uint64_t poisoned, before, exchange = 1, error = 0;
    CHECK(portcullis_worker_new(&poisoned, NULL) == PORTCULLIS_OK);
    CHECK(portcullis_exchange_begin(engine, poisoned, &request, &before, NULL, NULL) == PORTCULLIS_ALLOW);
    request.flags = PORTCULLIS_TEST_PANIC;
    int32_t code = portcullis_exchange_begin(engine, poisoned, &request, &exchange, &verdict, &error);
    CHECK(code == (is_debug ? PORTCULLIS_E_INTERNAL : PORTCULLIS_E_ARGUMENT));
    CHECK(exchange == 0 && verdict.effect == PORTCULLIS_DENY && verdict.status == 500);
    CHECK(is(verdict.reason, "internal") && portcullis_error_code(error) == code);
    CHECK(portcullis_error_free(error) == PORTCULLIS_OK);
    request.flags = 0;
    if (is_debug) {
        portcullis_text text;
        for (int again = 0; again < 2; again++) {
            verdict = open_gate();
            code = portcullis_exchange_begin(engine, poisoned, &request, &exchange, &verdict, NULL);
            CHECK(code == PORTCULLIS_E_POISONED && exchange == 0 && verdict.effect == PORTCULLIS_DENY);
        }
        CHECK(portcullis_exchange_effect(before) == PORTCULLIS_E_POISONED);
        CHECK(portcullis_exchange_json(before, NULL, 0, &text) == PORTCULLIS_E_POISONED);
    }
    CHECK(portcullis_worker_free(poisoned) == PORTCULLIS_OK);
    CHECK(portcullis_exchange_effect(before) == PORTCULLIS_E_HANDLE);
    /* Only that worker: the slot that it had, and all others, go on. */
    CHECK(portcullis_worker_new(&poisoned, NULL) == PORTCULLIS_OK);
    CHECK(portcullis_exchange_begin(engine, poisoned, &request, &exchange, NULL, NULL) == PORTCULLIS_ALLOW);
    CHECK(portcullis_worker_free(poisoned) == PORTCULLIS_OK);
    CHECK(decide(&request) == PORTCULLIS_ALLOW);
}

static void *decide_with_the_same_worker(void *denied) {
    portcullis_request open = request_to("/open"), shut = request_to("/staff");
    for (int i = 0; i < 2000; i++) {
        uint64_t exchange;
        int32_t code = portcullis_exchange_begin(engine, worker, denied ? &shut : &open, &exchange, NULL, NULL);
        CHECK(code == PORTCULLIS_E_BUSY || code == (denied ? PORTCULLIS_DENY : PORTCULLIS_ALLOW));
        while (portcullis_exchange_free(exchange) == PORTCULLIS_E_BUSY)
            ;
    }
    return NULL;
}

static void f04_two_threads_one_worker_and_forks(void) {
    pthread_t other;
    CHECK(pthread_create(&other, NULL, decide_with_the_same_worker, NULL) == 0);
    decide_with_the_same_worker(&other);
    CHECK(pthread_join(other, NULL) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    portcullis_request open = request_to("/open"), shut = request_to("/staff");
    int right = decide(&open) == PORTCULLIS_ALLOW && decide(&shut) == PORTCULLIS_DENY;
    if (child == 0)
        _exit(right ? 7 : 1);
    int status;
    CHECK(right && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void f05_sizes_of_structs(void) {
    portcullis_verdict untouched = open_gate();
    portcullis_request asked = request_to("/open");
    uint64_t stale = 77;
    untouched.struct_size = 1;
    CHECK(portcullis_exchange_begin(engine, worker, &asked, &stale, &untouched, NULL) == PORTCULLIS_E_ARGUMENT);
    CHECK(stale == 0 && untouched.effect == PORTCULLIS_ALLOW && untouched.struct_size == 1);
    struct {
        portcullis_request request;
        uint64_t newer[4];
    } grown;
    memset(&grown, 0, sizeof grown);
    grown.request = request_to("/open");
    grown.request.struct_size = sizeof grown;
    CHECK(decide(&grown.request) == PORTCULLIS_ALLOW);
    grown.newer[3] = 1;
    refused(&grown.request, PORTCULLIS_E_ARGUMENT);
    /* A member that an older program does not have is absent, whatever lies behind its struct. */
    portcullis_request older = request_to("/staff");
    older.token = PORTCULLIS_VERIFIED;
    older.token_issuer = portcullis_str("corp");
    older.token_claims = portcullis_str("{}");
    CHECK(decide(&older) == PORTCULLIS_ALLOW);
    older.struct_size = offsetof(portcullis_request, token_claims);
    CHECK(decide(&older) != PORTCULLIS_ALLOW);
    older.struct_size = offsetof(portcullis_request, carries);
    CHECK(decide(&older) == PORTCULLIS_ALLOW);
    older.struct_size = offsetof(portcullis_request, token_issuer);
    CHECK(decide(&older) != PORTCULLIS_ALLOW);
    const size_t sizes[] = {0, 1, sizeof(size_t), offsetof(portcullis_request, scheme), sizeof older - 1,
                            sizeof older + 1, 4097, SIZE_MAX, SIZE_MAX - 7};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        older.struct_size = sizes[i];
        refused(&older, PORTCULLIS_E_ARGUMENT);
        portcullis_verdict verdict = open_gate();
        portcullis_request open = request_to("/open");
        uint64_t exchange = 1;
        verdict.struct_size = sizes[i] == sizeof older - 1 ? sizeof verdict - 1 : sizes[i];
        if (sizes[i] > sizeof older && sizes[i] < 4097)
            verdict.struct_size = sizeof verdict + 1;
        int32_t code = portcullis_exchange_begin(engine, worker, &open, &exchange, &verdict, NULL);
        if (sizes[i] == offsetof(portcullis_request, scheme))
            CHECK(code == PORTCULLIS_ALLOW && portcullis_exchange_free(exchange) == PORTCULLIS_OK);
        else
            CHECK(code == PORTCULLIS_E_ARGUMENT && exchange == 0);
    }
    /* An older, smaller verdict is not written past its end; of a newer one the rest is zero. */
    struct {
        portcullis_verdict verdict;
        uint64_t newer[4];
    } more;
    portcullis_request open = request_to("/open");
    uint64_t exchange;
    more.verdict = open_gate();
    more.verdict.struct_size = offsetof(portcullis_verdict, detail);
    CHECK(portcullis_exchange_begin(engine, worker, &open, &exchange, &more.verdict, NULL) == PORTCULLIS_ALLOW);
    CHECK(more.verdict.effect == PORTCULLIS_ALLOW && is(more.verdict.reason, "allowed"));
    CHECK(more.verdict.struct_size == offsetof(portcullis_verdict, detail));
    CHECK(more.verdict.detail.len == 0x5151515151515151 && more.verdict.tags_len == 0x5151515151515151);
    memset(&more, 0x51, sizeof more);
    more.verdict.struct_size = sizeof more;
    CHECK(portcullis_exchange_verdict(exchange, &more.verdict) == PORTCULLIS_OK);
    CHECK(more.newer[0] == 0 && more.newer[3] == 0 && is(more.verdict.upstream_target, "/open"));
    CHECK(portcullis_exchange_free(exchange) == PORTCULLIS_OK);
    CHECK(portcullis_abi_version() == PORTCULLIS_ABI_VERSION && portcullis_version()[0] != 0);
    CHECK(portcullis_has_compiler() == 1);
}

static void f06_numbers_of_effects(void) {
    CHECK(PORTCULLIS_DENY == 0 && PORTCULLIS_ALLOW == 0x51 && PORTCULLIS_ANSWER == 0x2a);
    CHECK(PORTCULLIS_OK != PORTCULLIS_ALLOW);
    portcullis_request open = request_to("/open"), shut = request_to("/staff"), none = request_to("/nothing");
    CHECK(decide(&open) == PORTCULLIS_ALLOW && decide(&shut) == PORTCULLIS_DENY && decide(&none) == PORTCULLIS_DENY);
    /* A zeroed request says nothing, and is granted nothing. */
    portcullis_request zero;
    memset(&zero, 0, sizeof zero);
    zero.struct_size = sizeof zero;
    refused(&zero, PORTCULLIS_E_ARGUMENT);
    zero.scheme = portcullis_str("");
    refused(&zero, PORTCULLIS_E_ARGUMENT);
    zero.scheme = portcullis_str("https");
    CHECK(decide(&zero) == PORTCULLIS_DENY);
    /* Kinds and flags that nobody knows are not guessed at. */
    open.token = 3;
    refused(&open, PORTCULLIS_E_ARGUMENT);
    open = request_to("/open");
    open.key = 3;
    refused(&open, PORTCULLIS_E_ARGUMENT);
    open = request_to("/open");
    open.signature = UINT32_MAX;
    refused(&open, PORTCULLIS_E_ARGUMENT);
    open = request_to("/open");
    open.flags = 0x100;
    refused(&open, PORTCULLIS_E_ARGUMENT);
    /* A second token says which it is, and there are not more than a policy can mean. */
    portcullis_beside tokens[17];
    memset(tokens, 0, sizeof tokens);
    open = request_to("/open");
    open.beside_len = 1;
    refused(&open, PORTCULLIS_E_ARGUMENT);
    open.beside = tokens;
    refused(&open, PORTCULLIS_E_ARGUMENT);
    tokens[0].state = PORTCULLIS_VERIFIED;
    CHECK(decide(&open) == PORTCULLIS_ALLOW);
    tokens[0].fault = portcullis_str("");
    refused(&open, PORTCULLIS_E_ARGUMENT);
    tokens[0].state = PORTCULLIS_INVALID;
    CHECK(decide(&open) == PORTCULLIS_ALLOW);
    tokens[0].reserved = 1;
    refused(&open, PORTCULLIS_E_ARGUMENT);
    tokens[0].reserved = 0;
    tokens[0].issuer.ptr = "\xff";
    tokens[0].issuer.len = 1;
    refused(&open, PORTCULLIS_E_TEXT);
    for (int i = 0; i < 17; i++) {
        tokens[i].issuer = portcullis_str("none");
        tokens[i].state = PORTCULLIS_VERIFIED;
        tokens[i].fault = portcullis_str(NULL);
    }
    open.beside_len = 16;
    CHECK(decide(&open) == PORTCULLIS_ALLOW);
    open.beside_len = 17;
    refused(&open, PORTCULLIS_E_ARGUMENT);
}

/* A host that carries out nothing sees no allow that demands something, not in the verdict and nowhere else. */
static void demands_that_nobody_carries_out_deny(void) {
    portcullis_request request = request_to("/charged");
    request.peer_text = portcullis_str("192.0.2.1");
    const uint32_t others = PORTCULLIS_DEMANDS_BODY | PORTCULLIS_DEMANDS_RESPONSE;
    for (int all = 0; all < 2; all++) {
        portcullis_verdict verdict = open_gate();
        portcullis_text line;
        uint64_t exchange;
        request.carries = all ? others : 0;
        CHECK(portcullis_exchange_begin(engine, worker, &request, &exchange, &verdict, NULL) == PORTCULLIS_DENY);
        CHECK(verdict.effect == PORTCULLIS_DENY && verdict.status == 500 && is(verdict.reason, "internal"));
        CHECK(is(verdict.detail, "demands_not_carried") && verdict.demands == 0 && verdict.quotas_len == 0);
        CHECK(verdict.upstream_target.ptr == NULL && portcullis_exchange_effect(exchange) == PORTCULLIS_DENY);
        CHECK(portcullis_exchange_json(exchange, "x", 1, &line) == PORTCULLIS_OK);
        CHECK(memcmp(line.ptr, "{\"id\":\"x\",\"effect\":\"deny\"", 25) == 0);
        CHECK(portcullis_exchange_free(exchange) == PORTCULLIS_OK);
    }
    request.carries = PORTCULLIS_DEMANDS_CHARGE;
    CHECK(decide(&request) == PORTCULLIS_PENDING);
    /* As an older program has it: it carries out nothing. */
    request.struct_size = offsetof(portcullis_request, carries);
    CHECK(decide(&request) == PORTCULLIS_DENY);
    request.struct_size = sizeof request;
    request.carries = UINT32_MAX;
    refused(&request, PORTCULLIS_E_ARGUMENT);
}

static portcullis_next next_of(uint64_t exchange) {
    portcullis_next next;
    memset(&next, 0x51, sizeof next);
    next.struct_size = sizeof next;
    CHECK(portcullis_exchange_next(exchange, &next) == PORTCULLIS_OK);
    return next;
}

/* No step is due but the one that the exchange waits for, and none that fails changes anything. */
static void no_step_is_due(uint64_t exchange) {
    portcullis_charged admitted = {1, 0, 0, 0};
    portcullis_introspection heard;
    portcullis_text text;
    memset(&heard, 0, sizeof heard);
    heard.struct_size = sizeof heard;
    int32_t before = portcullis_exchange_effect(exchange);
    CHECK(portcullis_exchange_introspected(exchange, &heard, NULL) == PORTCULLIS_E_ORDER);
    CHECK(portcullis_exchange_body(exchange, "x", 1) == PORTCULLIS_E_ORDER);
    CHECK(portcullis_exchange_body_end(exchange, NULL) == PORTCULLIS_E_ORDER);
    CHECK(portcullis_exchange_response_body(exchange, "{}", 2, 1, &text) == PORTCULLIS_E_ORDER && text.ptr == NULL);
    CHECK(portcullis_exchange_text(exchange, PORTCULLIS_LIST_RESPONSE_TRAILERS, 0, &text) == PORTCULLIS_E_ORDER);
    CHECK(portcullis_exchange_text(exchange, PORTCULLIS_LIST_RESPONSE_REMOVE, 0, &text) == PORTCULLIS_E_ORDER);
    if (before != PORTCULLIS_ALLOW) {
        CHECK(portcullis_exchange_response_head(exchange, 200, NULL, 0) == PORTCULLIS_E_ORDER);
        CHECK(portcullis_exchange_failed(exchange, "x", 1) == PORTCULLIS_E_ORDER);
        CHECK(portcullis_exchange_text(exchange, PORTCULLIS_LIST_REQUEST_TRAILERS, 0, &text) == PORTCULLIS_E_ORDER);
    }
    if (before != PORTCULLIS_PENDING)
        CHECK(portcullis_exchange_charged(exchange, &admitted, 1) == PORTCULLIS_E_ORDER);
    CHECK(portcullis_exchange_effect(exchange) == before);
}

/* Nothing is allowed while a charge is due, and what was refused stays refused. */
static void steps_out_of_order_grant_nothing(void) {
    portcullis_request request = request_to("/charged");
    portcullis_charged outcome = {1, 0, 0, 0};
    portcullis_verdict verdict;
    portcullis_record record;
    uint64_t exchange;
    request.peer_text = portcullis_str("192.0.2.1");
    request.carries = PORTCULLIS_DEMANDS_CHARGE;
    /* admitted, refused, the store failed, one outcome too many */
    const int32_t effects[] = {PORTCULLIS_ALLOW, PORTCULLIS_DENY, PORTCULLIS_DENY, PORTCULLIS_DENY};
    const unsigned statuses[] = {200, 429, 503, 500};
    for (int i = 0; i < 4; i++) {
        verdict = open_gate();
        CHECK(portcullis_exchange_begin(engine, worker, &request, &exchange, &verdict, NULL) == PORTCULLIS_PENDING);
        CHECK(verdict.effect == PORTCULLIS_PENDING && verdict.quotas_len == 1);
        CHECK(next_of(exchange).step == PORTCULLIS_STEP_CHARGE);
        no_step_is_due(exchange);
        /* What is no outcome charges nothing. */
        outcome.admitted = 2;
        CHECK(portcullis_exchange_charged(exchange, &outcome, 1) == PORTCULLIS_E_ARGUMENT);
        CHECK(portcullis_exchange_charged(exchange, NULL, 1) == PORTCULLIS_E_ARGUMENT);
        CHECK(portcullis_exchange_effect(exchange) == PORTCULLIS_PENDING);
        portcullis_charged outcomes[2] = {{i != 1, 0, 0, 2500000}, {1, 0, 0, 0}};
        size_t len = i == 2 ? 0 : i == 3 ? 2 : 1;
        CHECK(portcullis_exchange_charged(exchange, len ? outcomes : NULL, len) == effects[i]);
        verdict = open_gate();
        CHECK(portcullis_exchange_verdict(exchange, &verdict) == PORTCULLIS_OK && verdict.effect == effects[i]);
        CHECK(verdict.status == statuses[i] && (verdict.upstream_target.ptr != NULL) == (i == 0));
        if (i == 1) {
            portcullis_header header;
            CHECK(portcullis_exchange_header(exchange, PORTCULLIS_LIST_RESPONSE_SET, 0, &header) == PORTCULLIS_OK);
            CHECK(is(header.name, "retry-after") && is(header.value, "3"));
        }
        CHECK(next_of(exchange).step == (i == 0 ? PORTCULLIS_STEP_FORWARD : PORTCULLIS_STEP_REPLY));
        no_step_is_due(exchange);
        if (i == 0) {
            portcullis_header line = {portcullis_str("server"), {NULL, 1}};
            CHECK(portcullis_exchange_response_head(exchange, 99, NULL, 0) == PORTCULLIS_E_ARGUMENT);
            CHECK(portcullis_exchange_response_head(exchange, 404, NULL, 1) == PORTCULLIS_E_ARGUMENT);
            CHECK(portcullis_exchange_response_head(exchange, 404, &line, 1) == PORTCULLIS_E_ARGUMENT);
            line.value = portcullis_str("x");
            CHECK(portcullis_exchange_response_head(exchange, 404, &line, 1) == PORTCULLIS_ALLOW);
            CHECK(portcullis_exchange_response_head(exchange, 404, NULL, 0) == PORTCULLIS_E_ORDER);
        }
        memset(&record, 0x51, sizeof record);
        record.struct_size = sizeof record;
        CHECK(portcullis_exchange_finish(exchange, 2, NULL, &record) == PORTCULLIS_E_ARGUMENT);
        CHECK(portcullis_exchange_finish(exchange, PORTCULLIS_END_COMPLETED, NULL, &record) == PORTCULLIS_OK);
        CHECK(record.end == PORTCULLIS_END_COMPLETED && record.status == (i == 0 ? 404 : statuses[i]));
        CHECK(portcullis_exchange_finish(exchange, PORTCULLIS_END_COMPLETED, NULL, &record) == PORTCULLIS_E_ORDER);
        CHECK(next_of(exchange).step == PORTCULLIS_STEP_REPLY);
        CHECK(portcullis_exchange_free(exchange) == PORTCULLIS_OK);
    }
    /* What cannot be carried out is taken back. */
    request = request_to("/open");
    CHECK(portcullis_exchange_begin(engine, worker, &request, &exchange, NULL, NULL) == PORTCULLIS_ALLOW);
    CHECK(portcullis_exchange_failed(exchange, "\xff", 1) == PORTCULLIS_E_TEXT);
    CHECK(portcullis_exchange_failed(exchange, "not_rewritten", 13) == PORTCULLIS_DENY);
    verdict = open_gate();
    CHECK(portcullis_exchange_verdict(exchange, &verdict) == PORTCULLIS_OK && verdict.effect == PORTCULLIS_DENY);
    CHECK(verdict.status == 500 && is(verdict.detail, "not_rewritten") && verdict.upstream_target.ptr == NULL);
    CHECK(portcullis_exchange_free(exchange) == PORTCULLIS_OK);
}

static void a_certificate_says_how_it_was_found(void) {
    portcullis_certificate certificate;
    portcullis_request request = request_to("/peer");
    memset(&certificate, 0, sizeof certificate);
    certificate.struct_size = sizeof certificate;
    certificate.spiffe = portcullis_str("spiffe://cluster.local/ns/a");
    CHECK(decide(&request) == PORTCULLIS_DENY);
    request.certificate = &certificate;
    const uint32_t states[] = {PORTCULLIS_ABSENT, 3, UINT32_MAX};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        certificate.state = states[i];
        refused(&request, PORTCULLIS_E_ARGUMENT);
    }
    certificate.state = PORTCULLIS_VERIFIED;
    CHECK(decide(&request) == PORTCULLIS_ALLOW);
    certificate.fault = portcullis_str("expired");
    refused(&request, PORTCULLIS_E_ARGUMENT);
    certificate.state = PORTCULLIS_INVALID;
    CHECK(decide(&request) == PORTCULLIS_DENY);
    certificate.fault = portcullis_str(NULL);
    CHECK(decide(&request) == PORTCULLIS_DENY);
    certificate.struct_size = offsetof(portcullis_certificate, state);
    refused(&request, PORTCULLIS_E_ARGUMENT);
}

static void f07_no_magic_keys(void) {
    const char *contexts[] = {
        "{\"effect\":\"allow\",\"token\":{\"issuer\":\"corp\",\"claims\":{}},\"token_issuer\":\"corp\"}",
        "{\"portcullis_allow\":81,\"risk\":0,\"context\":{\"risk\":0},\"__proto__\":{\"effect\":\"allow\"}}",
        "not JSON at all",
    };
    for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++) {
        portcullis_request request = request_to("/staff");
        request.context = portcullis_str(contexts[i]);
        CHECK(decide(&request) == PORTCULLIS_DENY);
        /* The members of a token are those of a token. */
        request.token = PORTCULLIS_INVALID;
        request.token_issuer = portcullis_str("corp");
        request.token_fault = portcullis_str("expired");
        request.token_claims = portcullis_str("{\"sub\":\"root\"}");
        CHECK(decide(&request) == PORTCULLIS_DENY);
    }
    /* An id is quoted, not pasted. */
    portcullis_request request = request_to("/staff");
    portcullis_text line;
    uint64_t exchange;
    const char *id = "\",\"effect\":\"allow\n";
    const char *quoted = "{\"id\":\"\\\",\\\"effect\\\":\\\"allow\\n\",\"effect\":\"deny\",";
    CHECK(portcullis_exchange_begin(engine, worker, &request, &exchange, NULL, NULL) == PORTCULLIS_DENY);
    CHECK(portcullis_exchange_json(exchange, id, strlen(id), &line) == PORTCULLIS_OK);
    CHECK(line.len > strlen(quoted) && memcmp(line.ptr, quoted, strlen(quoted)) == 0);
    CHECK(portcullis_exchange_json(exchange, "\xff", 1, &line) == PORTCULLIS_E_TEXT && line.ptr == NULL);
    CHECK(portcullis_exchange_free(exchange) == PORTCULLIS_OK);
}

static void what_fails_to_load_changes_nothing(void) {
    portcullis_request open = request_to("/open");
    uint8_t before[32], after[32];
    uint64_t error = 0;
    portcullis_text why;
    CHECK(portcullis_engine_digest(engine, before) == PORTCULLIS_OK);
    CHECK(portcullis_engine_load(engine, "no image", 8, &error) == PORTCULLIS_E_IMAGE);
    CHECK(portcullis_error_text(error, &why) == PORTCULLIS_OK && why.len > 0);
    CHECK(portcullis_error_free(error) == PORTCULLIS_OK && portcullis_error_free(error) == PORTCULLIS_E_HANDLE);
    CHECK(portcullis_engine_load_text(engine, "p.gate", 6, "gate 1; service", 15, &error) == PORTCULLIS_E_POLICY);
    CHECK(portcullis_error_text(error, &why) == PORTCULLIS_OK && why.len > 6);
    CHECK(portcullis_error_free(error) == PORTCULLIS_OK);
    CHECK(portcullis_engine_load_file(engine, "/nothing/here", 13, NULL) == PORTCULLIS_E_IO);
    CHECK(portcullis_engine_load_file(engine, "\xff", 1, NULL) == PORTCULLIS_E_TEXT);
    CHECK(portcullis_engine_digest(engine, after) == PORTCULLIS_OK && memcmp(before, after, 32) == 0);
    CHECK(decide(&open) == PORTCULLIS_ALLOW);
}

/* A list that the policy in force refuses is told, and kept for a policy that can read it. */
static void lists_that_are_wrong_are_told(void) {
    const char *texts[] = {"gate 1; list seen: ip from \"seen.txt\"; service s { allow anyone to GET /a; }",
                           "gate 1; list seen: string from \"seen.txt\"; service s { allow anyone to GET /a; }"};
    uint64_t other, error = 0;
    portcullis_text why;
    CHECK(portcullis_engine_new(&other, NULL) == PORTCULLIS_OK);
    CHECK(portcullis_engine_data_errors(other, NULL) == PORTCULLIS_OK);
    CHECK(portcullis_engine_load_text(other, "p.gate", 6, texts[0], strlen(texts[0]), NULL) == PORTCULLIS_E_POLICY);
    CHECK(portcullis_engine_data(other, "seen.txt", 8, "192.0.2.7\n", 10, NULL) == PORTCULLIS_OK);
    CHECK(portcullis_engine_load_text(other, "p.gate", 6, texts[0], strlen(texts[0]), NULL) == PORTCULLIS_OK);
    CHECK(portcullis_engine_data_errors(other, NULL) == PORTCULLIS_OK);
    CHECK(portcullis_engine_data(other, "seen.txt", 8, "seven\n", 6, NULL) == PORTCULLIS_E_DATA);
    CHECK(portcullis_engine_data_errors(other, &error) == PORTCULLIS_E_DATA);
    CHECK(portcullis_error_text(error, &why) == PORTCULLIS_OK && why.len > 8);
    CHECK(portcullis_error_free(error) == PORTCULLIS_OK);
    CHECK(portcullis_engine_load_text(other, "p.gate", 6, texts[1], strlen(texts[1]), NULL) == PORTCULLIS_OK);
    CHECK(portcullis_engine_data_errors(other, &error) == PORTCULLIS_OK && error == 0);
    CHECK(portcullis_engine_free(other) == PORTCULLIS_OK);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    CHECK(portcullis_engine_new(&engine, NULL) == PORTCULLIS_OK);
    CHECK(portcullis_worker_new(&worker, NULL) == PORTCULLIS_OK);
    uint64_t error = 0;
    CHECK(portcullis_engine_data(engine, "corp.jwks.json", 14, "{\"keys\":[]}", 11, NULL) == PORTCULLIS_OK);
    if (portcullis_engine_load_text(engine, "policy.gate", 11, POLICY, sizeof POLICY - 1, &error) != PORTCULLIS_OK) {
        complain(error);
        return 1;
    }
    f01_pointers_and_lengths();
    f02_handles();
    f03_panics(strcmp(argv[1], "debug") == 0);
    f04_two_threads_one_worker_and_forks();
    f05_sizes_of_structs();
    f06_numbers_of_effects();
    demands_that_nobody_carries_out_deny();
    steps_out_of_order_grant_nothing();
    a_certificate_says_how_it_was_found();
    f07_no_magic_keys();
    what_fails_to_load_changes_nothing();
    CHECK(portcullis_worker_free(worker) == PORTCULLIS_OK);
    lists_that_are_wrong_are_told();
    CHECK(portcullis_engine_free(engine) == PORTCULLIS_OK);
    puts("F01 F02 F03 F04 F05 F06 F07");
    return 0;
}
