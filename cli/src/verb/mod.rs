//! The verbs, one module each: arguments -> what is asked of the language or the engine -> what is shown.

pub mod accept;
pub mod apikey;
pub mod check;
pub mod compile;
pub mod eval;
pub mod explain;
pub mod fmt;
pub mod image;
pub mod import;
pub mod inspect;
pub mod manual;
pub mod redact;
pub mod test;
pub mod token;
