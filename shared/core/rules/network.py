"""Who reaches us, whom we reach, and who could read along."""

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.core.loopback import in_the_clear, is_loopback
from shared.core.notify_settings import require_signed
from shared.core.peer_settings import require_private
from shared.core.rules.rule import Rule, in_production, told_by
from shared.core.smtp_settings import require_guarded
from shared.core.upstreams import require_reachable

if TYPE_CHECKING:
    from shared.core.settings import Settings

_LEAST_BITS = {4: 8, 6: 7}  # 10.0.0.0/8 and fc00::/7 are the largest private networks


def _plain_public_url(settings: "Settings") -> str | None:
    url = settings.public_url
    if not url or url.startswith("https://"):
        return None
    if settings.profile == "fleet":
        return "profile=fleet needs a public_url with https"
    plain = in_production(settings) and not is_loopback(urlsplit(url).hostname or "")
    return f"public_url is {url}: tokens and answers would go in the clear" if plain else None


def _any_host(settings: "Settings") -> str | None:
    if any("*" in name for name in (*settings.allowed_hosts, *settings.allowed_origins)):
        return "allowed_hosts and allowed_origins are lists of names; `*` would switch the check off"
    return None


def _any_proxy(settings: "Settings") -> str | None:
    for proxy in settings.trusted_proxies:
        if proxy == "*" or _is_wide(proxy):
            return f"trusted_proxies has {proxy}: it would let every client choose its own address"
    return None


def _is_wide(proxy: str) -> bool:
    try:
        network = ip_network(proxy, strict=False)
    except ValueError:
        return False
    return network.prefixlen < _LEAST_BITS[network.version]


def _public_metrics(settings: "Settings") -> str | None:
    try:
        public = ip_address(settings.metrics_host).is_global
    except ValueError:
        public = False
    shown = settings.metrics_port is not None and public
    return f"metrics_host is {settings.metrics_host}, a public address" if shown else None


def _metrics_everywhere(settings: "Settings") -> str | None:
    every = settings.metrics_host in {"0.0.0.0", "::"}  # noqa: S104 - this is the check for it
    if settings.metrics_port is None or not every or settings.profile == "fleet":
        return None
    return f"metrics_host is {settings.metrics_host}: every network this machine is in can read them"


def _plain_collector(settings: "Settings") -> str | None:
    if not in_production(settings) or not in_the_clear(settings.otlp_endpoint):
        return None
    return f"otlp_endpoint is {settings.otlp_endpoint}: who calls what goes in the clear"


def _plain_mail(settings: "Settings") -> str | None:
    if not in_production(settings) or not settings.smtp.unencrypted:
        return None
    return "smtp.unencrypted is true: mails go over the network in the clear"


RULES = (
    Rule(
        name="public-url-unencrypted",
        when="`public_url` is not https in a fleet, or in stage and prod beyond loopback",
        reason="Access tokens and personal data would cross the network in the clear.",
        remedy="Terminate TLS at the balancer or here (SUITE_TLS__CERTIFICATE), and set SUITE_PUBLIC_URL=https://….",
        settings=("public_url", "profile", "environment"),
        found=_plain_public_url,
    ),
    Rule(
        name="any-host",
        when="`allowed_hosts` or `allowed_origins` has a `*`",
        reason="Pages of any site could reach the server through a browser (DNS rebinding, CORS).",
        remedy="Name each in SUITE_ALLOWED_HOSTS and SUITE_ALLOWED_ORIGINS.",
        settings=("allowed_hosts", "allowed_origins"),
        found=_any_host,
    ),
    Rule(
        name="any-proxy",
        when="`trusted_proxies` has `*`, or a network wider than /8 (IPv6: /7)",
        reason="Every client could choose the address that limits and the audit know it by.",
        remedy="Name the balancer's addresses or its own network in SUITE_TRUSTED_PROXIES.",
        settings=("trusted_proxies",),
        found=_any_proxy,
    ),
    Rule(
        name="public-metrics",
        when="`/metrics` listens on a public address",
        reason="Metrics tell anybody which tools are used, how often, and when the defences are low.",
        remedy="Set SUITE_METRICS_HOST to an address that only the monitoring reaches.",
        settings=("metrics_host", "metrics_port"),
        found=_public_metrics,
    ),
    Rule(
        name="metrics-everywhere",
        when="on a laptop `/metrics` listens on every address",
        reason="Whoever shares a network with the machine reads them.",
        remedy="Leave SUITE_METRICS_HOST out.",
        settings=("metrics_host", "metrics_port", "profile"),
        found=_metrics_everywhere,
        warns=True,
    ),
    Rule(
        name="collector-unencrypted",
        when="in stage or prod `otlp_endpoint` is http beyond loopback",
        reason="Spans tell who calls which tool, and when.",
        remedy="Use https://, or a collector on the same machine.",
        settings=("otlp_endpoint", "environment"),
        found=_plain_collector,
        warns=True,
    ),
    Rule(
        name="smtp-unencrypted",
        when="mails or the relay's password would go in the clear, or half of its settings is missing",
        reason="Anybody between could read or change mails.",
        remedy="Set SUITE_SMTP__SECURITY to starttls or tls (docs/connect-your-smtp.md).",
        settings=("smtp",),
        found=told_by(require_guarded, lambda settings: settings.smtp),
    ),
    Rule(
        name="smtp-unencrypted-on-purpose",
        when="in stage or prod `smtp.unencrypted` is true",
        reason="Anybody between could read or change mails.",
        remedy="Leave SUITE_SMTP__UNENCRYPTED out, and set SUITE_SMTP__SECURITY to starttls or tls.",
        settings=("smtp", "environment"),
        found=_plain_mail,
        warns=True,
    ),
    Rule(
        name="webhook-unsafe",
        when="a webhook of `notify` is http beyond loopback or has no secret, or its mail has no sender",
        reason="Word of approvals could be read or forged.",
        remedy="Set https in SUITE_NOTIFY__TENANT__WEBHOOK_URL, and its __WEBHOOK_SECRETS (docs/approvals.md).",
        settings=("notify",),
        found=told_by(require_signed, lambda settings: settings.notify),
    ),
    Rule(
        name="peer-unencrypted",
        when="one of `peers` is http beyond loopback",
        reason="Callers' tokens would cross the network in the clear.",
        remedy="Use https in SUITE_PEERS.",
        settings=("peers",),
        found=told_by(require_private, lambda settings: settings.peers),
    ),
    Rule(
        name="upstream-unsafe",
        when="an upstream is http beyond loopback, or its credential is incomplete",
        reason="Our credential there would cross the network in the clear, or not be sent.",
        remedy="Use https in SUITE_UPSTREAMS__NAME__URL (docs/tickets-over-jira.md).",
        settings=("upstreams",),
        found=told_by(require_reachable, lambda settings: settings.upstreams),
    ),
)
