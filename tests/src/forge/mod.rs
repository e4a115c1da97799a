//! Descriptions of credentials -> the text that a request carries: tokens, API keys and signatures of webhooks, right
//! ones and forged ones. The same description is always the same text. Knows no evaluator.

mod flood;
mod key;
mod rows;
mod token;
mod transplant;

pub use flood::{FLOOD_NOW_US, Flood, Wave};
pub use key::{Key, hmac_hex};
pub use rows::{Row, files, largest, rows};
pub use token::{Compact, Fault, Token};
pub use transplant::{Transplanted, transplanted};
