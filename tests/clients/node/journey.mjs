// What a client written in TypeScript does with the suite, from no token at all to a resource it wrote itself.
//
//   node journey.mjs sdk|client legacy|modern NAME QUERY --http URL PERSONA
//   node journey.mjs sdk|client legacy|modern NAME QUERY --stdio COMMAND…
//
// `sdk` is @modelcontextprotocol/sdk, which speaks 2025-11-25 alone; `client` is @modelcontextprotocol/client.
// NAME is what the new customer is called, and its idempotency key; QUERY finds a customer that is there already.
// What was seen is printed as one JSON object, whose words `tests/clients/journey.py` shares.
import { readFile } from 'node:fs/promises';
import { SignIn } from './sign_in.mjs';

const [library, era, name, query, how, ...rest] = process.argv.slice(2);

const LIBRARIES = {
  sdk: async () => ({
    ...(await import('@modelcontextprotocol/sdk/client/index.js')),
    ...(await import('@modelcontextprotocol/sdk/client/auth.js')),
    ...(await import('@modelcontextprotocol/sdk/client/stdio.js')),
    ...(await import('@modelcontextprotocol/sdk/client/streamableHttp.js')),
  }),
  client: async () => ({
    ...(await import('@modelcontextprotocol/client')),
    ...(await import('@modelcontextprotocol/client/stdio')),
  }),
};
const { Client, StdioClientTransport, StreamableHTTPClientTransport, UnauthorizedError } = await LIBRARIES[library]();
const installed = new URL(`node_modules/@modelcontextprotocol/${library}/package.json`, import.meta.url);
const { version } = JSON.parse(await readFile(installed, 'utf8'));

/** A connection over HTTP: where somebody has to sign in, they do, and what they were stopped at is done again. */
class OverHttp {
  constructor(url, persona) {
    this.person = new SignIn(persona, url, `Journey of ${library}`);
  }

  async open() {
    await this.#connect().catch(async (error) => {
      await this.#signIn(error);
      await this.#connect();
    });
  }

  ask(question) {
    return question(this.client).catch(async (error) => {
      await this.#signIn(error);
      return question(this.client);
    });
  }

  async #connect() {
    const { fetch, url } = this.person;
    this.transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: this.person, fetch });
    this.client = newClient();
    await this.client.connect(noting(this.transport));
  }

  async #signIn(error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    const answer = this.person.comeBack();
    await this.transport.finishAuth(library === 'sdk' ? answer.get('code') : answer);
  }

  told = () => ({ asked: this.person.asked, trace: this.person.trace });
}

/** A connection to a process of its own. */
class OverStdio {
  constructor(command, ...args) {
    this.transport = new StdioClientTransport({ command, args, env: process.env });
  }

  async open() {
    this.client = newClient();
    await this.client.connect(noting(this.transport));
  }

  ask = (question) => question(this.client);
  told = () => ({});
}

function newClient() {
  const options = era === 'modern' ? { versionNegotiation: { mode: { pin: '2026-07-28' } } } : {};
  return new Client({ name: `journey-${library}`, version }, options);
}

/** The transport, made to remember which version was agreed upon: the older SDK tells it to nobody else. */
function noting(transport) {
  const inner = transport.setProtocolVersion?.bind(transport);
  transport.setProtocolVersion = (agreed) => {
    transport.agreed = agreed;
    inner?.(agreed);
  };
  return transport;
}

async function walk(connection) {
  const tool = async (called, args, fails = false) => {
    const result = await connection.ask((client) => client.callTool({ name: called, arguments: args }));
    if ((result.isError ?? false) !== fails) throw new Error(`${called}: ${JSON.stringify(result)}`);
    return fails ? JSON.parse(result.content[0].text) : result.structuredContent;
  };
  const { tools } = await connection.ask((client) => client.listTools());
  const { resourceTemplates } = await connection.ask((client) => client.listResourceTemplates());
  const found = await tool('search_customers', { query });
  const read = await tool('get_customer', { customer_id: found.customers[0].id });
  const fresh = { name, segment: 'consumer', country: 'DE', idempotency_key: name };
  const created = await tool('create_customer', fresh);
  const repeated = await tool('create_customer', fresh);
  // The older SDK checks answers, those with isError too, against the output schemas of the tools it has listed.
  await connection.ask((client) => client.listTools());
  const stale = { customer_id: created.customer.id, version: created.customer.version };
  const updated = await tool('update_customer', { ...stale, changes: { city: 'Köln' } });
  const conflict = await tool('update_customer', { ...stale, changes: { city: 'Bonn' } }, true);
  const uri = `customer://${stale.customer_id}`;
  const { contents } = await connection.ask((client) => client.readResource({ uri }));
  const { client, transport } = connection;
  return {
    sdk: version,
    protocol: client.getNegotiatedProtocolVersion?.() ?? transport.agreed,
    server: client.getServerVersion()?.name,
    tools: tools.map((listed) => listed.name),
    templates: resourceTemplates.map((listed) => listed.uriTemplate),
    ...{ found, read, created, repeated, updated, conflict },
    resource: { uri: contents[0].uri, mime_type: contents[0].mimeType, customer: JSON.parse(contents[0].text) },
  };
}

const connection = how === '--http' ? new OverHttp(...rest) : new OverStdio(...rest);
await connection.open();
const seen = await walk(connection);
await connection.client.close();
process.stdout.write(JSON.stringify({ ...seen, ...connection.told() }));
