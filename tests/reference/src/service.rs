//! Host and path -> the one service that answers (section 5). Reads no rules.

use portcullis_lang::model::{HostOptions, HostPattern, Policy, ServiceId};

use crate::normalise::Canonical;

/// The pattern that a host selects: exact, then most literal labels, `*.` before `**.`, no `on` last.
fn select_host<'p>(policy: &'p Policy, host: Option<&str>) -> Option<&'p HostPattern> {
    let patterns = policy.services.iter().flat_map(|service| &service.hosts);
    patterns
        .filter(|pattern| match host {
            Some(host) => host_matches(pattern, host),
            // a request without a host meets only services without `on`
            None => **pattern == HostPattern::Any,
        })
        .max_by_key(|pattern| match pattern {
            HostPattern::Exact(_) => (3, 0, 0),
            HostPattern::OneLabel(suffix) => (2, suffix.split('.').count(), 1),
            HostPattern::Labels(suffix) => (2, suffix.split('.').count(), 0),
            HostPattern::Any => (1, 0, 0),
        })
}

fn host_matches(pattern: &HostPattern, host: &str) -> bool {
    let before = |suffix: &str| {
        host.strip_suffix(suffix)
            .and_then(|rest| rest.strip_suffix('.'))
            .map(str::to_string)
    };
    match pattern {
        HostPattern::Exact(name) => name == host,
        HostPattern::OneLabel(suffix) => {
            before(suffix).is_some_and(|rest| !rest.is_empty() && !rest.contains('.'))
        }
        HostPattern::Labels(suffix) => before(suffix).is_some_and(|rest| !rest.is_empty()),
        HostPattern::Any => true,
    }
}

/// Normalisation options of the host; all off where it selects nothing.
pub(crate) fn options(policy: &Policy, host: Option<&str>) -> HostOptions {
    let Some(pattern) = select_host(policy, host) else {
        return HostOptions::default();
    };
    let service = policy
        .services
        .iter()
        .find(|service| service.hosts.contains(pattern));
    service.map_or_else(HostOptions::default, |service| service.options)
}

/// Among the services of the host's pattern the longest base that covers the path; without a path, the root.
pub(crate) fn select(policy: &Policy, request: &Canonical) -> Option<ServiceId> {
    let pattern = select_host(policy, request.host.as_deref())?;
    let segments = request
        .path
        .as_ref()
        .map_or(&[][..], |path| path.segments.as_slice());
    let candidates = policy.services.iter().enumerate();
    let (index, _) = candidates
        .filter(|(_, service)| service.hosts.contains(pattern) && segments.starts_with(&service.base))
        .max_by_key(|(_, service)| service.base.len())?;
    u32::try_from(index).ok().map(ServiceId)
}
