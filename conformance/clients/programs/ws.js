// npm ws: node ws.js URL PREFIX, with NODE_PATH naming where `ws` is installed.
'use strict';

const WebSocket = require('ws');
const { messages, burst, fault } = require('./messages.js');

const [url, prefix] = process.argv.slice(2);
const ws = new WebSocket(url);
const waiting = [];
let said = 0;

function say(message) {
  const last = message.fragments.length - 1;
  message.fragments.forEach((piece, index) => ws.send(piece, { binary: !message.isText, fin: index === last }));
  return new Promise((resolve) => waiting.push({ message, resolve }));
}

function fail(why) {
  console.error(why);
  process.exit(1);
}

async function ping() {
  ws.ping('are you there');
  const payload = await new Promise((resolve) => ws.once('pong', resolve));
  if (payload.toString() !== 'are you there') fail(`the pong says ${payload}`);
}

async function converse() {
  for (const message of messages()) await say(message);
  await Promise.all(burst().map(say));
  await ping();
  ws.close(1000, 'bye');
}

ws.on('open', converse);
ws.on('error', (error) => fail(error.message));
ws.on('message', (data, isBinary) => {
  const { message, resolve } = waiting.shift() ?? fail('a message that nobody asked for');
  const why = fault(message, prefix, !isBinary, data);
  if (why) fail(why);
  said += 1;
  resolve();
});
ws.on('close', (code) => {
  const expected = messages().length + burst().length;
  if (code !== 1000 || said !== expected) fail(`closed with ${code} after ${said} of ${expected} messages`);
  console.log(`${said} messages`);
});
