// Loaded before the conformance suite, which has no option for headers: adds the token to each of its requests
// to one origin. Node and undici announce every request before it leaves, so `fetch`, undici's `request` and
// `node:http` are all served without a proxy between, which would hide defects in headers.
import { subscribe } from 'node:diagnostics_channel';

const { host, origin, protocol } = new URL(process.env.AUTHORIZE_URL);
const value = `Bearer ${process.env.AUTHORIZE_TOKEN}`;

subscribe('undici:request:create', ({ request }) => {
  if (String(request.origin) === origin) request.addHeader('authorization', value);
});
subscribe('http.client.request.created', ({ request }) => {
  if (request.protocol === protocol && request.getHeader('host') === host) request.setHeader('authorization', value);
});
