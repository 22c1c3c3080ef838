{{- define "token2go.name" -}}
{{ ternary .Release.Name (printf "%s-token2go" .Release.Name) (contains "token2go" .Release.Name) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "token2go.selector" -}}
app.kubernetes.io/name: token2go
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "token2go.labels" -}}
{{ include "token2go.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "token2go.image" -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- end }}

{{- /* The name of the port that leads to the gateway listener, directly or through oauth2-proxy. */ -}}
{{- define "token2go.port" -}}
{{ if .Values.gateway.enabled }}http{{ else }}gateway{{ end }}
{{- end }}

{{- define "token2go.powerless" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
