{{- define "tamis.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "tamis.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tamis.labels" -}}
{{ include "tamis.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "tamis.image" -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end -}}

{{- define "tamis.embedded" -}}
{{- if not .Values.index.url -}}yes{{- end -}}
{{- end -}}

{{- define "tamis.url" -}}
{{ printf "%s://%s:%d" (ternary "https" "http" (ne .Values.tls.secretName "")) (include "tamis.name" .) (int .Values.service.port) }}
{{- end -}}

{{- /* What a pod of the restricted profile has. */ -}}
{{- define "tamis.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "tamis.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- /* Settings that do not go together are told before anything is made. */ -}}
{{- define "tamis.check" -}}
{{- $credentials := or .Values.auth.keysSecret.name .Values.config.jwt_keys -}}
{{- if not (or $credentials .Values.auth.allowAnonymous) -}}
{{- fail "nobody could call: set auth.keysSecret.name or config.jwt_keys, or auth.allowAnonymous=true" -}}
{{- end -}}
{{- if and $credentials .Values.auth.allowAnonymous -}}
{{- fail "auth.allowAnonymous would make credentials needless: set one of them" -}}
{{- end -}}
{{- if and (include "tamis.embedded" .) .Values.autoscaling.enabled -}}
{{- fail "autoscaling needs index.url: with the embedded index a directory belongs to one process" -}}
{{- end -}}
{{- range $key := list "listen" "metrics_listen" "index" "data_dir" "api_keys" "tls_cert" "tls_key" "tls_client_ca" "anonymous" -}}
{{- if hasKey $.Values.config $key -}}
{{- fail (printf "config.%s is set by the chart; see README.md for the value that does" $key) -}}
{{- end -}}
{{- end -}}
{{- if and (or .Values.ingest.job.enabled .Values.ingest.cronJob.enabled) (not .Values.ingest.sourceClaim) -}}
{{- fail "ingest needs ingest.sourceClaim: the claim with the folder" -}}
{{- end -}}
{{- if and .Values.tls.clientCaKey (not .Values.tls.clientSecretName) -}}
{{- fail "tls.clientCaKey asks every client for a certificate: tls.clientSecretName is that of ingestion and tests" -}}
{{- end -}}
{{- if and .Values.tls.clientCaKey (not .Values.tls.secretName) -}}{{- fail "tls.clientCaKey needs tls.secretName" -}}{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) -}}{{- fail "ingress needs ingress.host" -}}{{- end -}}
{{- if and .Values.gateway.enabled (not .Values.gateway.parentRefs) -}}{{- fail "gateway needs gateway.parentRefs" -}}{{- end -}}
{{- end -}}

{{- /* How a client of ours reaches the service. */ -}}
{{- define "tamis.clientArgs" -}}
- --server
- {{ include "tamis.url" . }}
{{- if .Values.tls.secretName }}
- --ca
- /etc/tamis/tls/ca.crt
{{- end }}
{{- if .Values.tls.clientSecretName }}
- --client-cert
- /etc/tamis/client/tls.crt
- --client-key
- /etc/tamis/client/tls.key
{{- end }}
{{- end -}}

{{- define "tamis.clientMounts" -}}
{{- if .Values.tls.secretName }}
- {name: tls, mountPath: /etc/tamis/tls, readOnly: true}
{{- end }}
{{- if .Values.tls.clientSecretName }}
- {name: client, mountPath: /etc/tamis/client, readOnly: true}
{{- end }}
{{- end -}}

{{- define "tamis.clientVolumes" -}}
{{- if .Values.tls.secretName }}
- name: tls
  secret:
    secretName: {{ .Values.tls.secretName }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- if .Values.tls.clientSecretName }}
- name: client
  secret: {secretName: {{ .Values.tls.clientSecretName }}, defaultMode: 0440}
{{- end }}
{{- end -}}
