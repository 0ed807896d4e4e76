// The conversation of `messages.py`, for node and for the page in the browser.
'use strict';

const LENGTHS = [0, 1, 2, 5, 124, 125, 126, 127, 1000, 65535, 65536, 65537, 1 << 20];
const BURST = 100;

const bytesOf = (text) => new TextEncoder().encode(text);

// [{ payload, isText, fragments }]: bytes, and the fragments to send them in.
function messages() {
  const list = ['hello', '123'].map((word) => ({ payload: bytesOf(word), isText: true, fragments: [bytesOf(word)] }));
  for (const length of LENGTHS) {
    for (const isText of [true, false]) {
      const payload = isText ? text(length) : binary(length);
      for (const fragments of fragmentations(payload)) list.push({ payload, isText, fragments });
    }
  }
  return list;
}

// Small messages to be sent without waiting for an answer.
function burst() {
  const payloads = Array.from({ length: BURST }, (_, index) => bytesOf(String(index)));
  return payloads.map((payload) => ({ payload, isText: true, fragments: [payload] }));
}

function fragmentations(payload) {
  const cut = Math.floor(payload.length / 2);
  const step = Math.max(1, Math.floor(payload.length / 50));
  const many = [];
  for (let at = 0; at < payload.length; at += step) many.push(payload.subarray(at, at + step));
  const empty = payload.subarray(0, 0);
  return [[payload], [payload.subarray(0, cut), payload.subarray(cut)], [empty, ...many, empty]];
}

function text(length) {
  const pattern = 'aé€😀';
  const patternBytes = bytesOf(pattern).length;
  return bytesOf(pattern.repeat(Math.floor(length / patternBytes)) + 'x'.repeat(length % patternBytes));
}

function binary(length) {
  return Uint8Array.from({ length }, (_, index) => ((index % 251) * 7 + length) % 256);
}

// What is wrong with a reply, or null.
function fault(message, prefix, isText, payload) {
  const start = bytesOf(prefix);
  const kind = message.isText ? 'text' : 'binary';
  const name = `${kind} of ${message.payload.length} B in ${message.fragments.length} fragment(s)`;
  if (isText !== message.isText) return `${name}: the reply is ${isText ? 'text' : 'binary'}`;
  if (payload.length !== start.length + message.payload.length) return `${name}: the reply has ${payload.length} B`;
  const expected = (at) => (at < start.length ? start[at] : message.payload[at - start.length]);
  const at = payload.findIndex((byte, at) => byte !== expected(at));
  return at < 0 ? null : `${name}: the reply differs from byte ${at}`;
}

if (typeof module !== 'undefined') module.exports = { messages, burst, fault };
