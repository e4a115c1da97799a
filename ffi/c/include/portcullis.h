/* Portcullis: decides requests by a compiled policy. Written from the sources of `ffi/c`; do not edit.
 *
 * Handles are 64-bit numbers, not pointers. 0 is no handle; one that was freed, or is of another kind, is an error. An
 * engine holds the policy in force and is shared by all threads. A worker is used by one thread at a time, and so are the
 * exchanges that it begins. Nothing is shared between workers, and no decision waits for another.
 *
 * Functions return a code, which is negative for an error. Where a function has a place for an error object, it is
 * optional; an object put there is the caller's, who gives it to `portcullis_error_free`. There is no last error.
 *
 * A text is a pointer and a length. What a function is given it reads during the call alone. What it gives is valid as
 * long as it says, and is not to be changed or freed.
 *
 * Every failure keeps the gate shut: a decision is granted by `PORTCULLIS_ALLOW` and by nothing else. No panic and no
 * exception leaves a function; where memory runs out, the process ends.
 *
 * Any function may return `PORTCULLIS_E_INTERNAL`, a defect of ours. It poisons the worker of the call and its exchanges;
 * an engine goes on deciding and loading, by what was in force. Where a call fails an error object may still be 0: none
 * was left. Then the code says all.
 *
 * What is handed over is not written to during the call, by nobody. Places for results overlap neither each other nor
 * what is handed over. Functions are not for signal handlers, and a thread in a call is not to be cancelled
 * (`pthread_cancel`) nor left by `longjmp`. After a fork the child may go on only if no other thread was inside a
 * function of this library; else it may do nothing but `exec`. */

#ifndef PORTCULLIS_H
#define PORTCULLIS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/**
 * The call did what was asked. Of a decision this number is `PORTCULLIS_DENY`: nothing is granted by it.
 */
#define PORTCULLIS_OK 0

/**
 * Decision: refused.
 */
#define PORTCULLIS_DENY 0

/**
 * Decision: granted, under the obligations that the verdict names. Not 1, so that no truth value is taken for it.
 */
#define PORTCULLIS_ALLOW 81

/**
 * Decision: answered by the gateway itself, with the verdict's status and response headers (a CORS preflight).
 */
#define PORTCULLIS_ANSWER 42

/**
 * The exchange waits for its host: `portcullis_exchange_next` says for what. Nothing is granted yet. Of a response: its
 * body is to be handed over (`portcullis_exchange_response_body`), and what comes back is to be sent.
 */
#define PORTCULLIS_PENDING 52

/**
 * Of a response alone: a part of it was sent and it cannot go on. Break the stream off, so that the client sees that it is
 * not whole.
 */
#define PORTCULLIS_RESET 109

/**
 * A null pointer with a length, a length over PTRDIFF_MAX, a misaligned pointer, a missing out pointer or one given
 * twice, a struct size or a kind that this library does not know, a request without a scheme.
 */
#define PORTCULLIS_E_ARGUMENT -1

/**
 * No such object: never made, freed, or a handle of another kind.
 */
#define PORTCULLIS_E_HANDLE -2

/**
 * Another thread is in a call with this handle.
 */
#define PORTCULLIS_E_BUSY -3

/**
 * An earlier call with this handle met a defect of ours; only freeing it is left.
 */
#define PORTCULLIS_E_POISONED -4

/**
 * A defect of ours. The handle of the call is poisoned.
 */
#define PORTCULLIS_E_INTERNAL -5

/**
 * A text that must be UTF-8 is not.
 */
#define PORTCULLIS_E_TEXT -6

/**
 * Neither an address as text nor 4 or 16 bytes of one.
 */
#define PORTCULLIS_E_ADDRESS -7

/**
 * Not a loadable image, or not one that is trusted. What was in force stays.
 */
#define PORTCULLIS_E_IMAGE -8

/**
 * The policy text has errors; the error's text shows them. What was in force stays.
 */
#define PORTCULLIS_E_POLICY -9

/**
 * A bad list or table. The last good one stays.
 */
#define PORTCULLIS_E_DATA -10

/**
 * Not a key id with an Ed25519 public key, or not a seal's digest.
 */
#define PORTCULLIS_E_KEY -11

/**
 * Too many objects of this kind live.
 */
#define PORTCULLIS_E_FULL -12

/**
 * A file could not be read.
 */
#define PORTCULLIS_E_IO -13

/**
 * This library was built without the compiler.
 */
#define PORTCULLIS_E_UNSUPPORTED -14

/**
 * There is nothing at this index, or nothing of the kind is loaded.
 */
#define PORTCULLIS_E_NONE -15

/**
 * This step of the exchange is not due, and has changed nothing.
 */
#define PORTCULLIS_E_ORDER -16

/**
 * `flags`: `wall_us` holds the wall clock.
 */
#define PORTCULLIS_HAS_WALL_CLOCK 1

/**
 * `flags`: the verdict's line shall say which allows came closest. Costs allocations and a second walk on a denial.
 */
#define PORTCULLIS_EXPLAIN 2

/**
 * `flags`: panic in this call, to test what becomes of it. Only libraries built with debug assertions know this flag;
 * others refuse the request.
 */
#define PORTCULLIS_TEST_PANIC 2147483648

/**
 * `token`, `key`, `signature`: the host handed over nothing. What the request presents is verified by the engine with the
 * keys among the policy's data. No state of a certificate: one that is handed over says which it is.
 */
#define PORTCULLIS_ABSENT 0

/**
 * `token`, `key`, `signature`, and a certificate's `state`: the host verified it.
 */
#define PORTCULLIS_VERIFIED 1

/**
 * `token`, `key`, `signature`, and a certificate's `state`: the host found it wrong; the fault is a detail code, as
 * `expired`.
 */
#define PORTCULLIS_INVALID 2

/**
 * `demands`: charge all of the verdict's quotas, or none and refuse.
 */
#define PORTCULLIS_DEMANDS_CHARGE 1

/**
 * `demands`: read the body up to `body_max_bytes`, hold it and hand it over: the engine judges it. In `carries` it also
 * says that the host can hand over the body of a signed message before the decision.
 */
#define PORTCULLIS_DEMANDS_BODY 2

/**
 * `demands`: hand over the response's head and body, and send what comes back in place of the body.
 */
#define PORTCULLIS_DEMANDS_RESPONSE 4

/**
 * `carries`: ask about an opaque token that the host does not hand over. A host that does not gets the
 * verdict on a token that is not verified.
 */
#define PORTCULLIS_CARRIES_INTROSPECTION 8

/**
 * List of texts: ids of the rules whose obligations bind, sorted.
 */
#define PORTCULLIS_LIST_RULES 0

/**
 * List of texts: tags, sorted, each once.
 */
#define PORTCULLIS_LIST_TAGS 1

/**
 * List of headers: to set on the request that goes upstream. Once it may go on, with those that a plan for the response
 * needs there.
 */
#define PORTCULLIS_LIST_REQUEST_SET 2

/**
 * List of texts: headers to remove from the request before any is set. Once it may go on, with those that a plan for the
 * response cannot have there, and digests of a body that was rewritten.
 */
#define PORTCULLIS_LIST_REQUEST_DROP 3

/**
 * List of headers: to set on the reply to the client, whoever made it.
 */
#define PORTCULLIS_LIST_RESPONSE_SET 4

/**
 * List of texts: headers to remove from the upstream's reply before any is set.
 */
#define PORTCULLIS_LIST_RESPONSE_DROP 5

/**
 * List of texts: ids of the rules whose accepts bind the body, sorted.
 */
#define PORTCULLIS_LIST_ACCEPT 6

/**
 * List of texts: ids of report rules that are true, sorted.
 */
#define PORTCULLIS_LIST_REPORT_TRUE 7

/**
 * List of texts: ids of report rules of which nobody knows, sorted.
 */
#define PORTCULLIS_LIST_REPORT_UNKNOWN 8

/**
 * List of texts, once the response's head was handed over and not refused: headers to remove from it before those of
 * `PORTCULLIS_LIST_RESPONSE_SET` are added.
 */
#define PORTCULLIS_LIST_RESPONSE_REMOVE 9

/**
 * List of texts, once the request may go on: names to remove from its trailers.
 */
#define PORTCULLIS_LIST_REQUEST_TRAILERS 10

/**
 * List of texts, once the response's head was handed over and not refused: names to remove from its trailers.
 */
#define PORTCULLIS_LIST_RESPONSE_TRAILERS 11

/**
 * `step`: answer the client with the verdict's status and response headers; nothing goes upstream.
 */
#define PORTCULLIS_STEP_REPLY 0

/**
 * `step`: ask about `token`, then call `portcullis_exchange_introspected`.
 */
#define PORTCULLIS_STEP_INTROSPECT 1

/**
 * `step`: read the request's body up to `max_bytes`, hand all of it over by `portcullis_exchange_body`, then call
 * `portcullis_exchange_body_end`. Send nothing of it before `PORTCULLIS_STEP_FORWARD`.
 */
#define PORTCULLIS_STEP_READ_BODY 2

/**
 * `step`: charge all quotas (`portcullis_exchange_quota`) or none, then call `portcullis_exchange_charged`.
 */
#define PORTCULLIS_STEP_CHARGE 3

/**
 * `step`: send the request upstream, with `body` for its body where that is replaced, then call
 * `portcullis_exchange_response_head`.
 */
#define PORTCULLIS_STEP_FORWARD 4

/**
 * `end`: the client has its answer.
 */
#define PORTCULLIS_END_COMPLETED 0

/**
 * `end`: the client, the upstream or the host broke off.
 */
#define PORTCULLIS_END_ABORTED 1

/**
 * `period`: `period_us` and `burst` count.
 */
#define PORTCULLIS_PERIOD_RATE 0

/**
 * `period`: a calendar's `unit` in its `zone`.
 */
#define PORTCULLIS_PERIOD_CALENDAR 1

/**
 * `period`: at most `limit` at once.
 */
#define PORTCULLIS_PERIOD_IN_FLIGHT 2

/**
 * Number of the ABI that this header describes. It changes when a program built with an older header would misread
 * a newer library, and with it the shared library's name.
 */
#define PORTCULLIS_ABI_VERSION 2

/**
 * A text or bytes: pointer and length. It need not end in a NUL. A null pointer with length 0 is an absent text; any
 * other pointer with length 0 is an empty one.
 */
typedef struct portcullis_text {
  /**
   * First byte.
   */
  const char *ptr;
  /**
   * How many bytes.
   */
  size_t len;
} portcullis_text;

/**
 * What the seal of the policy in force says, for hosts that store the mark and watch the end.
 */
typedef struct portcullis_seal {
  /**
   * `sizeof(portcullis_seal)`, set by the caller.
   */
  size_t struct_size;
  /**
   * Serial.
   */
  uint64_t serial;
  /**
   * Last instant, microseconds since 1970-01-01T00:00:00Z; INT64_MAX where it has no end.
   */
  int64_t not_after_us;
  /**
   * Digest of the seal.
   */
  uint8_t digest[32];
  /**
   * Bytes of the smoke cases in the seal, which the engine does not run: `portcullis image verify` does. 0 for none.
   */
  uint64_t smoke_bytes;
} portcullis_seal;

/**
 * One header line.
 */
typedef struct portcullis_header {
  /**
   * Name, in any case.
   */
  struct portcullis_text name;
  /**
   * Value, byte for byte.
   */
  struct portcullis_text value;
} portcullis_header;

/**
 * Parts of a client certificate that the host verified, or why it did not verify it.
 */
typedef struct portcullis_certificate {
  /**
   * `sizeof(portcullis_certificate)`.
   */
  size_t struct_size;
  /**
   * SPIFFE id (a URI among the subject's alternative names).
   */
  struct portcullis_text spiffe;
  /**
   * DNS names among the subject's alternative names; may be null where `dns_len` is 0.
   */
  const struct portcullis_text *dns;
  /**
   * How many.
   */
  size_t dns_len;
  /**
   * Subject.
   */
  struct portcullis_text subject;
  /**
   * SHA-256 fingerprint.
   */
  struct portcullis_text fingerprint;
  /**
   * Detail code of a certificate that failed (invalid). One that is there with a verified certificate is an error.
   */
  struct portcullis_text fault;
  /**
   * `PORTCULLIS_VERIFIED` or `PORTCULLIS_INVALID`; anything else is an error, so that no certificate is verified for
   * want of a word.
   */
  uint32_t state;
  /**
   * 0.
   */
  uint32_t reserved;
} portcullis_certificate;

/**
 * A token of an issuer with `beside` that the host checked. The layout never grows: they lie in an array.
 */
typedef struct portcullis_beside {
  /**
   * The token's issuer, by its name in the policy. What another name says is passed over.
   */
  struct portcullis_text issuer;
  /**
   * The token's claims, a JSON object (verified).
   */
  struct portcullis_text claims;
  /**
   * Why the token is invalid, a detail code as `expired`. One that is there with a verified token is an error.
   */
  struct portcullis_text fault;
  /**
   * `PORTCULLIS_VERIFIED` or `PORTCULLIS_INVALID`; anything else is an error.
   */
  uint32_t state;
  /**
   * 0.
   */
  uint32_t reserved;
} portcullis_beside;

/**
 * One request, as raw as the host has it: clean up nothing. All pointers are read during the call and not kept.
 */
typedef struct portcullis_request {
  /**
   * `sizeof(portcullis_request)`, so that older programs and newer libraries understand each other.
   */
  size_t struct_size;
  /**
   * `PORTCULLIS_HAS_WALL_CLOCK`, `PORTCULLIS_EXPLAIN`.
   */
  uint32_t flags;
  /**
   * What is known of the token: `PORTCULLIS_ABSENT`, `_VERIFIED`, `_INVALID`.
   */
  uint32_t token;
  /**
   * Method.
   */
  struct portcullis_text method;
  /**
   * Request target, byte for byte.
   */
  struct portcullis_text target;
  /**
   * Header lines in order; may be null where `headers_len` is 0.
   */
  const struct portcullis_header *headers;
  /**
   * How many.
   */
  size_t headers_len;
  /**
   * `http` or `https`. Absent or empty is an error: whether the request came encrypted is not guessed at.
   */
  struct portcullis_text scheme;
  /**
   * `:authority`, or the authority of the connection's URL; absent where only a Host header says it.
   */
  struct portcullis_text authority;
  /**
   * The socket's address as text; absent where it is in `peer_bytes`, or unknown.
   */
  struct portcullis_text peer_text;
  /**
   * The socket's address as 4 or 16 bytes in network order.
   */
  struct portcullis_text peer_bytes;
  /**
   * `HTTP/1.1`, `HTTP/2`; absent where unknown.
   */
  struct portcullis_text protocol;
  /**
   * TLS server name.
   */
  struct portcullis_text sni;
  /**
   * Context facts, a JSON object.
   */
  struct portcullis_text context;
  /**
   * The client's certificate; null for none.
   */
  const struct portcullis_certificate *certificate;
  /**
   * The token's issuer, by its name in the policy (verified or invalid).
   */
  struct portcullis_text token_issuer;
  /**
   * The token's claims, a JSON object (verified).
   */
  struct portcullis_text token_claims;
  /**
   * Why the token is invalid.
   */
  struct portcullis_text token_fault;
  /**
   * What is known of an API key: `PORTCULLIS_ABSENT`, `_VERIFIED`, `_INVALID`.
   */
  uint32_t key;
  /**
   * What is known of a signature: `PORTCULLIS_ABSENT`, `_VERIFIED`, `_INVALID`.
   */
  uint32_t signature;
  /**
   * The API key's set, by its name in the policy (verified or invalid).
   */
  struct portcullis_text key_set;
  /**
   * The API key's id (verified).
   */
  struct portcullis_text key_id;
  /**
   * The API key's fields, a JSON object; absent for none (verified).
   */
  struct portcullis_text key_fields;
  /**
   * Why the API key is invalid.
   */
  struct portcullis_text key_fault;
  /**
   * The signature scheme, by its name in the policy (verified or invalid).
   */
  struct portcullis_text signature_name;
  /**
   * Why the signature is invalid.
   */
  struct portcullis_text signature_fault;
  /**
   * Wall clock, microseconds since 1970-01-01T00:00:00Z, where the flag is set. Without it every comparison with
   * `now` is unknown.
   */
  int64_t wall_us;
  /**
   * Monotonic clock, microseconds.
   */
  uint64_t mono_us;
  /**
   * Which demands of an allow the host carries out: bits of `PORTCULLIS_DEMANDS_..`, 0 for none. An allow that
   * demands anything else is turned into a denial of status 500, reason `internal`, detail `demands_not_carried`. With
   * `PORTCULLIS_CARRIES_INTROSPECTION` the host also asks about opaque tokens. A bit that this library does not know is
   * an error: a host does not promise what it does not know.
   */
  uint32_t carries;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * Tokens of issuers with `beside`, of each at most one; may be null where `beside_len` is 0. One that the headers
   * present and that is not here is verified by the engine.
   */
  const struct portcullis_beside *beside;
  /**
   * How many, at most 16.
   */
  size_t beside_len;
} portcullis_request;

/**
 * A verdict. Its texts live as long as the exchange.
 */
typedef struct portcullis_verdict {
  /**
   * `sizeof(portcullis_verdict)`, set by the caller.
   */
  size_t struct_size;
  /**
   * `PORTCULLIS_DENY`, `PORTCULLIS_ALLOW`, `PORTCULLIS_ANSWER` or `PORTCULLIS_PENDING`; written last.
   */
  int32_t effect;
  /**
   * HTTP status of the reply; 200 on an allow.
   */
  uint32_t status;
  /**
   * Reason code, one of a closed set, as `no_rule`.
   */
  struct portcullis_text reason;
  /**
   * Detail code, or absent.
   */
  struct portcullis_text detail;
  /**
   * What the policy wants the client told, or absent.
   */
  struct portcullis_text message;
  /**
   * Id of the deciding rule, or absent.
   */
  struct portcullis_text rule;
  /**
   * Target to forward on an allow, normalised; else absent.
   */
  struct portcullis_text upstream_target;
  /**
   * `PORTCULLIS_DEMANDS_..`: what must be done before an allowed request goes on. Of an allow nothing else is demanded
   * than the request's `carries` says the host carries out. A charge may be demanded of a denial too.
   */
  uint32_t demands;
  /**
   * 1 where unknown fields of the body are stripped, 0 where they refuse it.
   */
  uint32_t body_strips_unknown;
  /**
   * Largest body, bytes, where one is demanded.
   */
  uint64_t body_max_bytes;
  /**
   * Rules whose obligations bind: `PORTCULLIS_LIST_RULES`.
   */
  size_t rules_len;
  /**
   * `PORTCULLIS_LIST_TAGS`.
   */
  size_t tags_len;
  /**
   * `PORTCULLIS_LIST_REQUEST_SET`.
   */
  size_t request_set_len;
  /**
   * `PORTCULLIS_LIST_REQUEST_DROP`.
   */
  size_t request_drop_len;
  /**
   * `PORTCULLIS_LIST_RESPONSE_SET`.
   */
  size_t response_set_len;
  /**
   * `PORTCULLIS_LIST_RESPONSE_DROP`.
   */
  size_t response_drop_len;
  /**
   * Rules whose accepts bind the body: `PORTCULLIS_LIST_ACCEPT`.
   */
  size_t accept_len;
  /**
   * `PORTCULLIS_LIST_REPORT_TRUE`.
   */
  size_t report_true_len;
  /**
   * `PORTCULLIS_LIST_REPORT_UNKNOWN`.
   */
  size_t report_unknown_len;
  /**
   * Quotas, for `portcullis_exchange_quota`.
   */
  size_t quotas_len;
  /**
   * Where the request's body was refused, a JSON object to send as `application/problem+json` (RFC 9457); else absent. It
   * names the first offending place and no value.
   */
  struct portcullis_text problem;
} portcullis_verdict;

/**
 * One quota to charge. Its texts live as long as the exchange.
 */
typedef struct portcullis_quota {
  /**
   * `sizeof(portcullis_quota)`, set by the caller.
   */
  size_t struct_size;
  /**
   * The quota's name.
   */
  struct portcullis_text name;
  /**
   * Composite key; its parts are joined by NUL.
   */
  struct portcullis_text key;
  /**
   * Cost, at least 1.
   */
  uint64_t cost;
  /**
   * Limit in force, at least 1.
   */
  uint64_t limit;
  /**
   * Period of a rate, microseconds.
   */
  uint64_t period_us;
  /**
   * Burst of a rate.
   */
  uint64_t burst;
  /**
   * Unit of a calendar: `hour`, `day`, `week`, `month`.
   */
  struct portcullis_text unit;
  /**
   * Time zone of a calendar.
   */
  struct portcullis_text zone;
  /**
   * `PORTCULLIS_PERIOD_..`.
   */
  uint32_t period;
  /**
   * 0.
   */
  uint32_t reserved;
} portcullis_quota;

/**
 * What the host does next. Its texts live until the next step of the exchange.
 */
typedef struct portcullis_next {
  /**
   * `sizeof(portcullis_next)`, set by the caller.
   */
  size_t struct_size;
  /**
   * `PORTCULLIS_STEP_..`.
   */
  uint32_t step;
  /**
   * 1 where `body` goes upstream in place of the body that came, 0 where that goes as it came.
   */
  uint32_t replaces_body;
  /**
   * Largest body to read, bytes.
   */
  uint64_t max_bytes;
  /**
   * The opaque token to ask about, or absent.
   */
  struct portcullis_text token;
  /**
   * The body to send, all of it, where it is replaced; else absent.
   */
  struct portcullis_text body;
} portcullis_next;

/**
 * What was heard of an opaque token.
 */
typedef struct portcullis_introspection {
  /**
   * `sizeof(portcullis_introspection)`.
   */
  size_t struct_size;
  /**
   * `PORTCULLIS_VERIFIED`, `PORTCULLIS_INVALID`, or `PORTCULLIS_ABSENT` where the issuer did not tell.
   */
  uint32_t state;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * The token's issuer, by its name in the policy (verified or invalid).
   */
  struct portcullis_text issuer;
  /**
   * The token's claims, a JSON object (verified).
   */
  struct portcullis_text claims;
  /**
   * Why the token is invalid, a detail code as `expired`.
   */
  struct portcullis_text fault;
} portcullis_introspection;

/**
 * The instant of a step.
 */
typedef struct portcullis_clock {
  /**
   * `sizeof(portcullis_clock)`.
   */
  size_t struct_size;
  /**
   * `PORTCULLIS_HAS_WALL_CLOCK` or 0.
   */
  uint32_t flags;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * Wall clock, microseconds since 1970-01-01T00:00:00Z, where the flag is set.
   */
  int64_t wall_us;
  /**
   * Monotonic clock, microseconds.
   */
  uint64_t mono_us;
} portcullis_clock;

/**
 * What became of one charge.
 */
typedef struct portcullis_charged {
  /**
   * 1 where there was enough left, 0 where not. Only where all are 1 was anything charged.
   */
  uint32_t admitted;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * What is left of the limit.
   */
  uint64_t remaining;
  /**
   * Time until as much is left as was asked for (refused), or until nothing is used (admitted), microseconds.
   */
  uint64_t reset_us;
} portcullis_charged;

/**
 * How an exchange ended, for a log. What was decided is in the verdict.
 */
typedef struct portcullis_record {
  /**
   * `sizeof(portcullis_record)`, set by the caller.
   */
  size_t struct_size;
  /**
   * HTTP status that the client got; 0 where it got none.
   */
  uint32_t status;
  /**
   * `PORTCULLIS_END_..`: aborted too where a step was still due.
   */
  uint32_t end;
  /**
   * Since it began, microseconds of the monotonic clock.
   */
  uint64_t duration_us;
  /**
   * The key set that ought to be fetched again, by the name of its file in the policy: a token named a key that is not
   * in it, or it was never loaded. Else absent. Told at most once a minute and issuer by one worker, whatever callers
   * send. Fetch it, and hand it over by `portcullis_engine_data`. Lives as long as the exchange.
   */
  struct portcullis_text keys_to_fetch;
} portcullis_record;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The number of the ABI that the library has; compare it with `PORTCULLIS_ABI_VERSION` before anything else.
 *
 * Threads: any. Errors: none.
 */
uint32_t portcullis_abi_version(void);

/**
 * The library's version, as `0.1.0`; ends in a NUL.
 *
 * Ownership: the library's; valid as long as the library is loaded. Threads: any. Errors: none.
 */
const char *portcullis_version(void);

/**
 * 1 where `portcullis_engine_load_text` compiles policy text, 0 where this library was built for images only.
 *
 * Threads: any. Errors: none.
 */
uint32_t portcullis_has_compiler(void);

/**
 * The code of the call that made an error.
 *
 * Threads: any, one at a time. Errors: `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`.
 */
int32_t portcullis_error_code(uint64_t error);

/**
 * A sentence about what went wrong, for whoever operates the host; UTF-8, of several lines for a policy's errors. It
 * may quote the policy: do not send it to clients.
 *
 * Ownership: the error's; valid until it is freed. Threads: any, one at a time. Errors: `PORTCULLIS_E_ARGUMENT`,
 * `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`; then `text` is absent.
 *
 * Safety:
 * `text` must be null or writable.
 */
int32_t portcullis_error_text(uint64_t error,
                              struct portcullis_text *text);

/**
 * Frees an error. 0 is no error, and freeing it is none.
 *
 * Threads: any, one at a time. Errors: `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`.
 */
int32_t portcullis_error_free(uint64_t error);

/**
 * Makes an engine without a policy: until one is loaded everything is denied with `no_policy`.
 *
 * Ownership: the caller's; give it to `portcullis_engine_free`. Threads: any. `engine` is set to 0 first. `error` may
 * be null. Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_FULL` (16,384 live).
 *
 * Safety:
 * `engine` and `error` must be null or writable.
 */
int32_t portcullis_engine_new(uint64_t *engine,
                              uint64_t *error);

/**
 * Frees an engine. Exchanges that it has begun stay valid. 0 is no engine, and freeing it is no error.
 *
 * Threads: any, also while others decide: they get `PORTCULLIS_E_HANDLE` from then on.
 * Errors: `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY` (try again).
 */
int32_t portcullis_engine_free(uint64_t engine);

/**
 * Puts a compiled policy in force, in one step for all threads: whoever decides meanwhile decides by the old one or
 * the new one. Whatever fails leaves the last good one in force. Lists and tables that both declare stay loaded. A list or
 * table that is missing or bad does not keep a policy from being loaded: what reads it is unknown, and
 * `portcullis_engine_data_errors` tells.
 *
 * Ownership: `image` is copied. Threads: any; loads of one engine wait for each other. `error` may be null.
 * Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_IMAGE`.
 *
 * Safety:
 * `image` must be readable for `image_len` bytes; `error` null or writable.
 */
int32_t portcullis_engine_load(uint64_t engine,
                               const void *image,
                               size_t image_len,
                               uint64_t *error);

/**
 * As `portcullis_engine_load`, of an image in a file, which is read once.
 *
 * Ownership: `path` is read during the call; UTF-8, no NUL needed. Threads: any. `error` may be null.
 * Errors: those of `portcullis_engine_load`, `PORTCULLIS_E_IO`, `PORTCULLIS_E_TEXT`.
 *
 * Safety:
 * `path` must be readable for `path_len` bytes; `error` null or writable.
 */
int32_t portcullis_engine_load_file(uint64_t engine,
                                    const char *path,
                                    size_t path_len,
                                    uint64_t *error);

/**
 * As `portcullis_engine_load`, of policy text, which is checked and compiled first. What it imports or reads is handed
 * over before, by `portcullis_engine_data`. `name` is the file's name in rule ids and messages, as `policy.gate`.
 *
 * Ownership: `name` and `text` are copied. Threads: any. `error` may be null; its text shows every error of the policy.
 * Errors: those of `portcullis_engine_load`, `PORTCULLIS_E_POLICY`, `PORTCULLIS_E_TEXT`, and
 * `PORTCULLIS_E_UNSUPPORTED` where `portcullis_has_compiler` is 0. A policy sealed for trust can not be text: where
 * keys are trusted this fails.
 *
 * Safety:
 * `name` and `text` must be readable for their lengths; `error` null or writable.
 */
int32_t portcullis_engine_load_text(uint64_t engine,
                                    const char *name,
                                    size_t name_len,
                                    const char *text,
                                    size_t text_len,
                                    uint64_t *error);

/**
 * Hands over a list, a table, a key set, API keys, a secret, or a file that policy text imports, by the name that the
 * policy gives it. Where the policy in force reads it, it is put in force in one step for all threads; a bad one leaves
 * the last good one, so that a key set that was fetched is handed over as it came. It is kept for the policies that are loaded later, also where the one in force can not read it (`PORTCULLIS_E_DATA`).
 *
 * Ownership: `name` and `bytes` are copied. Threads: any. `error` may be null.
 * Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_TEXT`, `PORTCULLIS_E_DATA`,
 * `PORTCULLIS_E_FULL` (4,096 files).
 *
 * Safety:
 * `name` and `bytes` must be readable for their lengths; `error` null or writable.
 */
int32_t portcullis_engine_data(uint64_t engine,
                               const char *name,
                               size_t name_len,
                               const void *bytes,
                               size_t bytes_len,
                               uint64_t *error);

/**
 * Whether the policy in force got every list, table, key set and secret that it reads: those that were missing or bad when it was
 * loaded, and bad ones that were handed over since, are an error whose text names one a line. Ask after each load.
 *
 * Threads: any. `error` may be null. Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_DATA`.
 *
 * Safety:
 * `error` must be null or writable.
 */
int32_t portcullis_engine_data_errors(uint64_t engine,
                                      uint64_t *error);

/**
 * Trusts a key: its id, and its 32 bytes as RFC 8032 has them. From the first call of this or of the next two functions
 * on, only images load that a trusted key has sealed, and none that is older than the last one loaded.
 *
 * Ownership: both are copied. Threads: any. `error` may be null.
 * Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_TEXT`, `PORTCULLIS_E_KEY`,
 * `PORTCULLIS_E_FULL` (1,024 keys).
 *
 * Safety:
 * `id` and `key` must be readable for their lengths; `error` null or writable.
 */
int32_t portcullis_engine_trust_key(uint64_t engine,
                                    const char *id,
                                    size_t id_len,
                                    const uint8_t *key,
                                    size_t key_len,
                                    uint64_t *error);

/**
 * Names the audience for which images must be sealed.
 *
 * Ownership: `audience` is copied. Threads: any. `error` may be null.
 * Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_TEXT`.
 *
 * Safety:
 * `audience` must be readable for its length; `error` null or writable.
 */
int32_t portcullis_engine_trust_audience(uint64_t engine,
                                         const char *audience,
                                         size_t audience_len,
                                         uint64_t *error);

/**
 * Hands over the stored serial and seal digest (32 bytes) of the last accepted image: no older one loads. A mark that
 * is as high or higher stays: no call lowers it.
 *
 * Ownership: `digest` is copied. Threads: any. `error` may be null.
 * Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_KEY`.
 *
 * Safety:
 * `digest` must be readable for its length; `error` null or writable.
 */
int32_t portcullis_engine_trust_mark(uint64_t engine,
                                     uint64_t serial,
                                     const uint8_t *digest,
                                     size_t digest_len,
                                     uint64_t *error);

/**
 * Says what time it is, microseconds since 1970-01-01T00:00:00Z, and that the seals of trusted keys end: from now on an image whose seal
 * has ended at that time is refused, and one that is loaded from now on and ends while it is in force denies everything
 * (`no_policy`), by the time that comes with each request; a request without one counts as past the end. Without this
 * call a policy goes on past the end of its seal. Call it again before each load: the engine has no clock.
 *
 * Threads: any. `error` may be null. Errors: `PORTCULLIS_E_HANDLE`.
 *
 * Safety:
 * `error` must be null or writable.
 */
int32_t portcullis_engine_trust_time(uint64_t engine,
                                     int64_t now_us,
                                     uint64_t *error);

/**
 * What the seal of the policy in force says: store its serial and digest for `portcullis_engine_trust_mark`, and raise
 * the alarm when its last instant nears. The engine has no clock.
 *
 * Ownership: `seal` is the caller's, with its `struct_size` set. Threads: any.
 * Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_NONE` (no trusted key has vouched for it); then
 * the rest of `seal` is zero.
 *
 * Safety:
 * `seal` must be null, or writable for as many bytes as its first member says.
 */
int32_t portcullis_engine_seal(uint64_t engine,
                               struct portcullis_seal *seal);

/**
 * The digest of the policy in force: 32 bytes, those of the verdict's line.
 *
 * Ownership: `digest` is the caller's, 32 bytes. Threads: any.
 * Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_NONE` (no policy is in force); then `digest` is
 * zero.
 *
 * Safety:
 * `digest` must be null or writable for 32 bytes.
 */
int32_t portcullis_engine_digest(uint64_t engine,
                                 uint8_t *digest);

/**
 * Makes a worker: memory that is used again and again, so that deciding needs no other. Make one for each thread.
 *
 * Ownership: the caller's; give it to `portcullis_worker_free`. A worker belongs to no engine. It keeps the policy of
 * its last decision until the next one. Threads: any; the worker itself is used by one thread at a time, and so are
 * the exchanges that it begins. `worker` is set to 0 first. `error` may be null.
 * Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_FULL` (16,384 live).
 *
 * Safety:
 * `worker` and `error` must be null or writable.
 */
int32_t portcullis_worker_new(uint64_t *worker,
                              uint64_t *error);

/**
 * Frees a worker and ends all exchanges that it has begun. 0 is no worker, and freeing it is no error. It works on a
 * poisoned worker too.
 *
 * Threads: any that is not in a call with the worker. Errors: `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`.
 */
int32_t portcullis_worker_free(uint64_t worker);

/**
 * Begins an exchange by the policy that is in force in the engine now. Returns `PORTCULLIS_ALLOW`, `PORTCULLIS_ANSWER`,
 * `PORTCULLIS_DENY`, `PORTCULLIS_PENDING` where the host has to do something first (`portcullis_exchange_next`), or an
 * error, which is negative: whoever compares with `PORTCULLIS_ALLOW` alone keeps the gate shut on everything else.
 *
 * `exchange` receives the exchange, and 0 on an error. `verdict` may be null; else its `struct_size` is set by the
 * caller, and it is filled: on an error with a denial of status 500 and reason `internal`. One whose `struct_size` is
 * that of no version stays untouched, and the call fails. `error` may be null. Before anything else 0 is put in
 * `exchange` and `PORTCULLIS_DENY` in the verdict's effect, which is written again last. One address in two places is an
 * error.
 *
 * An allow is granted only where the request's `carries` covers what it demands.
 *
 * Ownership: everything that `request` points to is read during the call and not kept. The exchange is the caller's;
 * give it to `portcullis_exchange_free`. Lifetime: the texts in `verdict` are valid until the next step of the
 * exchange, or until it or its worker is freed. Swapping or freeing the engine does not touch them.
 * Threads: the worker's; the engine may be used by others meanwhile.
 * Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`, `PORTCULLIS_E_POISONED`,
 * `PORTCULLIS_E_TEXT`, `PORTCULLIS_E_ADDRESS`, `PORTCULLIS_E_FULL` (65,536 exchanges of one worker), and
 * `PORTCULLIS_E_INTERNAL`, which poisons the worker and its exchanges.
 *
 * Safety:
 * `request` must be null or a struct as large as its first member says, whose pointers are readable for their lengths;
 * `verdict` null, or writable for as many bytes as its first member says; `exchange` and `error` null or writable.
 */
int32_t portcullis_exchange_begin(uint64_t engine,
                                  uint64_t worker,
                                  const struct portcullis_request *request,
                                  uint64_t *exchange,
                                  struct portcullis_verdict *verdict,
                                  uint64_t *error);

/**
 * Lets go of an exchange. One that is not finished was aborted. 0 is no exchange, and freeing it is no error.
 *
 * Threads: the worker's. Errors: `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`, `PORTCULLIS_E_POISONED` (free the worker).
 */
int32_t portcullis_exchange_free(uint64_t exchange);

/**
 * The effect as it stands: `PORTCULLIS_ALLOW`, `PORTCULLIS_ANSWER`, `PORTCULLIS_DENY`, `PORTCULLIS_PENDING`, or an error,
 * which is negative. It is the request's alone: that a plan holds back a response, the response's steps say.
 *
 * Threads: the worker's. Errors: `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`, `PORTCULLIS_E_POISONED`.
 */
int32_t portcullis_exchange_effect(uint64_t exchange);

/**
 * The verdict as it stands. Of an exchange that waits for a token or a body before it is decided, a denial.
 *
 * Ownership: `verdict` is the caller's, with its `struct_size` set; its texts are the exchange's. Lifetime: until the
 * next step of the exchange, or until it or its worker is freed. Threads: the worker's.
 * Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`, `PORTCULLIS_E_POISONED`; then `verdict`
 * holds a denial of status 500 and reason `internal`.
 *
 * Safety:
 * `verdict` must be null, or writable for as many bytes as its first member says.
 */
int32_t portcullis_exchange_verdict(uint64_t exchange,
                                    struct portcullis_verdict *verdict);

/**
 * One element of a list of texts (`PORTCULLIS_LIST_..`); the verdict says how many there are, and of the lists that it does
 * not count the last is followed by `PORTCULLIS_E_NONE`.
 *
 * Ownership: the exchange's. Lifetime: until the next step of the exchange, or until it or its worker is freed.
 * Threads: the worker's.
 * Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`, `PORTCULLIS_E_POISONED`,
 * `PORTCULLIS_E_NONE` (past the end), `PORTCULLIS_E_ORDER` (a list that is not to be carried out yet); then `text` is absent.
 *
 * Safety:
 * `text` must be null or writable.
 */
int32_t portcullis_exchange_text(uint64_t exchange,
                                 uint32_t list,
                                 size_t index,
                                 struct portcullis_text *text);

/**
 * One element of a list of headers (`PORTCULLIS_LIST_REQUEST_SET`, `PORTCULLIS_LIST_RESPONSE_SET`).
 *
 * Ownership, lifetime, threads and errors: as of `portcullis_exchange_text`.
 *
 * Safety:
 * `header` must be null or writable.
 */
int32_t portcullis_exchange_header(uint64_t exchange,
                                   uint32_t list,
                                   size_t index,
                                   struct portcullis_header *header);

/**
 * One quota to charge.
 *
 * Ownership: `quota` is the caller's, with its `struct_size` set; its texts are the exchange's. Lifetime, threads and
 * errors: as of `portcullis_exchange_text`.
 *
 * Safety:
 * `quota` must be null, or writable for as many bytes as its first member says.
 */
int32_t portcullis_exchange_quota(uint64_t exchange,
                                  size_t index,
                                  struct portcullis_quota *quota);

/**
 * The verdict as one line of JSON without a newline, with everything that the verdict says: the same bytes in every
 * host. `id` is put in its `id`. Allocates; for logs and tests.
 *
 * Ownership: `id` (UTF-8; null with length 0 is empty) is copied; `line` is the exchange's. Lifetime: until the
 * exchange, or its worker, is freed, or the next call of this function for this exchange. Threads: the worker's.
 * Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_TEXT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`,
 * `PORTCULLIS_E_POISONED`, `PORTCULLIS_E_INTERNAL` (poisons the worker and its exchanges); then `line` is absent.
 *
 * Safety:
 * `id` must be readable for its length; `line` null or writable.
 */
int32_t portcullis_exchange_json(uint64_t exchange,
                                 const char *id,
                                 size_t id_len,
                                 struct portcullis_text *line);

/**
 * What the host does next with the request. Asking twice gives the same answer.
 *
 * Ownership: `next` is the caller's, with its `struct_size` set; its text is the exchange's. Lifetime: until the next step
 * of the exchange. Threads: the worker's.
 * Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`, `PORTCULLIS_E_POISONED`; then `next` says
 * `PORTCULLIS_STEP_REPLY`.
 *
 * Safety:
 * `next` must be null, or writable for as many bytes as its first member says.
 */
int32_t portcullis_exchange_next(uint64_t exchange,
                                 struct portcullis_next *next);

/**
 * Answers `PORTCULLIS_STEP_INTROSPECT` and decides. Returns what `portcullis_exchange_begin` returns. `clock` may be null:
 * no clock is known.
 *
 * Ownership: everything that is pointed to is read during the call and not kept. Threads: the worker's.
 * Errors: `PORTCULLIS_E_ORDER` (not due), `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_TEXT`, `PORTCULLIS_E_HANDLE`,
 * `PORTCULLIS_E_BUSY`, `PORTCULLIS_E_POISONED`; then nothing has changed.
 *
 * Safety:
 * `heard` and `clock` must be null or structs as large as their first members say, whose pointers are readable for their
 * lengths.
 */
int32_t portcullis_exchange_introspected(uint64_t exchange,
                                         const struct portcullis_introspection *heard,
                                         const struct portcullis_clock *clock);

/**
 * Answers `PORTCULLIS_STEP_CHARGE`: one outcome for each quota, in their order. Null with length 0 says that the store
 * could not tell, which refuses (503). Returns what `portcullis_exchange_begin` returns.
 *
 * Ownership: `outcomes` is read during the call and not kept. Threads: the worker's.
 * Errors: `PORTCULLIS_E_ORDER` (not due), `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`,
 * `PORTCULLIS_E_POISONED`; then nothing has changed.
 *
 * Safety:
 * `outcomes` must be readable for `len` elements.
 */
int32_t portcullis_exchange_charged(uint64_t exchange,
                                    const struct portcullis_charged *outcomes,
                                    size_t len);

/**
 * A part of the request's body, for `PORTCULLIS_STEP_READ_BODY`: any number of bytes. The engine keeps what it judges, and
 * the host keeps what it sends upstream. More bytes than are accepted refuse at once (413). Returns what
 * `portcullis_exchange_begin` returns: `PORTCULLIS_PENDING` where more of the body may come.
 *
 * Ownership: `data` is read during the call and not kept. Threads: the worker's.
 * Errors: `PORTCULLIS_E_ORDER` (not due), `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`,
 * `PORTCULLIS_E_POISONED`; then nothing has changed.
 *
 * Safety:
 * `data` must be readable for its length.
 */
int32_t portcullis_exchange_body(uint64_t exchange,
                                 const char *data,
                                 size_t len);

/**
 * The request's body has ended, and all of it was handed over: now it is judged. Returns what `portcullis_exchange_begin`
 * returns; where the body is refused, `portcullis_exchange_verdict` says by which status and has a `problem` for the
 * client. `clock` may be null: no clock is known.
 *
 * Threads: the worker's.
 * Errors: `PORTCULLIS_E_ORDER` (not due), `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`,
 * `PORTCULLIS_E_POISONED`; then nothing has changed.
 *
 * Safety:
 * `clock` must be null or a struct as large as its first member says.
 */
int32_t portcullis_exchange_body_end(uint64_t exchange,
                                     const struct portcullis_clock *clock);

/**
 * The head of the upstream's response is there: its HTTP status, or 0 where it is not known, and its header lines. Returns
 *
 * - `PORTCULLIS_ALLOW` where the response may pass once the names of `PORTCULLIS_LIST_RESPONSE_REMOVE` are removed and
 *   the headers of `PORTCULLIS_LIST_RESPONSE_SET` are added;
 * - `PORTCULLIS_PENDING` where its body is to be handed over (`portcullis_exchange_response_body`); its head changes in
 *   the same way, and is held back until there is something to send behind it;
 * - `PORTCULLIS_DENY` where a plan cannot read it: the verdict's reply takes its place.
 *
 * A host that carries no response's body may leave out the headers: null with length 0.
 *
 * Ownership: `headers` and what they point to is read during the call and not kept. Threads: the worker's.
 * Errors: `PORTCULLIS_E_ORDER` (not due), `PORTCULLIS_E_ARGUMENT` (no HTTP status), `PORTCULLIS_E_HANDLE`,
 * `PORTCULLIS_E_BUSY`, `PORTCULLIS_E_POISONED`; then nothing has changed.
 *
 * Safety:
 * `headers` must be readable for `headers_len` elements, and what they point to for their lengths.
 */
int32_t portcullis_exchange_response_head(uint64_t exchange,
                                          uint32_t status,
                                          const struct portcullis_header *headers,
                                          size_t headers_len);

/**
 * A part of the body of a response under a plan, any number of bytes; `end` is 1 with the last one, else 0. `out` gets the
 * bytes to send in its place, maybe none. Returns
 *
 * - `PORTCULLIS_PENDING`: send `out` and go on with the next part;
 * - `PORTCULLIS_ALLOW`: the end; send `out`, and the response is whole;
 * - `PORTCULLIS_DENY`: nothing was sent so far: the verdict's reply takes the place of the response;
 * - `PORTCULLIS_RESET`: a part of it was sent, and it cannot go on: break the stream off.
 *
 * Ownership: `data` is read during the call and not kept, and must not be a text of this exchange; `out` is the
 * exchange's. Lifetime: until the next call of this function for the exchange, or until it or its worker is freed.
 * Threads: the worker's.
 * Errors: `PORTCULLIS_E_ORDER` (not due), `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`,
 * `PORTCULLIS_E_POISONED`; then nothing has changed, and `out` is absent.
 *
 * Safety:
 * `data` must be readable for its length, and `out` null or writable.
 */
int32_t portcullis_exchange_response_body(uint64_t exchange,
                                          const char *data,
                                          size_t len,
                                          uint32_t end,
                                          struct portcullis_text *out);

/**
 * What was allowed cannot be carried out: the gateway has not rewritten the request or the response. The verdict is then
 * a denial of status 500, reason `internal`, with this detail code. Returns `PORTCULLIS_DENY`.
 *
 * Ownership: `detail` (UTF-8) is copied. Threads: the worker's.
 * Errors: `PORTCULLIS_E_ORDER` (nothing was allowed), `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_TEXT`,
 * `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`, `PORTCULLIS_E_POISONED`; then nothing has changed.
 *
 * Safety:
 * `detail` must be readable for its length.
 */
int32_t portcullis_exchange_failed(uint64_t exchange,
                                   const char *detail,
                                   size_t len);

/**
 * Ends an exchange (`PORTCULLIS_END_..`). Its verdict can be read until it is freed; no step is due any more. `clock` and
 * `record` may be null.
 *
 * Ownership: `record` is the caller's, with its `struct_size` set. Threads: the worker's.
 * Errors: `PORTCULLIS_E_ORDER` (ended before), `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`,
 * `PORTCULLIS_E_POISONED`; then nothing has changed.
 *
 * Safety:
 * `clock` must be null or a struct as large as its first member says; `record` null, or writable for as many bytes as its
 * first member says.
 */
int32_t portcullis_exchange_finish(uint64_t exchange,
                                   uint32_t end,
                                   const struct portcullis_clock *clock,
                                   struct portcullis_record *record);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/**
 * A text from a string that ends in a NUL; NULL is an absent one. The string must outlive the text.
 */
static inline portcullis_text portcullis_str(const char *string) {
  portcullis_text text;
  text.ptr = string;
  text.len = string ? strlen(string) : 0;
  return text;
}

#endif  /* PORTCULLIS_H */
