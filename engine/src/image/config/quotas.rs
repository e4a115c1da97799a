//! What an image holds of quotas beyond their limits and keys: by whom they are charged, and penalties. Computes nothing.

use super::KeyFact;

/// Where and how a quota is charged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Charging {
    /// [`crate::quota::QuotaNumber`] of the name, the kind and the period.
    pub number: u64,
    /// By all nodes together.
    pub shared: bool,
    /// What happens where the shared store fails.
    pub on_store_failure: StoreFailure,
    /// Of a calendar quota, its zone: (from this instant on in whole seconds, offset in seconds east of UTC), sorted.
    pub offsets: Vec<(i64, i32)>,
}

/// What happens where the store of a shared quota fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreFailure {
    /// It denies, 503.
    #[default]
    Deny,
    /// It is not charged.
    Allow,
    /// It is charged on this node alone.
    Local,
}

/// `block by KEYS for D when ..`
#[derive(Clone, Debug, PartialEq)]
pub struct Penalty {
    /// Index into [`Config::services`]; `None`: a guard's, over all of them.
    pub service: Option<u32>,
    /// Key parts, each with its alternatives.
    pub by: Vec<Vec<KeyFact>>,
    /// Its key is the client's or the connection's address alone.
    pub by_address: bool,
    /// How long it blocks, µs.
    pub for_us: u64,
    /// Counts responses of the upstream with this status; `None`: denials.
    pub answered: Option<u16>,
    /// More than so many ..
    pub more_than: u64,
    /// .. per so long, µs.
    pub per_us: u64,
    /// [`crate::quota::QuotaNumber`] of what it counts.
    pub counter: u64,
    /// [`crate::quota::QuotaNumber`] of whom it blocks.
    pub blocked: u64,
}
