//! cel: one compiled program per rule; the gateway's router picks the few of the route, which hold only scopes and
//! condition. Addresses are integers and networks ranges of them, the cheapest form CEL offers.
use crate::evaluator::Evaluator;
use crate::router::{NONE as NO, Router};
use cel::{Context, Env, Program, Value};
use portcullis_tests::workload::{Condition, Rule, Workload, role_name, scope_name};
use std::collections::HashMap;
use std::sync::Arc;

fn expr(r: &Rule) -> String {
    let mut c: Vec<String> = vec![];
    for &s in &r.scopes {
        c.push(format!("\"{}\" in scopes", scope_name(s)));
    }
    match &r.condition {
        Condition::None => {}
        Condition::Networks(v) => c.push(format!(
            "({})",
            v.iter()
                .map(|x| format!("(ip >= {} && ip <= {})", x.net, x.net | !x.mask()))
                .collect::<Vec<_>>()
                .join(" || ")
        )),
        Condition::Roles(v) => c.push(format!(
            "({})",
            v.iter()
                .map(|&x| format!("\"{}\" in roles", role_name(x)))
                .collect::<Vec<_>>()
                .join(" || ")
        )),
    }
    if c.is_empty() {
        "true".into()
    } else {
        c.join(" && ")
    }
}
pub struct Cel<'w> {
    w: &'w Workload,
    env: Arc<Env>,
    by_route: Vec<Vec<(bool, Program)>>,
    router: Router,
}
impl<'w> Cel<'w> {
    pub fn load(w: &'w Workload) -> Self {
        let env = Arc::new(Env::stdlib());
        let comp = |r: &Rule| env.compile(&expr(r)).unwrap();
        let mut by_route = vec![];
        for rt in &w.routes {
            let mut v: Vec<(bool, Program)> = rt
                .rules
                .iter()
                .map(|&i| (w.rules[i].allow, comp(&w.rules[i])))
                .collect();
            v.sort_by_key(|x| x.0);
            by_route.push(v);
        }
        Cel {
            w,
            env,
            by_route,
            router: Router::new(w),
        }
    }
    fn ctx(&self, i: usize) -> Context<'static, 'static> {
        let q = &self.w.requests[i];
        let mut c = Context::with_env(self.env.clone());
        let strs =
            |v: &[String]| Value::from(v.iter().map(|x| Value::from(x.as_str())).collect::<Vec<Value>>());
        c.add_variable_from_value("ip", Value::Int(u32::from(q.address) as i64));
        c.add_variable_from_value("sub", q.subject.as_str());
        c.add_variable_from_value("scopes", strs(&q.scopes));
        c.add_variable_from_value("roles", strs(&q.roles));
        let claims: HashMap<String, Value> = q
            .claims
            .iter()
            .map(|(k, v)| (k.clone(), Value::from(v.as_str())))
            .collect();
        c.add_variable_from_value("claims", claims);
        c
    }
}
impl Evaluator for Cel<'_> {
    type State<'a>
        = ()
    where
        Self: 'a;
    fn state(&self) {}
    fn allowed<'a>(&'a self, _: &mut (), i: usize) -> bool {
        let c = self.ctx(i);
        let r = self.router.find(&self.w.requests[i]);
        if r == NO {
            return false;
        }
        for (allow, p) in &self.by_route[r as usize] {
            if matches!(p.execute(&c), Ok(Value::Bool(true))) {
                return *allow;
            }
        }
        false
    }
}
