package engines

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// lookLimit bounds one request of [Detect].
const lookLimit = 2 * time.Second

// Detect tells which engine answers at an address, by the bodies of its
// answers: a status proves nothing, since LM Studio answers 200 to whatever it
// doesn't know. It asks without a key, changes nothing, and blocks for at most
// a dozen quick requests of 2 s each; a server that hangs ends it with the
// first. transport may be nil.
//
// name is one of [Names]. Servers that speak the OpenAI protocol and have no
// engine of their own here (vLLM, SGLang, llama-swap, Lemonade, …) are
// "openai". version is for people: the server's own, with the product's name
// where that is not the engine's; for LM Studio, which tells none, "0.4+" or
// "0.3"; "" where nothing is told.
//
// The error wraps [nodes.WrongEngine] where the answers are no engine's,
// [nodes.Unauthorized] where a key is asked for; name is then set if the
// refusal itself tells the engine. Other faults are those of the connection.
func Detect(ctx context.Context, baseURL string, transport http.RoundTripper) (name, version string, err error) {
	client, err := wire.New(nodes.Connection{Node: baseURL, URL: baseURL, Transport: transport}, nil)
	if err != nil {
		return "", "", err
	}
	if transport == nil {
		defer client.HTTP().CloseIdleConnections() // of the transport made for this
	}
	d := &detection{wire: client, seen: map[string]answer{}}
	for _, look := range []func(context.Context) (found, bool){
		d.lmStudio, d.llamaSwap, d.ollama, d.llamaCPP, d.lemonade, d.sglang, d.vllm, d.openAI,
	} {
		f, ok := look(ctx)
		switch {
		case d.failed != nil:
			return "", "", d.failed
		case ok && f.locked:
			return f.name, f.version, client.Fail("detect", nodes.Unauthorized, "the server asks for a key")
		case ok:
			return f.name, f.version, nil
		}
	}
	if d.locked {
		return "", "", client.Fail("detect", nodes.Unauthorized, "the server asks for a key, and its answers don't tell its engine")
	}
	if d.broken != nil {
		return "", "", d.broken
	}
	return "", "", client.Fail("detect", nodes.WrongEngine, "the answers are those of no engine that is known here")
}

// found is an engine that was recognised.
type found struct {
	name, version string
	locked        bool // it asks for a key
}

// detection is one look at a server.
type detection struct {
	wire   *wire.Client
	seen   map[string]answer
	locked bool  // some answer asked for a key
	failed error // there is no answer to be had
	broken error // some answers broke off
}

// answer is what a path answered.
type answer struct {
	status int
	body   []byte
}

// get asks for a path, once.
func (d *detection) get(ctx context.Context, path string) answer {
	if a, ok := d.seen[path]; ok || d.failed != nil {
		return a
	}
	a, err := d.ask(ctx, path)
	switch nodes.FaultOf(err) {
	case nodes.CutOff, nodes.Protocol:
		// Not every server ends well what it doesn't know.
		d.broken = errors.Join(d.broken, err)
	default:
		d.failed = err
	}
	d.locked = d.locked || a.status == http.StatusUnauthorized || a.status == http.StatusForbidden
	d.seen[path] = a
	return a
}

func (d *detection) ask(ctx context.Context, path string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	req, err := d.wire.Request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return answer{}, err
	}
	resp, err := d.wire.HTTP().Do(req)
	if err != nil {
		return answer{}, d.wire.Transport(ctx, "detect", err)
	}
	defer resp.Body.Close()
	// What identifies an engine is short; a list of models may be cut.
	body, err := io.ReadAll(io.LimitReader(resp.Body, wire.MaxBody))
	if err != nil {
		return answer{}, d.wire.Transport(ctx, "detect", err)
	}
	return answer{resp.StatusCode, body}, nil
}

// fields returns the answer of a path as an object, nil where it is none.
func (d *detection) fields(ctx context.Context, path string) map[string]json.RawMessage {
	a := d.get(ctx, path)
	var f map[string]json.RawMessage
	if a.status != http.StatusOK || json.Unmarshal(a.body, &f) != nil {
		return nil
	}
	return f
}

// text returns a field that is a string, else "".
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// isList reports whether a field is a list.
func isList(raw json.RawMessage) bool {
	var list []json.RawMessage
	return raw != nil && json.Unmarshal(raw, &list) == nil && list != nil
}

// named puts a product's name before its version.
func named(product, version string) string { return strings.TrimSpace(product + " " + version) }

// lmStudio comes first, since LM Studio answers every other question, too.
func (d *detection) lmStudio(ctx context.Context) (found, bool) {
	greeting := d.get(ctx, "/lmstudio-greeting")
	words := strings.ToLower(wire.ErrorText(greeting.body))
	switch {
	case strings.Contains(words, "lm studio api token"):
		return found{name: "lmstudio", locked: true}, true
	case string(d.fields(ctx, "/lmstudio-greeting")["lmstudio"]) == "true",
		strings.Contains(words, "unexpected endpoint or method"):
		return d.lmStudioVersion(ctx), true
	}
	// Its siblings may not greet.
	if list := d.fields(ctx, "/api/v1/models"); isList(list["models"]) && strings.Contains(string(list["models"]), `"loaded_instances"`) {
		return found{name: "lmstudio", version: "0.4+"}, true
	}
	return found{}, false
}

func (d *detection) lmStudioVersion(ctx context.Context) found {
	f := found{name: "lmstudio"}
	list := d.fields(ctx, "/api/v1/models")
	switch {
	case d.locked:
		f.locked = true
	case isList(list["models"]):
		f.version = "0.4+"
	case isList(d.fields(ctx, "/api/v0/models")["data"]):
		f.version = "0.3"
	}
	return f
}

// llamaSwap comes before Ollama: it has a /api/version as well.
func (d *detection) llamaSwap(ctx context.Context) (found, bool) {
	if !isList(d.fields(ctx, "/running")["running"]) {
		return found{}, false
	}
	return found{name: "openai", version: named("llama-swap", text(d.fields(ctx, "/api/version")["version"]))}, true
}

func (d *detection) ollama(ctx context.Context) (found, bool) {
	version := text(d.fields(ctx, "/api/version")["version"])
	if version == "" || !strings.Contains(string(d.get(ctx, "/").body), "Ollama is running") {
		return found{}, false
	}
	return found{name: "ollama", version: version}, true
}

func (d *detection) llamaCPP(ctx context.Context) (found, bool) {
	props := d.get(ctx, "/props")
	f := d.fields(ctx, "/props")
	if text(f["role"]) == "router" || f["build_info"] != nil || f["default_generation_settings"] != nil {
		return found{name: "llamacpp", version: text(f["build_info"])}, true
	}
	var e struct {
		Error struct {
			Type, Message string
			Code          int
		}
	}
	if json.Unmarshal(props.body, &e) != nil {
		return found{}, false
	}
	switch {
	case e.Error.Type == "authentication_error" && e.Error.Code == http.StatusUnauthorized && e.Error.Message == "Invalid API Key":
		return found{name: "llamacpp", locked: true}, true
	case e.Error.Type == "unavailable_error" && e.Error.Message == "Loading model":
		return found{name: "llamacpp"}, true
	}
	return found{}, false
}

func (d *detection) lemonade(ctx context.Context) (found, bool) {
	f := d.fields(ctx, "/v1/health")
	return found{name: "openai", version: named("Lemonade", text(f["version"]))}, f["all_models_loaded"] != nil
}

func (d *detection) sglang(ctx context.Context) (found, bool) {
	return found{name: "openai", version: "SGLang"}, text(d.fields(ctx, "/get_model_info")["model_path"]) != ""
}

func (d *detection) vllm(ctx context.Context) (found, bool) {
	version := text(d.fields(ctx, "/version")["version"])
	return found{name: "openai", version: named("vLLM", version)},
		version != "" && strings.Contains(string(d.fields(ctx, "/v1/models")["data"]), `"vllm"`)
}

// openAI takes a server at its list of models, which is null where servers
// written in Go have none.
func (d *detection) openAI(ctx context.Context) (found, bool) {
	list := d.fields(ctx, "/v1/models")
	return found{name: "openai"}, isList(list["data"]) || text(list["object"]) == "list" && string(list["data"]) == "null"
}
