{{/* What goes into the label app.kubernetes.io/name. */}}
{{- define "silkroll.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
What everything is called. Room is left for the longest suffix, -not-injected. A Service's name begins with a letter and has
no dots, a release's may.
*/}}
{{- define "silkroll.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := printf "%s-%s" .Release.Name $name }}
{{- if contains $name .Release.Name }}{{ $full = .Release.Name }}{{ end }}
{{- if regexMatch "^[0-9]" $full }}{{ $full = printf "%s-%s" .Chart.Name .Release.Name }}{{ end }}
{{- default $full .Values.fullnameOverride | replace "." "-" | trunc 49 | trimSuffix "-" }}
{{- end }}

{{/* Text as YAML reads it back, whatever is in it: in quotes where it could be taken for something else. */}}
{{- define "silkroll.text" -}}
{{- if regexMatch "^[-a-zA-Z0-9._/:@=,+]+$" . }}{{ toYaml . | trim }}{{ else }}{{ quote . }}{{ end }}
{{- end }}

{{/* A list of such, on one line. */}}
{{- define "silkroll.list" -}}
[{{ range $n, $text := . }}{{ if $n }}, {{ end }}{{ include "silkroll.text" $text }}{{ end }}]
{{- end }}

{{/* Which pods are the webhook's. A Deployment's selector never changes: nothing that differs by version is in here. */}}
{{- define "silkroll.selectorLabels" -}}
app.kubernetes.io/name: {{ include "silkroll.text" (include "silkroll.name" .) }}
app.kubernetes.io/instance: {{ include "silkroll.text" .Release.Name }}
{{- end }}

{{/*
What stands below `metadata:`. A list of the context, the object's name, its namespace, and labels and annotations of its own,
which count before the common ones: no key comes twice.
*/}}
{{- define "silkroll.metadata" -}}
{{- $top := index . 0 }}
{{- $labels := dict }}{{ if gt (len .) 3 }}{{ $labels = index . 3 }}{{ end }}
{{- $annotations := dict }}{{ if gt (len .) 4 }}{{ $annotations = index . 4 }}{{ end }}
{{- $selected := fromYaml (include "silkroll.selectorLabels" $top) }}
{{- $version := dict "app.kubernetes.io/version" $top.Chart.AppVersion }}
name: {{ include "silkroll.text" (index . 1) }}
{{- with index . 2 }}
namespace: {{ include "silkroll.text" . }}
{{- end }}
labels:
  {{- toYaml (merge dict $labels $selected $top.Values.commonLabels $version) | nindent 2 }}
{{- with merge dict $annotations $top.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
What stands below a pod's `metadata:`. A list of the context and its own labels, which say what selects it: nobody gives it
others for these keys.
*/}}
{{- define "silkroll.podMetadata" -}}
{{- $values := (index . 0).Values }}
labels:
  {{- toYaml (merge dict (index . 1) $values.podLabels $values.commonLabels) | nindent 2 }}
{{- with merge dict $values.podAnnotations $values.commonAnnotations }}
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
  - name: {{ include "silkroll.text" . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* A Deployment's strategy: of the user's what there is. In the nodes' network there is no room for one more on each node. */}}
{{- define "silkroll.strategy" -}}
{{- $user := deepCopy .Values.strategy }}
{{- if eq (default "RollingUpdate" $user.type) "RollingUpdate" }}
{{- $rolling := dict "maxUnavailable" 0 "maxSurge" 1 }}
{{- if .Values.hostNetwork }}{{ $rolling = dict "maxUnavailable" 1 "maxSurge" 0 }}{{ end }}
{{- $user = dict "type" "RollingUpdate" "rollingUpdate" (mergeOverwrite $rolling (default dict $user.rollingUpdate)) }}
{{- end }}
{{- toYaml $user }}
{{- end }}

{{/*
Over nodes by a constraint, over zones by an affinity: of several constraints that are preferred none counts on a node that
lacks the label of one, and many clusters have no zones. Of an update's new pods the old ones do not count.
*/}}
{{- define "silkroll.spread" -}}
{{- with .Values.topologySpread.constraints }}
{{- toYaml . }}
{{- else }}
# Preferred, not required: a cluster of one node gets both replicas all the same.
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels:
      {{- include "silkroll.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end }}

{{- define "silkroll.affinity" -}}
{{- $affinity := deepCopy .Values.affinity }}
{{- if and .Values.topologySpread.enabled (not .Values.topologySpread.constraints) (not (hasKey $affinity "podAntiAffinity")) }}
{{- $selector := dict "matchLabels" (fromYaml (include "silkroll.selectorLabels" .)) }}
{{- $zone := dict "topologyKey" "topology.kubernetes.io/zone" "labelSelector" $selector }}
{{- $preferred := list (dict "weight" 100 "podAffinityTerm" $zone) }}
{{- $_ := set $affinity "podAntiAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" $preferred) }}
{{- end }}
{{- with $affinity }}{{ toYaml . }}{{ end }}
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
    values: {{ include "silkroll.list" (append .Values.webhook.exemptNamespaces .Release.Namespace | uniq) }}
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
    namespace: {{ include "silkroll.text" .Release.Namespace }}
    name: {{ include "silkroll.text" (include "silkroll.fullname" .) }}
    path: /mutate
    port: {{ .Values.service.port }}
{{- end }}

{{/* The Secret of the CA that Silkroll keeps; not the one that cert-manager has its authority in. */}}
{{- define "silkroll.caSecret" -}}
{{ include "silkroll.fullname" . }}-own-ca
{{- end }}

{{/* Objects of its own that are called by `--service`. */}}
{{- define "silkroll.lease" -}}
{{ include "silkroll.fullname" . }}-audit
{{- end }}

{{- define "silkroll.notes" -}}
{{- with include "silkroll.fullname" . }}{{ if ne . "silkroll" }}{{ . }}-{{ end }}{{ end }}helper-namespaces
{{- end }}

{{/* Whether API servers can trust the webhook as soon as it is installed. */}}
{{- define "silkroll.trusted" -}}
{{- if or .Values.certificates.caBundle (has .Values.certificates.source (list "cert-manager" "self")) }}yes{{ end }}
{{- end }}
