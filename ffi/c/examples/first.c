/* Decides two requests by the policy text in a file. Exits with 0 where the policy could be loaded. */

#include <portcullis.h>
#include <stdio.h>

static char text[1 << 16];

static void decide(uint64_t engine, uint64_t worker, const char *target) {
    portcullis_request request = {0};
    portcullis_verdict verdict = {0};
    uint64_t exchange;
    request.struct_size = sizeof request;
    verdict.struct_size = sizeof verdict;
    request.method = portcullis_str("GET");
    request.scheme = portcullis_str("https");
    request.authority = portcullis_str("shop.example");
    request.target = portcullis_str(target);

    /* This host charges no quotas and looks at no bodies: `carries` is 0, and an allow that asks for it is a denial.
     * Whatever is not PORTCULLIS_ALLOW keeps the gate shut: a denial, an answer of the gateway, an error. */
    int32_t effect = portcullis_exchange_begin(engine, worker, &request, &exchange, &verdict, NULL);
    printf("%s %s: %u %.*s\n", effect == PORTCULLIS_ALLOW ? "allow" : "deny ", target, (unsigned)verdict.status,
           (int)verdict.reason.len, verdict.reason.ptr);
    portcullis_exchange_free(exchange);
}

int main(int argc, char **argv) {
    uint64_t engine, worker, error;
    FILE *file = fopen(argc > 1 ? argv[1] : "policy.gate", "rb");
    size_t len = file ? fread(text, 1, sizeof text, file) : 0;
    if (file)
        fclose(file);
    portcullis_engine_new(&engine, NULL);
    portcullis_worker_new(&worker, NULL);
    if (portcullis_engine_load_text(engine, "policy.gate", 11, text, len, &error) != PORTCULLIS_OK) {
        portcullis_text why = {0};
        portcullis_error_text(error, &why);
        fprintf(stderr, "%.*s\n", (int)why.len, why.ptr);
        portcullis_error_free(error);
        return 1;
    }
    decide(engine, worker, "/products/7");
    decide(engine, worker, "/admin");
    portcullis_worker_free(worker);
    portcullis_engine_free(engine);
    return 0;
}
