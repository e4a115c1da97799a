/* Requests in a file of tagged fields -> struct -> verdict lines on standard output.
 *
 * A field is a tag (1 byte), a length (4 bytes, little endian) and as many bytes. Every field gets memory of exactly its
 * own size, which is freed as soon as the decision is made: whoever reads too far, or keeps a pointer, is caught. */

#include "portcullis.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 70000
#define NAMES_MAX 64
#define BESIDE_MAX 16
#define FIELDS_MAX (2 * LINES_MAX + NAMES_MAX + 64)

static char *owned[FIELDS_MAX];
static size_t owned_len;
static portcullis_header lines[LINES_MAX];
static portcullis_text names[NAMES_MAX];
static portcullis_beside tokens[BESIDE_MAX];

static portcullis_request request;
static portcullis_text body;
static portcullis_certificate certificate;
static uint64_t engine, worker;

static void forget(void) {
    while (owned_len > 0)
        free(owned[--owned_len]);
    memset(&request, 0, sizeof request);
    request.struct_size = sizeof request;
    body = portcullis_str(NULL);
    request.headers = lines;
    request.beside = tokens;
    memset(tokens, 0, sizeof tokens);
    request.flags = PORTCULLIS_EXPLAIN;
    /* Charges turn out in the request's favour, and no token is asked about. */
    request.carries = PORTCULLIS_DEMANDS_CHARGE | PORTCULLIS_DEMANDS_BODY | PORTCULLIS_DEMANDS_RESPONSE;
    memset(&certificate, 0, sizeof certificate);
    certificate.struct_size = sizeof certificate;
    certificate.dns = names;
}

static int64_t little_endian(portcullis_text field) {
    uint64_t number = 0;
    CHECK(field.len == 8);
    for (size_t i = 8; i-- > 0;)
        number = number << 8 | (unsigned char)field.ptr[i];
    return (int64_t)number;
}

static void decide(portcullis_text id) {
    uint64_t exchange = 0, error = 0;
    portcullis_verdict verdict;
    portcullis_text line;
    static const portcullis_header json = {{"content-type", 12}, {"application/json", 16}};
    memset(&verdict, 0, sizeof verdict);
    verdict.struct_size = sizeof verdict;
    int32_t effect = portcullis_exchange_begin(engine, worker, &request, &exchange, &verdict, &error);
    if (effect < 0)
        complain(error);
    CHECK(effect >= 0 && error == 0 && exchange != 0);
    CHECK(effect == verdict.effect && effect == portcullis_exchange_effect(exchange));
    effect = carry_out(exchange, effect, body);
    CHECK(portcullis_exchange_json(exchange, id.ptr, id.len, &line) == PORTCULLIS_OK);
    forget();
    CHECK(portcullis_exchange_verdict(exchange, &verdict) == PORTCULLIS_OK && effect == verdict.effect);
    CHECK(effect != PORTCULLIS_ALLOW || verdict.upstream_target.ptr != NULL);
    printf("%d %u %.*s %.*s\n", (int)effect, (unsigned)verdict.status, (int)verdict.reason.len,
           verdict.reason.ptr, (int)line.len, line.ptr);
    read_lists(exchange, &verdict);
    if (effect == PORTCULLIS_ALLOW) {
        portcullis_text out;
        int32_t response = portcullis_exchange_response_head(exchange, 200, &json, 1);
        if (response == PORTCULLIS_PENDING) {
            CHECK((verdict.demands & PORTCULLIS_DEMANDS_RESPONSE) != 0);
            /* Nothing of it can be redacted, but it may be refused for what it lacks. */
            response = portcullis_exchange_response_body(exchange, "[]", 2, 1, &out);
            CHECK(response == PORTCULLIS_DENY ? out.ptr == NULL : out.len == 2 && memcmp(out.ptr, "[]", 2) == 0);
        }
        CHECK(response == PORTCULLIS_ALLOW || response == PORTCULLIS_DENY);
    }
    CHECK(portcullis_exchange_finish(exchange, PORTCULLIS_END_COMPLETED, NULL, NULL) == PORTCULLIS_OK);
    CHECK(portcullis_exchange_free(exchange) == PORTCULLIS_OK);
}

static void begin_engine(void) {
    CHECK(portcullis_engine_free(engine) == PORTCULLIS_OK);
    CHECK(portcullis_engine_new(&engine, NULL) == PORTCULLIS_OK);
}

static void take(char tag, portcullis_text field) {
    static portcullis_text name;
    switch (tag) {
    /* the policy */
    case 'E': begin_engine(); break;
    case 'N': name = field; break;
    case 'D': portcullis_engine_data(engine, name.ptr, name.len, field.ptr, field.len, NULL); break;
    case 'I': printf("load %d\n", (int)portcullis_engine_load(engine, field.ptr, field.len, NULL)); break;
    case 'T':
        printf("load %d\n",
               (int)portcullis_engine_load_text(engine, name.ptr, name.len, field.ptr, field.len, NULL));
        break;
    /* the request */
    case 'm': request.method = field; break;
    case 't': request.target = field; break;
    case 's': request.scheme = field; break;
    case 'a': request.authority = field; break;
    case 'p': request.peer_text = field; break;
    case 'P': request.peer_bytes = field; break;
    case 'o': request.protocol = field; break;
    case 'n': request.sni = field; break;
    case 'c': request.context = field; break;
    case 'd': body = field; break;
    case 'h':
        CHECK(request.headers_len < LINES_MAX);
        lines[request.headers_len].name = field;
        break;
    case 'v': lines[request.headers_len++].value = field; break;
    case 'w':
        request.flags |= PORTCULLIS_HAS_WALL_CLOCK;
        request.wall_us = little_endian(field);
        break;
    /* the certificate */
    case 'C':
        request.certificate = &certificate;
        certificate.state = PORTCULLIS_VERIFIED;
        break;
    case '1': certificate.spiffe = field; break;
    case '2':
        CHECK(certificate.dns_len < NAMES_MAX);
        names[certificate.dns_len++] = field;
        break;
    case '3': certificate.subject = field; break;
    case '4': certificate.fingerprint = field; break;
    case '5':
        certificate.state = PORTCULLIS_INVALID;
        certificate.fault = field;
        break;
    /* credentials */
    case 'i': request.token_issuer = field; break;
    case 'j':
        request.token = PORTCULLIS_VERIFIED;
        request.token_claims = field;
        break;
    case 'f':
        request.token = PORTCULLIS_INVALID;
        request.token_fault = field;
        break;
    case 'k':
        request.key = PORTCULLIS_VERIFIED;
        request.key_set = field;
        break;
    case 'K': request.key_id = field; break;
    case 'l': request.key_fields = field; break;
    case 'x':
        request.key = PORTCULLIS_INVALID;
        request.key_fault = field;
        break;
    case 'g':
        request.signature = PORTCULLIS_VERIFIED;
        request.signature_name = field;
        break;
    case 'G':
        request.signature = PORTCULLIS_INVALID;
        request.signature_fault = field;
        break;
    case 'b':
        CHECK(request.beside_len < BESIDE_MAX);
        tokens[request.beside_len++].issuer = field;
        break;
    case 'B':
        tokens[request.beside_len - 1].state = PORTCULLIS_VERIFIED;
        tokens[request.beside_len - 1].claims = field;
        break;
    case 'F':
        tokens[request.beside_len - 1].state = PORTCULLIS_INVALID;
        tokens[request.beside_len - 1].fault = field;
        break;
    case '!': decide(field); break;
    default: CHECK(!"a known tag");
    }
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    FILE *file = fopen(argv[1], "rb");
    CHECK(file != NULL);
    CHECK(portcullis_abi_version() == PORTCULLIS_ABI_VERSION);
    CHECK(portcullis_worker_new(&worker, NULL) == PORTCULLIS_OK);
    forget();
    unsigned char head[5];
    while (fread(head, 1, sizeof head, file) == sizeof head) {
        size_t len = head[1] | (size_t)head[2] << 8 | (size_t)head[3] << 16 | (size_t)head[4] << 24;
        portcullis_text field;
        char *bytes = (char *)malloc(len > 0 ? len : 1);
        CHECK(bytes != NULL && fread(bytes, 1, len, file) == len);
        CHECK(owned_len < FIELDS_MAX);
        owned[owned_len++] = bytes;
        field.ptr = bytes;
        field.len = len;
        take((char)head[0], field);
    }
    forget();
    fclose(file);
    CHECK(portcullis_worker_free(worker) == PORTCULLIS_OK);
    CHECK(portcullis_engine_free(engine) == PORTCULLIS_OK);
    return 0;
}
