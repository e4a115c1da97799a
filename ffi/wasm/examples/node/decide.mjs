// node decide.mjs MODULE POLICY: decides two requests by a policy's text (.gate) or by a compiled image.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { Portcullis } from "../portcullis.mjs";

const [module, policy] = process.argv.slice(2);
if (!module || !policy) {
  console.error("usage: node decide.mjs MODULE POLICY");
  process.exit(2);
}

const gate = await Portcullis.load(await readFile(module));
const bytes = await readFile(policy);
try {
  if (policy.endsWith(".gate")) gate.loadText(basename(policy), bytes);
  else gate.loadImage(bytes);
} catch (error) {
  // What does not load leaves what was in force: here nothing, and nothing denies everything.
  console.error(error.message);
  process.exit(1);
}

const requests = [
  { method: "GET", scheme: "https", authority: "shop.example", target: "/products/7", headers: [["accept", "*/*"]], peer: "192.0.2.1" },
  { method: "GET", scheme: "https", authority: "shop.example", target: "/products/x/../secret", peer: "192.0.2.1" },
  { method: "POST", scheme: "https", authority: "shop.example", target: "/orders", context: { risk: 80 }, wallMs: Date.now() },
];
for (const request of requests) {
  const { effect, verdict } = gate.decide(request);
  const rule = verdict.rule ? ` by ${verdict.rule}` : "";
  console.log(`${effect} ${request.method} ${request.target}: ${verdict.status} ${verdict.reason}${rule}`);
}
