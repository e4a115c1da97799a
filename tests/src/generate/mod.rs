//! A seed -> a typed policy as Gate text with its side files, and requests aimed at it.
//!
//! `world` declares what conditions may ask about, `condition` builds typed conditions over it, `policy` puts
//! services, guards and rules together; `request` reads the checked model back and aims at its rules, `satisfy`
//! makes conditions true or false, `present` signs tokens, `present_key` shows keys and signs messages, `body` gives bodies, `mutate` spells requests as an attacker would. Knows no evaluator.

mod body;
mod condition;
mod draft;
mod mutate;
mod oblige;
mod policy;
mod present;
mod present_key;
mod request;
mod satisfy;
mod target;
mod world;

pub use mutate::hostile_spelling;
pub use policy::{Block, Generated, another_deny, credentials_only_grant, named_policy, policy};
pub use request::Requests;
