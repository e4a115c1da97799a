//! Every plan of steps under every order of calls, against the rule in words: nothing goes on past a question that was
//! not answered in its favour.

use super::*;

/// A call of the host, with what it says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Introspected,
    Body(bool),
    Charged(bool),
    ResponseHead(ResponseHead),
    ResponseBody(BodyEnd),
    Failed,
    Finish,
}

const CALLS: [Call; 13] = [
    Call::Introspected,
    Call::Body(true),
    Call::Body(false),
    Call::Charged(true),
    Call::Charged(false),
    Call::ResponseHead(ResponseHead::NoBody),
    Call::ResponseHead(ResponseHead::HasBody),
    Call::ResponseHead(ResponseHead::Unreadable),
    Call::ResponseBody(BodyEnd::CarriedOut),
    Call::ResponseBody(BodyEnd::Refused),
    Call::ResponseBody(BodyEnd::BrokenOff),
    Call::Failed,
    Call::Finish,
];

/// The questions of a plan in the order in which they are asked, written down apart from the machine: which of them are
/// still open, and whether one was answered against the exchange.
#[derive(Clone, Debug)]
struct Rule {
    /// Open questions before the request goes upstream, the next one last.
    open: Vec<Call>,
    goes_on: bool,
    /// Something is to be done with the response.
    is_planned: bool,
    response_open: bool,
    refused: bool,
    broken_off: bool,
    head_seen: bool,
    ended: bool,
}

fn rule(waits: Waits, due: Due) -> Rule {
    let questions = [
        (waits.introspection, Call::Introspected),
        (waits.body, Call::Body(true)),
        (due.charge, Call::Charged(true)),
        (due.body && due.effect == Effect::Allow, Call::Body(true)),
    ];
    let asked = questions.into_iter().filter(|(asked, _)| *asked);
    let mut open: Vec<Call> = asked.map(|(_, call)| call).collect();
    open.reverse();
    Rule {
        open,
        goes_on: due.effect == Effect::Allow,
        is_planned: due.response,
        response_open: false,
        refused: false,
        broken_off: false,
        head_seen: false,
        ended: false,
    }
}

impl Rule {
    fn may_forward(&self) -> bool {
        self.open.is_empty() && self.goes_on && !self.refused && !self.ended
    }

    /// Whether the call is due; if so, what it changes.
    fn take(&mut self, call: Call) -> bool {
        let is_next = |asked: &Call| std::mem::discriminant(asked) == std::mem::discriminant(&call);
        let due = match call {
            Call::Finish => !self.ended,
            Call::Failed => self.may_forward(),
            Call::ResponseHead(_) => self.may_forward() && !self.head_seen,
            Call::ResponseBody(_) => self.may_forward() && self.head_seen && self.response_open,
            _ => !self.ended && !self.refused && self.open.last().is_some_and(is_next),
        };
        if !due {
            return false;
        }
        match call {
            Call::Finish => self.ended = true,
            Call::Failed | Call::Body(false) | Call::Charged(false) => self.refused = true,
            Call::ResponseHead(head) => {
                self.head_seen = true;
                // Without a plan nothing is asked of a body.
                self.response_open = self.is_planned && head == ResponseHead::HasBody;
                self.refused = self.is_planned && head == ResponseHead::Unreadable;
            }
            Call::ResponseBody(end) => {
                self.response_open = false;
                self.refused = end != BodyEnd::CarriedOut;
                self.broken_off = end == BodyEnd::BrokenOff;
            }
            Call::Introspected | Call::Body(true) | Call::Charged(true) => {
                self.open.pop();
            }
        }
        true
    }
}

fn apply(steps: &mut Steps, call: Call, waits: Waits, due: Due) -> bool {
    let result = match call {
        Call::Introspected => steps.introspected(waits.body),
        Call::Body(accepted) => steps.body(accepted),
        Call::Charged(admitted) => steps.charged(admitted),
        Call::ResponseHead(head) => steps.response_head(head),
        Call::ResponseBody(end) => steps.response_body(end),
        Call::Failed => steps.failed(),
        Call::Finish => steps.finish(),
    };
    if steps.stage() == Stage::Decide {
        steps.decided(due).expect("it is the engine's turn");
    }
    result.is_ok()
}

/// Follows every sequence of calls; a call that is not due must change nothing, so only due ones are followed further.
fn follow(steps: Steps, rule: &Rule, (waits, due): (Waits, Due), seen: &mut [u64; 4]) {
    assert_eq!(steps.stage() == Stage::Ended, rule.ended);
    let forwards = matches!(
        steps.stage(),
        Stage::Forward | Stage::ResponseBody | Stage::Respond
    );
    assert_eq!(forwards, rule.may_forward(), "{steps:?} {rule:?}");
    if steps.stage() == Stage::Respond {
        assert!(rule.head_seen && !rule.response_open, "{steps:?} {rule:?}");
        seen[1] += 1;
    }
    assert_eq!(
        steps.stage() == Stage::Reset,
        rule.broken_off && !rule.ended,
        "{steps:?}"
    );
    seen[3] += u64::from(steps.stage() == Stage::Reset);
    if steps.stage() == Stage::Reply {
        assert!(
            rule.refused || (rule.open.is_empty() && !rule.goes_on),
            "{steps:?} {rule:?}"
        );
        seen[2] += 1;
    }
    for call in CALLS {
        let (mut next, mut expected) = (steps, rule.clone());
        let taken = apply(&mut next, call, waits, due);
        assert_eq!(taken, expected.take(call), "{call:?} at {steps:?}");
        seen[0] += 1;
        if taken {
            follow(next, &expected, (waits, due), seen);
        } else {
            assert_eq!(next, steps, "{call:?} is not due and has changed something");
        }
    }
}

#[test]
fn every_plan_under_every_order_of_calls() {
    let flags = [false, true];
    let mut seen = [0; 4];
    for (introspection, body_before) in flags.iter().flat_map(|a| flags.map(|b| (*a, b))) {
        for effect in [Effect::Deny, Effect::Allow, Effect::Answer] {
            for bits in 0..8 {
                let waits = Waits {
                    introspection,
                    body: body_before,
                };
                let due = Due {
                    effect,
                    charge: bits & 1 != 0,
                    body: bits & 2 != 0,
                    response: bits & 4 != 0,
                };
                // Whether the body is waited for shows once the token was asked about.
                let mut steps = Steps::begin(Waits {
                    body: body_before && !introspection,
                    ..waits
                });
                if steps.stage() == Stage::Decide {
                    steps.decided(due).expect("nothing is to be waited for");
                }
                follow(steps, &rule(waits, due), (waits, due), &mut seen);
            }
        }
    }
    let [calls, responded, replied, reset] = seen;
    // Through the 4 x 8 plans of an allow to a response that passes: without a plan for it by any of three heads, with one
    // because it has no body or because that was carried out.
    assert_eq!(responded, 16 * 3 + 16 * 2);
    assert_eq!(reset, 16);
    assert!(calls > 10_000 && replied > 250, "{seen:?}");
}

#[test]
fn before_it_begins_and_after_it_ends_no_step_is_due() {
    let mut ended = Steps::begin(Waits::default());
    ended.finish().expect("begun");
    for steps in [Steps::default(), ended] {
        for call in CALLS {
            let mut after = steps;
            assert!(!apply(&mut after, call, Waits::default(), Due::default()));
            assert_eq!(after, steps);
        }
        assert_eq!({ steps }.decided(Due::default()), Err(OutOfOrder));
    }
}
