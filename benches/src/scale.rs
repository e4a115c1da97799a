//! How a benchmark was started -> how much it runs. Tests run each benchmark once, small; a quick run stops at 1,000
//! rules. Knows no policies.

/// Tells benchmarks to be quick.
pub const QUICK: &str = "PORTCULLIS_BENCH_QUICK";

/// How much to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Once, to see that it works.
    Test,
    /// For a first look.
    Quick,
    /// For a record.
    Full,
}

impl Scale {
    /// Of this process: cargo gives benchmarks `--bench`, and tests of them nothing.
    pub fn of_process() -> Scale {
        if !std::env::args().any(|arg| arg == "--bench") {
            Scale::Test
        } else if std::env::var_os(QUICK).is_some() {
            Scale::Quick
        } else {
            Scale::Full
        }
    }

    /// Sizes of policies, rules.
    pub fn rules(self) -> &'static [usize] {
        match self {
            Scale::Test => &[10],
            Scale::Quick => &[10, 100, 1_000],
            Scale::Full => &[10, 100, 1_000, 10_000, 100_000],
        }
    }

    /// A size, or a small one where only a test runs.
    pub fn of(self, full: usize) -> usize {
        match self {
            Scale::Test => full.min(10),
            Scale::Quick => full.min(1_000),
            Scale::Full => full,
        }
    }
}
