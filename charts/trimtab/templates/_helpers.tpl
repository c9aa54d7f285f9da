{{- define "trimtab.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "trimtab.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "trimtab.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "trimtab.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "trimtab.selector" -}}
app.kubernetes.io/name: {{ include "trimtab.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "trimtab.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "trimtab.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "trimtab.account" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "trimtab.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.create is off: name the account that exists in serviceAccount.name" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The account as the API server names it, which is what admission policies compare. */}}
{{- define "trimtab.username" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "trimtab.account" . }}
{{- end -}}

{{- define "trimtab.image" -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}

{{/* Without PostgreSQL the log is one SQLite file, which one process at a time may have open. */}}
{{- define "trimtab.embedded" -}}
{{- if not .Values.database.secret -}}true{{- end -}}
{{- end -}}

{{/* Fails for what the schema cannot see. Every template that grants something or starts something includes it. */}}
{{- define "trimtab.checked" -}}
{{- $own := .Release.Namespace -}}
{{- range .Values.act.namespaces -}}
{{- if has . (list "kube-system" "kube-public" "kube-node-lease") -}}
{{- fail (printf "act.namespaces: trimtab never acts in %s. Take it out of the list." .) -}}
{{- end -}}
{{- if eq . $own -}}
{{- fail (printf "act.namespaces: %s is trimtab's own namespace, where it never acts. Take it out of the list, or install trimtab elsewhere." .) -}}
{{- end -}}
{{- if and $.Values.watch.namespaces (not (has . $.Values.watch.namespaces)) -}}
{{- fail (printf "act.namespaces: %s is not watched. Add it to watch.namespaces, or leave watch.namespaces empty to watch all." .) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.act.namespaces (not .Values.admission.enabled) -}}
{{- fail "admission.enabled: without the admission policies the account could mount any secret where it may patch. Leave them on, or leave act.namespaces empty." -}}
{{- end -}}
{{- if and .Values.act.namespaces (include "trimtab.embedded" .) (not .Values.persistence.enabled) -}}
{{- fail "persistence.enabled: acting needs a log that survives the pod. Turn the claim on, or name a PostgreSQL in database.secret, or leave act.namespaces empty." -}}
{{- end -}}
{{- $groups := .Values.groups -}}
{{- range .Values.approvers -}}
{{- if and (hasPrefix "group:" .) (not (hasKey $groups (trimPrefix "group:" .))) -}}
{{- fail (printf "approvers: %s has no members. Add groups.%s, or take it out." . (trimPrefix "group:" .)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The usernames of the approvers, groups expanded, one per line. */}}
{{- define "trimtab.approvers" -}}
{{- $users := list -}}
{{- range .Values.approvers -}}
{{- if hasPrefix "group:" . -}}
{{- $users = concat $users (index $.Values.groups (trimPrefix "group:" .)) -}}
{{- else -}}
{{- $users = append $users (trimPrefix "user:" .) -}}
{{- end -}}
{{- end -}}
{{- $users | uniq | sortAlpha | join "\n" -}}
{{- end -}}

{{/* The secrets that are mounted, as folder: secret. Each may be missing, or come later. */}}
{{- define "trimtab.secrets" -}}
{{- $name := include "trimtab.fullname" . -}}
slack: {{ default (printf "%s-slack" $name) .Values.slack.secret }}
prometheus: {{ default (printf "%s-prometheus" $name) .Values.prometheus.secret }}
alertmanager: {{ default (printf "%s-alertmanager" $name) .Values.alertmanager.secret }}
webhook: {{ default (printf "%s-webhook" $name) .Values.notify.webhook.secret }}
proxy: {{ default (printf "%s-proxy" $name) .Values.page.secret }}
{{- with .Values.notify.pagerduty.secret }}
pagerduty: {{ . }}
{{- end }}
{{- with .Values.database.secret }}
database: {{ . }}
{{- end }}
{{- end -}}

{{/* The settings, as the program and its test both get them. */}}
{{- define "trimtab.env" -}}
- name: TRIMTAB_NAMESPACE
  value: {{ .Release.Namespace | quote }}
- name: TRIMTAB_IDENTITY
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: TRIMTAB_SETTINGS_FILE
  value: /etc/trimtab/config/settings.yaml
- name: TRIMTAB_SECRETS
  value: /etc/trimtab/secrets
- name: TRIMTAB_HTTP_HOST
  value: 0.0.0.0
- name: TRIMTAB_HTTP_PORT
  value: "8080"
- name: TRIMTAB_LEASE_NAME
  value: {{ include "trimtab.fullname" . }}
- name: TRIMTAB_ACT_NAMESPACES
  value: {{ join "," .Values.act.namespaces | quote }}
- name: TRIMTAB_WATCH_NAMESPACES
  value: {{ join "," .Values.watch.namespaces | quote }}
- name: TRIMTAB_PROMETHEUS_URL
  value: {{ .Values.prometheus.url | quote }}
- name: TRIMTAB_PROMETHEUS_TENANT
  value: {{ .Values.prometheus.tenant | quote }}
- name: TRIMTAB_PROMETHEUS_USERNAME
  value: {{ .Values.prometheus.username | quote }}
- name: TRIMTAB_PROMETHEUS_REPLICA_LABELS
  value: {{ join "," .Values.prometheus.replicaLabels | quote }}
- name: TRIMTAB_SCRAPE_INTERVAL
  value: {{ .Values.prometheus.scrapeInterval | quote }}
- name: TRIMTAB_SLACK_CHANNEL
  value: {{ .Values.slack.channel | quote }}
- name: TRIMTAB_REPORT_WEEKDAY
  value: {{ .Values.slack.report.weekday | quote }}
- name: TRIMTAB_REPORT_HOUR
  value: {{ .Values.slack.report.hour | quote }}
- name: TRIMTAB_WEBHOOK_URL
  value: {{ .Values.notify.webhook.url | quote }}
- name: TRIMTAB_PUBLIC_URL
  value: {{ .Values.page.url | quote }}
- name: TRIMTAB_PROXY_SECRET_HEADER
  value: {{ .Values.page.proxyHeader | quote }}
- name: TRIMTAB_TRUSTED_PROXIES
  value: {{ join "," .Values.page.trustedProxies | quote }}
{{- range $key, $value := .Values.env }}
- name: {{ $key }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "trimtab.mounts" -}}
- {name: settings, mountPath: /etc/trimtab/config, readOnly: true}
{{- range $folder, $secret := include "trimtab.secrets" . | fromYaml }}
- {name: secret-{{ $folder }}, mountPath: /etc/trimtab/secrets/{{ $folder }}, readOnly: true}
{{- end }}
{{- end -}}

{{- define "trimtab.volumes" -}}
- name: settings
  configMap: {name: {{ include "trimtab.fullname" . }}}
{{- range $folder, $secret := include "trimtab.secrets" . | fromYaml }}
- name: secret-{{ $folder }}
  secret: {secretName: {{ $secret }}, optional: {{ ne $folder "database" }}}
{{- end }}
{{- end -}}
