{{- define "suite.tlsSecret" -}}
{{- .Values.tls.secretName | default (printf "%s-tls" (include "suite.name" .)) -}}
{{- end -}}

{{/* What docs/behind-a-balancer.md asks of a balancer, in the words of two controllers. */}}
{{- define "suite.annotations" -}}
{{- $v := .Values -}}
{{- $own := dict -}}
{{- if eq $v.expose.ingress.controller "haproxy" -}}
{{- $own = dict "haproxy.org/load-balance" "roundrobin" "haproxy.org/ssl-redirect" "true" "haproxy.org/timeout-server" "1h" "haproxy.org/backend-config-snippet" "option http-no-delay\nretry-on conn-failure" -}}
{{- end -}}
{{- if eq $v.expose.ingress.controller "nginx" -}}
{{- range $name, $value := dict "ssl-redirect" "true" "proxy-http-version" "1.1" "proxy-buffering" "off" "proxy-request-buffering" "off" "proxy-read-timeout" "3600" "proxy-send-timeout" "3600" "proxy-body-size" "1088k" "proxy-next-upstream" "error timeout" "proxy-next-upstream-tries" "2" -}}
{{- $_ := set $own (printf "nginx.ingress.kubernetes.io/%s" $name) $value -}}
{{- end -}}
{{- if $v.tls.enabled -}}
{{- $_ := set $own "nginx.ingress.kubernetes.io/backend-protocol" "HTTPS" -}}
{{- $_ := set $own "nginx.ingress.kubernetes.io/proxy-ssl-verify" "on" -}}
{{- $_ := set $own "nginx.ingress.kubernetes.io/proxy-ssl-name" (printf "%s.%s.svc" (include "suite.name" .) .Release.Namespace) -}}
{{- $_ := set $own "nginx.ingress.kubernetes.io/proxy-ssl-server-name" "on" -}}
{{- with $v.expose.ingress.clientSecret }}{{ $_ := set $own "nginx.ingress.kubernetes.io/proxy-ssl-secret" . }}{{ end -}}
{{- end -}}
{{- end -}}
{{- toYaml (merge (deepCopy $v.expose.ingress.annotations) $own) -}}
{{- end -}}
