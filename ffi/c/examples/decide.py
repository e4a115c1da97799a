"""Decides two requests by a policy: python3 decide.py LIBRARY POLICY. The library is libportcullis.so.

A struct may end early: its first member says how large it is, and what is missing is absent.
"""

import ctypes
import sys


class Text(ctypes.Structure):
    # An address, not `c_char_p`: ctypes makes a copy of what it takes for a string that ends in a NUL.
    _fields_ = [("ptr", ctypes.c_void_p), ("len", ctypes.c_size_t)]

    @classmethod
    def of(cls, text):
        data = ctypes.create_string_buffer(text.encode(), len(text.encode()))
        made = cls(ctypes.addressof(data), len(data))
        made.keep = data  # what the address leads to
        return made


class Request(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t), ("flags", ctypes.c_uint32), ("token", ctypes.c_uint32),
        ("method", Text), ("target", Text), ("headers", ctypes.c_void_p), ("headers_len", ctypes.c_size_t),
        ("scheme", Text), ("authority", Text),
    ]


ALLOW = 0x51
library = ctypes.CDLL(sys.argv[1])
u64, size, out = ctypes.c_uint64, ctypes.c_size_t, ctypes.POINTER(ctypes.c_uint64)
library.portcullis_engine_load_text.argtypes = [u64, ctypes.c_char_p, size, ctypes.c_char_p, size, out]
library.portcullis_exchange_begin.argtypes = [u64, u64, ctypes.POINTER(Request), out, ctypes.c_void_p, out]
library.portcullis_exchange_json.argtypes = [u64, ctypes.c_char_p, size, ctypes.POINTER(Text)]
for free in (library.portcullis_exchange_free, library.portcullis_worker_free, library.portcullis_engine_free):
    free.argtypes = [u64]
assert library.portcullis_abi_version() == 2

engine, worker, exchange = u64(), u64(), u64()
assert library.portcullis_engine_new(ctypes.byref(engine), None) == 0
assert library.portcullis_worker_new(ctypes.byref(worker), None) == 0
with open(sys.argv[2], "rb") as file:
    policy = file.read()
assert library.portcullis_engine_load_text(engine, b"policy.gate", 11, policy, len(policy), None) == 0

for target, expected in (("/products/7", True), ("/products/secret", False), ("/admin", False)):
    # `carries` is missing, so that an allow with demands is a denial. The texts are kept until the call has returned.
    texts = {"method": Text.of("GET"), "target": Text.of(target), "scheme": Text.of("https"),
             "authority": Text.of("shop.example")}
    request = Request(struct_size=ctypes.sizeof(Request), **texts)
    effect = library.portcullis_exchange_begin(engine, worker, request, ctypes.byref(exchange), None, None)
    line = Text()
    assert library.portcullis_exchange_json(exchange, b"", 0, ctypes.byref(line)) == 0
    print("allow" if effect == ALLOW else "deny", target, ctypes.string_at(line.ptr, line.len).decode())
    assert (effect == ALLOW) == expected
    assert library.portcullis_exchange_free(exchange) == 0

assert library.portcullis_worker_free(worker) == 0
assert library.portcullis_engine_free(engine) == 0
