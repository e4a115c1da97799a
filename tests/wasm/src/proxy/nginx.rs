//! What NGINX's proxy-wasm host was seen to do otherwise than Envoy (nginx 1.22 with `ngx_wasm_module`), as behaviour of
//! the test's gateway. That host is in no package registry, so no test can start the real one.

use std::collections::BTreeSet;

use super::gateway::{Edit, Pairs, Request};

/// Longest parameter of a directive, bytes: `proxy_wasm NAME 'CONFIGURATION';` takes no longer configuration.
pub const DIRECTIVE_BYTES_MAX: usize = 4_094;

/// Header lines that are handed over, pseudo-headers among them, as the host is usually built.
const LINES_MAX: usize = 96;

/// Properties that exist, beside variables (`ngx/NAME`).
const PROPERTIES: [&str; 6] = [
    "connection/mtls",
    "connection/requested_server_name",
    "connection/tls_version",
    "request/path",
    "request/protocol",
    "source/address",
];

/// Request headers of which one line goes upstream: the client's, if there is one.
const FIRST_ONLY: [&[u8]; 2] = [b"user-agent", b"x-real-ip"];

/// Response headers of which a removal leaves an empty line, even where there was none.
const LEFT_EMPTY: [&[u8]; 2] = [b"cache-control", b"link"];

/// Where in an exchange the host is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// A plugin is configured.
    #[default]
    Configure,
    /// The request is there.
    Request,
    /// The response is there, or the exchange ends: nothing can be answered any more.
    Response,
}

/// The host's state beside the one that every gateway has.
#[derive(Debug, Default)]
pub struct Nginx {
    pub(super) phase: Phase,
    /// The process has ended with a segmentation fault.
    pub crashed: bool,
    /// Request lines, by place, that were removed as far as the plugin sees. `proxy_pass` reads them all the same.
    removed: BTreeSet<usize>,
    /// `server` was touched, and none is sent any more.
    no_server: bool,
}

/// What the host makes of a question for a property.
pub(super) enum Property {
    /// Its value, if there is one.
    Value(Option<Vec<u8>>),
    /// The process ends.
    Crash,
}

impl Nginx {
    /// Another exchange begins.
    pub(super) fn begin(&mut self) {
        self.removed.clear();
        self.no_server = false;
    }

    /// Every plugin has the root id `0`. Whatever else is asked for while a plugin is configured, and its name at any
    /// time, ends the process.
    pub(super) fn property(&self, path: &str, request: &Request) -> Property {
        let of_request = || {
            let exists = PROPERTIES.contains(&path) || path.starts_with("ngx/");
            request.properties.get(path).filter(|_| exists).cloned()
        };
        match (self.phase, path) {
            (_, "plugin_root_id") => Property::Value(Some(b"0".to_vec())),
            (Phase::Configure, _) | (_, "plugin_name") => Property::Crash,
            (Phase::Request | Phase::Response, _) => Property::Value(of_request()),
        }
    }

    /// Request lines that the plugin sees: no more than there is room for, and nothing says so.
    pub(super) fn shown(&self, lines: &Pairs) -> Pairs {
        let all = lines.iter().enumerate();
        let left = all.filter(|(at, _)| !self.removed.contains(at));
        left.map(|(_, line)| line.clone()).take(LINES_MAX).collect()
    }

    /// Lines that came are never taken away from what `proxy_pass` sends; those that are added stand behind them.
    pub(super) fn edit_request(&mut self, lines: &mut Pairs, edit: Edit) -> Option<()> {
        let (Edit::Remove(name) | Edit::Add(name, _) | Edit::Replace(name, _)) = &edit;
        if name.starts_with(b":") {
            return None;
        }
        let is = |line: &(Vec<u8>, Vec<u8>)| line.0.eq_ignore_ascii_case(name);
        if !matches!(edit, Edit::Add(..)) {
            let all = lines.iter().enumerate();
            let own = all.filter(|(_, line)| is(line)).map(|(at, _)| at);
            self.removed.extend(own);
        }
        let is_shadowed = FIRST_ONLY.contains(&name.to_ascii_lowercase().as_slice()) && lines.iter().any(is);
        match edit {
            Edit::Add(name, value) | Edit::Replace(name, value) if !is_shadowed => lines.push((name, value)),
            Edit::Remove(_) | Edit::Add(..) | Edit::Replace(..) => {}
        }
        Some(())
    }

    pub(super) fn edit_response(&mut self, lines: &mut Pairs, edit: Edit) -> Option<()> {
        let (Edit::Remove(name) | Edit::Add(name, _) | Edit::Replace(name, _)) = &edit;
        let name = name.to_ascii_lowercase();
        let is = |line: &(Vec<u8>, Vec<u8>)| line.0.eq_ignore_ascii_case(&name);
        let is_there = lines.iter().any(is);
        if name == b"server" && !matches!(edit, Edit::Add(..)) {
            self.no_server = true;
        }
        match edit {
            Edit::Remove(_) => {
                lines.retain(|line| !is(line));
                if LEFT_EMPTY.contains(&name.as_slice()) {
                    lines.push((name, Vec::new()));
                }
            }
            Edit::Replace(_, value) if is_there => {
                let mut value = Some(value);
                lines.retain_mut(|line| match (is(line), value.take()) {
                    (true, Some(value)) => {
                        line.1 = value;
                        true
                    }
                    (true, None) => false,
                    (false, left) => {
                        value = left;
                        true
                    }
                });
            }
            Edit::Add(given, value) | Edit::Replace(given, value) => lines.push((given, value)),
        }
        if self.no_server {
            lines.retain(|line| !line.0.eq_ignore_ascii_case(b"server"));
        }
        Some(())
    }
}
