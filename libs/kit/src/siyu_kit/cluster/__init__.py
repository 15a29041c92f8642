"""What a Kubernetes cluster does for a service that runs in it."""
