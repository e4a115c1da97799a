//! Switches on the bug that `PORTCULLIS_CANARY` names. Every always-run test calls [`plant`] first, so that
//! `cargo xtask canary` can see it fail.

/// Plants the bug of the environment; without feature `canary` a wish for one is an error.
pub fn plant() -> Result<(), String> {
    let Ok(name) = std::env::var("PORTCULLIS_CANARY") else {
        return Ok(());
    };
    plant_named(&name)
}

/// The names of all bugs that can be planted.
#[cfg(feature = "canary")]
pub fn names() -> Vec<&'static str> {
    portcullis::canary::Bug::ALL
        .iter()
        .map(|bug| bug.name())
        .collect()
}

#[cfg(feature = "canary")]
fn plant_named(name: &str) -> Result<(), String> {
    let bug = portcullis::canary::Bug::ALL
        .iter()
        .copied()
        .find(|bug| bug.name() == name);
    portcullis::canary::plant(Some(bug.ok_or_else(|| format!("no bug is named `{name}`"))?));
    Ok(())
}

#[cfg(not(feature = "canary"))]
fn plant_named(name: &str) -> Result<(), String> {
    Err(format!("PORTCULLIS_CANARY={name} needs feature `canary`"))
}
