//! The one format of requests and verdicts (`vectors.md` of the design), as data: JSON text --parse--> [`Vector`],
//! [`Verdict`] --write--> JSON text. Conformance cases, the command, importers, replays and the runners of every
//! host speak it. Knows no policy and decides nothing.

mod request;
mod response;
mod sequence;
mod verdict;

pub use request::{
    BesideToken, Bytes, KeyCredential, PeerCert, Request, Signature, Token, Vector, VectorError, parse_line,
    parse_lines,
};
pub use response::{ExpectClient, Received, Upstream};
pub use sequence::{Moment, Offset};
pub use verdict::{
    Closest, Expect, Headers, Mismatch, QuotaCharge, Report, RequestBody, Response, Verdict, compare,
};
