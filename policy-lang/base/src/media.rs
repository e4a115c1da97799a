//! A Content-Type value -> whether it is one of gRPC's.

/// Whether a Content-Type value, or its essence alone, is a media type whose name begins with `application/grpc`, in any
/// letter case. The gRPC protocol itself is `application/grpc` and `application/grpc+..`; `application/grpc-web` and its
/// like count too, because gateways translate them into gRPC calls, for which the same rules are written.
pub fn is_grpc(content_type: &[u8]) -> bool {
    const START: &[u8] = b"application/grpc";
    let essence = content_type.split(|b| *b == b';').next().unwrap_or_default();
    let Some((start, rest)) = essence.trim_ascii().split_at_checked(START.len()) else {
        return false;
    };
    // RFC 9110, section 5.6.2.
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    start.eq_ignore_ascii_case(START) && rest.iter().all(is_token)
}

#[cfg(test)]
#[test]
fn types_of_grpc() {
    let types = "application/grpc|application/grpc+proto| Application/GRPC ; a=b|application/grpc-web";
    assert!(types.split('|').all(|value| is_grpc(value.as_bytes())));
    let others = "|application/grp|x/y; a=application/grpc|application/grpc proto|application/grpc, x/y";
    assert!(!others.split('|').any(|value| is_grpc(value.as_bytes())));
}
