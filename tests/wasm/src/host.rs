//! The module in wasmtime: bytes -> [`Module`] -> one [`Loaded`] policy -> verdict lines.

use portcullis_vectors::Vector;
use wasmtime::{Engine, Instance, Memory, Store, TypedFunc, WasmParams, WasmResults};

use crate::HostError;

/// A compiled module without imports.
pub struct Module {
    engine: Engine,
    module: wasmtime::Module,
}

impl Module {
    /// Builds it from the workspace's sources and compiles it.
    pub fn build_and_load() -> Result<Module, HostError> {
        Module::of(&crate::build()?)
    }

    /// Of the module's bytes.
    pub fn of(wasm: &[u8]) -> Result<Module, HostError> {
        let engine = Engine::default();
        let module = wasmtime::Module::new(&engine, wasm)?;
        let imports: Vec<String> = module
            .imports()
            .map(|import| format!("{}.{}", import.module(), import.name()))
            .collect();
        if !imports.is_empty() {
            return Err(HostError::Imports(imports.join(", ")));
        }
        Ok(Module { engine, module })
    }

    /// Names of the exported functions and memories.
    pub fn exports(&self) -> Vec<String> {
        self.module
            .exports()
            .map(|export| export.name().to_string())
            .collect()
    }

    /// A fresh instance with one policy in it. Bad data files are as if never loaded.
    pub fn load<'f>(
        &self,
        image: &[u8],
        files: impl IntoIterator<Item = (&'f str, &'f [u8])>,
    ) -> Result<Loaded, HostError> {
        let mut guest = Guest::new(self)?;
        let image_at = guest.put(image)?;
        let engine: i64 = guest.call("portcullis_load", image_at)?;
        guest.free_all()?;
        if engine == 0 {
            let text = guest.text("portcullis_error_ptr", "portcullis_error_len")?;
            return Err(HostError::Call {
                export: "portcullis_load",
                status: 0,
                text,
            });
        }
        for (name, bytes) in files {
            let (name_at, name_len) = guest.put(name.as_bytes())?;
            let (file_at, file_len) = guest.put(bytes)?;
            // A file that is bad or that no list names changes nothing; the verdicts will tell.
            let _: i32 = guest.call("portcullis_data", (engine, name_at, name_len, file_at, file_len))?;
            guest.free_all()?;
        }
        Ok(Loaded { guest, engine })
    }
}

/// One policy in an instance of its own.
pub struct Loaded {
    guest: Guest,
    engine: i64,
}

impl Loaded {
    /// The status and the verdict's line for a vector; `now_us` is its instant.
    pub fn decide(&mut self, vector: &Vector, now_us: Option<i64>) -> Result<(i32, String), HostError> {
        let request: i64 = self.guest.call("portcullis_request_new", ())?;
        let mut builder = Builder {
            guest: &mut self.guest,
            request,
        };
        builder.fill(vector, now_us)?;
        let status: i32 = self.guest.call("portcullis_decide", (self.engine, request))?;
        self.guest.ok("portcullis_decide", status)?;
        let line = self
            .guest
            .text("portcullis_verdict_ptr", "portcullis_verdict_len")?;
        let freed: i32 = self.guest.call("portcullis_request_free", request)?;
        self.guest.ok("portcullis_request_free", freed)?;
        Ok((status, line))
    }

    /// Calls an export that takes numbers; for tests of what hosts do wrong.
    pub fn raw<P: WasmParams, R: WasmResults>(
        &mut self,
        export: &'static str,
        params: P,
    ) -> Result<R, HostError> {
        self.guest.call(export, params)
    }

    /// The handle of the policy.
    pub fn handle(&self) -> i64 {
        self.engine
    }
}

/// An instance with its memory and the buffers we hold in it.
struct Guest {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
    held: Vec<i32>,
}

impl Guest {
    fn new(module: &Module) -> Result<Guest, HostError> {
        let mut store = Store::new(&module.engine, ());
        let instance = Instance::new(&mut store, &module.module, &[])?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or_else(|| HostError::Wasm("no memory is exported".to_string()))?;
        Ok(Guest {
            store,
            instance,
            memory,
            held: Vec::new(),
        })
    }

    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        export: &'static str,
        params: P,
    ) -> Result<R, HostError> {
        let function: TypedFunc<P, R> = self.instance.get_typed_func(&mut self.store, export)?;
        Ok(function.call(&mut self.store, params)?)
    }

    /// Copies bytes in; pointer and length as the exports take them.
    fn put(&mut self, bytes: &[u8]) -> Result<(i32, i32), HostError> {
        if bytes.is_empty() {
            return Ok((0, 0));
        }
        let len = i32::try_from(bytes.len()).map_err(|e| HostError::Wasm(e.to_string()))?;
        let at: i32 = self.call("portcullis_alloc", len)?;
        if at == 0 {
            return Err(HostError::Wasm(format!("no buffer of {len} bytes")));
        }
        self.held.push(at);
        self.memory.write(&mut self.store, at as u32 as usize, bytes)?;
        Ok((at, len))
    }

    fn free_all(&mut self) -> Result<(), HostError> {
        for at in std::mem::take(&mut self.held) {
            let status: i32 = self.call("portcullis_free", at)?;
            self.ok("portcullis_free", status)?;
        }
        Ok(())
    }

    fn text(&mut self, ptr: &'static str, len: &'static str) -> Result<String, HostError> {
        let at: i32 = self.call(ptr, ())?;
        let len: i32 = self.call(len, ())?;
        let mut bytes = vec![0; len as u32 as usize];
        self.memory.read(&self.store, at as u32 as usize, &mut bytes)?;
        String::from_utf8(bytes).map_err(|e| HostError::Wasm(e.to_string()))
    }

    fn ok(&mut self, export: &'static str, status: i32) -> Result<(), HostError> {
        if status >= 0 {
            return Ok(());
        }
        let text = self.text("portcullis_error_ptr", "portcullis_error_len")?;
        Err(HostError::Call {
            export,
            status: status.into(),
            text,
        })
    }
}

/// Fills one request in the module.
struct Builder<'g> {
    guest: &'g mut Guest,
    request: i64,
}

impl Builder<'_> {
    fn fill(&mut self, vector: &Vector, now_us: Option<i64>) -> Result<(), HostError> {
        let request = &vector.request;
        let problem = |problem| HostError::Vector {
            id: vector.id.clone(),
            problem,
        };
        self.one("portcullis_request_id", vector.id.as_bytes())?;
        self.one("portcullis_request_method", request.method.as_bytes())?;
        self.one("portcullis_request_scheme", request.scheme_text().as_bytes())?;
        self.one(
            "portcullis_request_target",
            &request.target_bytes().map_err(problem)?,
        )?;
        if let Some(authority) = request.authority_text() {
            self.one("portcullis_request_authority", authority.as_bytes())?;
        }
        for (name, value) in &request.headers {
            self.two("portcullis_request_header", name.as_bytes(), &value.0)?;
        }
        if let Some(bearer) = &vector.bearer {
            self.two(
                "portcullis_request_header",
                b"authorization",
                format!("Bearer {bearer}").as_bytes(),
            )?;
        }
        let texts = [
            ("portcullis_request_socket_peer", &request.client_ip),
            ("portcullis_request_sni", &request.sni),
            ("portcullis_request_protocol", &request.protocol),
        ];
        for (export, text) in texts {
            if let Some(text) = text {
                self.one(export, text.as_bytes())?;
            }
        }
        self.peer(vector)?;
        self.credentials(vector)?;
        if let Some(context) = &vector.context {
            self.one("portcullis_request_context", context.get().as_bytes())?;
        }
        if let Some(now) = now_us {
            let status = self.guest.call("portcullis_request_now", (self.request, now))?;
            self.guest.ok("portcullis_request_now", status)?;
        }
        Ok(())
    }

    fn peer(&mut self, vector: &Vector) -> Result<(), HostError> {
        let Some(peer) = &vector.request.peer else {
            return Ok(());
        };
        let status = self.guest.call("portcullis_request_peer", self.request)?;
        self.guest.ok("portcullis_request_peer", status)?;
        for name in &peer.dns {
            self.one("portcullis_request_peer_dns", name.as_bytes())?;
        }
        let texts = [
            ("portcullis_request_peer_spiffe", &peer.spiffe),
            ("portcullis_request_peer_subject", &peer.subject),
            ("portcullis_request_peer_fingerprint", &peer.fingerprint),
            ("portcullis_request_peer_invalid", &peer.invalid),
        ];
        for (export, text) in texts {
            if let Some(text) = text {
                self.one(export, text.as_bytes())?;
            }
        }
        Ok(())
    }

    fn credentials(&mut self, vector: &Vector) -> Result<(), HostError> {
        if let Some(token) = &vector.token {
            let issuer = token.issuer.as_bytes();
            match &token.invalid {
                Some(fault) => self.two("portcullis_request_token_invalid", issuer, fault.as_bytes())?,
                None => {
                    let claims = token.claims.as_ref().map_or("{}", |claims| claims.get());
                    self.two("portcullis_request_token", issuer, claims.as_bytes())?;
                }
            }
        }
        if let Some(key) = &vector.key {
            let keys = key.keys.as_bytes();
            match &key.invalid {
                Some(fault) => self.two("portcullis_request_key_invalid", keys, fault.as_bytes())?,
                None => {
                    let id = key.id.as_deref().unwrap_or_default().as_bytes();
                    let fields = key.fields.as_ref().map_or("", |fields| fields.get()).as_bytes();
                    let (a, a_len) = self.guest.put(keys)?;
                    let (b, b_len) = self.guest.put(id)?;
                    let (c, c_len) = self.guest.put(fields)?;
                    self.finish(
                        "portcullis_request_key",
                        (self.request, a, a_len, b, b_len, c, c_len),
                    )?;
                }
            }
        }
        match &vector.signature {
            None => Ok(()),
            Some(signature) => match &signature.invalid {
                None => self.one("portcullis_request_signature", signature.name.as_bytes()),
                Some(fault) => self.two(
                    "portcullis_request_signature_invalid",
                    signature.name.as_bytes(),
                    fault.as_bytes(),
                ),
            },
        }
    }

    fn one(&mut self, export: &'static str, bytes: &[u8]) -> Result<(), HostError> {
        let (at, len) = self.guest.put(bytes)?;
        self.finish(export, (self.request, at, len))
    }

    fn two(&mut self, export: &'static str, a: &[u8], b: &[u8]) -> Result<(), HostError> {
        let (a, a_len) = self.guest.put(a)?;
        let (b, b_len) = self.guest.put(b)?;
        self.finish(export, (self.request, a, a_len, b, b_len))
    }

    fn finish<P: WasmParams>(&mut self, export: &'static str, params: P) -> Result<(), HostError> {
        let status = self.guest.call(export, params)?;
        self.guest.free_all()?;
        self.guest.ok(export, status)
    }
}
