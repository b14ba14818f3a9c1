"""What our objects of other people's kinds may consist of: the part of each definition that the chart uses, closed.

The definitions are those of External Secrets (external-secrets.io/v1), the Prometheus Operator
(monitoring.coreos.com/v1), cert-manager (cert-manager.io/v1) and the Gateway API (gateway.networking.k8s.io/v1).
`kubernetes_validate` has none of them.
"""

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
DURATION: Schema = {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}
TEXTS: Schema = {"type": "array", "minItems": 1, "items": TEXT}
WORDS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}


def closed(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    properties = required | (optional or {})
    return {"type": "object", "additionalProperties": False, "required": [*required], "properties": properties}


def some(items: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "items": items}


_STORE = closed({"kind": {"enum": ["SecretStore", "ClusterSecretStore"]}, "name": TEXT})
_ENTRY = closed({"secretKey": TEXT, "remoteRef": closed({"key": TEXT}, {"property": TEXT})})
_REF = closed({"kind": {"enum": ["Issuer", "ClusterIssuer"]}, "name": TEXT}, {"group": TEXT})
_KEY = closed({"algorithm": {"const": "ECDSA"}, "size": {"enum": [256, 384]}, "rotationPolicy": {"const": "Always"}})
_PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
_PATH = closed({"path": closed({"type": {"enum": ["Exact", "PathPrefix"]}, "value": {"pattern": "^/"}})})
_HEADERS = closed({"type": {"const": "RequestHeaderModifier"}, "requestHeaderModifier": closed({"remove": TEXTS})})

SPECS: dict[tuple[str, str], Schema] = {
    ("external-secrets.io/v1", "ExternalSecret"): closed(
        {
            "refreshInterval": DURATION,
            "secretStoreRef": _STORE,
            "target": closed({"name": TEXT, "creationPolicy": {"const": "Owner"}}),
            "data": some(_ENTRY),
        }
    ),
    ("monitoring.coreos.com/v1", "ServiceMonitor"): closed(
        {
            "namespaceSelector": closed({"matchNames": TEXTS}),
            "selector": closed({"matchLabels": WORDS}),
            "endpoints": some(closed({"port": TEXT, "path": TEXT, "interval": DURATION, "scheme": {"const": "http"}})),
        }
    ),
    ("monitoring.coreos.com/v1", "PrometheusRule"): closed(
        {
            "groups": some(
                closed(
                    {
                        "name": TEXT,
                        "rules": some(
                            closed(
                                {"alert": TEXT, "expr": TEXT, "labels": WORDS, "annotations": WORDS}, {"for": DURATION}
                            )
                        ),
                    }
                )
            )
        }
    ),
    ("cert-manager.io/v1", "Certificate"): closed(
        {
            "secretName": TEXT,
            "issuerRef": _REF,
            "dnsNames": TEXTS,
            "usages": some({"enum": ["server auth"]}),
            "privateKey": _KEY,
        }
    ),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): closed(
        {
            "parentRefs": some(closed({"name": TEXT}, {"namespace": TEXT, "sectionName": TEXT})),
            "hostnames": TEXTS,
            "rules": some(
                closed(
                    {
                        "matches": some(_PATH),
                        "filters": some(_HEADERS),
                        "timeouts": closed({"request": DURATION, "backendRequest": DURATION}),
                        "backendRefs": some(closed({"name": TEXT, "port": _PORT, "weight": {"const": 1}})),
                    }
                )
            ),
        }
    ),
    ("gateway.networking.k8s.io/v1", "BackendTLSPolicy"): closed(
        {
            "targetRefs": some(
                closed({"group": {"const": ""}, "kind": {"const": "Service"}, "name": TEXT}, {"sectionName": TEXT})
            ),
            "validation": closed(
                {
                    "hostname": TEXT,
                    "caCertificateRefs": some(
                        closed({"group": {"const": ""}, "kind": {"const": "ConfigMap"}, "name": TEXT})
                    ),
                }
            ),
        }
    ),
}
