// What only a session of the 2025 era can do: answer a question, hear of a change, go on with a stream that broke.
//
//     node conversation.mjs sdk|client URL NAME
//
// URL is the drill server's (tests/drill), behind whatever balancer; NAME is what to answer when asked, and the id of
// the thing to change. The access token comes from TOKEN, an authority to trust from NODE_EXTRA_CA_CERTS. What was
// seen is printed as one JSON object, whose words tests/clients/sdk-1.30/conversation.py shares.
import { readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';

const [library, url, name] = process.argv.slice(2);
const [STEPS, BREAKS_AFTER] = [12, 4];

const LIBRARIES = {
  sdk: async () => ({
    ...(await import('@modelcontextprotocol/sdk/client/index.js')),
    ...(await import('@modelcontextprotocol/sdk/client/streamableHttp.js')),
    ...(await import('@modelcontextprotocol/sdk/types.js')),
  }),
  client: () => import('@modelcontextprotocol/client'),
};
const installed = new URL(`node_modules/@modelcontextprotocol/${library}/package.json`, import.meta.url);
const { version } = JSON.parse(await readFile(installed, 'utf8'));
const { Client, StreamableHTTPClientTransport, ...schemas } = await LIBRARIES[library]();

const answered = [];

/** Notes who answered what; the stream of the call of `count` breaks. */
async function wire(input, init = {}) {
  const response = await fetch(input, init);
  const headers = new Headers(init.headers);
  const asked = init.method === 'POST' ? JSON.parse(init.body) : {};
  const called = asked.method === 'tools/call' ? asked.params.name : undefined;
  const answers = init.method === 'POST' && !asked.method;
  const what = headers.has('last-event-id') ? 'resume' : answers ? 'answer' : called ?? asked.method ?? init.method ?? 'GET';
  answered.push({ what, replica: response.headers.get('suite-replica') ?? 'balancer' });
  return called === 'count' ? breaking(response) : response;
}

/** The response, whose body breaks off after some events. */
function breaking(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let said = 0;
  const body = new ReadableStream({
    async pull(controller) {
      if (said >= BREAKS_AFTER) {
        await reader.cancel();
        throw new Error('broken on purpose');
      }
      const { done, value } = await reader.read();
      if (done) return controller.close();
      controller.enqueue(value);
      said += decoder.decode(value, { stream: true }).split('data: {').length - 1;
    },
  }, { highWaterMark: 0 });
  return new Response(body, { status: response.status, headers: response.headers });
}

const transport = new StreamableHTTPClientTransport(new URL(url), {
  fetch: wire,
  requestInit: { headers: { Authorization: `Bearer ${process.env.TOKEN}` } },
});
const setVersion = transport.setProtocolVersion?.bind(transport);
let protocol;
transport.setProtocolVersion = (agreed) => {
  protocol = agreed;
  setVersion?.(agreed);
};
const client = new Client({ name: 'conversation', version: '1' }, { capabilities: { elicitation: {} } });
// The older SDK wants schemas where the newer one wants names.
const [asked, updated] = library === 'sdk'
  ? [schemas.ElicitRequestSchema, schemas.ResourceUpdatedNotificationSchema]
  : ['elicitation/create', 'notifications/resources/updated'];
client.setRequestHandler(asked, async () => ({ action: 'accept', content: { name, mood: 'well' } }));
const heard = new Promise((told) => {
  client.setNotificationHandler(updated, ({ params }) => told(params.uri));
});
const progress = [];

async function call(tool, args) {
  const options = tool === 'count' ? { onprogress: ({ progress: step }) => progress.push(step) } : {};
  const params = { name: tool, arguments: args };
  const result = await (library === 'sdk' ? client.callTool(params, undefined, options) : client.callTool(params, options));
  if (result.isError) throw new Error(`${tool}: ${JSON.stringify(result)}`);
  return result.structuredContent;
}

await client.connect(transport);
const greeted = await call('greet', {});
await call('put', { id: name, value: 'old', idempotency_key: `${name}-old` });
await client.subscribeResource({ uri: `drill://things/${name}` });
// What changed before the stream was there is not told.
while (!answered.some(({ what }) => what === 'GET')) await wait(10);
await call('put', { id: name, value: 'new', idempotency_key: `${name}-new` });
const told = await heard;
const counted = await call('count', { to: STEPS, pause_s: 0.05 });
await transport.terminateSession();
await client.close();
console.log(JSON.stringify({ sdk: version, protocol, greeted, heard: told, progress, counted, answered }));
