/* What the test programs share: a check that stays in every build, and reading everything that a verdict has. */

#ifndef CHECK_H
#define CHECK_H

#include "portcullis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);                                         \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* Prints an error and frees it. */
static inline void complain(uint64_t error) {
    portcullis_text text;
    if (portcullis_error_text(error, &text) == PORTCULLIS_OK)
        fprintf(stderr, "error %d: %.*s\n", (int)portcullis_error_code(error), (int)text.len, text.ptr);
    portcullis_error_free(error);
}

/* Sums up the bytes of a text, so that they are read. */
static inline unsigned sum(portcullis_text text) {
    unsigned total = 0;
    for (size_t i = 0; i < text.len; i++)
        total += (unsigned char)text.ptr[i];
    return total;
}

/* Does whatever an exchange asks for before its request may go on, in its favour, and hands over the body, if there is one;
 * without, it stops where one is asked for. The effect in the end. */
static inline int32_t carry_out(uint64_t exchange, int32_t effect, portcullis_text body) {
    while (effect == PORTCULLIS_PENDING) {
        portcullis_next next;
        memset(&next, 0, sizeof next);
        next.struct_size = sizeof next;
        CHECK(portcullis_exchange_effect(exchange) == PORTCULLIS_PENDING);
        CHECK(portcullis_exchange_next(exchange, &next) == PORTCULLIS_OK);
        CHECK(next.replaces_body == 0 && next.body.ptr == NULL);
        if (next.step == PORTCULLIS_STEP_CHARGE) {
            portcullis_verdict verdict;
            memset(&verdict, 0, sizeof verdict);
            verdict.struct_size = sizeof verdict;
            CHECK(portcullis_exchange_verdict(exchange, &verdict) == PORTCULLIS_OK && verdict.quotas_len > 0);
            portcullis_charged *outcomes = (portcullis_charged *)calloc(verdict.quotas_len, sizeof *outcomes);
            CHECK(outcomes != NULL);
            for (size_t i = 0; i < verdict.quotas_len; i++)
                outcomes[i].admitted = 1;
            effect = portcullis_exchange_charged(exchange, outcomes, verdict.quotas_len);
            free(outcomes);
            continue;
        }
        CHECK(next.step == PORTCULLIS_STEP_READ_BODY);
        if (body.ptr == NULL)
            break;
        /* In two parts; a body that is too large is refused with the first that is too much. */
        effect = portcullis_exchange_body(exchange, body.ptr, body.len / 2);
        if (effect == PORTCULLIS_PENDING)
            effect = portcullis_exchange_body(exchange, body.ptr + body.len / 2, body.len - body.len / 2);
        if (effect == PORTCULLIS_PENDING)
            effect = portcullis_exchange_body_end(exchange, NULL);
    }
    return effect;
}

/* Reads every element of every list, and one past each end. */
static inline unsigned read_lists(uint64_t exchange, const portcullis_verdict *verdict) {
    const size_t lens[] = {
        verdict->rules_len,         verdict->tags_len,          verdict->request_set_len,
        verdict->request_drop_len,  verdict->response_set_len,  verdict->response_drop_len,
        verdict->accept_len,        verdict->report_true_len,   verdict->report_unknown_len,
    };
    unsigned total = sum(verdict->reason) + sum(verdict->detail) + sum(verdict->message) + sum(verdict->rule) +
                     sum(verdict->upstream_target) + sum(verdict->problem);
    for (uint32_t list = 0; list < sizeof lens / sizeof *lens; list++) {
        int headers = list == PORTCULLIS_LIST_REQUEST_SET || list == PORTCULLIS_LIST_RESPONSE_SET;
        portcullis_text text;
        portcullis_header header;
        for (size_t i = 0; i < lens[list]; i++) {
            if (headers) {
                CHECK(portcullis_exchange_header(exchange, list, i, &header) == PORTCULLIS_OK);
                total += sum(header.name) + sum(header.value);
            } else {
                CHECK(portcullis_exchange_text(exchange, list, i, &text) == PORTCULLIS_OK);
                total += sum(text);
            }
        }
        CHECK((headers ? portcullis_exchange_header(exchange, list, lens[list], &header)
                       : portcullis_exchange_text(exchange, list, lens[list], &text)) == PORTCULLIS_E_NONE);
    }
    for (size_t i = 0; i <= verdict->quotas_len; i++) {
        portcullis_quota quota;
        memset(&quota, 0, sizeof quota);
        quota.struct_size = sizeof quota;
        int32_t code = portcullis_exchange_quota(exchange, i, &quota);
        CHECK(code == (i < verdict->quotas_len ? PORTCULLIS_OK : PORTCULLIS_E_NONE));
        total += sum(quota.name) + sum(quota.key) + sum(quota.unit) + sum(quota.zone);
        CHECK(i == verdict->quotas_len || (quota.cost > 0 && quota.limit > 0));
    }
    return total;
}

#endif
