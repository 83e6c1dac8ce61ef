// Asks Perfetto's trace processor, compiled to WebAssembly, about a trace. Prints a line of JSON for each question.
// Usage: node perfetto.js FOLDER TRACE.json SQL...; FOLDER: engine_bundle.js and trace_processor*.wasm
"use strict";
const fs = require("fs"), path = require("path"), vm = require("vm");
const [folder, trace, ...questions] = process.argv.slice(2);

// ---- as much of protobuf as its remote procedure calls take (perfetto/protos/perfetto/trace_processor)

function varint(n) {
  const out = [];
  for (n = BigInt(n); n > 127n; n >>= 7n) out.push(Number(n & 127n) | 128);
  return [...out, Number(n)];
}
const number = (field, n) => Buffer.from([...varint(field * 8), ...varint(n)]);
const bytes = (field, b) => Buffer.concat([Buffer.from([...varint(field * 8 + 2), ...varint(b.length)]), b]);

// The varint at the front of `b`, and how many bytes it takes.
function front(b) {
  let n = 0n, at = 0;
  do n |= BigInt(b[at] & 127) << BigInt(7 * at); while (b[at++] & 128);
  return [n, at];
}
function packed(b) {
  const out = [];
  for (let at = 0; at < b.length; ) {
    const [n, used] = front(b.subarray(at));
    out.push(Number(BigInt.asIntN(64, n)));
    at += used;
  }
  return out;
}
function* fields(b) {
  for (let at = 0; at < b.length; ) {
    const [tag, used] = front(b.subarray(at));
    at += used;
    const [n, length] = front(b.subarray(at));
    const field = Number(tag >> 3n), wire = Number(tag & 7n);
    if (wire === 0) yield [field, n];
    else if (wire === 1) yield [field, b.subarray(at, at + 8)];
    else if (wire === 2) yield [field, b.subarray(at + length, at + length + Number(n))];
    else throw new Error(`wire type ${wire}`);
    at += wire === 1 ? 8 : wire === 2 ? length + Number(n) : length;
  }
}

// ---- the worker of a browser that the bundle expects

globalThis.self = globalThis;
globalThis.WorkerGlobalScope = class {};
globalThis.importScripts = () => {};
globalThis.location = { href: "file:///" };
globalThis.XMLHttpRequest = class {
  open(method, url) { this.url = url; }
  send() {
    const b = fs.readFileSync(path.join(folder, path.basename(this.url)));
    this.response = b.buffer.slice(b.byteOffset, b.byteOffset + b.length);
  }
};
const bundle = fs.readFileSync(path.join(folder, "engine_bundle.js"), "utf8");
// without `process`, so that it does not take Node for what it is
vm.runInThisContext(`(function (process, require, module) {${bundle}\n})`, { filename: "engine_bundle.js" })();
let reply = [];
const port = { postMessage: (b) => reply.push(Buffer.from(b)) };
globalThis.onmessage({ data: port });

let calls = 0;
function call(method, ...args) {
  reply = [];
  port.onmessage({ data: new Uint8Array(bytes(1, Buffer.concat([number(1, calls++), number(2, method), ...args]))) });
  return Buffer.concat(reply);
}

const APPEND = 1, FINALISE = 2, QUERY = 3; // methods; 101, 103, 203: their data, text and result
function* batches(result, names) {
  for (const [, message] of fields(result))
    for (const [kind, body] of fields(message))
      if (kind === 203)
        for (const [field, value] of fields(body)) {
          if (field === 1) names.push(value.toString());
          else if (field === 2) throw new Error(value.toString());
          else if (field === 3) yield new Map(fields(value));
        }
}
function query(text) {
  const names = [], rows = [];
  let row = {}, at = 0;
  for (const batch of batches(call(QUERY, bytes(103, bytes(1, Buffer.from(text)))), names)) {
    const none = Buffer.alloc(0);
    const whole = packed(batch.get(2) ?? none), strings = (batch.get(5) ?? none).toString().split("\0");
    for (const kind of packed(batch.get(1) ?? none)) { // of a cell: 1 null, 2 whole, 4 text
      if (![1, 2, 4].includes(kind)) throw new Error(`a cell of kind ${kind}`);
      row[names[at++]] = kind === 2 ? whole.shift() : kind === 4 ? strings.shift() : null;
      if (at === names.length) {
        rows.push(row);
        row = {};
        at = 0;
      }
    }
  }
  return rows;
}

setTimeout(() => { // once the module has started
  call(APPEND, bytes(101, fs.readFileSync(trace)));
  call(FINALISE);
  for (const text of questions) console.log(JSON.stringify(query(text)));
}, 0);
