// One HTTP/2 connection: a stream that stays open, and calls beside it. Prints what it saw as JSON.
import { readFileSync } from "node:fs";
import { connect } from "node:http2";

const [url, authority, wanted] = process.argv.slice(2);
const { origin, pathname } = new URL(url);
const session = connect(origin, { ca: readFileSync(authority) });
session.on("error", (error) => { throw error; });

function ask(headers, body, onData) {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":path": pathname, ":method": "POST", ...headers });
    let text = "";
    stream.on("data", (chunk) => { text += chunk; onData?.(text, stream); });
    stream.on("end", () => resolve(text));
    stream.on("close", () => resolve(text));
    stream.on("error", reject);
    stream.end(body);
  });
}

let events = 0;
const streaming = ask({ do: "stream" }, "{}", (text, stream) => {
  events = text.split("\n\n").length - 1;
  if (events >= wanted) stream.close();
});
const replicas = [];
for (let call = 0; call < 6; call++) {
  replicas.push(JSON.parse(await ask({ "content-type": "application/json" }, '{"id":1}')).replica);
}
await streaming;
if (events < wanted) throw new Error(`the stream ended after ${events} events`);
console.log(JSON.stringify({ protocol: session.alpnProtocol, events, replicas }));
session.close();
