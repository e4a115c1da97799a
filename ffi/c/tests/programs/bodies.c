/* Bodies through the library: what the engine judges and changes, part by part, in memory of exactly its own size. */

#include "check.h"

static const char POLICY[] = "gate 1;\n"
                             "service s on \"a.example\" {\n"
                             "  allow anyone to POST /strip { accept body max 40 strip unknown { a: int; } }\n"
                             "  allow anyone to GET /plan { redact response { drop a; } set request header \"x-s\" \"1\"; }\n"
                             "  allow anyone to GET /open;\n"
                             "}\n";

#define CARRIES (PORTCULLIS_DEMANDS_BODY | PORTCULLIS_DEMANDS_RESPONSE)

static uint64_t engine, worker;
static const portcullis_header JSON = {{"content-type", 12}, {"application/json", 16}};

static int is(portcullis_text text, const char *string) {
    return text.len == strlen(string) && (text.len == 0 || memcmp(text.ptr, string, text.len) == 0);
}

static int contains(portcullis_text text, const char *string) {
    size_t len = strlen(string);
    for (size_t i = 0; i + len <= text.len; i++)
        if (memcmp(text.ptr + i, string, len) == 0)
            return 1;
    return 0;
}

static uint64_t begun(const char *method, const char *target, int32_t expected) {
    portcullis_request request;
    uint64_t exchange = 0;
    memset(&request, 0, sizeof request);
    request.struct_size = sizeof request;
    request.method = portcullis_str(method);
    request.scheme = portcullis_str("https");
    request.authority = portcullis_str("a.example");
    request.target = portcullis_str(target);
    request.headers = &JSON;
    request.headers_len = 1;
    request.carries = CARRIES;
    CHECK(portcullis_exchange_begin(engine, worker, &request, &exchange, NULL, NULL) == expected);
    return exchange;
}

static portcullis_verdict verdict_of(uint64_t exchange) {
    portcullis_verdict verdict;
    memset(&verdict, 0x51, sizeof verdict);
    verdict.struct_size = sizeof verdict;
    CHECK(portcullis_exchange_verdict(exchange, &verdict) == PORTCULLIS_OK);
    return verdict;
}

static portcullis_next next_of(uint64_t exchange) {
    portcullis_next next;
    memset(&next, 0x51, sizeof next);
    next.struct_size = sizeof next;
    CHECK(portcullis_exchange_next(exchange, &next) == PORTCULLIS_OK);
    return next;
}

/* Hands over a byte in memory of its own. */
static int32_t hand_over(uint64_t exchange, const char *bytes) {
    int32_t effect = PORTCULLIS_PENDING;
    for (; *bytes != 0 && effect == PORTCULLIS_PENDING; bytes++) {
        char *one = (char *)malloc(1);
        CHECK(one != NULL);
        *one = *bytes;
        effect = portcullis_exchange_body(exchange, one, 1);
        free(one);
    }
    return effect == PORTCULLIS_PENDING ? portcullis_exchange_body_end(exchange, NULL) : effect;
}

static void request_bodies_are_judged(void) {
    const struct {
        const char *body;
        unsigned status;
        const char *pointer;
    } refused[] = {
        {"{\"a\":", 400, NULL},
        {"", 400, NULL},
        {"{\"a\":\"secret\"}", 422, "\"/a\""},
        {"{\"b\":1}", 422, "\"/a\""},
        {"{\"a\":1,                                     }", 413, NULL},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        uint64_t exchange = begun("POST", "/strip", PORTCULLIS_PENDING);
        portcullis_next next = next_of(exchange);
        CHECK(next.step == PORTCULLIS_STEP_READ_BODY && next.max_bytes == 40 && next.replaces_body == 0);
        CHECK(verdict_of(exchange).problem.ptr == NULL);
        CHECK(portcullis_exchange_body(exchange, NULL, 1) == PORTCULLIS_E_ARGUMENT);
        CHECK(hand_over(exchange, refused[i].body) == PORTCULLIS_DENY);
        portcullis_verdict verdict = verdict_of(exchange);
        CHECK(verdict.effect == PORTCULLIS_DENY && verdict.status == refused[i].status);
        CHECK(contains(verdict.problem, "\"status\":") && !contains(verdict.problem, "secret"));
        CHECK(refused[i].pointer == NULL || contains(verdict.problem, refused[i].pointer));
        CHECK(next_of(exchange).step == PORTCULLIS_STEP_REPLY && next_of(exchange).body.ptr == NULL);
        CHECK(portcullis_exchange_body(exchange, "x", 1) == PORTCULLIS_E_ORDER);
        CHECK(portcullis_exchange_free(exchange) == PORTCULLIS_OK);
    }
    uint64_t exchange = begun("POST", "/strip", PORTCULLIS_PENDING);
    CHECK(hand_over(exchange, "{\"b\":[2], \"a\": 1 }") == PORTCULLIS_ALLOW);
    portcullis_next next = next_of(exchange);
    CHECK(next.step == PORTCULLIS_STEP_FORWARD && next.replaces_body == 1 && is(next.body, "{\"a\":1}"));
    CHECK(portcullis_exchange_free(exchange) == PORTCULLIS_OK);
}

/* Puts a body through byte by byte; what came out, and the code in the end. */
static int32_t put_through(uint64_t exchange, const char *bytes, char *sent, size_t room) {
    portcullis_text out;
    size_t len = 0;
    int32_t code = PORTCULLIS_PENDING;
    for (; code == PORTCULLIS_PENDING; bytes += *bytes != 0) {
        char *one = (char *)malloc(1);
        CHECK(one != NULL);
        *one = *bytes;
        memset(&out, 0x51, sizeof out);
        code = portcullis_exchange_response_body(exchange, one, *bytes != 0, *bytes == 0, &out);
        free(one);
        CHECK(code == PORTCULLIS_PENDING || code == PORTCULLIS_ALLOW || out.ptr == NULL);
        CHECK(len + out.len < room);
        if (out.len > 0)
            memcpy(sent + len, out.ptr, out.len);
        len += out.len;
    }
    sent[len] = 0;
    return code;
}

static void responses_are_redacted(void) {
    char sent[256];
    portcullis_text out;
    portcullis_header header;
    uint64_t exchange = begun("GET", "/plan", PORTCULLIS_ALLOW);
    portcullis_verdict verdict = verdict_of(exchange);
    /* What the plan needs of the upstream is in the lists, and counted. */
    CHECK(verdict.request_set_len == 2 && verdict.request_drop_len == 3);
    CHECK(portcullis_exchange_header(exchange, PORTCULLIS_LIST_REQUEST_SET, 1, &header) == PORTCULLIS_OK);
    CHECK(is(header.name, "accept-encoding") && is(header.value, "identity"));
    read_lists(exchange, &verdict);
    CHECK(portcullis_exchange_response_head(exchange, 200, &JSON, 1) == PORTCULLIS_PENDING);
    CHECK(portcullis_exchange_response_body(exchange, "", 0, 2, &out) == PORTCULLIS_E_ARGUMENT && out.ptr == NULL);
    CHECK(portcullis_exchange_response_body(exchange, "", 0, 0, NULL) == PORTCULLIS_E_ARGUMENT);
    CHECK(portcullis_exchange_response_body(exchange, NULL, 1, 0, &out) == PORTCULLIS_E_ARGUMENT);
    CHECK(put_through(exchange, "{\"b\":[1,{\"c\":\"x\"}],\"a\":\"secret\"}", sent, sizeof sent) == PORTCULLIS_ALLOW);
    CHECK(strcmp(sent, "{\"b\":[1,{\"c\":\"x\"}]}") == 0);
    CHECK(portcullis_exchange_response_body(exchange, "", 0, 1, &out) == PORTCULLIS_E_ORDER && out.ptr == NULL);
    CHECK(portcullis_exchange_free(exchange) == PORTCULLIS_OK);

    /* Before the first byte another answer takes its place, after it the stream breaks off. */
    exchange = begun("GET", "/plan", PORTCULLIS_ALLOW);
    CHECK(portcullis_exchange_response_head(exchange, 200, &JSON, 1) == PORTCULLIS_PENDING);
    CHECK(put_through(exchange, "<p>", sent, sizeof sent) == PORTCULLIS_DENY && sent[0] == 0);
    CHECK(verdict_of(exchange).status == 502);
    CHECK(portcullis_exchange_free(exchange) == PORTCULLIS_OK);
    exchange = begun("GET", "/plan", PORTCULLIS_ALLOW);
    CHECK(portcullis_exchange_response_head(exchange, 200, &JSON, 1) == PORTCULLIS_PENDING);
    CHECK(portcullis_exchange_response_body(exchange, "{\"b\":[1,2],\"c\":3,", 17, 0, &out) == PORTCULLIS_PENDING);
    CHECK(out.len > 0);
    /* What it gave out is not what it is given. */
    CHECK(portcullis_exchange_response_body(exchange, out.ptr, out.len, 0, &out) == PORTCULLIS_E_ARGUMENT);
    CHECK(put_through(exchange, "]", sent, sizeof sent) == PORTCULLIS_RESET);
    CHECK(portcullis_exchange_text(exchange, PORTCULLIS_LIST_RESPONSE_REMOVE, 0, &out) == PORTCULLIS_E_ORDER);
    CHECK(portcullis_exchange_free(exchange) == PORTCULLIS_OK);

    /* A head that no plan can read, and one without a plan. */
    exchange = begun("GET", "/plan", PORTCULLIS_ALLOW);
    CHECK(portcullis_exchange_response_head(exchange, 206, &JSON, 1) == PORTCULLIS_DENY);
    CHECK(is(verdict_of(exchange).detail, "partial_content"));
    CHECK(portcullis_exchange_free(exchange) == PORTCULLIS_OK);
    exchange = begun("GET", "/plan", PORTCULLIS_ALLOW);
    CHECK(portcullis_exchange_response_head(exchange, 200, NULL, 0) == PORTCULLIS_DENY);
    CHECK(portcullis_exchange_free(exchange) == PORTCULLIS_OK);
    exchange = begun("GET", "/open", PORTCULLIS_ALLOW);
    CHECK(portcullis_exchange_response_head(exchange, 206, NULL, 0) == PORTCULLIS_ALLOW);
    CHECK(portcullis_exchange_free(exchange) == PORTCULLIS_OK);
}

int main(void) {
    uint64_t error = 0;
    CHECK(portcullis_engine_new(&engine, NULL) == PORTCULLIS_OK);
    CHECK(portcullis_worker_new(&worker, NULL) == PORTCULLIS_OK);
    if (portcullis_engine_load_text(engine, "policy.gate", 11, POLICY, sizeof POLICY - 1, &error) != PORTCULLIS_OK) {
        complain(error);
        return 1;
    }
    request_bodies_are_judged();
    responses_are_redacted();
    CHECK(portcullis_worker_free(worker) == PORTCULLIS_OK);
    CHECK(portcullis_engine_free(engine) == PORTCULLIS_OK);
    puts("judged and redacted");
    return 0;
}
