"""Keys, tokens and passwords in free text, and what only talks about them."""

import re

_LABEL = r"(?i:passw(?:or[dt]|d)|passphrase|pwd|secret|token|api[_-]?key|(?:access|private)[_-]?key)"

SECRETS = {
    # PEM; JWS and JWE (RFC 7515, 7516); AWS, Stripe, GitHub, npm; OpenAI, Slack, GitLab, Google
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----"
    r"(?:(?!-----END)[\s\S])*+(?:-----END[^-]{0,60}-----)?": "-----begin",
    r"eyJ[\w-]{8,400}+\.[\w.-]*+": "eyj",
    r"(?<![0-9A-Za-z])A(?:KIA|SIA|ROA|IDA)[A-Z0-9]{16}(?![0-9A-Za-z])": "akia asia aroa aida",
    r"(?<![0-9A-Za-z])(?:[sr]k_(?:live|test)|whsec|gh[pousr]|github_pat|npm)_\w{8,}+": "sk_live_ sk_test_ rk_live_ "
    "rk_test_ whsec_ ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ npm_",
    r"(?<![0-9A-Za-z])(?:sk-|xox[abeprs]-|glpat-|AIza)[\w-]{16,}+": "sk- xox glpat- aiza",
    r"(?P<label>(?i:authorization)[\"']?\s{0,4}[:=]\s{0,4}[\"']?(?i:basic|bearer|digest)\s{1,4})"
    r"(?P<value>[^\s\"',;]++)": "authorization",
    r"(?P<label>\b(?i:bearer)\s{1,4})(?=[A-Za-z._~+/=-]{0,64}\d)[\w.~+/=-]{8,}+": "bearer",
    rf"(?P<label>(?P<named>{_LABEL})[\"']?\s{{0,4}}[:=]\s{{0,4}})(?!\[secret\])"
    r"(?P<value>\"[^\"\n]++\"?|'[^'\n]++'?|[^\s\"',;&]++)": "passw passphrase pwd secret token api access private",
    r"(?P<label>://)[^\s/:@]{0,64}+:[^\s/@]{1,256}+(?=@)": "://",
}
"""Expressions for keys and tokens, each with the words, in lower case, that it can begin with."""

_NO_VALUE = re.compile(
    r"(?:str|string|String|bool|boolean|Boolean|int|number|bytes|any|Any|object|null|None|nil|undefined|true|false"
    r"|True|False|async|await|required|optional|read|write"
    r"|the|an?|it|this|must|if|when|see|use)(?![\w-])"  # types; a sentence
    r"|<[A-Za-z][A-Za-z0-9_. /-]{0,80}(?:>|\Z)|<[A-Z ]{3,80}"  # <YOUR_TOKEN>
    r"|\*\*|\.{2,}"
)
_READ_ELSEWHERE = re.compile(
    r"\$\{|\$\(|\$[A-Z_][A-Z0-9_]*\W{0,4}\Z|\{\{"  # of a shell, of a template
    r"|(?:process\.env|import\.meta\.env|os\.environ|os\.getenv|System\.getenv|Deno\.env|getenv)\b|ENV\["
)
_A_NAME = re.compile(r"[A-Za-z]{1,40}+(?:[._][A-Za-z]{1,40}+){0,6}")
_SHAPED = re.compile(r"[._]|^[A-Z][a-z]|[a-z][A-Z]")
_QUOTES = "\"'`"
_ENDS = ")]},;.`<>\\*"


def without_secret(found: re.Match[str]) -> str | None:
    """What introduces the secret stays, so that a reader knows what was there. None if its place is taken by a type,
    a placeholder, or the name of a variable: code that reads a secret holds none.
    """
    groups = found.groupdict()
    value = groups.get("value")
    if value is not None and _is_no_secret(value, groups.get("named") or "token"):
        return None
    return f"{groups.get('label') or ''}[secret]"


def _is_no_secret(value: str, named: str) -> bool:
    plain = value.strip(_QUOTES)
    if _NO_VALUE.match(plain) or _READ_ELSEWHERE.match(plain):
        return True
    if value[0] in _QUOTES or named.lower().startswith(("passw", "pwd")):
        return False
    name = _A_NAME.match(plain)
    if name is None or plain[name.end() : name.end() + 1] not in {"", *_ENDS}:
        return False
    same = name[0].replace("_", "").lower().endswith(re.sub(r"[_-]", "", named).lower())
    return same and (name[0].lower() == named.lower() or _SHAPED.search(name[0]) is not None)
