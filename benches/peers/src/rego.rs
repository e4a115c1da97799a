//! regorus: the policy as a keyed object plus a small generic Rego program, as the OPA performance guide recommends,
//! compiled to its VM; the route is named by the gateway's router. The input is built inside the timed call.
//!
//! The program avoids `every s in xs { input.scopes[s] }`: with regorus 0.14.1 the VM takes an undefined body for
//! success, the interpreter does not, and grants requests that lack a scope.
use crate::evaluator::Evaluator;
use crate::router::{NONE as NO, Router};
use portcullis_tests::workload::{Condition, Workload, role_name, scope_name};
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::program::Program;
use regorus::rvm::vm::RegoVM;
use regorus::{Engine, Rc, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

const GENERIC: &str = r#"package gw

default allow := false

allow if {
	some r in data.routes[input.route].allow
	holds(r)
	not denied
}

denied if {
	some r in data.routes[input.route].deny
	holds(r)
}

holds(r) if {
	not lacks(r)
	cond(r)
}

lacks(r) if {
	some s in r.scopes
	not input.scopes[s]
}

cond(r) if r.kind == "none"

cond(r) if {
	r.kind == "cidr"
	some c in r.any
	net.cidr_contains(c, input.ip)
}

cond(r) if {
	r.kind == "role"
	some g in r.any
	input.roles[g]
}
"#;
fn data(w: &Workload) -> Value {
    let mut routes = serde_json::Map::new();
    for rt in &w.routes {
        let list = |allow: bool| -> Vec<serde_json::Value> {
            rt.rules
                .iter()
                .map(|&i| &w.rules[i])
                .filter(|r| r.allow == allow)
                .map(|r| {
                    let scopes: Vec<String> = r.scopes.iter().map(|&s| scope_name(s)).collect();
                    let (kind, any): (&str, Vec<String>) = match &r.condition {
                        Condition::None => ("none", vec![]),
                        Condition::Networks(v) => ("cidr", v.iter().map(|c| c.text()).collect()),
                        Condition::Roles(v) => ("role", v.iter().map(|&x| role_name(x)).collect()),
                    };
                    serde_json::json!({"scopes": scopes, "kind": kind, "any": any})
                })
                .collect()
        };
        routes.insert(
            rt.key(),
            serde_json::json!({"allow": list(true), "deny": list(false)}),
        );
    }
    Value::from(serde_json::json!({ "routes": routes }))
}

pub struct Rego<'w> {
    w: &'w Workload,
    program: Arc<Program>,
    data: Value,
    router: Router,
    keys: Vec<Value>,
    names: Names,
}
struct Names {
    top: [Value; 7],
}
impl<'w> Rego<'w> {
    pub fn load(w: &'w Workload) -> Self {
        let mut e = Engine::new();
        e.add_policy("gw.rego".into(), GENERIC.to_string()).unwrap();
        let d = data(w);
        e.add_data(d.clone()).unwrap();
        let ep: Rc<str> = "data.gw.allow".into();
        let cp = e.compile_with_entrypoint(&ep).unwrap();
        let program = Compiler::compile_from_policy(&cp, &["data.gw.allow"]).unwrap();
        let keys = w.routes.iter().map(|r| Value::from(r.key())).collect();
        let top = ["host", "method", "ip", "sub", "scopes", "roles", "route"].map(Value::from);
        Rego {
            w,
            program,
            data: d,
            router: Router::new(w),
            keys,
            names: Names { top },
        }
    }
    fn build(&self, i: usize) -> Value {
        let q = &self.w.requests[i];
        let t = &self.names.top;
        let set = |v: &[String]| {
            Value::from(
                v.iter()
                    .map(|x| (Value::from(x.as_str()), Value::Bool(true)))
                    .collect::<BTreeMap<_, _>>(),
            )
        };
        let mut m: BTreeMap<Value, Value> = BTreeMap::new();
        m.insert(t[0].clone(), Value::from(q.host.as_str()));
        m.insert(t[1].clone(), Value::from(q.method));
        let r = self.router.find(q);
        if r != NO {
            m.insert(t[6].clone(), self.keys[r as usize].clone());
        }
        m.insert(t[2].clone(), Value::from(q.address_text.as_str()));
        m.insert(t[3].clone(), Value::from(q.subject.as_str()));
        m.insert(t[4].clone(), set(&q.scopes));
        m.insert(t[5].clone(), set(&q.roles));
        for (k, v) in &q.claims {
            m.insert(Value::from(k.as_str()), Value::from(v.as_str()));
        }
        Value::from(m)
    }
}
impl Evaluator for Rego<'_> {
    type State<'a>
        = RegoVM
    where
        Self: 'a;
    fn state(&self) -> RegoVM {
        let mut vm = RegoVM::new();
        vm.load_program(self.program.clone());
        vm.set_data(self.data.clone()).unwrap();
        vm
    }
    fn allowed<'a>(&'a self, vm: &mut RegoVM, i: usize) -> bool {
        vm.set_input(self.build(i));
        matches!(vm.execute().unwrap(), Value::Bool(true))
    }
}
