//! The merged redactions of a decision -> what happens to a value at a state of the paths, found once a state and response.

use super::{PathId, PathState, PathSteps};
use crate::decision::{Change, RedactStep, ResponseDemand};

/// What is done to a value. Texts lie in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    /// Gone.
    Drop,
    /// Another text stands in its place: a part of the plan's texts.
    Replace { start: usize, end: usize },
    /// The value's keyed hash.
    Hash,
    /// Masked but for so many characters of one end.
    Mask { first: bool, keep: u32 },
    /// So many characters stay.
    Truncate(u32),
}

/// What is known of a state.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Action {
    /// `only` lists of which a path ends here.
    pub(super) reached: u64,
    /// `only` lists of which a path may end inside.
    pub(super) reachable: u64,
    pub(super) operation: Option<Operation>,
    /// Some operation may apply inside.
    pub(super) goes_on: bool,
}

/// `only` lists that are told apart: more than a policy has. Of more, none is reached.
const LISTS_MAX: usize = 64;

/// The redactions of one response.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Sorted by path.
    operations: Vec<(PathId, Operation)>,
    /// Sorted by path; a bit for each list that the path is in.
    lists: Vec<(PathId, u64)>,
    texts: String,
    /// Bits of all lists.
    all_lists: u64,
    /// By state.
    actions: Vec<Option<Action>>,
}

impl Plan {
    pub(super) fn begin(
        &mut self,
        demand: &ResponseDemand<'_>,
        paths: &[String],
        states: usize,
        has_key: bool,
    ) {
        self.operations.clear();
        self.lists.clear();
        self.texts.clear();
        self.actions.clear();
        self.actions.resize(states, None);
        let mut count = 0;
        let id = |path: &str| {
            let found = paths.binary_search_by(|own| own.as_str().cmp(path));
            found.ok().and_then(|index| u32::try_from(index).ok()).map(PathId)
        };
        for step in demand.redact() {
            match step {
                RedactStep::Only(list) => {
                    let bit = if count < LISTS_MAX { 1 << count } else { 0 };
                    count += 1;
                    self.lists.extend(list.filter_map(id).map(|path| (path, bit)));
                }
                RedactStep::Op(path, change) => {
                    let operation = self.operation(change, has_key);
                    self.operations.extend(id(path).map(|path| (path, operation)));
                }
            }
        }
        self.all_lists = match count {
            0 => 0,
            1..LISTS_MAX => (1 << count) - 1,
            // One that has no bit is never reached.
            _ => u64::MAX,
        };
        if count > LISTS_MAX {
            self.lists.clear();
        }
        self.operations.sort_unstable();
        self.lists.sort_unstable();
        self.lists.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 |= later.1;
            }
            same
        });
    }

    fn operation(&mut self, change: Change<'_>, has_key: bool) -> Operation {
        match change {
            Change::Replace(with) => {
                let start = self.texts.len();
                self.texts.push_str(with);
                Operation::Replace {
                    start,
                    end: self.texts.len(),
                }
            }
            Change::Hash if has_key => Operation::Hash,
            Change::Drop | Change::Hash => Operation::Drop,
            Change::Mask { first, keep } => Operation::Mask { first, keep },
            Change::Truncate(to) => Operation::Truncate(to),
        }
    }

    /// The text of a replacement.
    pub(super) fn text(&self, start: usize, end: usize) -> &str {
        self.texts.get(start..end).unwrap_or_default()
    }

    /// Bits of all `only` lists.
    pub(super) fn all_lists(&self) -> u64 {
        self.all_lists
    }

    /// What happens at a state.
    #[inline]
    pub(super) fn action<P: PathSteps>(&mut self, paths: P, state: PathState) -> Action {
        match self.actions.get(state.0 as usize) {
            Some(Some(action)) => *action,
            _ => self.find_action(paths, state),
        }
    }

    #[cold]
    fn find_action<P: PathSteps>(&mut self, paths: P, state: PathState) -> Action {
        let mut action = Action::default();
        paths.accepts(state, &mut |path| {
            action.reached |= self.lists_of(path);
            if let Some(operation) = self.operation_of(path) {
                action.operation = Some(match action.operation {
                    Some(earlier) => self.stricter(earlier, operation),
                    None => operation,
                });
            }
        });
        paths.live(state, &mut |path| {
            action.reachable |= self.lists_of(path);
            action.goes_on |= self.operation_of(path).is_some();
        });
        if let Some(slot) = self.actions.get_mut(state.0 as usize) {
            *slot = Some(action);
        }
        action
    }

    fn lists_of(&self, path: PathId) -> u64 {
        let found = self.lists.binary_search_by_key(&path, |(own, _)| *own);
        let entry = found.ok().and_then(|index| self.lists.get(index));
        entry.map_or(0, |(_, lists)| *lists)
    }

    fn operation_of(&self, path: PathId) -> Option<Operation> {
        let found = self.operations.binary_search_by_key(&path, |(own, _)| *own);
        let entry = found.ok().and_then(|index| self.operations.get(index));
        entry.map(|(_, operation)| *operation)
    }

    /// The stronger of two operations on one value; of equal strength, what leaves less.
    fn stricter(&self, a: Operation, b: Operation) -> Operation {
        use Operation::{Drop, Mask, Replace, Truncate};
        match (a, b) {
            (Replace { start, end }, Replace { start: s, end: e })
                if self.text(start, end) != self.text(s, e) =>
            {
                Drop
            }
            (Mask { first: x, keep: k }, Mask { first: y, keep: l }) => {
                let keep = if x == y { k.min(l) } else { 0 };
                Mask {
                    first: x && keep > 0,
                    keep,
                }
            }
            (Truncate(x), Truncate(y)) => Truncate(x.min(y)),
            (Replace { .. }, Replace { .. }) => a,
            // The order of the variants is their strength.
            (a, b) => a.min(b),
        }
    }
}
