// Package ollama is the client of an Ollama server, by its native API.
//
// It does not use Ollama's own client library, which reads bodies without a
// bound, reports a broken stream and a failure without a body as successes, and
// imports an SSH client. Some properties of the server shape the client:
//
//   - An unload is only acknowledged. GET /api/ps shows when it is done, and
//     still lists a model whose runner was killed or hangs. So only a chat shows
//     whether the model answers.
//   - A request with other runner options than those in force reloads the
//     model, and a request to a model that is not loaded loads it. So a
//     [nodes.ChatRequest] with OnlyLoaded reads the options in force from
//     /api/ps and sends the same.
//   - If the tag of a loaded model is overwritten or deleted, the model can be
//     neither asked nor unloaded, and the server lists it until memory is short.
//     So [Backend.Probe] leaves it out.
//
// It knows the error texts of all versions: up to 0.24 ("llama runner …"), from
// 0.30 ("llama-server …"), and of the MLX runner.
package ollama

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// Backend is the client of one Ollama server. It is safe for concurrent use.
type Backend struct {
	wire *wire.Client

	mu      sync.Mutex
	version string // from the last answer
	// By digest: the num_ctx that Load asked for, the traits of the file, and the
	// last expiry that was listed while it was in the future.
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

// New returns the client of a server. It checks the address and makes no request.
func New(c nodes.Connection) (*Backend, error) {
	w, err := wire.New(c, classify)
	if err != nil {
		return nil, err
	}
	return &Backend{
		wire: w, asked: map[string]int{}, traits: map[string]traits{}, expiries: map[string]time.Time{},
	}, nil
}

// Canonical implements [nodes.Canonicalizer]. It returns a name as the server
// lists it, in lower case: "good" and "registry.ollama.ai/library/Good" are
// "good:latest". The server ignores case.
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

// instanceID returns the ID of the nth entry with a name. Some versions list
// several: the second entry of "good:latest" is "good:latest#2". Names have no
// "#". Requests to the server have the name alone.
func instanceID(name string, nth int) string {
	if nth < 2 {
		return name
	}
	return name + "#" + strconv.Itoa(nth)
}

// modelOf returns the model's name in an instance's ID.
func modelOf(id string) string {
	model, _, _ := strings.Cut(id, "#")
	return model
}
