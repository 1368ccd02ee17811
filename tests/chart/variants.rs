//! Values that users of such charts set, each with what it has to come to.

/// A name, the values, and texts that what is rendered has.
pub(crate) const VARIANTS: &[(&str, &str, &[&str])] = &[
    ("defaults", "", &["image: ghcr.io/silkroll/silkroll:0.1.0", "failurePolicy: Ignore", "--ca-secret=silkroll-own-ca", "helm.sh/hook: post-install"]),
    (
        "image",
        "image: {registry: registry.example:5000, repository: infra/silkroll, tag: '1.2', pullPolicy: Always, pullSecrets: [mine]}",
        &["image: registry.example:5000/infra/silkroll:1.2", "imagePullPolicy: Always", "- name: mine"],
    ),
    (
        "digest",
        "image: {registry: '', digest: 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}",
        &["image: silkroll/silkroll@sha256:0123456789abcdef"],
    ),
    (
        "names",
        "{fullnameOverride: lossless, commonLabels: {team: infra}, commonAnnotations: {example.com/a: b}, podLabels: {x: z}, podAnnotations: {example.com/p: q}}",
        &["name: lossless-not-injected", "--service=lossless", "team: infra", "example.com/a: b", "x: z", "example.com/p: q"],
    ),
    ("audit", "{audit: {intervalSeconds: 60}, webhook: {workloads: [deployment, rollout], levelPod: true}}", &["--audit-interval=60", "resources: [rollouts]", "resourceNames: [silkroll-audit]"]),
    ("dashboard", "metrics: {dashboard: {enabled: true, labels: {mine: x}}}", &["name: silkroll-dashboard", "mine: x", "silkroll.json: |"]),
    ("no-audit", "audit: {enabled: false}", &["--audit-interval=0"]),
    ("name", "nameOverride: roller", &["app.kubernetes.io/name: roller", "name: silkroll-roller"]),
    ("namespace", "namespace: {create: true}", &["kind: Namespace", "pod-security.kubernetes.io/enforce: restricted"]),
    (
        "replicas",
        "{replicas: 3, strategy: {type: Recreate}, podDisruptionBudget: {minAvailable: 50%}}",
        &["replicas: 3", "type: Recreate", "minAvailable: 50%"],
    ),
    ("strategy", "{strategy: {rollingUpdate: {maxSurge: 2}}}", &["maxSurge: 2", "maxUnavailable: 0", "minAvailable: 1"]),
    ("budget", "podDisruptionBudget: {maxUnavailable: 1}", &["maxUnavailable: 1"]),
    ("budget-of-one", "{replicas: 1, podDisruptionBudget: {minAvailable: 1}}", &["minAvailable: 1"]),
    ("no-budget", "{replicas: 0, podDisruptionBudget: {enabled: false}, topologySpread: {enabled: false}}", &["replicas: 0"]),
    (
        "nodes",
        "
topologySpread:
  constraints: [{maxSkew: 2, topologyKey: rack, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {a: b}}}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: infra, operator: Exists}]}]}}}
tolerations: [{key: infra, operator: Exists}]
nodeSelector: {kubernetes.io/arch: amd64}
priorityClassName: system-cluster-critical
",
        &["topologyKey: rack", "key: infra", "kubernetes.io/arch: amd64", "priorityClassName: system-cluster-critical"],
    ),
    (
        "container",
        "
resources: {requests: {cpu: 100m}, limits: {memory: 1Gi}}
podSecurityContext: {fsGroup: 1000}
securityContext: {runAsUser: 1000}
livenessProbe: {failureThreshold: 5}
readinessProbe: {periodSeconds: 2}
startupProbe: {httpGet: {path: /livez, port: admin}, failureThreshold: 30}
preStopSeconds: 0
terminationGracePeriodSeconds: 60
extraArgs: [--invalid=warn, --dry-run-listen=off]
extraEnv: [{name: TZ, value: UTC}]
extraVolumes: [{name: more, emptyDir: {}}]
extraVolumeMounts: [{name: more, mountPath: /more}]
log: {level: 'info,silkroll::tls=debug', format: text}
defaults: {drain-seconds: '20', deregister: nacos, nacos-server: 'http://nacos:8848'}
",
        &["fsGroup: 1000", "runAsUser: 1000", "failureThreshold: 5", "periodSeconds: 2", "startupProbe:", "--invalid=warn",
          "name: TZ", "mountPath: /more", "--log-level=info,silkroll::tls=debug", "--log-format=text",
          "--default=drain-seconds=20", "--default=nacos-server=http://nacos:8848"],
    ),
    (
        "host-network",
        "{hostNetwork: true, ports: {webhook: 10250, admin: 10251}, namespace: {create: true}}",
        &["hostNetwork: true", "maxSurge: 0", "maxUnavailable: 1", "dnsPolicy: ClusterFirstWithHostNet", "--listen=:10250", "--admin-listen=:10251", "containerPort: 10250"],
    ),
    ("dns", "dnsPolicy: Default", &["dnsPolicy: Default"]),
    (
        "webhook",
        "
webhook:
  failurePolicy: Fail
  timeoutSeconds: 5
  exemptNamespaces: [kube-system, mine]
  namespaceSelector: {matchLabels: {lossless: 'yes'}, matchExpressions: [{key: rough, operator: DoesNotExist}]}
  objectSelector: {matchExpressions: [{key: rough, operator: DoesNotExist}]}
  matchConditions: [{name: not-ours, expression: \"request.userInfo.username != 'someone'\"}]
  annotations: {example.com/hook: mine}
wait: {namespace: default}
",
        &["failurePolicy: Fail", "timeoutSeconds: 5", "values: [kube-system, mine, silkroll-system]", "lossless: \"yes\"",
          "objectSelector:", "name: not-ours", "example.com/hook: mine"],
    ),
    (
        "all-kinds",
        "webhook: {workloads: [rollout, deployment, statefulset, daemonset], levelPod: true}",
        &["resources: [deployments, statefulsets, daemonsets]", "resources: [rollouts]", "name: pods.silkroll.dev",
          "--workloads=rollout,deployment,statefulset,daemonset,pod"],
    ),
    ("rollouts-alone", "webhook: {workloads: [rollout]}", &["resources: [rollouts]", "--workloads=rollout", "--try-kind=rollout"]),
    (
        "some-labels",
        "webhook: {workloads: [daemonset, statefulset], objectSelector: {matchLabels: {lossless: 'true'}, matchExpressions: [{key: tier, operator: In, values: [web, api]}, {key: team, operator: Exists}]}}",
        &["--try-kind=statefulset", "--try-label=lossless=true", "--try-label=tier=web", "--try-label=team="],
    ),
    (
        "labels-twice",
        "{commonLabels: {release: a, app.kubernetes.io/version: '9', app.kubernetes.io/component: admission}, podLabels: {release: b}, namespace: {create: true}, metrics: {serviceMonitor: {enabled: true, labels: {release: c}}}}",
        &["release: c", "release: b", "release: a", "app.kubernetes.io/component: metrics"],
    ),
    (
        "files",
        "certificates: {source: files, caBundle: '-----BEGIN CERTIFICATE-----', files: {cert: A, key: B}}",
        &["caBundle: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t", "tls.crt: \"QQ==\"", "tls.key: \"Qg==\"", "helm.sh/hook: post-install,post-upgrade,post-rollback,test"],
    ),
    (
        "secret",
        "{certificates: {source: secret, secretName: mine, caBundle: '-----BEGIN CERTIFICATE-----'}, fullnameOverride: lossless}",
        &["--tls-cert=/tls/tls.crt", "--service=lossless", "secretName: mine", "caBundle: LS0t"],
    ),
    (
        "self",
        "fullnameOverride: lossless",
        &["--ca-secret=lossless-own-ca", "--webhook-configuration=lossless", "--service=lossless", "resourceNames: [lossless-own-ca]", "resourceNames: [lossless-audit]", "resourceNames: [lossless-helper-namespaces]"],
    ),
    (
        "cert-manager",
        "certificates: {source: cert-manager}",
        &["cert-manager.io/inject-ca-from: silkroll-system/silkroll", "isCA: true", "kind: Issuer", "silkroll.silkroll-system.svc.cluster.local"],
    ),
    (
        "cert-manager-issuer",
        "{certificates: {source: cert-manager, certManager: {issuerRef: {kind: ClusterIssuer, name: corporate}}}, webhook: {levelPod: true}}",
        &["kind: ClusterIssuer", "name: corporate"],
    ),
    ("account", "serviceAccount: {name: mine, annotations: {example.com/role: x}}", &["serviceAccountName: mine", "system:serviceaccount:silkroll-system:mine'", "example.com/role: x"]),
    ("no-account", "{serviceAccount: {create: false}, rbac: {create: false}, policies: {notInjected: false, account: false}}", &["serviceAccountName: default"]),
    (
        "service",
        "service: {type: NodePort, port: 8443, ipFamilyPolicy: SingleStack, ipFamilies: [IPv4], annotations: {example.com/lb: internal}}",
        &["type: NodePort", "port: 8443", "ipFamilyPolicy: SingleStack", "- IPv4", "example.com/lb: internal"],
    ),
    (
        "network-policy",
        "networkPolicy: {enabled: true, webhookFrom: [{ipBlock: {cidr: 192.0.2.0/24}}], adminFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]}",
        &["kind: NetworkPolicy", "port: webhook", "cidr: 192.0.2.0/24", "port: admin"],
    ),
    (
        "monitoring",
        "metrics: {serviceMonitor: {enabled: true, interval: 10s, labels: {release: p}}, podMonitor: {enabled: true}, prometheusRule: {enabled: true, extraRules: [{alert: Mine, expr: 'vector(1)'}]}}",
        &["kind: ServiceMonitor", "kind: PodMonitor", "kind: PrometheusRule", "interval: 10s", "release: p", "clusterIP: None", "alert: Mine", "< 2 * 86400"],
    ),
    ("alerts-secret", "{certificates: {source: secret}, metrics: {prometheusRule: {enabled: true}}}", &["< 14 * 86400", "within two weeks"]),
    ("no-wait", "wait: {enabled: false}", &[]),
    ("wait", "{certificates: {source: secret}, webhook: {exemptNamespaces: []}, wait: {namespace: kube-public, seconds: 30}}", &["--try-in=kube-public", "--seconds=30", "activeDeadlineSeconds: 90", "helm.sh/hook: test"]),
    (
        "wait-pod",
        "
image: {pullSecrets: [mine]}
priorityClassName: high
resources: {limits: {cpu: 500m, memory: 1Gi}, requests: {cpu: 20m, memory: 32Mi}}
podLabels: {sidecar.istio.io/inject: 'false'}
wait: {resources: {limits: {cpu: 50m, memory: 64Mi}}}
",
        &["cpu: 500m", "cpu: 50m", "sidecar.istio.io/inject: \"false\""],
    ),
    ("nothing-to-wait-for", "replicas: 0", &["helm.sh/hook: test"]),
    ("subchart", "{global: {anything: {goes: 1}}, enabled: true, tags: {front: true}}", &[]),
];
