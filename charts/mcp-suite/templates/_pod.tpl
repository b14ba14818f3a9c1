{{/* Pod security "restricted", and no token of the cluster: nothing of ours asks it anything. */}}
{{- define "suite.guarded" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "suite.confined" -}}
image: {{ include "suite.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  privileged: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{- define "suite.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: data, mountPath: /data}
- {name: secrets, mountPath: /run/secrets/mcp-suite, readOnly: true}
{{- if .Values.database.ca }}
- {name: database-ca, mountPath: /run/authorities/database, readOnly: true}
{{- end }}
{{- if .Values.redis.ca }}
- {name: redis-ca, mountPath: /run/authorities/redis, readOnly: true}
{{- end }}
{{- if .Values.database.clientCertificate }}
- {name: database-certificate, mountPath: /run/certificates/database, readOnly: true}
{{- end }}
{{- if .Values.redis.clientCertificate }}
- {name: redis-certificate, mountPath: /run/certificates/redis, readOnly: true}
{{- end }}
{{- if .Values.trust }}
- {name: trust, mountPath: /run/authorities/trust, readOnly: true}
{{- end }}
{{- if .Values.vault.enabled }}
- {name: vault, mountPath: /run/vault, readOnly: true}
{{- end }}
{{- end -}}

{{/* A file of a Secret or ConfigMap that is there: (list name reference). */}}
{{- define "suite.reference" -}}
{{- $one := index . 1 -}}
- name: {{ index . 0 }}
  {{- if eq $one.kind "Secret" }}
  secret: {secretName: {{ $one.name }}, defaultMode: 0440, items: [{key: {{ $one.key }}, path: {{ $one.key }}}]}
  {{- else }}
  configMap: {name: {{ $one.name }}, defaultMode: 0440, items: [{key: {{ $one.key }}, path: {{ $one.key }}}]}
  {{- end }}
{{- end -}}

{{/* (list root secretName keys): of the Secret only the files that this pod needs. */}}
{{- define "suite.volumes" -}}
{{- $root := index . 0 -}}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
# The audit's spool is here while the database is away: it outlives the container, not the pod.
- name: data
  emptyDir: {sizeLimit: 256Mi}
- name: secrets
  secret:
    secretName: {{ index . 1 }}
    defaultMode: 0440
    items:
      {{- range index . 2 | uniq | sortAlpha }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
{{- with $root.Values.database.ca }}
{{ include "suite.reference" (list "database-ca" .) }}
{{- end }}
{{- with $root.Values.redis.ca }}
{{ include "suite.reference" (list "redis-ca" .) }}
{{- end }}
{{- with $root.Values.database.clientCertificate }}
- name: database-certificate
  secret: {secretName: {{ . }}, defaultMode: 0440, items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key}]}
{{- end }}
{{- with $root.Values.redis.clientCertificate }}
- name: redis-certificate
  secret: {secretName: {{ . }}, defaultMode: 0440, items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key}]}
{{- end }}
{{- with $root.Values.trust }}
{{ include "suite.reference" (list "trust" .) }}
{{- end }}
{{- with $root.Values.vault }}
{{- if .enabled }}
- name: vault
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken: {path: token, audience: {{ .audience }}, expirationSeconds: 3600}
{{- end }}
{{- end }}
{{- end -}}
