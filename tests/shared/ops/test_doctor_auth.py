"""`mcp-suite doctor auth`: it comes to what the verifier comes to, says what to do, and never shows the token."""

import asyncio
import itertools
import json
import socket
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
import uvicorn

import servers
from shared.core.settings import Settings
from shared.ops.token_doctor import command
from shared.ops.token_doctor.command import verdict_of
from shared.ops.token_doctor.explain import explain
from shared.ops.token_doctor.told import Question, Told
from shared.state.http import open_client
from shared.steps.challenges import ADVICE
from shared.steps.providers import open_providers
from tests.harness import Databases, open_suite
from tests.loopback import tcp_listener
from tests.shared.steps.claim_rows import at
from tests.shared.steps.issuing import b64
from tests.shared.steps.matrix_issuers import ATTACKER, OUT_THERE, RESOURCE, URLS, Web, signed, trusted
from tests.shared.steps.provider_shapes import auth0, entra, entra_app, keycloak, okta
from tests.shared.steps.token_rows import ACCEPTED, Row, unsigned
from tests.shared.steps.token_table import TABLE
from tests.shell import Shell, keep_logs

pytestmark = pytest.mark.anyio

PRIVATE: dict[str, Any] = {"name": "Zoë Private", "email": "zoe@private.example", "phone_number": "+49 30 901820"}
JWE = ".".join(map(b64, (b'{"alg":"dir","enc":"A256GCM"}', b"k", b"iv", b"text", b"tag")))


@dataclass
class Surgery:
    """Whoever asks the doctor, and the providers out there."""

    question: Question
    origin: str

    async def told(self, authorization: str | None) -> Told:
        """What is said of the token in this header."""
        token = (authorization or "").partition(" ")[2].strip()
        return await explain(self.question, token, await self.verdict(authorization))

    async def text(self, token: str) -> str:
        """All that is said of a token, before anything is taken out of it."""
        told = await self.told(f"Bearer {token}")
        return "\n".join(f"{one.level}: {one.text}\n{one.fix}" for one in told.findings)

    async def verdict(self, authorization: str | None) -> str:
        return await verdict_of(self.question, authorization)


@asynccontextmanager
async def open_surgery(origin: str, **settings: Any) -> AsyncGenerator[Surgery]:
    read = Settings.model_validate({"public_url": "http://suite.example", **settings})
    async with open_providers(read) as providers, open_client() as client:
        elsewhere = {"http://suite.example/mcp": "this server alone"}
        question = Question(read, servers.load("customers"), RESOURCE, elsewhere, providers, client, time.time)
        yield Surgery(question, origin)


@asynccontextmanager
async def listening(app: Any) -> AsyncGenerator[str]:
    """The origin of an application on loopback."""
    quiet: dict[str, Any] = {"log_level": "critical", "lifespan": "off", "ws": "none", "date_header": False}
    server = uvicorn.Server(uvicorn.Config(app, **quiet, timeout_graceful_shutdown=1))
    with tcp_listener() as listener:
        task = asyncio.create_task(server.serve([listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            async with asyncio.timeout(5):
                await task


@pytest.fixture(scope="module")
async def surgery() -> AsyncGenerator[Surgery]:
    async with listening(Web().app()) as origin:
        OUT_THERE["origin"] = origin
        async with open_surgery(origin, issuers=trusted(origin)) as opened:
            yield opened


def header_of(row: Row) -> str | None:
    made = row.make()
    if isinstance(made, str):
        return f"Bearer {made}"
    return made.authorization[0] if made.authorization else None


ROWS = [row for row in TABLE if row.outcome != "two"]
"""Of two headers the edge says so, before there is a token."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_the_doctor_comes_to_what_the_verifier_comes_to(surgery: Surgery, row: Row) -> None:
    header = header_of(row)
    told = await surgery.told(header)
    assert told.outcome == await surgery.verdict(header) == row.outcome
    assert (told.caller is not None) or row.outcome != ACCEPTED
    for name, value in row.caller.items():
        assert getattr(told.caller, name) == value
    for finding in told.findings:
        assert finding.level != "problem" or finding.fix
        assert not any(part in finding.text + finding.fix for part in (header or "").split(".") if len(part) > 20)


FAULTS: dict[str, dict[str, Any]] = {
    "issuer": {"iss": URLS["main"] + "/"},
    "algorithm": {"by": "p384"},
    "key": {"header": {"kid": "unheard-of"}},
    "signature": {"key": ATTACKER},
    "type": {"header": {"typ": "logout+jwt"}},
    "bound": {"cnf": {"jkt": "AAAA"}},
    "audience": {"aud": "https://else.example/mcp"},
    "not_yet_valid": {"nbf": int(time.time()) + 6000},
    "lifetime": {"iat": int(time.time()) - 90_000},
    "claims": {"sub": ...},
    "tenant": {"tenant": "initech"},
    "expired": {"exp": int(time.time()) - 60, "iat": int(time.time()) - 600},
}


def pairs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for (one, first), (other, second) in itertools.combinations(FAULTS.items(), 2):
        if not (first.keys() & second.keys()) - {"header"} and {one, other} != {"algorithm", "signature"}:
            header = {**first.get("header", {}), **second.get("header", {})}
            yield one, other, {**first, **second, "header": header}


@pytest.mark.parametrize(("one", "other", "spoilt"), [*pairs()], ids=lambda value: value if type(value) is str else "")
async def test_of_two_faults_both_are_told_and_the_verifiers_first(
    surgery: Surgery, one: str, other: str, spoilt: dict[str, Any]
) -> None:
    header = f"Bearer {signed(**spoilt)}"
    told = await surgery.told(header)
    assert told.outcome == await surgery.verdict(header)
    # Nothing is left to judge them by, or one check finds the first.
    unseen = {"algorithm": {"key"}, "key": {"signature"}, "type": {"bound"}, "not_yet_valid": {"lifetime"}}
    hidden = unseen.get(one, set()) | unseen.get(other, set())
    assert {one, other} - hidden - {"issuer"} <= set(told.reasons)


HINTS: list[tuple[str, Callable[[], str], list[str]]] = [
    (
        "a slash too many in the issuer",
        lambda: signed(iss=URLS["main"] + "/"),
        ["differ in the slash at the end", f"SUITE_ISSUERS__MAIN__URL={URLS['main']}/", "as if the token were from"],
    ),
    ("http for https", lambda: signed(iss="http://main.example"), ["differ in http and https"]),
    (
        "Entra, version 1",
        lambda: entra(iss="https://sts.windows.net/0000-tid/"),
        ["version 1 token", "requestedAccessTokenVersion to 2"],
    ),
    ("Okta, the org's own", lambda: okta(iss="https://acme.okta.com"), ["org authorization server", "custom one"]),
    ("an unknown issuer", lambda: signed(iss="https://else.example"), ["else.example is not trusted; trusted:"]),
    (
        "the algorithm",
        lambda: unsigned("HS256"),
        ["HS256 is not accepted; accepted: ES256", "SUITE_ISSUERS__MAIN__ALGORITHMS", "was not checked"],
    ),
    ("the key", lambda: signed(header={"kid": "unheard-of"}), ["unheard-of is not among the keys", "main-es256"]),
    ("its kind", lambda: signed(header={"alg": "PS256"}, by="rs256-only"), ["rs256-only is for RS256"]),
    ("no kid", lambda: signed(header={"kid": ...}), ["does not say which"]),
    ("another signature", lambda: signed(key=ATTACKER), ["it is not by main-es256", "Obtain a new token"]),
    ("no typ", lambda: signed(header={"typ": ...}), ["no `typ`", "SUITE_ISSUERS__NAME__TOKEN_TYPES"]),
    ("an ID token", lambda: signed(header={"typ": "JWT"}, nonce="n"), ["an ID token", "Send the access token"]),
    ("Keycloak's refresh token", lambda: keycloak(typ="Refresh"), ["the claim `typ` says Refresh"]),
    ("DPoP", lambda: signed(cnf={"jkt": "AAAA"}), ["switch DPoP"]),
    (
        "another audience",
        lambda: signed(aud="api://other"),
        [
            f"the token is for api://other; customers is {RESOURCE}, api://customers",
            """SUITE_ISSUERS__MAIN__AUDIENCES='{"customers":"api://other"}'""",
        ],
    ),
    ("no audience", lambda: signed(aud=...), ["names none (`aud`)", "audience mapper"]),
    ("an audience with a slash", lambda: signed(aud=f"{RESOURCE}/"), ["differ in the slash", "byte for byte"]),
    ("this server by another URL", lambda: signed(aud="http://suite.example/mcp"), ["is this server alone."]),
    ("Keycloak's account", lambda: keycloak(aud="account"), ["Keycloak's own", "included custom audience"]),
    ("Auth0 itself", lambda: auth0(aud=f"{URLS['auth0']}userinfo"), ["no API was asked for", "`audience`"]),
    ("Graph", lambda: entra(aud="00000003-0000-0000-c000-000000000000"), ["Microsoft Graph"]),
    ("the client", lambda: signed(aud="desktop"), ["That is the client"]),
    ("an end", lambda: signed(**at(iat=-900, exp=-300)), ["it ended 5 min ago", "SUITE_CLOCK_SKEW_S"]),
    ("a beginning", lambda: signed(**at(nbf=3000)), ["it begins in 50 min; clocks may differ by 30 s", "chronyc"]),
    (
        "a life",
        lambda: signed(**at(iat=0, exp=5400)),
        [
            "it lives 90 min (5400 s); 3600 s are the most",
            "SUITE_ISSUERS__MAIN__MAX_LIFETIME_S=5400",
            "60 to 90 minutes",
        ],
    ),
    ("a long life", lambda: signed(**at(iat=0, exp=100_000)), ["Longer than a day is never accepted"]),
    ("no end", lambda: signed(exp=...), ["exp missing, or no number"]),
    (
        "no tenant",
        lambda: signed(tenant=..., org_id="o-1", tid=7),
        [
            "tenant: `tenant` is not in the token",
            "look like it: org_id, tid. The setting is SUITE_ISSUERS__MAIN__TENANT_CLAIM.",
            "SUITE_ISSUERS__MAIN__TENANT=TENANT",
        ],
    ),
    (
        "another tenant",
        lambda: signed(tenant="initech"),
        ["`tenant` is initech; this issuer vouches for acme", """TENANTS='{"acme":"acme","initech":"TENANT"}'"""],
    ),
    ("no client", lambda: signed(client_id=..., azp_id="x"), ["`client_id` and `azp`", "azp_id", "CLIENT_CLAIMS"]),
    (
        "no roles",
        lambda: signed(groups=["a"], realm_access={"roles": ["b"]}),
        [
            "none that count, looked for in `roles`",
            "groups, realm_access.roles. The setting is SUITE_ISSUERS__MAIN__ROLE_",
        ],
    ),
    ("roles without meaning", lambda: okta(groups=["Everyone"]), ["is among 'Support agents'", "ROLE_NAMES"]),
    (
        "scopes of other names",
        lambda: entra(scp="Customers.Export"),
        ["none of customers in `scp` and `roles`; there are: Customers.Export", "SUITE_ISSUERS__ENTRA__SCOPE_NAMES"],
    ),
    ("no scopes", lambda: signed(scope=..., permissions=["x"]), ["permissions. The setting is", "ask for one"]),
    ("scopes in a number", lambda: signed(scope=7), ["`scope` and `scp` has the wrong form", "words in a text"]),
    ("a weak sign-in", lambda: signed(acr="gold"), ["gold (from `acr`) is none of aal1", "ACR_NAMES"]),
    ("an unknown sign-in", lambda: signed(amr=["pwd"]), ["how strong is not told", "amr. The setting is"]),
    ("a program", entra_app, ["trust: service, a program by itself"]),
    (
        "a program taken for a person",
        lambda: signed(gty="client-credentials"),
        ["looks like a program", """SERVICE_CLAIMS='{"gty":"client-credentials"}'"""],
    ),
    ("an agent", lambda: signed(act={"sub": "agent-1"}), ["actors: agent-1", "trust: delegated, an agent on behalf"]),
    ("a key of its own", lambda: signed(header={"jku": "https://x.example"}), ["brings the URL of keys of its own"]),
    ("crit", lambda: signed(header={"crit": []}), ["`crit` demands an extension"]),
    ("a cut token", lambda: signed().rpartition(".")[0] + ".", ["a part of the token is empty"]),
    ("quotes", lambda: f'"{signed()}"', ["in quotes"]),
    ("two lines", lambda: f"{signed()[:80]}\n{signed()[80:]}", ["line ends in the token"]),
    ("an answer", lambda: '{"access_token":"' + signed() + '"}', ["this is JSON", "`access_token`"]),
    ("too long", lambda: "x" * 17_000, ["has 17000 characters; 16384 are the most"]),
    ("an opaque token nobody knows", lambda: "opaque-unknown", ["opaque.example says that the token is not active"]),
    ("an opaque token", lambda: "opaque-active", ["says that the token is active", "subject: user-7 (from `sub`)"]),
]


@pytest.mark.parametrize(("make", "expected"), [hint[1:] for hint in HINTS], ids=[hint[0] for hint in HINTS])
async def test_what_is_wrong_and_what_to_do_is_said(
    surgery: Surgery, make: Callable[[], str], expected: list[str]
) -> None:
    said = await surgery.text(make())
    assert [words for words in expected if words not in said] == [], said


@pytest.mark.parametrize(
    ("token", "expected"),
    [("0123456789abcdef", "an opaque token"), (JWE, "an encrypted JWT"), ("a.b.c.d", "it has 4 parts")],
)
async def test_a_token_nobody_can_read_is_told_apart(surgery: Surgery, token: str, expected: str) -> None:
    async with open_surgery(surgery.origin, issuer="https://main.example") as without:
        said = await without.text(token)
        assert (
            (await without.told(f"Bearer {token}")).outcome == await without.verdict(f"Bearer {token}") == "malformed"
        )
    assert expected in said
    assert "INTROSPECT" in said or "encrypts" in said


def issuers(origin: str, **changes: Any) -> dict[str, Any]:
    """The main issuer alone, with changes."""
    return {"main": {**trusted(origin)["main"], **changes}}


class TestProvider:
    async def test_what_can_be_judged_without_it_is_judged(self, surgery: Surgery) -> None:
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            closed = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        async with open_surgery(closed, issuers=issuers(closed, jwks_url=f"{closed}/jwks")) as alone:
            header = f"Bearer {signed(aud='api://else')}"
            told = await alone.told(header)
            assert told.outcome == await alone.verdict(header) == "unavailable"
            assert told.reasons == ["unavailable", "audience"]
            said = await alone.text(signed())
        assert "is not reached: ConnectError" in said
        assert "callers get a 503" in said
        assert "SSL_CERT_FILE" in said
        assert "subject: user-7" in said

    @pytest.mark.parametrize(
        ("metadata", "keys", "expected"),
        [
            ({"issuer": "{url}/"}, {}, "idp/, which is not the issuer byte for byte"),
            ({"issuer": "{url}"}, {}, "names no jwks_uri"),
            ({"issuer": "{url}", "jwks_uri": "ftp://idp.example/keys"}, {}, "names a jwks_uri without TLS"),
            ({"issuer": "{url}", "jwks_uri": "{url}/keys"}, {"kies": []}, "holds no keys: no JWK set"),
            (None, {}, "status 404"),
            (
                {"issuer": "{url}", "jwks_uri": "{url}/keys"},
                {"keys": [{"kty": "oct", "k": "AAAA"}]},
                "1 more are of no use here",
            ),
        ],
    )
    async def test_metadata_and_keys_that_do_not_do_are_told_why(
        self, metadata: dict[str, str] | None, keys: dict[str, Any], expected: str
    ) -> None:
        async def answer(scope: Any, _receive: Any, send: Any) -> None:
            url = f"http://{dict(scope['headers'])[b'host'].decode()}/idp"
            found = keys if scope["path"] == "/idp/keys" else metadata
            body = json.dumps(found).replace("{url}", url).encode()
            status = 404 if found is None else 200
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": body})

        async with listening(answer) as origin, open_surgery(origin, issuer=f"{origin}/idp") as opened:
            said = await opened.text(signed(iss=f"{origin}/idp"))
        assert expected in said

    async def test_clocks_that_differ_are_noticed(self) -> None:
        async def answer(_scope: Any, _receive: Any, send: Any) -> None:
            headers = [(b"date", b"Sat, 01 Jan 2000 00:00:00 GMT")]
            await send({"type": "http.response.start", "status": 404, "headers": headers})
            await send({"type": "http.response.body"})

        async with listening(answer) as origin, open_surgery(origin, issuer=f"{origin}/idp") as opened:
            assert "behind this machine's" in await opened.text(signed(iss=f"{origin}/idp"))

    async def test_one_that_says_nothing_about_tokens_is_told_why(self) -> None:
        async def answer(_scope: Any, receive: Any, send: Any) -> None:
            while (await receive()).get("more_body"):
                pass
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b'{"error":"invalid_client"}'})

        async with listening(answer) as origin:
            asked = {"introspect": "opaque", "introspection_url": f"{origin}/ask", "client_id": "suite"}
            settings = {"it": {"url": f"{origin}/idp", **asked, "client_secret": "hush-hush"}}
            async with open_surgery(origin, issuers=settings) as opened:
                said = await opened.text("0123456789abcdef")
                assert await opened.verdict("Bearer 0123456789abcdef") == "unavailable"
        assert "answers with status 401: our credentials are refused" in said
        assert "hush-hush" not in said


@pytest.fixture
def shell(surgery: Surgery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Without a database."""
    keep_logs(monkeypatch)
    names = ("DATABASE_URL", "REDIS_URL", "SUITE_DATABASE_URL", "SUITE_REDIS_URL")
    env: dict[str, str | None] = dict.fromkeys(names)
    env |= {"SUITE_DATA_DIR": str(tmp_path), "SUITE_PUBLIC_URL": "http://suite.example"}
    return Shell(env | {"SUITE_ISSUERS": json.dumps(trusted(surgery.origin))})


class TestCommand:
    @pytest.mark.parametrize("form", ["{}", "Bearer {}", "Authorization: Bearer {}\n", "bearer\n{}\n"])
    async def test_a_token_is_taken_as_people_paste_it(self, shell: Shell, form: str) -> None:
        token = signed(roles=["support"], **PRIVATE)
        ended = await shell.run("doctor", "auth", stdin=form.format(token))
        assert (ended.exit_code, ended.stdout.splitlines()[-1]) == (0, "So: accepted."), ended.output
        assert "the database of this machine does not run" in ended.stdout
        assert "rights: the caller sees" in ended.stdout

    async def test_one_on_the_command_line_counts_too(self, shell: Shell) -> None:
        ended = await shell.run("doctor", "auth", "--token", signed(exp=int(time.time()) - 60, iat=1))
        assert ended.exit_code == 1
        assert f"Its sender is told: {ADVICE['lifetime']}" in ended.stdout

    async def test_none_is_refused_as_missing(self, shell: Shell) -> None:
        ended = await shell.run("doctor", "auth", "--token", "-", stdin="\n")
        assert (ended.exit_code, "So: refused (missing)" in ended.stdout) == (1, True)

    @pytest.mark.parametrize(
        "make",
        [
            lambda: signed(**PRIVATE),
            lambda: signed(**PRIVATE, tenant=..., org_email="zoe@private.example"),
            lambda: signed(**PRIVATE, groups="zoe@private.example", acr=["zoe@private.example"]),
            lambda: signed(**PRIVATE, key=ATTACKER),
            lambda: entra(preferred_username="zoe@private.example", name="Zoë Private"),
            lambda: f"{signed()}x.y",
            lambda: "0123456789abcdef",
        ],
    )
    @pytest.mark.parametrize("words", [("--token",), ("--tokem",), ("--server", "none", "--token"), ()])
    async def test_neither_token_nor_person_is_shown(
        self, shell: Shell, make: Callable[[], str], words: tuple[str, ...]
    ) -> None:
        token = make()
        ended = await shell.run("doctor", "auth", *words, token)
        said = ended.output + str(ended.exception) + ended.stderr
        assert not [part for part in (token, *token.split(".")) if len(part) > 7 and part in said]
        assert not [private for private in PRIVATE.values() if private in said]

    async def test_a_token_in_place_of_a_server_is_not_repeated(self, shell: Shell) -> None:
        token = signed()
        said = await shell.fails("doctor", token)
        assert "mcp-suite doctor auth" in said
        assert token not in said

    async def test_a_fault_of_ours_shows_nothing_either(self, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
        async def fail(_question: Question, token: str, _verdict: str) -> Told:
            raise RuntimeError(f"no way with {token}")

        monkeypatch.setattr(command, "explain", fail)
        token = signed()
        ended = await shell.run("doctor", "auth", stdin=token)
        assert (ended.exit_code, ended.stdout) == (1, "")
        assert "RuntimeError" in ended.stderr
        assert token not in ended.output + ended.stderr + str(ended.exception)

    async def test_steps_that_miss_what_the_verifier_finds_say_so(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(command, "verdict_of", _for_another)
        ended = await shell.run("doctor", "auth", stdin=signed())
        assert ended.exit_code == 1
        assert "The steps above came to accepted: they are not to be relied on" in ended.stdout

    async def test_a_caller_that_is_taken_for_what_is_lacking_is_told_its_rights(self, shell: Shell) -> None:
        said = "\n".join(await shell.does("doctor", "auth", stdin=signed(roles=["support"], scope="customers:export")))
        assert "rights: customers:export of the token do not count, by policy" in said
        assert "for policy lets this caller not hold customers:export: cancel_job, export_customers" in said
        assert "mcp-suite policy explain customers.cancel_job" in said


async def _for_another(*_: object) -> str:
    return "audience"


async def test_what_is_stopped_is_said(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_logs(monkeypatch)
    urls = await databases.fresh()
    async with open_suite(urls, tmp_path) as suite:
        shell = Shell.beside(urls, tmp_path)
        shell.env |= {"SUITE_PORT": str(suite.settings.port), "SUITE_DATABASE_READER_URL": urls.reader}
        token = suite.token("manager", sid="login-1")
        said = "\n".join(await shell.does("doctor", "auth", stdin=token))
        assert "stops: neither the token" in said
        assert "rights: 4 not, for the token lacks customers:export: cancel_job, export_customers" in said
        assert said.endswith("So: accepted.")
        await shell.does("stop", "tool", "customers.merge_customers", "--reason", "wrong merges")
        said = "\n".join(await shell.does("doctor", "auth", stdin=token))
        assert "1 not, for an administrator stopped them: merge_customers" in said
        await shell.does("stop", "user", "acme-sales-manager", "--tenant", "acme", "--reason", "a stolen laptop")
        ended = await shell.run("doctor", "auth", stdin=token)
        assert (ended.exit_code, "a stolen laptop" in ended.stdout) == (1, True)
        assert ended.stdout.splitlines()[-1] == "So: accepted, but its caller is stopped here."
        await shell.does("stop", "login", "login-1", "--reason", "phished")
        ended = await shell.run("doctor", "auth", stdin=token)
        assert (ended.exit_code, "So: refused (revoked)" in ended.stdout) == (1, True)
        with anyio.fail_after(5):
            while (await suite.post(token, "tools/list", {})).status_code != 401:
                await anyio.sleep(0.02)


async def test_a_database_that_is_away_keeps_nothing_else_from_being_said(shell: Shell) -> None:
    shell.env["DATABASE_URL"] = "postgresql://nobody:nothing@127.0.0.1:1/none"
    said = "\n".join(await shell.does("doctor", "auth", stdin=signed(roles=["support"])))
    assert "stops: not looked at, for the database cannot be asked" in said
    assert "nothing@" not in said


@pytest.mark.parametrize("server", ["customers", "customers --tenant acme", "--tenant acme customers"])
async def test_the_doctor_of_servers_is_still_there(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    keep_logs(monkeypatch)
    shell = Shell.beside(await databases.fresh(), tmp_path)
    assert "connected" in "\n".join(await shell.does("doctor", *server.split()))
