// Somebody at a browser, and the memory of their client: the provider that both SDKs ask during OAuth.
import { randomUUID } from 'node:crypto';

const CALLBACK = 'http://127.0.0.1:33333/callback';
const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', '#x27': "'", '#39': "'" };
const PAGES = 5;

export class SignIn {
  /** The authorization URLs the browser was sent to, and each exchange of the client. */
  asked = [];
  trace = [];
  #kept = {};

  constructor(persona, url, name) {
    this.persona = persona;
    this.url = url;
    this.clientMetadata = { client_name: name, redirect_uris: [CALLBACK], token_endpoint_auth_method: 'none' };
  }

  redirectUrl = CALLBACK;
  state = () => (this.#kept.state = randomUUID());
  clientInformation = () => this.#kept.client;
  saveClientInformation = (client) => void (this.#kept.client = client);
  tokens = () => this.#kept.tokens;
  saveTokens = (tokens) => void (this.#kept.tokens = tokens);
  codeVerifier = () => this.#kept.verifier;
  saveCodeVerifier = (verifier) => void (this.#kept.verifier = verifier);
  discoveryState = () => this.#kept.discovery;
  saveDiscoveryState = (found) => void (this.#kept.discovery = found);

  async redirectToAuthorization(url) {
    this.asked.push(String(url));
    const callback = await browse(url, this.persona);
    if (callback.searchParams.get('state') !== this.#kept.state) throw new Error(`somebody else's answer: ${callback}`);
    this.answer = callback.searchParams;
  }

  /** The answer of the sign-in, once. */
  comeBack() {
    const { answer } = this;
    if (!answer?.get('code')) throw new Error(`nobody signed in: ${answer}`);
    this.answer = undefined;
    return answer;
  }

  /** A `fetch` that notes what goes by; bodies only of exchanges that do not go to the server itself. */
  fetch = async (url, init = {}) => {
    const response = await fetch(url, init);
    const toServer = String(url) === this.url;
    this.trace.push({
      method: init.method ?? 'GET',
      url: String(url),
      status: response.status,
      challenge: response.headers.get('www-authenticate'),
      sent: toServer ? '' : String(init.body ?? ''),
      answer: toServer ? '' : await response.clone().text(),
    });
    return response;
  };
}

/** Go through the provider's pages as a person would, to where they lead in the end. */
async function browse(url, persona) {
  const cookies = new Map();
  let request = { url: new URL(url), init: {} };
  for (let page = 0; page < PAGES; page += 1) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = { ...request.init.headers, ...(cookie && { cookie }) };
    const response = await fetch(request.url, { ...request.init, headers, redirect: 'manual' });
    for (const set of response.headers.getSetCookie()) {
      const [, name, value] = set.match(/^([^=]+)=([^;]*)/);
      cookies.set(name, value);
    }
    const text = await response.text();
    if (response.status === 303 || response.status === 302) {
      const next = new URL(response.headers.get('location'), request.url);
      if (next.href.startsWith(CALLBACK)) return next;
      request = { url: next, init: {} };
    } else if (response.status === 200) {
      request = filled(text, request.url, persona);
    } else {
      throw new Error(`${response.status} from ${request.url}: ${text}`);
    }
  }
  throw new Error(`still no answer after ${PAGES} pages`);
}

/** The request of a page's form: what is hidden in it, what is ticked, and the button a person would press. */
function filled(page, from, persona) {
  const [, head, inside] = page.match(/<form\b([^>]*)>([^]*?)<\/form>/) ?? [];
  if (head === undefined) throw new Error(`no form on ${from}: ${page}`);
  const body = new URLSearchParams();
  for (const input of elements('input', inside)) {
    if (input.type === 'hidden' || (input.type === 'checkbox' && 'checked' in input)) {
      body.append(input.name, input.value ?? 'on');
    }
  }
  const buttons = elements('button', inside);
  const pressed = buttons.find(({ value }) => value === persona || value === 'allow');
  if (pressed === undefined) throw new Error(`nothing to press for ${persona} on ${from}: ${page}`);
  body.append(pressed.name, pressed.value);
  const url = new URL(attributes(head).action ?? '', from);
  return { url, init: { method: 'POST', body, headers: { origin: from.origin } } };
}

function elements(name, markup) {
  return [...markup.matchAll(new RegExp(`<${name}\\b([^>]*)>`, 'g'))].map(([, inside]) => attributes(inside));
}

function attributes(inside) {
  const found = [...inside.matchAll(/([\w-]+)(?:="([^"]*)")?/g)];
  return Object.fromEntries(found.map(([, name, value]) => [name, value && plain(value)]));
}

function plain(text) {
  return text.replace(/&(#?\w+);/g, (whole, name) => ENTITIES[name] ?? whole);
}
