{{/* A value as a variable holds it; numbers of YAML are floats here, and 1048576 would be 1.048576e+06. */}}
{{- define "suite.text" -}}
{{- if or (kindIs "map" .) (kindIs "slice" .) }}{{ mustToJson . }}
{{- else if kindIs "float64" . }}{{ if eq (floor .) . }}{{ printf "%.0f" . }}{{ else }}{{ . }}{{ end }}
{{- else }}{{ toString . }}{{ end -}}
{{- end -}}

{{/* What every process is told, the migrations included, as YAML by name of the setting. */}}
{{- define "suite.common" -}}
profile: fleet
environment: {{ .Values.environment }}
public_url: {{ .Values.publicUrl }}
shared_url: true
host: 0.0.0.0
port: 8080
data_dir: /data/suite
secrets_dir: /run/secrets/mcp-suite
issuers:
  {{- toYaml .Values.issuers | nindent 2 }}
{{- with .Values.trustedProxies }}
trusted_proxies: {{ join " " . }}
{{- end }}
replicas: {{ include "suite.processes" . }}
pool_min: {{ .Values.pool.min }}
pool_max: {{ .Values.pool.max }}
drain_notice_s: {{ .Values.drain.notice }}
drain_s: {{ .Values.drain.seconds }}
database_pooler: {{ .Values.database.pooler }}
{{- if .Values.database.ca }}
database_ca: /run/authorities/database/{{ .Values.database.ca.key }}
{{- end }}
{{- if .Values.redis.ca }}
redis_ca: /run/authorities/redis/{{ .Values.redis.ca.key }}
{{- end }}
{{- range $line, $of := dict "database" .Values.database "redis" .Values.redis }}
{{- if $of.clientCertificate }}
{{ $line }}_certificate: /run/certificates/{{ $line }}/tls.crt
{{ $line }}_key: /run/certificates/{{ $line }}/tls.key
{{- end }}
{{- end }}
{{- if .Values.database.unencrypted }}
database_unencrypted: true
{{- end }}
{{- if .Values.redis.unencrypted }}
redis_unencrypted: true
{{- end }}
{{- with .Values.vault }}
{{- if .enabled }}
vault__url: {{ .url }}
vault__role: {{ .role }}
vault__jwt_file: /run/vault/token
{{- end }}
{{- end }}
{{- end -}}

{{/* What a server is told besides. Probes have a port of their own: they are plain HTTP, and never pass a balancer. */}}
{{- define "suite.serving" -}}
health_host: 0.0.0.0
health_port: 8081
metrics_host: 0.0.0.0
metrics_port: 9464
{{- if .Values.policies }}
policy_dir: /run/policies
{{- end }}
{{- if .Values.tls.enabled }}
tls__certificate: /run/tls/tls.crt
tls__key: /run/tls/tls.key
{{- with .Values.tls.clientCa }}
tls__client_ca: /run/authorities/client/{{ .key }}
{{- end }}
{{- with .Values.tls.clientNames }}
tls__client_names: {{ join " " . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Variables of a container: (list root settings extraEnv). */}}
{{- define "suite.env" -}}
{{- $root := index . 0 -}}
{{- range $name, $value := index . 1 }}
- name: SUITE_{{ upper $name }}
  value: {{ include "suite.text" $value | quote }}
{{- end }}
{{- with $root.Values.trust }}
- name: SSL_CERT_FILE
  value: /run/authorities/trust/{{ .key }}
{{- end }}
{{- with index . 2 }}
{{ toYaml . }}
{{- end }}
{{- end -}}
