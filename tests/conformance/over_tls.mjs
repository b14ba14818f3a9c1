// Loaded before the conformance suite where the server to judge speaks TLS: some scenarios write their requests with
// `node:http`, whatever the URL says. To that one server they go with `node:https`, all else as it is.
import http from 'node:http';
import https from 'node:https';

const { hostname, port } = new URL(process.env.AUTHORIZE_URL);
const plain = http.request;

http.request = (to, ...rest) =>
  to.hostname === hostname && String(to.port) === port && to.protocol !== 'https:'
    ? https.request(to, ...rest)
    : plain(to, ...rest);
