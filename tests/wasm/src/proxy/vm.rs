//! Bytes -> [`Plugin`] -> [`Vm`]: one instance, driven through the phases as a gateway drives it.

use wasmtime::{Config, Engine, Instance, Linker, Memory, Store, WasmParams, WasmResults};

use super::gateway::{Gateway, Pairs, Reply, Request};
use super::imports;
use super::nginx::{Nginx, Phase};
use crate::{HostError, export_names, import_names};

/// A compiled plugin.
pub struct Plugin {
    engine: Engine,
    module: wasmtime::Module,
}

/// Number of a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context(pub i32);

/// What a callback wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Go on.
    Continue,
    /// Wait, or it was answered.
    Pause,
}

/// What became of an exchange.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the upstream got; `None` where nothing went on.
    pub upstream: Option<Pairs>,
    /// The local reply.
    pub reply: Option<Reply>,
    /// Response headers towards the client, of the upstream's response or of the reply.
    pub response: Pairs,
}

impl Outcome {
    /// NGINX's own answer.
    fn of_a_trap() -> Outcome {
        let reply = Reply {
            status: 500,
            headers: Pairs::new(),
            body: Vec::new(),
            grpc_status: -1,
        };
        Outcome {
            upstream: None,
            reply: Some(reply),
            response: Pairs::new(),
        }
    }
}

impl Plugin {
    /// Compiles.
    pub fn of(wasm: &[u8]) -> Result<Plugin, HostError> {
        let mut config = Config::new();
        // Some gateways run modules without these.
        config.wasm_simd(false).wasm_relaxed_simd(false);
        let engine = Engine::new(&config)?;
        let module = wasmtime::Module::new(&engine, wasm)?;
        Ok(Plugin { engine, module })
    }

    /// Names of imported functions, `module.name`, sorted.
    pub fn imports(&self) -> Vec<String> {
        import_names(&self.module)
    }

    /// Names of exports, sorted.
    pub fn exports(&self) -> Vec<String> {
        export_names(&self.module)
    }

    /// A fresh instance, initialised, without a plugin in it.
    pub fn instantiate(&self) -> Result<Vm, HostError> {
        let mut linker = Linker::new(&self.engine);
        imports::link(&mut linker)?;
        linker.define_unknown_imports_as_traps(&self.module)?;
        let mut store = Store::new(&self.engine, Gateway::default());
        let instance = linker.instantiate(&mut store, &self.module)?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or_else(|| HostError::Wasm("no memory".into()))?;
        let mut vm = Vm {
            store,
            instance,
            memory,
            root: None,
            next: 1,
        };
        vm.call::<(), ()>("_initialize", ())?;
        Ok(vm)
    }

    /// A fresh instance of an NGINX worker.
    pub fn instantiate_in_nginx(&self) -> Result<Vm, HostError> {
        let mut vm = self.instantiate()?;
        vm.gateway().nginx = Some(Nginx::default());
        Ok(vm)
    }

    /// As [`Plugin::start`], in NGINX.
    pub fn start_in_nginx(&self, configuration: &str) -> Result<Vm, HostError> {
        let mut vm = self.instantiate_in_nginx()?;
        vm.configure(configuration)?;
        Ok(vm)
    }

    /// A fresh instance with a configured plugin.
    pub fn start(&self, configuration: &str) -> Result<Vm, HostError> {
        let mut vm = self.instantiate()?;
        vm.configure(configuration)?;
        Ok(vm)
    }
}

/// An instance.
pub struct Vm {
    store: Store<Gateway>,
    instance: Instance,
    memory: Memory,
    root: Option<Context>,
    next: i32,
}

impl Vm {
    /// The gateway's side.
    pub fn gateway(&mut self) -> &mut Gateway {
        self.store.data_mut()
    }

    /// Bytes of memory that the instance has taken; they only grow.
    pub fn memory_bytes(&self) -> usize {
        self.memory.data_size(&self.store)
    }

    fn enter(&mut self, phase: Phase) {
        if let Some(nginx) = &mut self.gateway().nginx {
            nginx.phase = phase;
        }
    }

    /// Configures again as Envoy does: a new root context in the same VM, and the old one ends after that. NGINX makes
    /// another plugin of the same module so, and the old one stays. Exchanges begin under the new one. An error where
    /// the plugin says no, for then a gateway could go on without it.
    pub fn configure(&mut self, configuration: &str) -> Result<(), HostError> {
        self.enter(Phase::Configure);
        self.gateway().configuration = configuration.as_bytes().to_vec();
        let root = self.create(0)?;
        let size = configuration.len() as i32;
        let started: i32 = self.call("proxy_on_vm_start", (root.0, 0))?;
        let configured: i32 = self.call("proxy_on_configure", (root.0, size))?;
        if started != 1 || configured != 1 {
            return Err(HostError::Wasm("the plugin refused to start".into()));
        }
        let old = self.root.replace(root);
        if let Some(old) = old.filter(|_| self.gateway().nginx.is_none()) {
            self.close(old)?;
        }
        Ok(())
    }

    /// A context for an exchange.
    pub fn open(&mut self) -> Result<Context, HostError> {
        let root = self.root.ok_or_else(|| HostError::Wasm("no plugin".into()))?;
        self.create(root.0)
    }

    fn create(&mut self, root: i32) -> Result<Context, HostError> {
        let context = Context(self.next);
        self.next += 1;
        self.call::<_, ()>("proxy_on_context_create", (context.0, root))?;
        Ok(context)
    }

    /// The request headers callback.
    pub fn request_headers(&mut self, context: Context, end_of_stream: bool) -> Result<Action, HostError> {
        let count = self.gateway().request.headers.len() as i32;
        self.enter(Phase::Request);
        self.phase("proxy_on_request_headers", context, count, end_of_stream)
    }

    /// The request body callback.
    pub fn request_body(
        &mut self,
        context: Context,
        size: i32,
        end_of_stream: bool,
    ) -> Result<Action, HostError> {
        self.phase("proxy_on_request_body", context, size, end_of_stream)
    }

    /// The request trailers callback.
    pub fn request_trailers(&mut self, context: Context) -> Result<Action, HostError> {
        let action: i32 = self.call("proxy_on_request_trailers", (context.0, 0))?;
        action_of(action)
    }

    /// The response trailers callback.
    pub fn response_trailers(&mut self, context: Context) -> Result<Action, HostError> {
        let action: i32 = self.call("proxy_on_response_trailers", (context.0, 0))?;
        action_of(action)
    }

    /// The response headers callback.
    pub fn response_headers(&mut self, context: Context, end_of_stream: bool) -> Result<Action, HostError> {
        let count = self.gateway().response.len() as i32;
        self.enter(Phase::Response);
        self.phase("proxy_on_response_headers", context, count, end_of_stream)
    }

    /// The response body callback.
    pub fn response_body(
        &mut self,
        context: Context,
        size: i32,
        end_of_stream: bool,
    ) -> Result<Action, HostError> {
        self.phase("proxy_on_response_body", context, size, end_of_stream)
    }

    fn phase(
        &mut self,
        export: &'static str,
        context: Context,
        size: i32,
        end: bool,
    ) -> Result<Action, HostError> {
        let action: i32 = self.call(export, (context.0, size, i32::from(end)))?;
        action_of(action)
    }

    /// Ends a context: done, log, delete.
    pub fn close(&mut self, context: Context) -> Result<(), HostError> {
        let _: i32 = self.call("proxy_on_done", context.0)?;
        self.call::<_, ()>("proxy_on_log", context.0)?;
        self.call("proxy_on_delete", context.0)
    }

    /// One whole exchange with an upstream that answers these headers.
    pub fn exchange(&mut self, request: &Request, response: &Pairs) -> Result<Outcome, HostError> {
        let context = self.open()?;
        let gateway = self.gateway();
        gateway.request = request.clone();
        gateway.replies.clear();
        gateway.calls.clear();
        if let Some(nginx) = &mut gateway.nginx {
            nginx.begin();
        }
        let action = match self.request_headers(context, true) {
            Err(_) if self.survives() => return Ok(Outcome::of_a_trap()),
            action => action?,
        };
        let gateway = self.gateway();
        let reply = gateway.replies.first().cloned();
        gateway.response = match &reply {
            // A local reply passes the response phase of the filter that sent it.
            Some(reply) => {
                let mut headers = vec![(b":status".to_vec(), reply.status.to_string().into_bytes())];
                headers.extend(reply.headers.iter().cloned());
                headers
            }
            None => response.clone(),
        };
        let upstream = (action == Action::Continue).then(|| gateway.request.headers.clone());
        if action == Action::Continue || reply.is_some() {
            match self.response_headers(context, true) {
                Err(_) if self.survives() => {
                    let response = self.gateway().response.clone();
                    return Ok(Outcome {
                        upstream,
                        reply,
                        response,
                    });
                }
                action => action?,
            };
        }
        let response = self.gateway().response.clone();
        self.close(context)?;
        Ok(Outcome {
            upstream,
            reply,
            response,
        })
    }

    /// A trap ends an exchange in NGINX: in the request's headers with an error page, in the response's not at all.
    fn survives(&mut self) -> bool {
        matches!(&self.gateway().nginx, Some(nginx) if !nginx.crashed)
    }

    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        export: &'static str,
        params: P,
    ) -> Result<R, HostError> {
        if matches!(&self.gateway().nginx, Some(nginx) if nginx.crashed) {
            return Err(HostError::Wasm("the process has ended".into()));
        }
        let function = self.instance.get_typed_func::<P, R>(&mut self.store, export)?;
        Ok(function.call(&mut self.store, params)?)
    }
}

fn action_of(action: i32) -> Result<Action, HostError> {
    match action {
        0 => Ok(Action::Continue),
        1 => Ok(Action::Pause),
        other => Err(HostError::Wasm(format!("no action: {other}"))),
    }
}
