"""A Kubernetes control plane of one's own: etcd, API server, controller manager, scheduler, and kwok as the kubelets.

Everything is real but the containers: RBAC, admission policies, garbage collection, rollouts, disruption budgets. On
free ports of 127.0.0.1, in one folder, ended by process id. The audit log is written before the API server answers.
"""

import base64
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.controlplane.api import Api, ApiError, Json
from tests.controlplane.audit import AuditLog
from tests.controlplane.certificates import Authority, Pair, signing_key
from tests.controlplane.errors import FixtureError
from tests.controlplane.kubeconfig import Token, redirected, write_kubeconfig
from tests.controlplane.ports import free_port
from tests.controlplane.process import Process
from tests.controlplane.waiting import wait_for

HERE = Path(__file__).parent
NODES = 3
_ISSUER = "https://kubernetes.default.svc.cluster.local"


class ControlPlane:
    """One cluster, started in `folder` with the programs of `binaries`. See tests/README.md for what it offers.

    `managing` are further flags of the controller manager; a flag given twice is the last one.
    """

    def __init__(self, folder: Path, binaries: Path, managing: Sequence[str] = ()) -> None:
        self.folder = folder
        self._managing = managing
        self.binaries = binaries
        self.audit = AuditLog(folder / "audit.log")
        self._authority = Authority(folder / "pki", "ca")
        self._front = Authority(folder / "pki", "front-proxy-ca")
        self._serving = self._authority.server(
            "serving",
            ("127.0.0.1", "10.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"),
        )
        self._tokens = signing_key(folder / "pki", "service-accounts")
        self.port = free_port()
        self.server = f"https://127.0.0.1:{self.port}"
        self.ca_file = self._authority.cert
        self.kubeconfig = self.user_kubeconfig("admin", "system:masters")
        self.etcd = self._etcd()
        self.apiserver = self._apiserver()
        self.controller_manager = self._controller_manager()
        self.scheduler = self._scheduler()
        self.kwok = self._kwok()
        self.api = Api(self.kubeconfig)

    @property
    def processes(self) -> tuple[Process, ...]:
        """All of them, in the order they start."""
        return (self.etcd, self.apiserver, self.controller_manager, self.scheduler, self.kwok)

    @property
    def ca(self) -> bytes:
        """The certificate (PEM) that vouches for the API server."""
        return self.ca_file.read_bytes()

    @property
    def ca_base64(self) -> str:
        """`ca`, as a `caBundle` holds it."""
        return base64.b64encode(self.ca).decode()

    @property
    def front_proxy_ca(self) -> Path:
        """What vouches for the API server where it stands before an aggregated API."""
        return self._front.cert

    def serving_certificate(self, name: str, hosts: tuple[str, ...]) -> Pair:
        """A serving certificate that `ca` vouches for."""
        return self._authority.server(name, hosts)

    def start(self) -> "ControlPlane":
        """Start everything; returns when nodes are ready and pods can be made."""
        self.etcd.start()
        self.apiserver.start()
        for process in (self.controller_manager, self.scheduler, self.kwok):
            process.start(wait=False)
        for number in range(1, NODES + 1):
            self.api.create(_node(f"node-{number}"))
        for process in (self.controller_manager, self.scheduler):
            process.wait_ready()
        wait_for("nodes become ready", self._ready_nodes, until=lambda ready: ready == NODES, timeout=30)
        wait_for(
            "namespace default has its account", lambda: self.api.find("v1", "serviceaccounts", "default", "default")
        )
        return self

    def stop(self) -> None:
        """End everything, and return when all processes are gone."""
        self.api.close()
        for process in reversed(self.processes):
            process.stop()

    def kubectl(self, *arguments: str, kubeconfig: Path | None = None, stdin: str | None = None) -> str:
        """The standard output of kubectl; `FixtureError` with its standard error when it fails."""
        command = [str(self.binaries / "kubectl"), "--kubeconfig", str(kubeconfig or self.kubeconfig), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, input=stdin, check=False, timeout=120)
        if done.returncode != 0:
            raise FixtureError(f"kubectl {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def user_kubeconfig(self, user: str, group: str | None = None) -> Path:
        """A kubeconfig for a person, by client certificate; without RBAC she may nothing."""
        pair = self._authority.client(user, group)
        path = self.folder / "kubeconfigs" / f"user-{user.replace(':', '-')}.yaml"
        return write_kubeconfig(path, self.server, self.ca, pair)

    def service_account_kubeconfig(
        self, namespace: str, name: str, *, server: str | None = None, authority: bytes | None = None
    ) -> Path:
        """A kubeconfig with a token (TokenRequest, one hour) of this ServiceAccount, which is made when there is none.

        `server` and `authority` (PEM) lead it through something else, such as a fault proxy.
        """
        if self.api.find("v1", "serviceaccounts", name, namespace) is None:
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
            self.api.create(account, namespace)
        path = self.folder / "kubeconfigs" / f"account-{namespace}-{name}.yaml"
        write_kubeconfig(path, self.server, self.ca, Token(self.token(namespace, name)), namespace)
        if server is None:
            return path
        aside = path.with_name(f"account-{namespace}-{name}-via-{server.rpartition(':')[2]}.yaml")
        return redirected(path, aside, server, authority or self.ca)

    def admin_by_token(self) -> Path:
        """A kubeconfig of an administrator that reaches through a proxy: default/admin, cluster-admin, by token."""
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "admin-by-token"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": "admin"}],
        }
        if self.api.find("rbac.authorization.k8s.io/v1", "clusterrolebindings", "admin-by-token") is None:
            self.api.create(binding)
        return self.service_account_kubeconfig("default", "admin")

    def token(self, namespace: str, name: str) -> str:
        """A token of a ServiceAccount that exists, valid for an hour."""
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        token: str = self.api.request("POST", path, asked)["status"]["token"]
        return token

    @contextmanager
    def namespace(self, name: str) -> Iterator[str]:
        """A namespace that can take pods; deleted afterwards, without waiting for its end."""
        self.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        wait_for(
            "the namespace has its account", lambda: self.api.find("v1", "serviceaccounts", "default", name), every=0.02
        )
        try:
            yield name
        finally:
            if self.apiserver.running:
                self._delete_namespace(name)

    def _delete_namespace(self, name: str) -> None:
        try:
            self.api.delete("v1", "namespaces", name)
        except ApiError as error:
            if error.code != 404:
                raise

    def _ready_nodes(self) -> int:
        return sum(
            condition["type"] == "Ready" and condition["status"] == "True"
            for node in self.api.list("v1", "nodes")
            for condition in node["status"].get("conditions", ())
        )

    def _answers(self, port: int, path: str, who: Pair | None = None) -> bool:
        try:
            answer = requests.get(
                f"https://127.0.0.1:{port}{path}",
                verify=str(self.ca_file),
                cert=(str(who.cert), str(who.key)) if who else None,
                timeout=2,
                proxies={"https": "", "http": ""},
            )
        except requests.RequestException:
            return False
        return answer.status_code == 200

    def _etcd(self) -> Process:
        client, peer = free_port(), free_port()
        self._etcd_url = f"http://127.0.0.1:{client}"
        argv: list[str | Path] = [
            self.binaries / "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={self._etcd_url}",
            f"--advertise-client-urls={self._etcd_url}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]
        return Process("etcd", argv, log=self._log("etcd"), ready=lambda: _healthy(f"{self._etcd_url}/health"))

    def _apiserver(self) -> Process:
        front = self._front.client("front-proxy-client")
        admin = Pair(self.folder / "pki" / "admin.crt", self.folder / "pki" / "admin.key")
        argv: list[str | Path] = [
            self.binaries / "kube-apiserver",
            f"--etcd-servers={self._etcd_url}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--tls-cert-file={self._serving.cert}",
            f"--tls-private-key-file={self._serving.key}",
            f"--client-ca-file={self.ca_file}",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.0.0.0/16",
            f"--service-account-issuer={_ISSUER}",
            f"--service-account-key-file={self._tokens.cert}",
            f"--service-account-signing-key-file={self._tokens.key}",
            "--authorization-mode=RBAC",
            "--enable-admission-plugins=ValidatingAdmissionPolicy",
            f"--audit-policy-file={HERE / 'audit-policy.yaml'}",
            f"--audit-log-path={self.audit.path}",
            "--audit-log-mode=blocking-strict",
            "--audit-log-maxsize=100000",
            f"--requestheader-client-ca-file={self._front.cert}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={front.cert}",
            f"--proxy-client-key-file={front.key}",
            "--profiling=false",
            "--shutdown-delay-duration=0s",
        ]
        return Process(
            "kube-apiserver",
            argv,
            log=self._log("kube-apiserver"),
            ready=lambda: self._answers(self.port, "/readyz", admin),
        )

    def _controller_manager(self) -> Process:
        port = free_port()
        argv: list[str | Path] = [
            self.binaries / "kube-controller-manager",
            f"--kubeconfig={self._component('system:kube-controller-manager')}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={self._serving.cert}",
            f"--tls-private-key-file={self._serving.key}",
            f"--root-ca-file={self.ca_file}",
            f"--service-account-private-key-file={self._tokens.key}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--horizontal-pod-autoscaler-sync-period=2s",
            "--kube-api-qps=300",
            "--kube-api-burst=600",
            *self._managing,
        ]
        return Process(
            "kube-controller-manager",
            argv,
            log=self._log("kube-controller-manager"),
            ready=lambda: self._answers(port, "/healthz"),
        )

    def _scheduler(self) -> Process:
        port = free_port()
        argv: list[str | Path] = [
            self.binaries / "kube-scheduler",
            f"--kubeconfig={self._component('system:kube-scheduler')}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={self._serving.cert}",
            f"--tls-private-key-file={self._serving.key}",
            "--leader-elect=false",
        ]
        return Process(
            "kube-scheduler", argv, log=self._log("kube-scheduler"), ready=lambda: self._answers(port, "/healthz")
        )

    def _kwok(self) -> Process:
        stages = (f"--config={stage}" for stage in sorted((HERE / "stages").glob("*.yaml")))
        argv: list[str | Path] = [
            self.binaries / "kwok",
            f"--kubeconfig={self._component('system:kwok', 'system:masters')}",
            "--manage-all-nodes=true",
            "--node-lease-duration-seconds=40",
            *stages,
        ]
        return Process("kwok", argv, log=self._log("kwok"), env={"KWOK_WORKDIR": str(self.folder / "kwok")})

    def _component(self, user: str, group: str | None = None) -> Path:
        return self.user_kubeconfig(user, group)

    def _log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"


def _healthy(url: str) -> bool:
    try:
        return requests.get(url, timeout=2, proxies={"http": ""}).status_code == 200
    except requests.RequestException:
        return False


def _node(name: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": "test"}},
        "spec": {},
    }
