//! Three host calls a request and nothing else: read one header, set one header each way. What a request costs with
//! this filter is what it costs to be a WASM filter at all; the plugin is measured against it.
//!
//! A path that begins with the configured prefix is refused, so that both sides of a benchmark answer the same.

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MapType};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root { refused: Vec::new() }));
}}

/// Of the configuration: the prefix that is refused; empty refuses nothing.
struct Root {
    refused: Vec<u8>,
}

/// One request.
struct Request {
    refused: Vec<u8>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        self.refused = self.get_plugin_configuration().unwrap_or_default();
        true
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        let refused = self.refused.clone();
        Some(Box::new(Request { refused }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        let path = hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, ":path");
        let path = path.ok().flatten().unwrap_or_default();
        if !self.refused.is_empty() && path.starts_with(&self.refused) {
            self.send_http_response(403, Vec::new(), None);
            return Action::Pause;
        }
        let _ = hostcalls::set_map_value(MapType::HttpRequestHeaders, "x-hello", Some("1"));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        let _ = hostcalls::set_map_value(MapType::HttpResponseHeaders, "x-hello", Some("1"));
        Action::Continue
    }
}
