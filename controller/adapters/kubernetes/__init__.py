"""The Kubernetes adapter: Cluster, Watch, Leases, Resources and Access on `kubernetes.aio`.

`client.py` and `config.py` alone know the client library; the others speak HTTP verbs and JSON through it. Changes are
sent from `cluster.py`, `leases.py`, `resources.py` and `access.py` only, once each, with a failpoint before and after.
"""
