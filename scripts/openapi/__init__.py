"""The OpenAPI description of the REST face: what Envoy's transcoder makes of the contracts in `protos/`, written down."""
