//! The SDK's callbacks -> [`Filter`] and [`configure`]. Hands on, and decides nothing.
//!
//! The SDK's dispatcher panics where a gateway names a context that it never made; that is a trap, and a trap is a
//! denial.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

use crate::deployment::{Deployment, configure};
use crate::filter::{Filter, Step};
use crate::hostcalls::Gateway;
use crate::shared::Shared;

thread_local! {
    static SHARED: Shared = Shared::default();
}

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// One configured plugin.
#[derive(Default)]
struct Root {
    deployment: Rc<Deployment>,
}

impl Context for Root {}

impl RootContext for Root {
    /// True whatever the configuration is: a gateway may drop a plugin that says no, and with it the gate.
    fn on_configure(&mut self, _size: usize) -> bool {
        self.deployment = SHARED.with(|shared| configure(&Gateway, shared));
        true
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Http(Filter::new(
            Rc::clone(&self.deployment),
            context_id,
        ))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// One exchange.
struct Http(Filter);

impl Drop for Http {
    fn drop(&mut self) {
        SHARED.with(|shared| self.0.end(&Gateway, shared));
    }
}

impl Context for Http {}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        #[cfg(feature = "debug-trap")]
        trap_if_asked();
        SHARED.with(|shared| action(self.0.request_headers(&Gateway, shared, end_of_stream)))
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        SHARED.with(|shared| action(self.0.request_body(&Gateway, shared, size, end_of_stream)))
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        SHARED.with(|shared| action(self.0.request_trailers(&Gateway, shared)))
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        SHARED.with(|shared| action(self.0.response_headers(&Gateway, shared, end_of_stream)))
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        SHARED.with(|shared| action(self.0.response_body(&Gateway, shared, size, end_of_stream)))
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        SHARED.with(|shared| action(self.0.response_trailers(&Gateway, shared)))
    }
}

fn action(step: Step) -> Action {
    match step {
        Step::Continue => Action::Continue,
        Step::Stop => Action::Pause,
    }
}

/// What a defect would do, by a request header.
#[cfg(feature = "debug-trap")]
fn trap_if_asked() {
    use crate::host::{Host as _, Map};
    // Kept as a text and not as numbers to compare with, so that a test can look for it in what ships.
    let header = std::hint::black_box(b"x-portcullis-debug-trap".as_slice());
    let asked = Gateway
        .headers(Map::Request)
        .is_some_and(|pairs| pairs.iter().any(|(name, _)| name == header));
    if asked {
        core::arch::wasm32::unreachable();
    }
}
