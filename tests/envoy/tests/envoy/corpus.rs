//! Every vector that a request can say, raw through Envoy: the plugin answers as the crate decides, what reaches the
//! upstream is what was decided, and what Envoy does by itself is known by name.

use std::collections::BTreeMap;

use portcullis_tests::{corpus, counts};
use portcullis_tests_envoy::config::{self, Normalise};
use portcullis_tests_envoy::process::{Envoy, Folder};
use portcullis_tests_envoy::upstream::Upstream;

use crate::case::{Case, Outcome};
use crate::verdict::unlogged;

/// Vectors that Envoy changes on their way so that the verdict is another one: what it does to them, and whether that
/// opens what the crate, asked about the bytes of the client, keeps shut. Where it does, what was dangerous is gone.
const CHANGED: [(&str, &str, bool); 12] = [
    (
        "two-user-agents-are-unknown",
        "joins two lines of a standard header by a comma",
        true,
    ),
    ("D05-identity", "takes away `connection` and what it names", true),
    ("O10-25", "takes away `connection` and what it names", false),
    ("D09-cr", "makes a lone carriage return in a value a space", true),
    ("D11-full", "adds `x-forwarded-proto`, one header too many", false),
    ("H05-two", "joins two hosts by a comma", false),
    ("H05-differ", "joins two hosts by a comma", false),
    ("H05-twin", "joins two hosts by a comma", false),
    ("M01-space", "takes two spaces after the method for one", true),
    ("M04-h2c", "takes an upgrade to h2c away", true),
    (
        "P17-other",
        "takes the host of an absolute target and forgets the other",
        false,
    ),
    (
        "P17-userinfo",
        "takes the host of an absolute target and forgets the other",
        false,
    ),
];

/// Vectors that the crate allows and Envoy refuses by itself.
const REFUSED_ALTHOUGH_ALLOWED: [&str; 1] = ["P19-twin"];

/// Why vectors are not carried, and how many at most for each reason.
const NOT_CARRIED: [(&str, usize); 14] = [
    ("no plugin has claims of an issuer that is not the policy's", 1),
    ("Envoy verifies no API keys or signatures for the plugin", 8),
    ("Envoy takes no connection from an address that no peer has", 3),
    (
        "a number or a repeated member that a protobuf Struct does not keep",
        3,
    ),
    ("a pseudo-header is no header line of HTTP/1.1", 15),
    ("a token that fails is refused by `jwt_authn` itself", 2),
    ("a token without claims is refused by `jwt_authn` itself", 1),
    ("a certificate that the tests can not make", 8),
    ("an address and a certificate on one test connection", 31),
    ("Envoy writes `x-forwarded-client-cert` itself", 23),
    ("a body in a coding of its own", 0),
    ("the tests' upstream has one answer to what is checked", 40),
    ("the plugin takes over no second token", 28),
    ("the tests speak HTTP/1.1", 15),
];

#[test]
fn every_vector_that_a_request_can_say() {
    let upstream = Upstream::start(true).unwrap();
    let folder = Folder::new().unwrap();
    let mut cases = Vec::new();
    for case in corpus::cases().unwrap().into_iter().filter(|case| !case.refused) {
        for scheme in ["https", "http"] {
            let vectors = case.vectors.iter().filter(|v| v.request.scheme_text() == scheme);
            let vectors: Vec<_> = vectors.cloned().collect();
            if !vectors.is_empty() {
                cases.push((Case::new(&case, scheme, &folder.path("")), vectors));
            }
        }
    }
    let listeners: Vec<_> = cases
        .iter()
        .flat_map(|(case, _)| case.listeners(Normalise::default(), &upstream))
        .collect();
    let envoy = Envoy::start(folder, &config::envoy(&listeners, &[upstream.address()]), 2).unwrap();
    let (mut wrong, mut lines) = (Vec::new(), Vec::new());
    let mut not_carried = BTreeMap::<&str, Vec<String>>::new();
    let (mut refused, mut changed, mut decided) = (Vec::new(), Vec::new(), 0u64);
    for (case, vectors) in &cases {
        for vector in vectors {
            let id = format!("{} {}", case.name, vector.id);
            match case.run(vector, &upstream, &mut lines) {
                Err(found) => wrong.extend(found.into_iter().map(|line| format!("{id}: {line}"))),
                Ok(Outcome::NotCarried(why)) => not_carried.entry(why).or_default().push(id),
                Ok(Outcome::RefusedByEnvoy) => {
                    refused.push((vector.id.as_str(), case.verdict(vector).effect))
                }
                Ok(Outcome::Decided(change)) => {
                    decided += 1;
                    changed.extend(change.map(|change| (vector.id.as_str(), change)));
                }
            }
        }
    }
    // Both workers, each with a VM of its own, took part.
    for worker in ["worker_0", "worker_1"] {
        let served = envoy.connections_of(worker).unwrap();
        assert!(served > 0, "{worker} served nothing");
        println!("{worker}: {served} connections");
    }
    // What the plugin says of each decision is the crate's verdict too.
    wrong.extend(unlogged(&lines, &envoy.log().unwrap()));
    for (why, ids) in &not_carried {
        println!("not carried, {why}: {}", ids.join(", "));
        let most = NOT_CARRIED
            .iter()
            .find(|(own, _)| own == why)
            .map_or(0, |(_, most)| *most);
        if ids.len() > most {
            wrong.push(format!(
                "{} vectors are not carried ({why}), more than {most}: {ids:?}",
                ids.len()
            ));
        }
    }
    for (id, effect) in &refused {
        if effect != "deny" && !REFUSED_ALTHOUGH_ALLOWED.contains(id) {
            wrong.push(format!("{id}: refused by Envoy, {effect} by the crate"));
        }
    }
    for (id, (before, after)) in &changed {
        let opens = after.starts_with("allow") && !before.starts_with("allow");
        match CHANGED.iter().find(|(own, ..)| own == id) {
            Some((_, what, known)) if *known == opens => println!("{id}: Envoy {what}: {before} -> {after}"),
            _ => wrong.push(format!("{id}: on its way `{before}` became `{after}`")),
        }
    }
    let stale = CHANGED
        .iter()
        .filter(|(id, ..)| !changed.iter().any(|(own, _)| own == id));
    wrong.extend(stale.map(|(id, what, _)| format!("{id}: Envoy no longer {what}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!(
        "{decided} decided by the plugin, {} refused by Envoy before it",
        refused.len()
    );
    counts::executed("envoy_vectors", decided).unwrap();
    counts::executed("envoy_vectors_refused", refused.len() as u64).unwrap();
}
