//! casbin: one `p` line per rule, keyMatch2 on the path, list checks by small custom functions, deny overrides.
use crate::evaluator::Evaluator;
use casbin::function_map::OperatorFunction;
use casbin::prelude::*;
use casbin::rhai::Dynamic;
use portcullis_tests::workload::{Cidr, Condition, Workload, role_name, scope_name};

const MODEL: &str = r#"
[request_definition]
r = host, act, path, scopes, ip, roles

[policy_definition]
p = host, act, path, scopes, nets, roles, eft

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = r.act == p.act && r.host == p.host && keyMatch2(r.path, p.path) && hasAll(r.scopes, p.scopes) && inNets(r.ip, p.nets) && hasAny(r.roles, p.roles)
"#;
fn text(d: &Dynamic) -> String {
    d.clone().into_string().unwrap_or_default()
}
fn has_all(have: Dynamic, need: Dynamic) -> Dynamic {
    let (have, need) = (text(&have), text(&need));
    (need == "-" || need.split(' ').all(|n| have.split(' ').any(|h| h == n))).into()
}
fn has_any(have: Dynamic, need: Dynamic) -> Dynamic {
    let (have, need) = (text(&have), text(&need));
    (need == "-" || need.split(' ').any(|n| have.split(' ').any(|h| h == n))).into()
}
fn in_nets(ip: Dynamic, nets: Dynamic) -> Dynamic {
    let (ip, nets) = (text(&ip), text(&nets));
    if nets == "-" {
        return true.into();
    }
    let Ok(ip) = ip.parse::<std::net::Ipv4Addr>() else {
        return false.into();
    };
    nets.split(' ')
        .any(|n| {
            let (a, l) = n.split_once('/').unwrap();
            Cidr {
                net: a.parse::<std::net::Ipv4Addr>().unwrap().into(),
                len: l.parse().unwrap(),
            }
            .has(ip.into())
        })
        .into()
}
fn joined(v: Vec<String>) -> String {
    if v.is_empty() { "-".into() } else { v.join(" ") }
}
pub struct Casbin<'w> {
    w: &'w Workload,
    e: Enforcer,
    args: Vec<[String; 6]>,
}
impl<'w> Casbin<'w> {
    pub fn load(w: &'w Workload) -> Self {
        let rt = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let e = rt.block_on(async {
            let m = DefaultModel::from_str(MODEL).await.unwrap();
            let mut e = Enforcer::new(m, MemoryAdapter::default()).await.unwrap();
            e.add_function("hasAll", OperatorFunction::Arg2(has_all));
            e.add_function("hasAny", OperatorFunction::Arg2(has_any));
            e.add_function("inNets", OperatorFunction::Arg2(in_nets));
            let lines: Vec<Vec<String>> = w
                .rules
                .iter()
                .map(|r| {
                    let (nets, roles) = match &r.condition {
                        Condition::None => (vec![], vec![]),
                        Condition::Networks(v) => (v.iter().map(|c| c.text()).collect(), vec![]),
                        Condition::Roles(v) => (vec![], v.iter().map(|&x| role_name(x)).collect()),
                    };
                    vec![
                        r.host.clone(),
                        r.method.into(),
                        w.routes[r.route].colons(),
                        joined(r.scopes.iter().map(|&s| scope_name(s)).collect()),
                        joined(nets),
                        joined(roles),
                        if r.allow { "allow" } else { "deny" }.into(),
                    ]
                })
                .collect();
            // one at a time: identical lines (same route and condition drawn twice) are merged
            for l in lines {
                e.add_policy(l).await.unwrap();
            }
            e
        });
        let args = w
            .requests
            .iter()
            .map(|q| {
                [
                    q.host.clone(),
                    q.method.to_string(),
                    q.path.clone(),
                    q.scopes.join(" "),
                    q.address_text.clone(),
                    q.roles.join(" "),
                ]
            })
            .collect();
        Casbin { w, e, args }
    }
}
impl Evaluator for Casbin<'_> {
    type State<'a>
        = ()
    where
        Self: 'a;
    fn state(&self) {
        let _ = self.w;
    }
    fn allowed<'a>(&'a self, _: &mut (), i: usize) -> bool {
        let [a, b, c, d, e, f] = &self.args[i];
        self.e.enforce((a, b, c, d, e, f)).unwrap()
    }
}
