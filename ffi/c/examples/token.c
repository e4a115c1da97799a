/* Decides requests by a policy whose issuer's key set lies in a file: the engine verifies the token of a request itself.
 *
 *     token token.gate corp.jwks.json "$(cat token.jwt)"
 */

#include <portcullis.h>
#include <stdio.h>
#include <time.h>

static char text[1 << 16], keys[1 << 16];

static size_t read_file(const char *path, char *out, size_t max) {
    FILE *file = fopen(path, "rb");
    size_t len = file ? fread(out, 1, max, file) : 0;
    if (file)
        fclose(file);
    return len;
}

static int complain(uint64_t error) {
    portcullis_text why = {0};
    portcullis_error_text(error, &why);
    fprintf(stderr, "%.*s\n", (int)why.len, why.ptr);
    portcullis_error_free(error);
    return 1;
}

static void decide(uint64_t engine, uint64_t worker, const char *token) {
    static char bearer[1 << 15];
    portcullis_request request = {0};
    portcullis_verdict verdict = {0};
    portcullis_record record = {0};
    portcullis_header header = {{0}, {0}};
    uint64_t exchange;
    request.struct_size = sizeof request;
    verdict.struct_size = sizeof verdict;
    record.struct_size = sizeof record;
    request.method = portcullis_str("GET");
    request.scheme = portcullis_str("https");
    request.authority = portcullis_str("shop.example");
    request.target = portcullis_str("/orders");

    /* The header as it came. `request.token` is PORTCULLIS_ABSENT, which is 0: this host verified nothing. */
    snprintf(bearer, sizeof bearer, "Bearer %s", token ? token : "");
    header.name = portcullis_str("authorization");
    header.value = portcullis_str(bearer);
    request.headers = &header;
    request.headers_len = token ? 1 : 0;

    /* Tokens end: without a clock none that says when is good. */
    request.flags = PORTCULLIS_HAS_WALL_CLOCK;
    request.wall_us = (int64_t)time(NULL) * 1000000;

    int32_t effect = portcullis_exchange_begin(engine, worker, &request, &exchange, &verdict, NULL);
    printf("%s /orders %s a token: %u\n", effect == PORTCULLIS_ALLOW ? "allow" : "deny ", token ? "with" : "without",
           (unsigned)verdict.status);
    /* Where the token names a key that is not there, the issuer may have a new one: fetch the set, and hand it over. */
    if (portcullis_exchange_finish(exchange, PORTCULLIS_END_COMPLETED, NULL, &record) == PORTCULLIS_OK &&
        record.keys_to_fetch.ptr)
        printf("fetch %.*s again\n", (int)record.keys_to_fetch.len, record.keys_to_fetch.ptr);
    portcullis_exchange_free(exchange);
}

int main(int argc, char **argv) {
    uint64_t engine, worker, error;
    if (argc != 4) {
        fprintf(stderr, "token POLICY KEYS TOKEN\n");
        return 2;
    }
    size_t len = read_file(argv[1], text, sizeof text), keys_len = read_file(argv[2], keys, sizeof keys);
    portcullis_engine_new(&engine, NULL);
    portcullis_worker_new(&worker, NULL);
    /* Files come before the policy that names them; a fetched key set is handed over in the same way. */
    if (portcullis_engine_data(engine, "corp.jwks.json", 14, keys, keys_len, &error) != PORTCULLIS_OK ||
        portcullis_engine_load_text(engine, "token.gate", 10, text, len, &error) != PORTCULLIS_OK ||
        portcullis_engine_data_errors(engine, &error) != PORTCULLIS_OK)
        return complain(error);
    decide(engine, worker, argv[3]);
    decide(engine, worker, NULL);
    portcullis_worker_free(worker);
    portcullis_engine_free(engine);
    return 0;
}
