package registry_test

import (
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/registry"
)

// fullCodec is a codec that can do everything.
type fullCodec interface {
	protocol.ClientCodec
	protocol.ServerCodec
}

func codecs() (list []fullCodec) {
	for _, c := range registry.ServerCodecs() {
		list = append(list, c.(fullCodec))
	}
	return list
}
