{{- define "shop.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
The release's name, or <release>-shop when the release is not called after the chart; Services may have no dot. At most 40 characters, so that what is
made of it (<full name>-notifications-0, with a hash behind it) is still a DNS label of 63.
*/}}
{{- define "shop.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $release := .Release.Name | replace "." "-" }}
{{- if contains $name $release }}
{{- $release | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" $release $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Each service has a volume of its own, so they are told which system they are. At most 64 characters; a namespace has no "_". */}}
{{- define "shop.systemId" -}}
{{- $id := default (printf "%s_%s" .Release.Namespace (.Release.Name | replace "." "-")) .Values.config.systemId }}
{{- if gt (len $id) 64 }}
{{- printf "%s-%s" (trunc 50 $id) (sha256sum $id | trunc 12) }}
{{- else }}
{{- $id }}
{{- end }}
{{- end }}

{{- define "shop.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Labels of every object: include "shop.labels" (dict "root" $ "component" "orders"). */}}
{{- define "shop.labels" -}}
helm.sh/chart: {{ include "shop.chart" .root }}
{{ include "shop.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: {{ include "shop.name" .root }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{/* What selects the pods of a component. It can never change: a StatefulSet's selector is immutable. */}}
{{- define "shop.selectorLabels" -}}
app.kubernetes.io/name: {{ include "shop.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "shop.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "shop.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Component → the image that runs it, and the port on which it listens. */}}
{{- define "shop.components" -}}
orders: { image: orders-service, port: 3001 }
payments: { image: payments-service, port: 3002 }
notifications: { image: notifications-service, port: 3003 }
web: { image: web, port: 3004 }
gateway: { image: gateway, port: 8080 }
{{- end }}

{{/* What the Ingress publishes: the API, its documentation, and the files of the web UI. */}}
{{- define "shop.publicPaths" -}}
Prefix: [/users, /accounts, /orders, /notifications, /journeys, /status, /docs, /assets]
Exact: [/, /index.html, /sw.js, /manifest.webmanifest, /icon.svg, /icon-192.png, /icon-512.png, /icon-maskable-512.png]
{{- end }}

{{/* The names under which the gateway is asked, for ALLOWED_HOSTS; addresses and localhost (port-forward) are always allowed. */}}
{{- define "shop.hosts" -}}
{{- $gateway := printf "%s-gateway" (include "shop.fullname" .) }}
{{- $inside := printf "%s.%s" $gateway .Release.Namespace }}
{{- $public := ternary (list .Values.ingress.host) list .Values.ingress.enabled }}
{{- concat $public .Values.config.allowedHosts (list $gateway $inside (printf "%s.svc" $inside) (printf "%s.svc.cluster.local" $inside)) | join "," }}
{{- end }}

{{- define "shop.image" -}}
{{- $components := include "shop.components" .root | fromYaml }}
{{- $image := .root.Values.image }}
{{- printf "%s/%s:%s" $image.repository (index $components .component).image (default .root.Chart.AppVersion $image.tag) }}
{{- end }}

{{- define "shop.port" -}}
{{- (index (include "shop.components" .root | fromYaml) .component).port }}
{{- end }}

{{/* "true" when the chart brings its broker. */}}
{{- define "shop.natsInside" -}}
{{- if not (or .Values.natsUrl .Values.natsUrlSecret) }}true{{ end }}
{{- end }}

{{- define "shop.natsUrlSecret" -}}
{{- default (printf "%s-nats-url" (include "shop.fullname" .)) .Values.natsUrlSecret }}
{{- end }}

{{- define "shop.smtpUrlSecret" -}}
{{- default (printf "%s-smtp-url" (include "shop.fullname" .)) .Values.mail.smtpUrlSecret }}
{{- end }}

{{/*
A service's password for the broker inside: the one that is set, else the one that the release has, else a new one. It is kept in
.Values, so that everything rendered in one run gets the same. It begins with a letter: nats-server reads it from a variable, and
would take one like 12e4 for a number.
*/}}
{{- define "shop.natsPassword" -}}
{{- $passwords := .root.Values.nats.passwords }}
{{- if not (get $passwords .component) }}
{{- $secret := lookup "v1" "Secret" .root.Release.Namespace (printf "%s-nats" (include "shop.fullname" .root)) | default dict }}
{{- $known := get (get $secret "data" | default dict) (include "shop.natsPasswordKey" .component) }}
{{- $_ := set $passwords .component (ternary (b64dec $known) (printf "p%s" (randAlphaNum 31)) (ne $known "")) }}
{{- end }}
{{- get $passwords .component }}
{{- end }}

{{/* The variable with the password in files/nats.conf, and its key in the Secret. */}}
{{- define "shop.natsPasswordKey" -}}
{{- printf "NATS_%s_PASSWORD" (upper .) }}
{{- end }}

{{/* What a service connects to: NATS_URL. */}}
{{- define "shop.natsUrl" -}}
{{- if .root.Values.natsUrl }}
{{- .root.Values.natsUrl }}
{{- else }}
{{- $password := include "shop.natsPassword" . }}
{{- printf "nats://%s-service:%s@%s-nats:4222" .component $password (include "shop.fullname" .root) }}
{{- end }}
{{- end }}

{{/* A pod's fields that are the same for all: include "shop.podDefaults" . */}}
{{- define "shop.podDefaults" -}}
serviceAccountName: {{ include "shop.serviceAccountName" . }}
# Nothing here talks to Kubernetes' API.
automountServiceAccountToken: false
# Else every Service would set variables here; one called orders would set ORDERS_PORT, which means something else.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A container's fields that are the same for all five: include "shop.container" (dict "root" $ "component" "orders"). */}}
{{- define "shop.container" -}}
name: {{ .component }}
image: {{ include "shop.image" . | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- toYaml .root.Values.securityContext | nindent 2 }}
ports:
  - name: http
    containerPort: {{ include "shop.port" . }}
# Up to ten minutes for a start, which may have to migrate a large file; then it is live as long as its event loop turns.
startupProbe:
  httpGet: { path: /health/live, port: http }
  periodSeconds: 1
  failureThreshold: 600
livenessProbe:
  httpGet: { path: /health/live, port: http }
  periodSeconds: 10
  timeoutSeconds: 5
resources:
  {{- toYaml (index .root.Values .component).resources | nindent 2 }}
{{- end }}

{{- define "shop.egressDns" -}}
- ports:
    - { port: 53, protocol: UDP }
    - { port: 53, protocol: TCP }
{{- end }}
