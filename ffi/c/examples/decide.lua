-- Decides two requests by a policy: luajit decide.lua LIBRARY POLICY. The library is libportcullis.so.
-- A struct may end early: its first member says how large it is, and what is missing is absent.

local ffi = require("ffi")
ffi.cdef([[
typedef struct { const char *ptr; size_t len; } text;
typedef struct {
  size_t struct_size; uint32_t flags, token;
  text method, target; const void *headers; size_t headers_len;
  text scheme, authority;
} request;
typedef struct { size_t struct_size; int32_t effect; uint32_t status; text reason; } verdict;
uint32_t portcullis_abi_version(void);
int32_t portcullis_engine_new(uint64_t *engine, uint64_t *error);
int32_t portcullis_engine_load_text(uint64_t engine, const char *name, size_t name_len, const char *text,
                                    size_t text_len, uint64_t *error);
int32_t portcullis_engine_free(uint64_t engine);
int32_t portcullis_worker_new(uint64_t *worker, uint64_t *error);
int32_t portcullis_worker_free(uint64_t worker);
int32_t portcullis_exchange_begin(uint64_t engine, uint64_t worker, const request *request, uint64_t *exchange,
                                  verdict *verdict, uint64_t *error);
int32_t portcullis_exchange_free(uint64_t exchange);
]])

local ALLOW = 0x51
local portcullis = ffi.load(arg[1])
assert(portcullis.portcullis_abi_version() == 2)

local engine, worker, exchange = ffi.new("uint64_t[1]"), ffi.new("uint64_t[1]"), ffi.new("uint64_t[1]")
assert(portcullis.portcullis_engine_new(engine, nil) == 0)
assert(portcullis.portcullis_worker_new(worker, nil) == 0)
local file = assert(io.open(arg[2], "rb"))
local policy = file:read("*a")
file:close()
assert(portcullis.portcullis_engine_load_text(engine[0], "policy.gate", 11, policy, #policy, nil) == 0)

-- The strings must live until the call has returned; `keep` sees to it.
local function text(keep, string)
  keep[#keep + 1] = string
  return ffi.new("text", string, #string)
end

for _, case in ipairs({ { "/products/7", true }, { "/products/secret", false }, { "/admin", false } }) do
  local keep, target, expected = {}, case[1], case[2]
  local request, verdict = ffi.new("request"), ffi.new("verdict")
  request.struct_size, verdict.struct_size = ffi.sizeof(request), ffi.sizeof(verdict)
  request.method, request.target = text(keep, "GET"), text(keep, target)
  request.authority, request.scheme = text(keep, "shop.example"), text(keep, "https")
  -- `carries` is missing, so that an allow with demands is a denial.
  local effect = portcullis.portcullis_exchange_begin(engine[0], worker[0], request, exchange, verdict, nil)
  local reason = ffi.string(verdict.reason.ptr, verdict.reason.len)
  print(effect == ALLOW and "allow" or "deny", target, verdict.status, reason)
  assert((effect == ALLOW) == expected and #keep == 4)
  assert(portcullis.portcullis_exchange_free(exchange[0]) == 0)
end

assert(portcullis.portcullis_worker_free(worker[0]) == 0)
assert(portcullis.portcullis_engine_free(engine[0]) == 0)
