//! cedar-policy, in two ways. `Scan`: all policies in one set, the path matched inside the policy (`like`). `Sliced`:
//! the gateway's router picks a tiny policy set for each route. Request and entities are built inside the timed call.
use crate::evaluator::Evaluator;
use crate::router::{NONE as NO, Router, method_index as method_ix};
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet, Request,
    RestrictedExpression,
};
use portcullis_tests::workload::{Condition, METHODS, ROLES, Rule, Workload, role_name, scope_name};
use std::collections::{HashMap, HashSet};
use std::str::FromStr;

#[derive(Clone, Copy, PartialEq)]
pub enum Mode {
    Scan,
    Sliced,
}

fn policy(w: &Workload, r: &Rule, mode: Mode) -> String {
    let rt = &w.routes[r.route];
    let eff = if r.allow { "permit" } else { "forbid" };
    let mut c: Vec<String> = vec![];
    let res = match mode {
        Mode::Scan => {
            c.push(format!("context.depth == {}", r.segments.len()));
            c.push(format!("context.path like \"{}\"", rt.stars()));
            format!("Host::\"{}\"", r.host)
        }
        _ => format!("Route::\"{}\"", rt.key()),
    };
    if !r.scopes.is_empty() {
        let s: Vec<String> = r
            .scopes
            .iter()
            .map(|&s| format!("\"{}\"", scope_name(s)))
            .collect();
        c.push(format!("principal.scopes.containsAll([{}])", s.join(",")));
    }
    match &r.condition {
        Condition::None => {}
        Condition::Networks(v) => c.push(format!(
            "({})",
            v.iter()
                .map(|x| format!("context.ip.isInRange(ip(\"{}\"))", x.text()))
                .collect::<Vec<_>>()
                .join(" || ")
        )),
        Condition::Roles(v) => c.push(format!(
            "principal in [{}]",
            v.iter()
                .map(|&x| format!("Role::\"{}\"", role_name(x)))
                .collect::<Vec<_>>()
                .join(",")
        )),
    }
    let when = if c.is_empty() {
        String::new()
    } else {
        format!(" when {{ {} }}", c.join(" && "))
    };
    format!(
        "{eff}(principal, action == Action::\"{}\", resource == {res}){when};\n",
        r.method
    )
}

struct Types {
    user: EntityTypeName,
    role: EntityTypeName,
    host: EntityTypeName,
    route: EntityTypeName,
    actions: Vec<EntityUid>,
    roles: HashMap<String, EntityUid>,
}
pub struct Cedar<'w> {
    w: &'w Workload,
    mode: Mode,
    auth: Authorizer,
    set: PolicySet,
    slices: Vec<PolicySet>,
    empty: PolicySet,
    router: Router,
    t: Types,
}
fn uid(t: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(t.clone(), EntityId::new(id))
}
impl<'w> Cedar<'w> {
    pub fn load(w: &'w Workload, mode: Mode) -> Self {
        let n = |s: &str| EntityTypeName::from_str(s).unwrap();
        let act = n("Action");
        let t = Types {
            user: n("User"),
            role: n("Role"),
            host: n("Host"),
            route: n("Route"),
            actions: METHODS.iter().map(|m| uid(&act, m)).collect(),
            roles: (0..ROLES)
                .map(|i| (role_name(i), uid(&n("Role"), &role_name(i))))
                .collect(),
        };
        let (mut set, mut slices) = (PolicySet::new(), vec![]);
        match mode {
            Mode::Sliced => {
                for rt in &w.routes {
                    let src: String = rt.rules.iter().map(|&i| policy(w, &w.rules[i], mode)).collect();
                    slices.push(PolicySet::from_str(&src).unwrap());
                }
            }
            _ => {
                let src: String = w.rules.iter().map(|r| policy(w, r, mode)).collect();
                set = PolicySet::from_str(&src).unwrap();
            }
        }
        Cedar {
            w,
            mode,
            auth: Authorizer::new(),
            set,
            slices,
            empty: PolicySet::new(),
            router: Router::new(w),
            t,
        }
    }
    fn build(&self, i: usize) -> (Request, Entities, u32) {
        let q = &self.w.requests[i];
        let t = &self.t;
        let route = if self.mode == Mode::Scan {
            NO
        } else {
            self.router.find(q)
        };
        let s = |x: &str| RestrictedExpression::new_string(x.to_string());
        let me = uid(&t.user, &q.subject);
        let mut attrs: HashMap<String, RestrictedExpression> = HashMap::with_capacity(10);
        attrs.insert(
            "scopes".into(),
            RestrictedExpression::new_set(q.scopes.iter().map(|x| s(x))),
        );
        for (k, v) in &q.claims {
            attrs.insert(k.clone(), s(v));
        }
        let parents: HashSet<EntityUid> = q
            .roles
            .iter()
            .map(|r| t.roles.get(r).cloned().unwrap_or_else(|| uid(&t.role, r)))
            .collect();
        let ent = Entity::new(me.clone(), attrs, parents).unwrap();
        let ents = Entities::from_entities([ent], None).unwrap();
        let mut ctx = vec![("ip".to_string(), RestrictedExpression::new_ip(&q.address_text))];
        let res = if self.mode == Mode::Scan {
            ctx.push(("path".into(), s(&q.path)));
            ctx.push((
                "depth".into(),
                RestrictedExpression::new_long(q.path.bytes().filter(|&b| b == b'/').count() as i64),
            ));
            uid(&t.host, &q.host)
        } else if route == NO {
            uid(&t.route, "none")
        } else {
            // the router hands back an index; the entity id text was made at load time in a real gateway
            uid(&t.route, &self.w.routes[route as usize].key())
        };
        let req = Request::new(
            me,
            t.actions[method_ix(q.method)].clone(),
            res,
            Context::from_pairs(ctx).unwrap(),
            None,
        )
        .unwrap();
        (req, ents, route)
    }
    fn ask(&self, r: &Request, e: &Entities, route: u32) -> bool {
        let set = match self.mode {
            Mode::Sliced if route == NO => &self.empty,
            Mode::Sliced => &self.slices[route as usize],
            _ => &self.set,
        };
        self.auth.is_authorized(r, set, e).decision() == Decision::Allow
    }
}
impl Evaluator for Cedar<'_> {
    type State<'a>
        = ()
    where
        Self: 'a;
    fn state(&self) {}
    fn allowed<'a>(&'a self, _: &mut (), i: usize) -> bool {
        let (r, e, route) = self.build(i);
        self.ask(&r, &e, route)
    }
}
