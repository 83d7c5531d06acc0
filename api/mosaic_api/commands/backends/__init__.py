"""Where the commands submit, list and watch requests: a server with the REST API, or a Kubernetes cluster."""
