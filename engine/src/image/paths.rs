//! The paths of a service's redactions, read in place: an automaton over members and elements that says of a value in a
//! JSON text which paths end there and which may end inside it. Knows no JSON and no redaction.

use std::cell::Cell;

use super::Image;
use super::layout::{self, HAS_EDGES, dir};
use super::tables::{Map, View, partition};

/// Where a value stands, as far as paths tell values apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathState(pub u32);

impl PathState {
    /// No path ends here or inside.
    pub const DEAD: PathState = PathState(0);
}

/// A path: an index into [`super::config::Config::paths`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathId(pub u32);

/// Walks from the root of a JSON text to its values. Where a state is unknown all methods answer as of
/// [`PathState::DEAD`].
pub trait PathSteps: Copy {
    /// Of a whole text.
    fn root(self) -> PathState;
    /// Of a member; its name without escapes, UTF-8.
    fn member(self, state: PathState, name: &[u8]) -> PathState;
    /// Of a member whose name no path spells, as one with a lone surrogate.
    fn any_member(self, state: PathState) -> PathState;
    /// Of an element, counted from 0.
    fn element(self, state: PathState, index: u64) -> PathState;
    /// The paths that end at the value, ascending.
    fn accepts(self, state: PathState, take: &mut dyn FnMut(PathId));
    /// The paths that may end below the value, at least one step from it, ascending; whether it is an object or an
    /// array does not matter.
    fn live(self, state: PathState, take: &mut dyn FnMut(PathId));
    /// States are below this number.
    fn states(self) -> usize;
}

/// The paths of one service, guards' included.
#[derive(Clone, Copy, Debug)]
pub struct Paths<'i> {
    image: &'i Image,
    root: PathState,
}

impl Image {
    /// The paths of the service at an index of [`super::config::Config::services`]; of one that does not exist none.
    pub fn paths(&self, service: u32) -> Paths<'_> {
        let is_there = service < self.word(dir::SERVICE_COUNT);
        let at = self.word(dir::PATH_ROOTS).saturating_add(service);
        Paths {
            image: self,
            root: if is_there {
                PathState(self.word(at))
            } else {
                PathState::DEAD
            },
        }
    }
}

impl Paths<'_> {
    fn state(self, state: PathState) -> [u32; layout::PATH_STATE as usize] {
        if state.0 >= self.image.word(dir::PATH_STATE_COUNT) {
            return [0; layout::PATH_STATE as usize];
        }
        self.record(self.image.word(dir::PATH_STATES) + state.0 * layout::PATH_STATE)
    }

    fn row(self, row: u32) -> [u32; layout::PATH_ROW as usize] {
        self.record(self.image.word(dir::PATH_ROWS) + row * layout::PATH_ROW)
    }

    fn record<const N: usize>(self, at: u32) -> [u32; N] {
        self.with_view(|view| view.record(at))
    }

    fn with_view<T>(self, read: impl FnOnce(View<'_>) -> T) -> T {
        let touched = Cell::new(0);
        read(self.image.view(&touched))
    }

    /// The ids of a list; offset 0 is the empty one.
    fn list(self, at: u32, take: &mut dyn FnMut(PathId)) {
        if at == 0 {
            return;
        }
        let ids = self.with_view(|view| at + 1..at + 1 + view.word(at));
        ids.for_each(|at| take(PathId(self.image.word(at))));
    }
}

impl PathSteps for Paths<'_> {
    fn root(self) -> PathState {
        self.root
    }

    fn member(self, state: PathState, name: &[u8]) -> PathState {
        if state == PathState::DEAD {
            return state;
        }
        let [row, _] = self.state(state);
        let [member, ..] = self.row(row);
        let edge = if member & HAS_EDGES == 0 {
            None
        } else {
            self.with_view(|view| Map::open(view, view.word(dir::PATH_EDGES)).find(view, row, name))
        };
        PathState(edge.unwrap_or(member & !HAS_EDGES))
    }

    fn any_member(self, state: PathState) -> PathState {
        let [row, _] = self.state(state);
        let [member, ..] = self.row(row);
        PathState(member & !HAS_EDGES)
    }

    fn element(self, state: PathState, index: u64) -> PathState {
        if state == PathState::DEAD {
            return state;
        }
        let [row, _] = self.state(state);
        let [_, element, indexes, _] = self.row(row);
        let Some(wanted) = u32::try_from(index).ok().filter(|_| indexes != 0) else {
            return PathState(element);
        };
        let word = |at: u32| self.image.word(at);
        let count = word(indexes);
        let found = partition(count, |i| word(indexes + 1 + 2 * i) < wanted);
        let at = indexes + 1 + 2 * found;
        if found < count && word(at) == wanted {
            PathState(word(at + 1))
        } else {
            PathState(element)
        }
    }

    fn accepts(self, state: PathState, take: &mut dyn FnMut(PathId)) {
        let [_, accepts] = self.state(state);
        self.list(accepts, take);
    }

    fn live(self, state: PathState, take: &mut dyn FnMut(PathId)) {
        let [row, _] = self.state(state);
        let [.., live] = self.row(row);
        self.list(live, take);
    }

    fn states(self) -> usize {
        self.image.word(dir::PATH_STATE_COUNT) as usize
    }
}
