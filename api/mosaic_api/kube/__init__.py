"""MosaicRequests in a Kubernetes cluster."""
