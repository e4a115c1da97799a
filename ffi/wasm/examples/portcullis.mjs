// The WASM module -> policies and verdicts, for whatever runs JavaScript. The structs are those of portcullis.h, 32 bits
// wide; ../README.md has their layout. Whoever compares `allowed` with true keeps the gate shut on everything else.

const ALLOW = 0x51;
const EFFECTS = { 0: "deny", 0x2a: "answer", [ALLOW]: "allow" };
const REQUEST = { size: 200, flags: 4, token: 8, method: 12, target: 20, headers: 28, scheme: 36, authority: 44, peer: 52,
  protocol: 68, sni: 76, context: 84, tokenIssuer: 96, tokenClaims: 104, tokenFault: 112, wallUs: 176 };
const HAS_WALL_CLOCK = 1, EXPLAIN = 2, VERIFIED = 1, INVALID = 2;
// Where calls put what they give back: a handle, an error, a text.
const HANDLE = 0, ERROR = 8, TEXT = 16, OUTS = 24;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class Portcullis {
  /** Of the module's bytes. */
  static async load(bytes) {
    const { instance } = await WebAssembly.instantiate(bytes, {});
    return new Portcullis(instance.exports);
  }

  constructor(exports) {
    this.exports = exports;
    this.outs = exports.portcullis_alloc(OUTS) >>> 0;
    this.engine = this.#handle("portcullis_engine_new");
    this.worker = this.#handle("portcullis_worker_new");
  }

  get hasCompiler() { return this.exports.portcullis_has_compiler() === 1; }

  /** Puts a compiled policy in force. */
  loadImage(bytes) { this.#call("portcullis_engine_load", this.engine, bytes); }
  /** Compiles policy text and puts it in force; needs the module with the compiler. */
  loadText(name, text) { this.#call("portcullis_engine_load_text", this.engine, name, text); }
  /** Hands over a list, a table or an import. */
  data(name, bytes) { this.#call("portcullis_engine_data", this.engine, name, bytes); }

  /**
   * Decides. `request`: method, authority, target, headers as [name, value] pairs, scheme (which must be said), peer, protocol, sni, context
   * (an object), token: { issuer, claims } or { issuer, fault }, wallMs. Anything but what the host knows
   * is left out. An allow that demands more than a decision (quotas, bodies) is a denial here. What fails throws: that is
   * no allow.
   */
  decide(request, id = "") {
    const frame = new Frame(REQUEST.size);
    frame.number(REQUEST.flags, EXPLAIN | (request.wallMs === undefined ? 0 : HAS_WALL_CLOCK));
    for (const member of ["method", "target", "scheme", "authority", "peer", "protocol", "sni"]) {
      if (request[member] !== undefined) frame.text(REQUEST[member], request[member]);
    }
    if (request.context) frame.text(REQUEST.context, JSON.stringify(request.context));
    if (request.wallMs !== undefined) frame.long(REQUEST.wallUs, BigInt(Math.floor(request.wallMs)) * 1000n);
    frame.list(REQUEST.headers, request.headers ?? []);
    const token = request.token;
    if (token) {
      frame.number(REQUEST.token, token.fault === undefined ? VERIFIED : INVALID);
      frame.text(REQUEST.tokenIssuer, token.issuer);
      if (token.fault === undefined) frame.text(REQUEST.tokenClaims, JSON.stringify(token.claims ?? {}));
      else frame.text(REQUEST.tokenFault, token.fault);
    }
    const at = this.#alloc(frame.size);
    let effect, exchange;
    try {
      new Uint8Array(this.exports.memory.buffer, at, frame.size).set(frame.at(at));
      effect = this.exports.portcullis_exchange_begin(this.engine, this.worker, at, this.outs + HANDLE, 0, this.outs + ERROR);
      this.#check(effect);
      exchange = this.#view().getBigUint64(this.outs + HANDLE, true);
    } finally {
      this.exports.portcullis_free(at);
    }
    try {
      this.#with([id], ([id]) => this.#check(this.exports.portcullis_exchange_json(exchange, ...id, this.outs + TEXT)));
      const line = this.#text(this.outs + TEXT);
      return { allowed: effect === ALLOW, effect: EFFECTS[effect] ?? "deny", line, verdict: JSON.parse(line) };
    } finally {
      this.exports.portcullis_exchange_free(exchange);
    }
  }

  // Memory may have grown, so views are made anew.
  #view() { return new DataView(this.exports.memory.buffer); }

  #alloc(size) {
    const at = this.exports.portcullis_alloc(size) >>> 0;
    if (at === 0) throw new Error(`no memory for ${size} bytes`);
    return at;
  }

  #handle(name) {
    this.#check(this.exports[name](this.outs + HANDLE, this.outs + ERROR));
    return this.#view().getBigUint64(this.outs + HANDLE, true);
  }

  /** Calls with texts copied in: pointers and lengths. */
  #with(texts, call) {
    const held = [];
    try {
      call(texts.map((text) => {
        const bytes = toBytes(text);
        if (bytes.length === 0) return [0, 0];
        const at = this.#alloc(bytes.length);
        held.push(at);
        new Uint8Array(this.exports.memory.buffer, at, bytes.length).set(bytes);
        return [at, bytes.length];
      }));
    } finally {
      for (const at of held) this.exports.portcullis_free(at);
    }
  }

  #call(name, handle, ...texts) {
    this.#with(texts, (parts) => this.#check(this.exports[name](handle, ...parts.flat(), this.outs + ERROR)));
  }

  #text(at) {
    const [ptr, len] = [this.#view().getUint32(at, true), this.#view().getUint32(at + 4, true)];
    return decoder.decode(new Uint8Array(this.exports.memory.buffer, ptr, len));
  }

  #check(code) {
    if (code >= 0) return;
    const error = this.#view().getBigUint64(this.outs + ERROR, true);
    const told = this.exports.portcullis_error_text(error, this.outs + TEXT) === 0;
    const text = told ? this.#text(this.outs + TEXT) : "the call failed";
    this.exports.portcullis_error_free(error);
    throw Object.assign(new Error(text), { code });
  }
}

const toBytes = (text) => (typeof text === "string" ? encoder.encode(text) : text);

/** A struct and what it points to, laid out from 0 on and moved to where there is room for it. */
class Frame {
  constructor(size) {
    this.bytes = [];
    this.pointers = [];
    this.size = 0;
    this.#add(new Uint8Array(size), 8);
    this.number(0, size);
  }

  #add(bytes, align) {
    const at = Math.ceil(this.size / align) * align;
    this.bytes.push([at, bytes]);
    this.size = at + bytes.length;
    return [at, new DataView(bytes.buffer, bytes.byteOffset, bytes.length)];
  }

  #head() { return new DataView(this.bytes[0][1].buffer); }
  number(at, value) { this.#head().setUint32(at, value, true); }
  long(at, value) { this.#head().setBigInt64(at, value, true); }
  text(at, text) { this.#point(this.#head(), 0, at, toBytes(text)); }

  #point(view, base, at, bytes) {
    const [to] = this.#add(Uint8Array.from(bytes), 1);
    view.setUint32(at, to, true);
    view.setUint32(at + 4, bytes.length, true);
    this.pointers.push(base + at);
  }

  list(at, lines) {
    if (lines.length === 0) return;
    const [base, view] = this.#add(new Uint8Array(16 * lines.length), 8);
    this.number(at, base);
    this.number(at + 4, lines.length);
    this.pointers.push(at);
    lines.forEach(([name, value], index) => {
      this.#point(view, base, 16 * index, toBytes(name));
      this.#point(view, base, 16 * index + 8, toBytes(value));
    });
  }

  /** The bytes as they are at an address. */
  at(address) {
    const all = new Uint8Array(this.size);
    for (const [at, bytes] of this.bytes) all.set(bytes, at);
    const view = new DataView(all.buffer);
    for (const pointer of this.pointers) view.setUint32(pointer, view.getUint32(pointer, true) + address, true);
    return all;
  }
}
