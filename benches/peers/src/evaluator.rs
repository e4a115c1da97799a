//! One way of using one engine, loaded with the workload's rules. What is timed is `allowed`.

/// Answers the requests of the workload it was loaded for.
pub trait Evaluator: Sync {
    /// What one thread keeps between requests.
    type State<'a>
    where
        Self: 'a;
    /// A thread's state.
    fn state(&self) -> Self::State<'_>;
    /// Whether request `i` is allowed.
    fn allowed<'a>(&'a self, state: &mut Self::State<'a>, i: usize) -> bool;
}
