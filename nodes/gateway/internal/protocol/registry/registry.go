// Package registry lists the APIs that the gateway serves. A new API is a folder
// beside this one and an entry here.
package registry

import (
	"slices"
	"strings"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/anthropic"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/completions"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/generate"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/ollama"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/openai"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/responses"
)

// API is one path that clients POST requests to.
type API struct {
	Path string
	// Codec is nil for an API whose answers have no tokens.
	Codec protocol.Codec
	// Errors writes errors for the API's clients.
	Errors protocol.ErrorWriter
	// Content are the members one of which an answer has. See [HasContent].
	Content []string
	// Preloads is the member of a request without which it loads a model in place
	// of asking it, "" for APIs that can't load.
	Preloads string
	// StreamsByDefault is set if an answer is a stream unless the request says
	// otherwise.
	StreamsByDefault bool
	// ErrorOverContent is set if an answer with both an error and content is
	// an error.
	ErrorOverContent bool
	// Strict forbids that another model answers than the one asked for.
	Strict bool
	// About is the path of the chat API about whose models this API answers,
	// without asking the model. Such an answer has no content and says nothing
	// about the model's health. It is "" for APIs that ask a model.
	About string
}

// apis are in the order in which they are preferred for asking a server, see
// [ServerCodecs].
var apis = []API{
	{Path: "/v1/chat/completions", Codec: openai.Codec{}, Errors: openai.Codec{}, Content: []string{"choices"}, ErrorOverContent: true},
	{Path: "/v1/completions", Codec: completions.Codec{}, Errors: completions.Codec{}, Content: []string{"choices", "content"}},
	{Path: "/v1/responses", Codec: responses.Codec{}, Errors: responses.Codec{}, Content: []string{"output"}},
	{Path: "/v1/embeddings", Errors: openai.Errors{}, Content: []string{"data"}, Strict: true},
	{Path: "/v1/messages", Codec: anthropic.Codec{}, Errors: anthropic.Codec{}, Content: []string{"content"}},
	{Path: "/api/chat", Codec: ollama.Codec{}, Errors: ollama.Codec{}, Content: []string{"message"}, Preloads: "messages", StreamsByDefault: true},
	{Path: "/api/generate", Codec: generate.Codec{}, Errors: generate.Codec{}, Content: []string{"response"}, Preloads: "prompt", StreamsByDefault: true},
	{Path: "/api/embed", Errors: ollama.Base{}, Content: []string{"embeddings"}, Strict: true},
	{Path: "/api/embeddings", Errors: ollama.Base{}, Content: []string{"embedding"}, Strict: true},
	{Path: "/api/show", Errors: ollama.Base{}, About: "/api/chat"},
}

// families write the errors for paths that are none of the APIs, by prefix. The
// rest are OpenAI's.
var families = []struct {
	prefix string
	errors protocol.ErrorWriter
}{
	{"/v1/messages/", anthropic.Codec{}},
	{"/api/", ollama.Base{}},
}

// Lookup returns the API of a path, nil if there is none.
func Lookup(path string) *API {
	if i := slices.IndexFunc(apis, func(a API) bool { return a.Path == path }); i >= 0 {
		return &apis[i]
	}
	return nil
}

// ErrorsFor returns what writes errors for the clients of a path, whether or not
// it is that of an API.
func ErrorsFor(path string) protocol.ErrorWriter {
	if a := Lookup(path); a != nil {
		return a.Errors
	}
	for _, f := range families {
		if strings.HasPrefix(path, f.prefix) {
			return f.errors
		}
	}
	return openai.Errors{}
}

// ServerCodecs returns the codecs in which servers can be asked for clients of
// other APIs, the preferred one first.
func ServerCodecs() []protocol.ServerCodec { return slices.Clone(serverCodecs) }

var serverCodecs = func() (codecs []protocol.ServerCodec) {
	for _, a := range apis {
		if c, ok := a.Codec.(protocol.ServerCodec); ok {
			codecs = append(codecs, c)
		}
	}
	return codecs
}()

// HasContent reports whether a member of that name is the content of an answer.
// The members of all APIs count: some servers answer one API in the form of
// another.
func HasContent(member string) bool { return content[member] }

var content = func() map[string]bool {
	names := map[string]bool{}
	for _, a := range apis {
		for _, name := range a.Content {
			names[name] = true
		}
	}
	return names
}()

// ReplyUsage reads the token counts of a whole answer of any of the APIs. It
// reads nothing else of it.
func ReplyUsage(body []byte) protocol.Usage { return codec.ReplyUsage(body) }
