//! checked model -> [`Plan`]. The steps in their order, and nothing else.

use portcullis::image::config::{Config, ResponseCheck};
use portcullis_lang::model::Policy;

use crate::entries::{self, Entries};
use crate::lower::Lowered;
use crate::paths::Paths;
use crate::pattern::Table;
use crate::routes::Routes;
use crate::slots::Slots;
use crate::vars::Vars;
use crate::{CompileError, CompileOptions, config, lower, regexes};

/// A policy as decision graphs, which say what it decides for every request.
///
/// A path leads through [`Plan::routes`] to a set of rules that match (an accept); the set, the method and the kind of
/// exchange select an entry of [`Plan::entries`], whose graphs test variables ([`Plan::vars`]). A variable maps the value
/// of a fact, which its slot ([`Config::sources`]) names, to a class.
#[derive(Debug)]
pub struct Plan<'p> {
    /// What is planned.
    pub policy: &'p Policy,
    /// Declarations, facts by slot, and what rules oblige to.
    pub config: Config,
    /// Automata that obligations name by index.
    pub patterns: Vec<Table>,
    /// What redactions of each service reach in a JSON text.
    pub paths: Paths,
    /// Variables and all graphs.
    pub vars: Vars,
    /// Paths.
    pub routes: Routes,
    /// Rules that take part together, as graphs.
    pub entries: Entries,
}

impl<'p> Plan<'p> {
    /// Plans a policy, within [`CompileOptions::nodes_max`].
    ///
    /// # Errors
    ///
    /// A pattern, the routes or the conditions would be too large, or a time zone is not known.
    pub fn of(policy: &'p Policy, options: &CompileOptions) -> Result<Plan<'p>, CompileError> {
        Plan::made(policy, options).map_err(|error| regexes::at_its_rule(policy, error))
    }

    fn made(policy: &'p Policy, options: &CompileOptions) -> Result<Plan<'p>, CompileError> {
        let mut slots = Slots::default();
        let lowered = lower::lower(policy, &mut slots);
        let mut vars = Vars::plan(&lowered, &slots, options.nodes_max)?;
        let routes = Routes::plan(policy)?;
        let responses = responses(policy, &lowered, &mut vars);
        let paths = Paths::plan(policy)?;
        let (mut config, patterns) = config::config(policy, &mut slots, &responses)?;
        config.paths.clone_from(&paths.texts);
        let entries = entries::plan(policy, &lowered, &routes, &mut vars, options.form)?;
        Ok(Plan {
            policy,
            config,
            patterns,
            paths,
            vars,
            routes,
            entries,
        })
    }
}

/// Conditions on responses as variables, by rule.
fn responses(policy: &Policy, lowered: &Lowered, vars: &mut Vars) -> Vec<Vec<ResponseCheck>> {
    let rules = policy.rules.iter().zip(&lowered.responses);
    let checks = rules.map(|(rule, tests)| {
        let required = rule.obligations.require_response.iter().zip(tests);
        let checks = required.map(|(required, test)| {
            let (subs, holds) = match vars.condition(test) {
                Ok(subs) => (subs, false),
                Err(holds) => (Vec::new(), holds),
            };
            ResponseCheck {
                status: required.status,
                subs,
                holds,
            }
        });
        checks.collect()
    });
    checks.collect()
}
