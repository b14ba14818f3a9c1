{{/* What the schema cannot say: combinations that are refused, each with what to do instead. */}}
{{- define "suite.checked" -}}
{{- $v := .Values -}}
{{- $prod := eq $v.environment "prod" -}}
{{- $real := ne $v.environment "dev" -}}
{{- if and $real (eq $v.secrets.source "inline") }}{{ fail "secrets.source is inline outside of dev: values are kept in every release, readable by whoever may read it. Use external or existing" }}{{ end -}}
{{- if and (ne $v.secrets.source "inline") $v.secrets.inline }}{{ fail "secrets.inline holds secrets, and secrets.source does not use them: remove them from the values" }}{{ end -}}
{{- if and $real (not $v.image.digest) }}{{ fail "image.digest is needed outside of dev: a tag can be moved to another image" }}{{ end -}}
{{- if eq (default "" $v.image.tag) "latest" }}{{ fail "image.tag is latest: nobody could say what runs, nor roll back to it" }}{{ end -}}
{{- include "suite.checkedIssuers" . -}}
{{- if and $real (not $v.networkPolicy.enabled) }}{{ fail "networkPolicy.enabled is false outside of dev: every pod of the cluster could reach the servers past the balancer" }}{{ end -}}
{{- if and $prod (or (not $v.database.ca) $v.database.unencrypted) }}{{ fail "prod needs database.ca, and database.unencrypted left alone: the connection to PostgreSQL has to be encrypted and verified" }}{{ end -}}
{{- if and $prod (or (not $v.redis.ca) $v.redis.unencrypted) }}{{ fail "prod needs redis.ca, and redis.unencrypted left alone: the connection to Redis has to be encrypted and verified" }}{{ end -}}
{{- range $line, $of := dict "database" $v.database "redis" $v.redis }}
{{- if and $of.clientCertificate (not $of.ca) }}{{ fail (printf "%s.clientCertificate needs %s.ca: a certificate is shown only to a server that is verified" $line $line) }}{{ end -}}
{{- end -}}
{{- if and $v.tls.clientCa (not $v.tls.enabled) }}{{ fail "tls.clientCa needs tls.enabled: without TLS there is nobody to show a certificate to" }}{{ end -}}
{{- if and (eq $v.database.pooler "transaction") (not (has "suite_database_session_url" $v.secrets.shared)) }}{{ fail "database.pooler is transaction: add suite_database_session_url to secrets.shared, a way past the pooler" }}{{ end -}}
{{- if and $v.trust (not $v.trust.key) }}{{ fail "trust needs kind, name and key" }}{{ end -}}
{{- if regexMatch "\"(password|client_secret|secret_id|webhook_secrets|token)\":|__(password|client_secret|webhook_secrets)\":" (printf "%s%s%s" (toJson $v.settings) (toJson $v.servers) (toJson $v.issuers)) }}{{ fail "a secret stands in settings or issuers, and would be in the environment of pods: make it a file of the Secret, e.g. suite_smtp__password" }}{{ end -}}
{{- range $name, $one := include "suite.servers" . | fromYaml -}}
{{- include "suite.checkedServer" (list $ $name $one) -}}
{{- end -}}
{{- $wanted := mul (include "suite.processes" . | int) ($v.pool.max | int) -}}
{{- if and $v.database.connections (gt $wanted (int $v.database.connections)) }}{{ fail (printf "%s pods with pool.max %v may open %d connections, and database.connections is %v: lower pool.max, or put PgBouncer in between" (include "suite.processes" .) $v.pool.max $wanted $v.database.connections) }}{{ end -}}
{{- end -}}

{{- define "suite.checkedIssuers" -}}
{{- range $name, $issuer := .Values.issuers -}}
{{- if and (ne $.Values.environment "dev") (or (hasPrefix (printf "%s/" $.Values.publicUrl) $issuer.url) (hasSuffix "/idp" $issuer.url)) }}{{ fail (printf "issuers.%s is the mock identity provider, at which everybody may be anybody: name your own provider outside of dev" $name) }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "suite.checkedServer" -}}
{{- $v := (index . 0).Values -}}
{{- $name := index . 1 -}}
{{- $one := index . 2 -}}
{{- $scaled := $one.autoscaling.enabled -}}
{{- if and $scaled (lt ($one.autoscaling.minReplicas | int) 2) }}{{ fail (printf "servers.%s: autoscaling with one replica: while the only one is replaced nobody answers. minReplicas is 2 or more" $name) }}{{ end -}}
{{- if and $scaled (le ($one.autoscaling.maxReplicas | int) ($one.autoscaling.minReplicas | int)) }}{{ fail (printf "servers.%s: autoscaling.maxReplicas is not above minReplicas: nothing would be scaled" $name) }}{{ end -}}
{{- if and (eq $v.environment "prod") (not $scaled) (lt ($one.replicas | int) 2) }}{{ fail (printf "servers.%s has one replica in prod: while it is replaced nobody answers" $name) }}{{ end -}}
{{- range $one.extraEnv -}}
{{- if hasPrefix "SUITE_" .name }}{{ fail (printf "servers.%s.extraEnv has %s: settings of ours belong under settings, where their names are checked" $name .name) }}{{ end -}}
{{- end -}}
{{- end -}}
