"""Observing: what is seen of the cluster and of what people allow. Reads everything, writes nothing."""
