// The page -> a policy in the module, a request, its verdict. Everything happens in the browser.
import { Portcullis } from "../portcullis.mjs";

const query = new URLSearchParams(location.search);
const at = (id) => document.getElementById(id);
const MODULE = query.get("module") ?? "/target/wasm-module/portcullis_text.opt.wasm";
let gate = null;

const bytesOf = async (url) => {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
};

function say(state, head, text) {
  const verdict = at("verdict");
  verdict.dataset.state = state;
  at("head").textContent = head;
  at("detail").textContent = text;
}

function policy(state, text) {
  at("loaded").dataset.state = state;
  at("loaded").textContent = text;
}

/** Loads; what fails leaves the policy before it in force, and says so. */
function loaded(what, load) {
  try {
    if (!gate) throw new Error("the module is not there yet");
    load();
    policy("good", `In force: ${what}.`);
    return true;
  } catch (error) {
    policy("bad", error.message);
    say("none", "", "The policy was not loaded; the one before it, if any, is still in force.");
    return false;
  }
}

const loadText = () => loaded("the policy's text", () => gate.loadText("policy.gate", at("policy").value));

function decide() {
  try {
    const headers = at("headers").value.split("\n").filter((line) => line.trim()).map((line) => {
      const colon = line.indexOf(":");
      if (colon < 1) throw new Error(`not a header line: ${line}`);
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    });
    const context = at("context").value.trim();
    const { allowed, effect, verdict } = gate.decide({
      method: at("method").value,
      scheme: "https",
      authority: at("authority").value,
      target: at("target").value,
      peer: at("peer").value || undefined,
      context: context ? JSON.parse(context) : undefined,
      wallMs: Date.now(),
      headers,
    });
    const rule = verdict.rule ? ` by ${verdict.rule}` : "";
    say(allowed ? "allow" : effect, `${effect} ${verdict.status}`, `${verdict.reason}${rule}`);
    at("line").textContent = JSON.stringify(verdict, null, 2);
  } catch (error) {
    say("deny", "no verdict", error.message);
    at("line").textContent = "";
  }
}

at("load").addEventListener("click", () => { if (loadText()) decide(); });
at("request").addEventListener("submit", (event) => { event.preventDefault(); decide(); });
at("image").addEventListener("change", async (event) => {
  const file = event.target.files[0];
  if (!file) return;
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (loaded(`the image ${file.name}`, () => gate.loadImage(bytes))) decide();
});

try {
  gate = await Portcullis.load(await bytesOf(MODULE));
  const image = query.get("image");
  if (image) {
    const bytes = await bytesOf(image);
    at("policy").value = "";
    loaded(`the image ${image}`, () => gate.loadImage(bytes));
  } else {
    at("policy").value = new TextDecoder().decode(await bytesOf("../policy.gate"));
    loadText();
  }
  at("load").disabled = !gate.hasCompiler;
  decide();
} catch (error) {
  policy("bad", `${error.message}. Build it: cargo xtask module`);
  say("deny", "no verdict", "Without a module nothing is allowed.");
}
document.body.dataset.ready = "yes";
