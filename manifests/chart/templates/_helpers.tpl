{{/* What goes into the label app.kubernetes.io/name. */}}
{{- define "silkroll.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* What everything is called. Room is left for the longest suffix, -not-injected. */}}
{{- define "silkroll.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 49 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 49 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 49 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Which pods are the webhook's. A Deployment's selector never changes: nothing that differs by version is in here. */}}
{{- define "silkroll.selectorLabels" -}}
app.kubernetes.io/name: {{ include "silkroll.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "silkroll.labels" -}}
{{ include "silkroll.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The annotations that an object has besides its own: with `annotations:` above them, or nothing. */}}
{{- define "silkroll.annotations" -}}
{{- with .Values.commonAnnotations -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Those of its own, merged with the common ones: a list of the context and the object's. */}}
{{- define "silkroll.annotationsWith" -}}
{{- $own := index . 1 }}
{{- with merge (deepCopy $own) (index . 0).Values.commonAnnotations -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "silkroll.image" -}}
{{- with .Values.image -}}
{{ with .registry }}{{ . }}/{{ end }}{{ .repository }}
{{- if .digest }}{{ with .tag }}:{{ . }}{{ end }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "silkroll.pullSecrets" -}}
{{- with .Values.image.pullSecrets -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "silkroll.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "silkroll.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Who the pods are to the API server. */}}
{{- define "silkroll.user" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "silkroll.serviceAccount" . }}
{{- end }}

{{/* What `--workloads` says: the webhook's rules and it always go together. */}}
{{- define "silkroll.kinds" -}}
{{- $kinds := .Values.webhook.workloads }}
{{- if .Values.webhook.levelPod }}{{ $kinds = append $kinds "pod" }}{{ end }}
{{- join "," $kinds }}
{{- end }}

{{/* The rules for these kinds. */}}
{{- define "silkroll.rules" -}}
{{- $apps := list }}
{{- range list "deployment" "statefulset" "daemonset" }}
{{- if has . $.Values.webhook.workloads }}{{ $apps = append $apps (printf "%ss" .) }}{{ end }}
{{- end }}
{{- if $apps }}
- apiGroups: [apps]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  resources: [{{ join ", " $apps }}]
  scope: Namespaced
{{- end }}
{{- if has "rollout" .Values.webhook.workloads }}
- apiGroups: [argoproj.io]
  apiVersions: [v1alpha1]
  operations: [CREATE, UPDATE]
  resources: [rollouts]
  scope: Namespaced
{{- end }}
{{- end }}

{{/* The right to list the kinds that are covered: the audit looks at them. */}}
{{- define "silkroll.listed" -}}
{{- $apps := list }}
{{- range list "deployment" "statefulset" "daemonset" }}
{{- if has . $.Values.webhook.workloads }}{{ $apps = append $apps (printf "%ss" .) }}{{ end }}
{{- end }}
{{- if $apps }}
- apiGroups: [apps]
  resources: [{{ join ", " $apps }}]
  verbs: [list]
{{- end }}
{{- if has "rollout" .Values.webhook.workloads }}
- apiGroups: [argoproj.io]
  resources: [rollouts]
  verbs: [list]
{{- end }}
{{- if .Values.webhook.levelPod }}
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
{{- end }}
{{- end }}

{{- define "silkroll.namespaceSelector" -}}
{{- with .Values.webhook.namespaceSelector.matchLabels }}
matchLabels:
  {{- toYaml . | nindent 2 }}
{{- end }}
matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: [{{ append .Values.webhook.exemptNamespaces .Release.Namespace | uniq | join ", " }}]
  {{- with .Values.webhook.namespaceSelector.matchExpressions }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/*
Of the UPDATEs, only those can matter that touch the pod template, the rollout's settings or our own annotations.
`has` rather than the optional `?.`: that is older than 1.29, and fields differ by kind (strategy: Deployment, Rollout;
updateStrategy: StatefulSet, DaemonSet; a Rollout has a template or a workloadRef).
*/}}
{{- define "silkroll.changed" -}}
has(object.spec.template) != has(oldObject.spec.template)
|| (has(object.spec.template) && object.spec.template != oldObject.spec.template)
|| has(object.spec.workloadRef) != has(oldObject.spec.workloadRef)
|| (has(object.spec.workloadRef) && object.spec.workloadRef != oldObject.spec.workloadRef)
|| has(object.spec.strategy) != has(oldObject.spec.strategy)
|| (has(object.spec.strategy) && object.spec.strategy != oldObject.spec.strategy)
|| has(object.spec.updateStrategy) != has(oldObject.spec.updateStrategy)
|| (has(object.spec.updateStrategy) && object.spec.updateStrategy != oldObject.spec.updateStrategy)
|| has(object.spec.minReadySeconds) != has(oldObject.spec.minReadySeconds)
|| (has(object.spec.minReadySeconds) && object.spec.minReadySeconds != oldObject.spec.minReadySeconds)
|| has(object.spec.progressDeadlineSeconds) != has(oldObject.spec.progressDeadlineSeconds)
|| (has(object.spec.progressDeadlineSeconds) && object.spec.progressDeadlineSeconds != oldObject.spec.progressDeadlineSeconds)
|| (has(object.metadata.annotations) && object.metadata.annotations.exists(key,
    key.startsWith('silkroll.dev/') && !(has(oldObject.metadata.annotations)
    && key in oldObject.metadata.annotations
    && oldObject.metadata.annotations[key] == object.metadata.annotations[key])))
|| (has(oldObject.metadata.annotations) && oldObject.metadata.annotations.exists(key,
    key.startsWith('silkroll.dev/') && !(has(object.metadata.annotations)
    && key in object.metadata.annotations)))
{{- end }}

{{/* Whether the template has our record. */}}
{{- define "silkroll.marked" -}}
has(object.spec.template) && has(object.spec.template.metadata)
&& has(object.spec.template.metadata.annotations)
&& 'silkroll.dev/status' in object.spec.template.metadata.annotations
{{- end }}

{{/* Whom API servers call, and trust. The bundle is the chart's only where it was given; else it is left out, so that an
upgrade leaves what Silkroll, `silkroll certs` or cert-manager wrote. */}}
{{- define "silkroll.clientConfig" -}}
clientConfig:
  {{- with .Values.certificates.caBundle }}
  caBundle: {{ . | b64enc }}
  {{- end }}
  service:
    namespace: {{ .Release.Namespace }}
    name: {{ include "silkroll.fullname" . }}
    path: /mutate
    port: {{ .Values.service.port }}
{{- end }}

{{/* The Secret of the CA that Silkroll keeps; not the one that cert-manager has its authority in. */}}
{{- define "silkroll.caSecret" -}}
{{ include "silkroll.fullname" . }}-own-ca
{{- end }}

{{/* Settings that cannot be together. */}}
{{- define "silkroll.check" -}}
{{- $certificates := .Values.certificates }}
{{- if and $certificates.caBundle (eq $certificates.source "self") }}
{{- fail "certificates.caBundle is not for certificates.source: self, the default: Silkroll writes the bundle itself. For a Secret of yours: certificates.source=secret" }}
{{- end }}
{{- if and (ne $certificates.secretName "silkroll-tls") (eq $certificates.source "self") }}
{{- fail "certificates.secretName is not for certificates.source: self, the default, which serves from no Secret. For a Secret of yours: certificates.source=secret" }}
{{- end }}
{{- if and (eq $certificates.source "files") (not (and $certificates.files.cert $certificates.files.key $certificates.caBundle)) }}
{{- fail "certificates.source: files needs all of certificates.files.cert, certificates.files.key and certificates.caBundle: --set-file certificates.files.cert=certs/tls.crt, and so on; silkroll certs makes them" }}
{{- end }}
{{- if and (ne $certificates.source "files") (or $certificates.files.cert $certificates.files.key) }}
{{- fail (printf "certificates.files is for certificates.source: files, and it is %s" $certificates.source) }}
{{- end }}
{{- if and $certificates.caBundle (eq $certificates.source "cert-manager") }}
{{- fail "certificates.caBundle is not for certificates.source: cert-manager, which writes the bundle itself" }}
{{- end }}
{{- if contains "PRIVATE KEY" $certificates.caBundle }}
{{- fail "certificates.caBundle holds a private key, and everybody may read it: give certs/ca.crt" }}
{{- end }}
{{- if and .Values.podDisruptionBudget.enabled (kindIs "invalid" .Values.podDisruptionBudget.minAvailable) (kindIs "invalid" .Values.podDisruptionBudget.maxUnavailable) }}
{{- fail "podDisruptionBudget needs minAvailable or maxUnavailable" }}
{{- end }}
{{- end }}

{{/* Whether API servers can trust the webhook as soon as it is installed. */}}
{{- define "silkroll.trusted" -}}
{{- if or .Values.certificates.caBundle (has .Values.certificates.source (list "cert-manager" "self")) }}yes{{ end }}
{{- end }}
