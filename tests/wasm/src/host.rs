//! The module in wasmtime: bytes -> [`Module`] -> one [`Loaded`] policy -> verdicts. It goes the way of a C program
//! outside the module's memory: what it hands over it writes into buffers, and what it gets back it reads there.

use portcullis_vectors::Vector;
use wasmtime::{Config, Engine, Instance, Memory, Store, TypedFunc, WasmParams, WasmResults};

use crate::frame::Frame;
use crate::layout::{charged, next, verdict};
use crate::{HostError, export_names, import_names};

/// A compiled module without imports.
pub struct Module {
    engine: Engine,
    module: wasmtime::Module,
    /// What an instance gets where it is counted.
    fuel: Option<u64>,
}

impl Module {
    /// Of the module's bytes.
    pub fn of(wasm: &[u8]) -> Result<Module, HostError> {
        Module::on(Engine::default(), wasm, None)
    }

    /// Likewise; its instances count what they execute ([`Loaded::fuel_left`]).
    pub fn counting(wasm: &[u8]) -> Result<Module, HostError> {
        let engine = Engine::new(Config::new().consume_fuel(true))?;
        Module::on(engine, wasm, Some(u64::MAX))
    }

    fn on(engine: Engine, wasm: &[u8], fuel: Option<u64>) -> Result<Module, HostError> {
        let module = wasmtime::Module::new(&engine, wasm)?;
        let imports = import_names(&module);
        if !imports.is_empty() {
            return Err(HostError::Imports(imports.join(", ")));
        }
        Ok(Module { engine, module, fuel })
    }

    /// Names of what is exported, sorted.
    pub fn exports(&self) -> Vec<String> {
        export_names(&self.module)
    }

    /// A fresh instance with an engine without a policy, and a worker.
    pub fn start(&self) -> Result<Loaded, HostError> {
        let mut store = Store::new(&self.engine, ());
        if let Some(fuel) = self.fuel {
            store.set_fuel(fuel)?;
        }
        let instance = Instance::new(&mut store, &self.module, &[])?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or_else(|| HostError::Wasm("no memory is exported".to_string()))?;
        let mut loaded = Loaded {
            store,
            instance,
            memory,
            outs: 0,
            engine: 0,
            worker: 0,
        };
        loaded.outs = loaded.alloc(OUTS_SIZE)?;
        for (export, is_engine) in [("portcullis_engine_new", true), ("portcullis_worker_new", false)] {
            let code = loaded.raw(export, (loaded.out(HANDLE), loaded.out(ERROR)))?;
            loaded.ok(export, code)?;
            let handle = loaded.word(HANDLE)?;
            *if is_engine {
                &mut loaded.engine
            } else {
                &mut loaded.worker
            } = handle;
        }
        Ok(loaded)
    }

    /// A fresh instance with an image in force. Files that are bad are as if never loaded.
    pub fn load<'f>(
        &self,
        image: &[u8],
        files: impl IntoIterator<Item = (&'f str, &'f [u8])>,
    ) -> Result<Loaded, HostError> {
        let mut loaded = self.start()?;
        loaded.load(image)?;
        for (name, bytes) in files {
            match loaded.data(name, bytes) {
                // The verdicts will tell.
                Ok(()) | Err(HostError::Call { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(loaded)
    }
}

/// Where a call's results go: a handle, an error, a text, a verdict, a step.
const HANDLE: u32 = 0;
const ERROR: u32 = 8;
const TEXT: u32 = 16;
const VERDICT: u32 = 24;
const NEXT: u32 = VERDICT + verdict::SIZE;
const OUTS_SIZE: u32 = NEXT + next::SIZE;

/// Numbers of the header: an exchange that waits, and its steps.
const PENDING: i32 = 0x34;
const STEP_READ_BODY: u32 = 2;
const STEP_CHARGE: u32 = 3;

/// A verdict, by the call's return value, by the struct and as a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Return value.
    pub effect: i32,
    /// Effect of the struct.
    pub told: i32,
    /// Status of the struct.
    pub status: u32,
    /// Reason of the struct.
    pub reason: String,
    /// How many tags, header lines to set on the request, and quotas the struct says.
    pub lens: [u32; 3],
    /// The line.
    pub line: String,
}

/// An instance with an engine and a worker.
pub struct Loaded {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
    outs: u32,
    engine: i64,
    worker: i64,
}

impl Loaded {
    /// Handles of the engine and of the worker.
    pub fn handles(&self) -> (i64, i64) {
        (self.engine, self.worker)
    }

    /// Puts an image in force.
    pub fn load(&mut self, image: &[u8]) -> Result<(), HostError> {
        let (at, len) = self.put(image)?;
        let params = (self.engine, at, len, self.out(ERROR));
        let code = self.raw("portcullis_engine_load", params)?;
        self.take_back(at)?;
        self.ok("portcullis_engine_load", code)
    }

    /// Compiles policy text and puts it in force.
    pub fn load_text(&mut self, name: &str, text: &[u8]) -> Result<(), HostError> {
        self.named("portcullis_engine_load_text", name, text)
    }

    /// Hands over a list, a table or an import.
    pub fn data(&mut self, name: &str, bytes: &[u8]) -> Result<(), HostError> {
        self.named("portcullis_engine_data", name, bytes)
    }

    /// Calls an export that takes an engine, a name and bytes.
    pub fn named(&mut self, export: &'static str, name: &str, bytes: &[u8]) -> Result<(), HostError> {
        let (name_at, name_len) = self.put(name.as_bytes())?;
        let (at, len) = self.put(bytes)?;
        let params = (self.engine, name_at, name_len, at, len, self.out(ERROR));
        let code = self.raw(export, params)?;
        self.take_back(name_at)?;
        self.take_back(at)?;
        self.ok(export, code)
    }

    /// The verdict of a vector; `now_us` is its instant.
    pub fn decide(&mut self, vector: &Vector, now_us: Option<i64>) -> Result<Decided, HostError> {
        let frame = Frame::of(vector, now_us)?;
        let (at, effect) = self.begin(&frame)?;
        self.take_back(at)?;
        self.ok("portcullis_exchange_begin", effect)?;
        let exchange = self.word(HANDLE)?;
        let body = vector.request.body_bytes().map_err(|problem| HostError::Vector {
            id: vector.id.clone(),
            problem,
        })?;
        let effect = self.carry_out(exchange, effect, body.as_deref())?;
        self.write(self.outs + VERDICT, &verdict::SIZE.to_le_bytes())?;
        let code = self.raw("portcullis_exchange_verdict", (exchange, self.out(VERDICT)))?;
        self.ok("portcullis_exchange_verdict", code)?;
        let told = self.number(VERDICT + verdict::EFFECT)? as i32;
        let status = self.number(VERDICT + verdict::STATUS)?;
        let reason = self.text(VERDICT + verdict::REASON)?;
        let lens = [verdict::TAGS_LEN, verdict::REQUEST_SET_LEN, verdict::QUOTAS_LEN]
            .map(|member| self.number(VERDICT + member).unwrap_or(u32::MAX));
        let (id, id_len) = self.put(vector.id.as_bytes())?;
        let params = (exchange, id, id_len, self.out(TEXT));
        let code = self.raw("portcullis_exchange_json", params)?;
        self.take_back(id)?;
        self.ok("portcullis_exchange_json", code)?;
        let line = self.text(TEXT)?;
        let code = self.raw("portcullis_exchange_free", exchange)?;
        self.ok("portcullis_exchange_free", code)?;
        Ok(Decided {
            effect,
            told,
            status,
            reason,
            lens,
            line,
        })
    }

    /// Does whatever an exchange asks for before its request may go on, in its favour, and hands over the body, if there is
    /// one; without, it stops where one is asked for. The effect in the end.
    fn carry_out(&mut self, exchange: i64, mut effect: i32, body: Option<&[u8]>) -> Result<i32, HostError> {
        while effect == PENDING {
            self.write(self.outs + NEXT, &next::SIZE.to_le_bytes())?;
            let code = self.raw("portcullis_exchange_next", (exchange, self.out(NEXT)))?;
            self.ok("portcullis_exchange_next", code)?;
            effect = match self.number(NEXT + next::STEP)? {
                STEP_CHARGE => {
                    self.write(self.outs + VERDICT, &verdict::SIZE.to_le_bytes())?;
                    let code = self.raw("portcullis_exchange_verdict", (exchange, self.out(VERDICT)))?;
                    self.ok("portcullis_exchange_verdict", code)?;
                    let quotas = self.number(VERDICT + verdict::QUOTAS_LEN)?;
                    let mut admitted = vec![0; (charged::SIZE * quotas) as usize];
                    for outcome in admitted.chunks_mut(charged::SIZE as usize) {
                        outcome[charged::ADMITTED as usize] = 1;
                    }
                    let (at, _) = self.put(&admitted)?;
                    let params = (exchange, at, quotas as i32);
                    let effect = self.raw("portcullis_exchange_charged", params)?;
                    self.take_back(at)?;
                    effect
                }
                STEP_READ_BODY => {
                    let Some(body) = body else {
                        return Ok(effect);
                    };
                    let (at, len) = self.put(body)?;
                    let read = self.raw("portcullis_exchange_body", (exchange, at, len))?;
                    self.take_back(at)?;
                    match read {
                        PENDING => self.raw("portcullis_exchange_body_end", (exchange, 0))?,
                        refused => refused,
                    }
                }
                step => return Err(HostError::Wasm(format!("step {step} is not to be carried out"))),
            };
            self.ok("portcullis_exchange_..", effect)?;
        }
        Ok(effect)
    }

    /// Writes a request into a new buffer and decides it: where the buffer is, and the return value.
    pub fn begin(&mut self, frame: &Frame) -> Result<(i32, i32), HostError> {
        let base = self.alloc(frame.size())?;
        self.write(base, &frame.at(base))?;
        let effect = self.begin_at(base)?;
        Ok((base as i32, effect))
    }

    /// Decides the request at an address.
    pub fn begin_at(&mut self, request: u32) -> Result<i32, HostError> {
        self.write(self.outs + VERDICT, &verdict::SIZE.to_le_bytes())?;
        let params = self.begin_params(request);
        self.raw("portcullis_exchange_begin", params)
    }

    /// Parameters of `portcullis_exchange_begin` for the request at an address.
    pub fn begin_params(&self, request: u32) -> (i64, i64, i32, i32, i32, i32) {
        let outs = [HANDLE, VERDICT, ERROR].map(|out| self.out(out));
        (
            self.engine,
            self.worker,
            request as i32,
            outs[0],
            outs[1],
            outs[2],
        )
    }

    /// The exchange that the last call has made, the effect that its verdict says, and the error's handle.
    pub fn outs(&self) -> Result<(i64, i32, i64), HostError> {
        let effect = self.number(VERDICT + verdict::EFFECT)? as i32;
        Ok((self.word(HANDLE)?, effect, self.word(ERROR)?))
    }

    /// The digest of the policy in force, in hexadecimal digits.
    pub fn digest(&mut self) -> Result<String, HostError> {
        let at = self.alloc(32)?;
        let code = self.raw("portcullis_engine_digest", (self.engine, at as i32))?;
        let digest = self.read(at, 32)?;
        self.take_back(at as i32)?;
        self.ok("portcullis_engine_digest", code)?;
        Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Calls an export by its name; for tests of what hosts do wrong.
    pub fn raw<P: WasmParams, R: WasmResults>(
        &mut self,
        export: &'static str,
        params: P,
    ) -> Result<R, HostError> {
        let function = self.function::<P, R>(export)?;
        Ok(function.call(&mut self.store, params)?)
    }

    /// An export, for calling it often.
    pub fn function<P: WasmParams, R: WasmResults>(
        &mut self,
        export: &'static str,
    ) -> Result<TypedFunc<P, R>, HostError> {
        Ok(self.instance.get_typed_func(&mut self.store, export)?)
    }

    /// The store that functions are called with.
    pub fn store(&mut self) -> &mut Store<()> {
        &mut self.store
    }

    /// What is left of the fuel of an instance that is counted: each instruction but some that cost nothing takes one.
    pub fn fuel_left(&self) -> Result<u64, HostError> {
        Ok(self.store.get_fuel()?)
    }

    /// How many bytes of memory there are.
    pub fn memory_size(&self) -> u32 {
        self.memory.data_size(&self.store) as u32
    }

    /// A buffer in the module's memory.
    pub fn alloc(&mut self, len: u32) -> Result<u32, HostError> {
        let at: i32 = self.raw("portcullis_alloc", len as i32)?;
        match at {
            0 => Err(HostError::Wasm(format!("no buffer of {len} bytes"))),
            at => Ok(at as u32),
        }
    }

    /// Copies bytes in; pointer and length as the exports take them.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(i32, i32), HostError> {
        if bytes.is_empty() {
            return Ok((0, 0));
        }
        let at = self.alloc(bytes.len() as u32)?;
        self.write(at, bytes)?;
        Ok((at as i32, bytes.len() as i32))
    }

    /// Gives a buffer back.
    pub fn take_back(&mut self, at: i32) -> Result<(), HostError> {
        let code = self.raw("portcullis_free", at)?;
        self.ok("portcullis_free", code)
    }

    /// Writes into the module's memory.
    pub fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), HostError> {
        Ok(self.memory.write(&mut self.store, at as usize, bytes)?)
    }

    /// Reads from the module's memory.
    pub fn read(&self, at: u32, len: u32) -> Result<Vec<u8>, HostError> {
        let mut bytes = vec![0; len as usize];
        self.memory.read(&self.store, at as usize, &mut bytes)?;
        Ok(bytes)
    }

    /// The address of a result.
    fn out(&self, of: u32) -> i32 {
        (self.outs + of) as i32
    }

    fn number(&self, of: u32) -> Result<u32, HostError> {
        let bytes = self.read(self.outs + of, 4)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn word(&self, of: u32) -> Result<i64, HostError> {
        let (low, high) = (self.number(of)?, self.number(of + 4)?);
        Ok((u64::from(high) << 32 | u64::from(low)) as i64)
    }

    fn text(&self, of: u32) -> Result<String, HostError> {
        let bytes = self.read(self.number(of)?, self.number(of + 4)?)?;
        String::from_utf8(bytes).map_err(|e| HostError::Wasm(e.to_string()))
    }

    fn ok(&mut self, export: &'static str, code: i32) -> Result<(), HostError> {
        if code >= 0 {
            return Ok(());
        }
        let error = self.word(ERROR)?;
        let told: i32 = self.raw("portcullis_error_text", (error, self.out(TEXT)))?;
        let text = if told == 0 {
            self.text(TEXT)?
        } else {
            String::new()
        };
        let _: i32 = self.raw("portcullis_error_free", error)?;
        self.write(self.outs + ERROR, &[0; 8])?;
        Err(HostError::Call {
            export,
            status: code.into(),
            text,
        })
    }
}
