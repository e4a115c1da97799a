//! A failing pair -> a smaller one that still fails: pieces of the policy and parts of the request are dropped
//! one by one for as long as the policy checks and the evaluators differ.

use std::path::{Path, PathBuf};

use portcullis_vectors::{Bytes, Vector};

use crate::generate::Generated;
use crate::oracle::{Difference, Pair, checked};

/// Whether the pair still fails, and how.
pub fn differs(policy: &Generated, vector: &Vector) -> Option<Difference> {
    let model = checked(&policy.text(), &policy.files).ok()?;
    let mut pair = Pair::new(&model, &policy.files).ok()?;
    pair.in_all_forms(&model, &policy.files).ok()?;
    pair.decide(vector).err()
}

/// Shrinks to a fixed point.
pub fn shrink(policy: &Generated, vector: &Vector) -> (Generated, Vector) {
    let (mut policy, mut vector) = (policy.clone(), vector.clone());
    loop {
        let before = (policy.text().len(), size(&vector));
        for smaller in smaller_vectors(&vector) {
            if differs(&policy, &smaller).is_some() {
                vector = smaller;
            }
        }
        policy = shrink_policy(policy, &vector);
        if (policy.text().len(), size(&vector)) == before {
            return (policy, vector);
        }
    }
}

fn shrink_policy(mut policy: Generated, vector: &Vector) -> Generated {
    let mut try_drop = |change: &dyn Fn(&mut Generated)| {
        let mut smaller = policy.clone();
        change(&mut smaller);
        let keep = differs(&smaller, vector).is_some();
        if keep {
            policy = smaller;
        }
        keep
    };
    for block in (0..8).rev() {
        if try_drop(&|p| drop_at(&mut p.blocks, block)) {
            continue;
        }
        for statement in (0..32).rev() {
            try_drop(&|p| {
                if let Some(block) = p.blocks.get_mut(block) {
                    drop_at(&mut block.statements, statement);
                }
            });
        }
    }
    for declaration in (0..48).rev() {
        try_drop(&|p| drop_at(&mut p.declarations, declaration));
    }
    policy
}

fn drop_at<T>(items: &mut Vec<T>, index: usize) {
    if index < items.len() {
        items.remove(index);
    }
}

fn size(vector: &Vector) -> usize {
    serde_json::to_string(vector).map_or(0, |text| text.len())
}

fn smaller_vectors(vector: &Vector) -> Vec<Vector> {
    let mut out = Vec::new();
    let mut push = |change: &dyn Fn(&mut Vector)| {
        let mut smaller = vector.clone();
        change(&mut smaller);
        out.push(smaller);
    };
    push(&|v| v.token = None);
    push(&|v| v.key = None);
    push(&|v| v.signature = None);
    push(&|v| v.context = None);
    push(&|v| v.now = None);
    push(&|v| v.request.peer = None);
    push(&|v| v.request.sni = None);
    push(&|v| v.request.protocol = None);
    push(&|v| v.request.client_ip = None);
    push(&|v| v.request.headers.clear());
    for index in (0..vector.request.headers.len()).rev() {
        push(&|v| drop_at(&mut v.request.headers, index));
        push(&|v| {
            if let Some(header) = v.request.headers.get_mut(index) {
                header.1 = Bytes::from("x");
            }
        });
    }
    push(&|v| {
        if let Some((path, _)) = v.request.target.as_deref().and_then(|t| t.split_once('?')) {
            v.request.target = Some(path.to_string());
        }
    });
    for name in claim_names(vector) {
        push(&|v| drop_claim(v, &name));
    }
    out
}

fn claim_names(vector: &Vector) -> Vec<String> {
    let claims = vector
        .token
        .as_ref()
        .and_then(|t| t.claims.as_ref())
        .map_or("{}", |c| c.get());
    let parsed: serde_json::Value = serde_json::from_str(claims).unwrap_or_default();
    parsed
        .as_object()
        .map(|o| o.keys().cloned().collect())
        .unwrap_or_default()
}

fn drop_claim(vector: &mut Vector, name: &str) {
    if let Some(token) = &mut vector.token
        && let Some(claims) = &token.claims
        && let Ok(serde_json::Value::Object(mut object)) = serde_json::from_str(claims.get())
    {
        object.remove(name);
        token.claims =
            serde_json::value::RawValue::from_string(serde_json::Value::Object(object).to_string()).ok();
    }
}

/// Writes a failing pair where the next developer looks for it, and says where.
pub fn keep(seed: u64, name: &str, policy: &Generated, vector: &Vector) -> std::io::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("failures")
        .join(format!("{name}-{seed:016x}"));
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("policy.gate"), policy.text())?;
    for (file, bytes) in &policy.files {
        std::fs::write(folder.join(file), bytes)?;
    }
    let line = serde_json::to_string(vector).unwrap_or_default();
    std::fs::write(
        folder.join("case.jsonl"),
        format!("// seed {seed:#018x}\n{line}\n"),
    )?;
    Ok(folder)
}
