//! What the chores share with tests that need a thing built: named steps, and WASM modules as they ship.

// commands as named, timed steps
pub mod apt;
pub mod step;

// sources -> WASM modules
pub mod wasm;

// what runs the examples in JavaScript
pub mod javascript;
