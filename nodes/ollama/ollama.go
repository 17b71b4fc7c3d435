// Package ollama is the client of an Ollama server, by its native API.
//
// The client library of Ollama itself is not used. It reads bodies without a
// bound, takes a stream that broke for one that ended and a failure without a
// body for a success, and brings an SSH client into every program that imports
// it. What the server leaves open is closed here:
//
//   - An unload is only acknowledged; GET /api/ps is the truth, and even that
//     goes on naming a model whose runner was killed or hangs. Only an answer
//     proves that a model answers.
//   - A request with other runner options than those in force reloads the
//     model, and a request to a model that isn't loaded loads it. A
//     [nodes.ChatRequest] with OnlyLoaded does neither: it reads from /api/ps
//     what is in force and asks with that.
//   - A model whose tag was overwritten or deleted while it was loaded can
//     neither be asked nor unloaded any more; the server lists it until memory
//     is short. [Backend.Probe] leaves it out.
//
// Error texts are told apart in the wordings of all versions: up to 0.24
// ("llama runner …"), from 0.30 ("llama-server …"), and of the MLX runner.
package ollama

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// Backend is one Ollama server. It is a [nodes.Backend], [nodes.Loader],
// [nodes.SettingsChecker], [nodes.Canonicalizer] and [nodes.Downloader]. Safe for concurrent use.
type Backend struct {
	wire *wire.Client

	mu      sync.Mutex
	version string // as last told
	// By digest: the num_ctx that Load asked for, what the file says, and the
	// last expiry that was seen before its time.
	asked    map[string]int
	traits   map[string]traits
	expiries map[string]time.Time
}

var (
	_ nodes.Backend         = (*Backend)(nil)
	_ nodes.Loader          = (*Backend)(nil)
	_ nodes.SettingsChecker = (*Backend)(nil)
	_ nodes.Canonicalizer   = (*Backend)(nil)
	_ nodes.Downloader      = (*Backend)(nil)
)

// New returns the backend of a server. It asks nothing yet; an error is a
// config that can't be right.
func New(c nodes.Connection) (*Backend, error) {
	w, err := wire.New(c, classify)
	if err != nil {
		return nil, err
	}
	return &Backend{
		wire: w, asked: map[string]int{}, traits: map[string]traits{}, expiries: map[string]time.Time{},
	}, nil
}

// Canonical returns a model's name as the server would list it, in small
// letters: "good" is "good:latest", and so is
// "registry.ollama.ai/library/Good". The server's names do not differ by case.
func (b *Backend) Canonical(model string) string { return canonical(model) }

func canonical(model string) string {
	model = strings.ToLower(model)
	if model == "" {
		return ""
	}
	if rest, ok := strings.CutPrefix(model, "registry.ollama.ai/"); ok {
		model = strings.TrimPrefix(rest, "library/")
	}
	name := model[strings.LastIndexByte(model, '/')+1:]
	if !strings.Contains(name, ":") {
		model += ":latest"
	}
	return model
}

func sameName(a, b string) bool { return canonical(a) == canonical(b) }

// instanceID tells several entries of one name apart, which some versions
// list: the second one of "good:latest" is "good:latest#2". A "#" is in no
// name. The server itself takes only the name.
func instanceID(name string, nth int) string {
	if nth < 2 {
		return name
	}
	return name + "#" + strconv.Itoa(nth)
}

// modelOf returns the model's name of an instance's id.
func modelOf(id string) string {
	model, _, _ := strings.Cut(id, "#")
	return model
}
