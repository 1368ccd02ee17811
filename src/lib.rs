//! Silkroll makes Kubernetes rollouts lossless.
