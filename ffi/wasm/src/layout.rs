//! Where the members of the structs lie, in bytes, as `README.md` tells hosts that have no C compiler. Held at compile
//! time, so that a member which moves is seen here and not by those hosts.

#![cfg(target_arch = "wasm32")]

use std::mem::{align_of, offset_of, size_of};

use portcullis_c::types::{
    Beside, Certificate, Charged, Clock, Header, Introspection, Next, Quota, Record, Request, Seal, Text,
    Verdict,
};

/// Members at the offsets of a list, and the size of the whole.
macro_rules! laid_out {
    ($of:ty, $size:literal, $align:literal: $($member:ident $offset:literal),* $(,)?) => {
        const _: () = {
            assert!(size_of::<$of>() == $size && align_of::<$of>() == $align);
            $(assert!(offset_of!($of, $member) == $offset);)*
        };
    };
}

laid_out!(Text, 8, 4: ptr 0, len 4);
laid_out!(Header, 16, 4: name 0, value 8);
laid_out!(Certificate, 52, 4:
    struct_size 0, spiffe 4, dns 12, dns_len 16, subject 20, fingerprint 28, fault 36, state 44,
    reserved 48);
laid_out!(Beside, 32, 4: issuer 0, claims 8, fault 16, state 24, reserved 28);
laid_out!(Request, 208, 8:
    struct_size 0, flags 4, token 8, method 12, target 20, headers 28, headers_len 32,
    scheme 36, authority 44, peer_text 52, peer_bytes 60, protocol 68, sni 76, context 84, certificate 92,
    token_issuer 96, token_claims 104, token_fault 112, key 120, signature 124,
    key_set 128, key_id 136, key_fields 144, key_fault 152, signature_name 160, signature_fault 168,
    wall_us 176, mono_us 184, carries 192, reserved 196, beside 200, beside_len 204);
laid_out!(Verdict, 120, 8:
    struct_size 0, effect 4, status 8, reason 12, detail 20, message 28, rule 36, upstream_target 44,
    demands 52, body_strips_unknown 56, body_max_bytes 64,
    rules_len 72, tags_len 76, request_set_len 80, request_drop_len 84, response_set_len 88, response_drop_len 92,
    accept_len 96, report_true_len 100, report_unknown_len 104, quotas_len 108,
    problem 112);
laid_out!(Next, 40, 8: struct_size 0, step 4, replaces_body 8, max_bytes 16, token 24, body 32);
laid_out!(Clock, 32, 8: struct_size 0, flags 4, reserved 8, wall_us 16, mono_us 24);
laid_out!(Introspection, 36, 4: struct_size 0, state 4, reserved 8, issuer 12, claims 20, fault 28);
laid_out!(Charged, 24, 8: admitted 0, reserved 4, remaining 8, reset_us 16);
laid_out!(Record, 32, 8: struct_size 0, status 4, end 8, duration_us 16, keys_to_fetch 24);
laid_out!(Quota, 80, 8:
    struct_size 0, name 4, key 12, cost 24, limit 32, period_us 40, burst 48, unit 56, zone 64, period 72, reserved 76);
laid_out!(Seal, 64, 8: struct_size 0, serial 8, not_after_us 16, digest 24, smoke_bytes 56);
