//! What the module holds between calls, and the status of a call. One thread: a WASM module has no other.

use std::cell::RefCell;
use std::collections::BTreeMap;

use portcullis::decide::Effect;
use portcullis::image::HighWater;
use portcullis::image::seal::{PublicKey, is_key_id};
use portcullis::{Data, Image, Snapshot, Trust, TrustedKeys, Worker, decide_explained, verdict};

use crate::handles::Handles;
use crate::memory::Memory;
use crate::request::Request;

/// What a call says. A setter says [`Status::OK`] or an error; a decision says an effect or an error. Whoever
/// compares with [`Status::ALLOW`] alone keeps the gate shut on everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub i32);

impl Status {
    /// A decision: refused.
    pub const DENY: Status = Status(0);
    /// A setter: done.
    pub const OK: Status = Status(0);
    /// A decision: granted. Not 1, so that a truth value is never taken for it.
    pub const ALLOW: Status = Status(2);
    /// A decision: answered by the gateway itself (a CORS preflight).
    pub const ANSWER: Status = Status(3);
    /// No such object, or it was freed.
    pub const BAD_HANDLE: Status = Status(-1);
    /// Bytes outside every live buffer of `portcullis_alloc`.
    pub const BAD_POINTER: Status = Status(-2);
    /// A text that must be UTF-8 is not.
    pub const BAD_TEXT: Status = Status(-3);
    /// Not a loadable image.
    pub const BAD_IMAGE: Status = Status(-4);
    /// A bad list or table; the last good one stays.
    pub const BAD_DATA: Status = Status(-5);
    /// Not an address.
    pub const BAD_ADDRESS: Status = Status(-6);
    /// Too many objects live.
    pub const FULL: Status = Status(-7);
    /// Not a key id with a public key, or no mark of a seal.
    pub const BAD_KEY: Status = Status(-9);
    /// A call was cut off by a trap; instantiate the module anew.
    pub const BROKEN: Status = Status(-8);
}

/// Most keys trusted at once: far more than one that is in use and one that follows it.
const TRUSTED_KEYS_MAX: usize = 1_024;

/// A failed call: its status, and a sentence for whoever operates the host.
pub(crate) struct Failure(pub(crate) Status, pub(crate) String);

impl From<Status> for Failure {
    fn from(status: Status) -> Failure {
        let text = match status {
            Status::BAD_HANDLE => "no such object, or it was freed",
            Status::BAD_POINTER => "the bytes lie outside every buffer of portcullis_alloc",
            Status::BAD_TEXT => "the text is not UTF-8",
            Status::BAD_ADDRESS => "the text is not an address",
            Status::FULL => "too many objects live",
            Status::BAD_KEY => "not a key id and an Ed25519 public key of 32 bytes",
            _ => "the call failed",
        };
        Failure(status, text.to_string())
    }
}

/// A policy with the files that were handed over for it.
pub(crate) struct Engine {
    snapshot: Snapshot,
    files: BTreeMap<String, Vec<u8>>,
    worker: Worker,
}

/// Everything.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) memory: Memory,
    pub(crate) engines: Handles<Engine>,
    pub(crate) requests: Handles<Request>,
    /// Once there is a key, only sealed images load. The mark rises with each.
    trusted: TrustedKeys,
    /// A key, an audience or a mark was named: from then on no unsealed image loads.
    asks_for_seals: bool,
    /// Line of the last decision.
    pub(crate) verdict: String,
    /// Why the last failed call failed.
    pub(crate) error: String,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// Runs a call; `broken` where an earlier one trapped in its midst.
pub(crate) fn with<R>(broken: R, call: impl FnOnce(&mut State) -> R) -> R {
    STATE.with(|state| match state.try_borrow_mut() {
        Ok(mut state) => call(&mut state),
        Err(_) => broken,
    })
}

/// Runs a call that has a status.
pub(crate) fn status(call: impl FnOnce(&mut State) -> Result<Status, Failure>) -> i32 {
    with(Status::BROKEN, |state| match call(state) {
        Ok(status) => status,
        Err(Failure(status, text)) => {
            state.error = text;
            status
        }
    })
    .0
}

impl State {
    /// Bytes of the host.
    pub(crate) fn bytes(&self, address: usize, len: usize) -> Result<Vec<u8>, Failure> {
        self.memory
            .read(address, len)
            .ok_or_else(|| Status::BAD_POINTER.into())
    }

    /// Text of the host.
    pub(crate) fn text(&self, address: usize, len: usize) -> Result<String, Failure> {
        String::from_utf8(self.bytes(address, len)?).map_err(|_| Status::BAD_TEXT.into())
    }

    /// Loads an image without data.
    pub(crate) fn load(&mut self, image: &[u8]) -> Result<u64, Failure> {
        // Whoever names an audience or a mark but no key wants no unsealed image either.
        let trusted = &self.trusted;
        let trust = match self.asks_for_seals {
            false => Trust::Unsigned,
            true => Trust::Keys(trusted.clone()),
        };
        let image = Image::load(image, &trust).map_err(|e| Failure(Status::BAD_IMAGE, e.to_string()))?;
        let mark = image.seal().map(|seal| seal.mark);
        let data = Data::empty(image.config());
        let engine = Engine {
            snapshot: Snapshot::new(image, data),
            files: BTreeMap::new(),
            worker: Worker::default(),
        };
        match self.engines.insert(engine) {
            0 => Err(Status::FULL.into()),
            handle => {
                self.trusted.high_water = mark.or(self.trusted.high_water);
                Ok(handle)
            }
        }
    }

    /// Trusts a key from now on.
    pub(crate) fn trust_key(&mut self, id: String, key: &[u8]) -> Result<Status, Failure> {
        let key = key
            .try_into()
            .ok()
            .and_then(|key| PublicKey::from_bytes(key).ok())
            .filter(|_| is_key_id(&id))
            .ok_or(Status::BAD_KEY)?;
        if self.trusted.keys.len() >= TRUSTED_KEYS_MAX {
            return Err(Status::FULL.into());
        }
        self.trusted.keys.push((id, key));
        self.asks_for_seals = true;
        Ok(Status::OK)
    }

    /// Names the audience of this host.
    pub(crate) fn trust_audience(&mut self, audience: String) -> Status {
        self.trusted.audience = audience;
        self.asks_for_seals = true;
        Status::OK
    }

    /// Takes over the mark that the host has stored.
    pub(crate) fn trust_mark(&mut self, serial: u64, digest: &[u8]) -> Result<Status, Failure> {
        let digest = digest.try_into().map_err(|_| Status::BAD_KEY)?;
        self.trusted.high_water = Some(HighWater { serial, digest });
        self.asks_for_seals = true;
        Ok(Status::OK)
    }

    /// The seal of a policy, if a trusted key has vouched for it.
    pub(crate) fn seal(&self, engine: u64) -> Option<&portcullis::image::SealInfo> {
        self.engines.get(engine)?.snapshot.image.seal()
    }

    /// Takes a list or table; a bad one changes nothing.
    pub(crate) fn data(&mut self, handle: u64, name: String, bytes: Vec<u8>) -> Result<Status, Failure> {
        let engine = self.engines.get_mut(handle).ok_or(Status::BAD_HANDLE)?;
        let config = engine.snapshot.image.config();
        // Alone first: what is wrong with this file is told by the errors that are about it.
        let (_, errors) = Data::load(config, &|file| (file == name).then(|| bytes.clone()));
        if let Some(error) = errors.iter().find(|error| error.file == name) {
            return Err(Failure(Status::BAD_DATA, error.to_string()));
        }
        engine.files.insert(name, bytes);
        let files = &engine.files;
        let (data, _) = Data::load(config, &|file| files.get(file).cloned());
        engine.snapshot.data = data.into();
        Ok(Status::OK)
    }

    /// Decides and keeps the verdict's line. Whatever fails leaves no line of an earlier decision behind.
    pub(crate) fn decide(&mut self, engine: u64, request: u64) -> Result<Status, Failure> {
        self.verdict.clear();
        let engine = self.engines.get_mut(engine).ok_or(Status::BAD_HANDLE)?;
        let request = self.requests.get(request).ok_or(Status::BAD_HANDLE)?;
        let Engine { snapshot, worker, .. } = engine;
        let decision = request.with_view(|view| decide_explained(snapshot, view, request.now(), worker));
        self.verdict = verdict::to_json(
            snapshot.image.config(),
            &decision,
            &request.id,
            &snapshot.image.digest(),
            &snapshot.data.digest(),
        );
        Ok(match decision.effect {
            Effect::Deny => Status::DENY,
            Effect::Allow => Status::ALLOW,
            Effect::Answer => Status::ANSWER,
        })
    }
}
