//! Planted bugs, for the test of the tests: with feature `canary` one of them can be switched on, and the always-run
//! tests must fail. Without the feature [`canary!`] is its right expression and nothing else is compiled.
//!
//! The engine does no I/O: whoever runs the tests says which bug is planted.

/// `canary!(Bug, wrong, right)`: `right`, or `wrong` where that bug is planted.
#[cfg(feature = "canary")]
macro_rules! canary {
    ($bug:ident, $wrong:expr, $right:expr) => {
        if $crate::canary::planted($crate::canary::Bug::$bug) {
            $wrong
        } else {
            $right
        }
    };
}
#[cfg(not(feature = "canary"))]
macro_rules! canary {
    ($bug:ident, $wrong:expr, $right:expr) => {
        $right
    };
}
pub(crate) use canary;

#[cfg(feature = "canary")]
pub use planted::{Bug, plant, planted};

#[cfg(feature = "canary")]
mod planted {
    use std::sync::atomic::{AtomicUsize, Ordering};

    macro_rules! bugs {
        ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
            /// A bug that can be planted.
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum Bug { $($(#[$doc])* $name),* }
            impl Bug {
                /// All of them.
                pub const ALL: &'static [Bug] = &[$(Bug::$name),*];
                /// Its name on a command line.
                pub fn name(self) -> &'static str {
                    match self { $(Bug::$name => $text),* }
                }
            }
        };
    }

    bugs! {
        /// An unknown condition of a deny counts as false.
        DenyUnknown = "deny-unknown";
        /// GET of a deny does not cover HEAD.
        DenyHead = "deny-head";
        /// Two masks at different ends: the last wins.
        MaskLast = "mask-last";
        /// Hosts compare with their case.
        HostCase = "host-case";
        /// A network holds one address less.
        CidrEdge = "cidr-edge";
        /// The body of an allow binds though another allow granted.
        IdleAllow = "idle-allow";
        /// A deny does not cover a trailing slash.
        DenySlash = "deny-slash";
        /// A default replaces an ill-typed claim.
        DefaultIllTyped = "default-ill-typed";
        /// One of several scopes is enough.
        ScopesAny = "scopes-any";
        /// The smaller status decides among denies.
        DenyRank = "deny-rank";
        /// A reported deny denies.
        ReportEnforced = "report-enforced";
        /// A quota key of a claim lacks its issuer.
        KeyIssuer = "key-issuer";
        /// A set header survives a drop.
        SetBeatsDrop = "set-beats-drop";
        /// Hours end at midnight.
        HoursMidnight = "hours-midnight";
        /// An encoded percent sign is decoded, and then what it spelt.
        DoubleDecoding = "double-decoding";
    }

    // 0 is none, else 1 + the index in `Bug::ALL`
    static PLANTED: AtomicUsize = AtomicUsize::new(0);

    /// Plants one bug in this process, or none.
    pub fn plant(bug: Option<Bug>) {
        let index = bug
            .and_then(|bug| Bug::ALL.iter().position(|b| *b == bug))
            .map_or(0, |i| i + 1);
        PLANTED.store(index, Ordering::Relaxed);
    }

    /// Whether this bug is planted.
    pub fn planted(bug: Bug) -> bool {
        let index = PLANTED.load(Ordering::Relaxed);
        index > 0 && Bug::ALL.get(index - 1) == Some(&bug)
    }
}
