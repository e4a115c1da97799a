//! HTTP status of a denial -> `grpc-status` (decision 0001). Knows no request.

/// The gRPC status code that says what an HTTP status of ours says.
pub(crate) fn status(http: u16) -> u8 {
    match http {
        400 | 413 | 422 => 3,
        401 => 16,
        403 | 410 => 7,
        404 | 405 => 12,
        429 => 8,
        503 => 14,
        _ => 2,
    }
}
