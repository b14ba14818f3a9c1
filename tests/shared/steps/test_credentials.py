"""Text that talks about secrets keeps its words; text that holds one does not."""

import pytest

from shared.steps.patterns import mask_text
from tests.data.corpus import FOLDER, MISSING, WHY


@pytest.mark.parametrize(
    "text",
    [
        "API_KEY = process.env.ANTHROPIC_API_KEY",
        "apiKey: ANTHROPIC_API_KEY",
        "api_key: ENV['ANTHROPIC_API_KEY']",
        'TOKEN="$(openssl rand -hex 24)"',
        'curl -H "Authorization: Bearer <access-token>" --data token="$TOKEN"',
        "TOKEN: ${{ secrets.TOKEN }}",
        "password: {{ vault_password }}",
        'SECRET=<YOUR_CLIENT_SECRET> API_KEY="<PUT YOUR API KEY>"',
        "def connect(token: str, secret: str | None = None)",
        "fun call(apiKey: String, token: string): Promise<Token>",
        '{"clientSecret": true, "api_key": null}',
        "f(token=token, secret=self.client_secret, secret=config.OAUTH_CLIENT_SECRET)",
        "progressToken: ProgressToken",
        "permissions: id-token: write",
        "Access token: the credential that a client sends",
        '"API_KEY": "..."',
    ],
)
def test_the_name_of_a_secret_its_type_and_where_it_is_read_are_no_secret(text: str) -> None:
    assert mask_text(text, contact=True) == (text, ())


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password=hunter2", "password=[secret]"),
        ("password: swordfish", "password: [secret]"),
        ("password=$2b$12$KIXQ", "password=[secret]"),
        ("password=string1", "password=[secret]"),
        ("secret=supersecret", "secret=[secret]"),
        ("token: mytoken1", "token: [secret]"),
        ("api_key=abcdef", "api_key=[secret]"),
        ('token: "client_token"', "token: [secret]"),
        ("Authorization: Bearer abc.def-1", "Authorization: Bearer [secret]"),
        ("TOKEN=$TOKEN token=a1b2c3", "TOKEN=$TOKEN token=[secret]"),
    ],
)
def test_a_value_is_a_secret(text: str, masked: str) -> None:
    assert mask_text(text, contact=True) == (masked, ("secret",))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (r'"C:\\Users\\jane\\notes.txt"', '"[path]"'),
        ("`file:///home/jane/x`, then", "`[path]`, then"),
        ("&quot;file:///project/main.rs&quot;", "&quot;[path]&quot;"),
        ("a URI that begins with `file://` is local", "a URI that begins with `file://` is local"),
    ],
)
def test_a_path_ends_where_its_text_goes_on(text: str, masked: str) -> None:
    assert mask_text(text, contact=True)[0] == masked


def test_letters_whose_lower_case_is_longer_hide_no_secret() -> None:
    assert mask_text("İİİ password=hunter2 İ", contact=True)[0] == "İİİ password=[secret] İ"


def test_what_is_hidden_is_found_at_the_end_of_a_long_text() -> None:
    long = "Ordinary words, 12 of them; then more.\n" * 3000
    secrets = (
        "DE89370400440532013000 4111 1111 1111 1111 jane@example.com +49 1512 3456789 123-45-6789 ghp_16C7e42F292c69"
    )
    masked, names = mask_text(f"{long}{secrets} /home/jane/x", contact=True)
    assert set(names) == {"iban", "card", "email", "phone", "national_id", "secret", "path"}
    assert masked.startswith(long)


@pytest.mark.skipif(MISSING, reason=WHY)
def test_of_real_documents_only_examples_of_secrets_people_and_paths_are_masked() -> None:
    masked = [mask_text(path.read_text(), contact=True)[1] for path in FOLDER.rglob("*.mdx")]
    counts = {name: sum(name in names for names in masked) for name in {name for names in masked for name in names}}
    assert counts == {"secret": 35, "path": 77, "email": 24}
