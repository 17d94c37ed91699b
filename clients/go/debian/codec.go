// Package debian lets the gRPC 1.33 of Debian 12 carry what today's protoc-gen-go generates: by itself it knows the messages of the
// older Protobuf runtime only. With gRPC 1.36 and newer it is not needed.
package debian

import (
	"google.golang.org/grpc/encoding"
	old "google.golang.org/grpc/encoding/proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/runtime/protoimpl"
)

type codec struct{}

func (codec) Name() string { return old.Name }

func (codec) Marshal(message interface{}) ([]byte, error) {
	return proto.Marshal(protoimpl.X.ProtoMessageV2Of(message))
}

func (codec) Unmarshal(data []byte, message interface{}) error {
	return proto.Unmarshal(data, protoimpl.X.ProtoMessageV2Of(message))
}

func init() {
	encoding.RegisterCodec(codec{})
}
