{{- define "suite.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end -}}
{{- end -}}

{{/* What selects all of ours; never changed, for selectors of Deployments cannot be. */}}
{{- define "suite.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "suite.labels" -}}
{{ include "suite.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: {{ .Chart.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "suite.image" -}}
{{- $image := .Values.image -}}
{{ $image.repository }}{{ if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end -}}
{{- end -}}

{{/* The servers that are deployed, as YAML: what is said of one over what is said of each. */}}
{{- define "suite.servers" -}}
{{- $found := dict -}}
{{- range $name, $own := .Values.servers -}}
{{- $one := mustMergeOverwrite (deepCopy $.Values.each) (deepCopy ($own | default dict)) -}}
{{- if $one.enabled }}{{ $_ := set $found $name $one }}{{ end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{/* Most pods of all servers together, as a number. */}}
{{- define "suite.processes" -}}
{{- $sum := 0 -}}
{{- range (include "suite.servers" . | fromYaml) -}}
{{- $sum = add $sum (ternary .autoscaling.maxReplicas .replicas .autoscaling.enabled) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

{{- define "suite.host" -}}
{{- (urlParse .Values.publicUrl).host -}}
{{- end -}}

{{/* Paths of one server: (dict "name" …). People remember the console's; programs are told theirs, and its metadata. */}}
{{- define "suite.paths" -}}
{{- if eq .name "console" -}}
- {path: /console, type: Prefix}
{{- else -}}
- {path: /{{ .name }}/mcp, type: Exact}
- {path: /.well-known/oauth-protected-resource/{{ .name }}/mcp, type: Exact}
{{- end -}}
{{- end -}}

{{- define "suite.secret" -}}
{{- if eq .Values.secrets.source "existing" }}{{ .Values.secrets.existing.servers }}{{ else }}{{ include "suite.name" . }}{{ end -}}
{{- end -}}

{{- define "suite.secretOfMigrations" -}}
{{- if eq .Values.secrets.source "existing" }}{{ .Values.secrets.existing.migrations }}{{ else }}{{ include "suite.name" . }}-migrations{{ end -}}
{{- end -}}
