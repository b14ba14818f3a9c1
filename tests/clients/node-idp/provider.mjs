// npm oidc-provider as an identity provider for tests, on loopback and for as long as its standard input is open.
//
// First line of its output: {"issuer": URL}. Then each line of its input names a resource (RFC 8707), or one anew,
// {"resource": URL, "scopes": "a b", "format": "jwt" | "opaque", "ttl_s": 60}, and is answered by {"resource": URL}.
// What has to be asked of a person is told as JSON at the interaction's URL, and answered there by posting a form:
// `person` (and `acr`, how they signed in) to sign in, `allow` (scopes) to consent, `deny` to do neither.
import { Console } from "node:console";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider, { errors, interactionPolicy } from "oidc-provider";

globalThis.console = new Console(process.stderr); // the other output is the starter's to read
const HOST = "127.0.0.1";
const ALGORITHM = "ES256";
const [, , CLIENT_ID, CLIENT_SECRET] = process.argv;

const resources = new Map();
const server = createServer();
await new Promise((resolve) => server.listen(0, HOST, resolve));
const issuer = `http://${HOST}:${server.address().port}`;

function signingKey() {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const kid = randomBytes(8).toString("hex");
  return { ...privateKey.export({ format: "jwk" }), alg: ALGORITHM, use: "sig", kid };
}

function resourceServer(_ctx, indicator) {
  const known = resources.get(indicator);
  if (!known) throw new errors.InvalidTarget();
  return {
    scope: known.scopes,
    audience: indicator,
    accessTokenFormat: known.format,
    accessTokenTTL: known.ttl_s,
    jwt: { sign: { alg: ALGORITHM } },
  };
}

// RFC 9068 §2.2.1: how and when the person signed in, which resource servers may ask for (RFC 9470).
function signedIn(ctx) {
  const source = ctx.oidc.entities.AuthorizationCode ?? ctx.oidc.entities.RefreshToken;
  return source && { acr: source.acr, auth_time: source.authTime };
}

// Whoever did not sign in as `acr_values` asks does so again (RFC 9470 §5).
function policy() {
  const prompts = interactionPolicy.base();
  const check = new interactionPolicy.Check("acr_values", "another sign-in is required", "login_required", (ctx) => {
    const { params, session, result } = ctx.oidc;
    const enough = !params.acr_values || params.acr_values.split(" ").includes(session.acr);
    return enough || Boolean(result?.login) ? interactionPolicy.Check.NO_NEED_TO_PROMPT : interactionPolicy.Check.REQUEST_PROMPT;
  });
  prompts.get("login").checks.add(check);
  return prompts;
}

const provider = new Provider(issuer, {
  jwks: { keys: [signingKey()] },
  cookies: { keys: [randomBytes(32).toString("hex")] },
  enabledJWA: { idTokenSigningAlgValues: [ALGORITHM] },
  clientDefaults: { id_token_signed_response_alg: ALGORITHM },
  // What our servers are called here: they ask about tokens and get none.
  clients: [
    {
      client_id: CLIENT_ID,
      client_secret: CLIENT_SECRET,
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: [],
      response_types: [],
      redirect_uris: [],
    },
  ],
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
    introspection: { enabled: true, allowedPolicy: (_ctx, client) => client.clientId === CLIENT_ID },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: resourceServer,
    },
  },
  // A client registers with the scopes it is about to ask for (RFC 7591 §2). This provider takes none there that belong
  // to a resource, and would hold the client to them: what it may have is decided each time by consent.
  extraClientMetadata: {
    properties: ["may_ask_for"],
    validator(_ctx, _name, _value, metadata) {
      delete metadata.scope;
    },
  },
  pkce: { required: () => true },
  extraTokenClaims: signedIn,
  findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  acrValues: ["password", "two-factors"],
  interactions: { policy: policy(), url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  ttl: { Grant: 3600, Interaction: 60, Session: 3600 },
});
provider.on("server_error", (_ctx, error) => console.error(error));

async function consented(details, allowed) {
  const { prompt, params, session, grantId } = details;
  const known = grantId && (await provider.Grant.find(grantId));
  const grant = known || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  if (prompt.details.missingOIDCScope) grant.addOIDCScope(prompt.details.missingOIDCScope.join(" "));
  for (const [indicator, scopes] of Object.entries(prompt.details.missingResourceScopes ?? {})) {
    const granted = scopes.filter((scope) => allowed.includes(scope));
    grant.addResourceScope(indicator, granted.join(" "));
    grant.rejectResourceScope(indicator, scopes.filter((scope) => !granted.includes(scope)).join(" "));
  }
  return { consent: { grantId: await grant.save() } };
}

async function form(request) {
  let text = "";
  for await (const piece of request) text += piece;
  return new URLSearchParams(text);
}

async function answered(details, said) {
  if (said.has("deny")) return { error: "access_denied", error_description: "The person said no" };
  if (details.prompt.name === "consent") return consented(details, (said.get("allow") ?? "").split(" "));
  return { login: { accountId: said.get("person"), acr: said.get("acr"), amr: ["pwd"] } };
}

async function interact(request, response) {
  const details = await provider.interactionDetails(request, response);
  if (request.method === "POST") {
    const result = await answered(details, await form(request));
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
    return;
  }
  const { name, reasons, details: asked } = details.prompt;
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify({ prompt: name, reasons, ...asked }));
}

const callback = provider.callback();
server.on("request", (request, response) => {
  if (!request.url.startsWith("/interaction/")) {
    callback(request, response);
    return;
  }
  interact(request, response).catch((error) => {
    response.statusCode = 400;
    response.end(String(error));
  });
});

function say(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

say({ issuer });
for await (const line of createInterface({ input: process.stdin })) {
  const { resource, ...facts } = JSON.parse(line);
  resources.set(resource, facts);
  say({ resource });
}
process.exit(0);
