"""The edge: Envoy in front of the gateways, so that gRPC, gRPC-Web and REST are served on one port."""
