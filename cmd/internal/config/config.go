// Package config reads jarvis.yaml, the file that both commands share.
//
// A mistake in it stops the start, so every mistake says where it is, what is
// wrong and what to write instead, and as many as can be told are told at once.
// Nothing of a secret's content reaches an error, and no line of the file is
// ever quoted, because a key may stand in it.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/scoring"
)

// FileName is the name of the config file.
const FileName = "jarvis.yaml"

// Defaults of the files and addresses.
const (
	DefaultListen     = "127.0.0.1:7070"
	DefaultGateway    = "127.0.0.1:7071"
	DefaultLog        = "jarvis_healer.log"
	DefaultState      = "jarvis_state.json"
	DefaultHistory    = "jarvis_benchmark_history.json"
	DefaultLogMaxSize = 10 << 20
)

// Config is the file, checked and with its defaults filled in. It holds secrets
// only as [nodes.Secret].
type Config struct {
	// Path is the file's, "" if the values come from no file.
	Path     string
	Nodes    []Node
	Fallback []string
	Healer   Healer
	History  History
	Arena    Arena
	Gateway  Gateway
	Alerts   []Alert
	// Warnings are allowed settings that should be changed, one a line.
	Warnings []string
}

// Node is one server.
type Node struct {
	Name, Engine, URL string
	Key               nodes.Secret
	// Model is empty where whatever is loaded is right; a file always names one.
	Model nodes.Model
	// Memory is in bytes, 0 unknown.
	Memory   int64
	OnDemand bool
	// Timeout bounds a probe; LoadTimeout 0 goes by the model's size.
	Timeout, LoadTimeout time.Duration
	Restart              []string
	RestartTimeout       time.Duration

	file string
	keys map[string]Position
}

// Where returns "file:line:column" of a key of the node, or of the node itself
// where it has no such key; "" if it comes from no file.
func (n Node) Where(key string) string {
	at, ok := n.keys[key]
	if !ok {
		at = n.keys[""]
	}
	if n.file == "" || at.Line == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d", n.file, at.Line, at.Column)
}

// Healer holds the settings of the watchdog.
type Healer struct {
	Policy healer.Policy
	// Log and State are paths, "" for none.
	Log        string
	LogMaxSize int64
	State      string
	// Listen is the status API's address, "" for none. Token is asked for
	// where it is not empty.
	Listen string
	Token  nodes.Secret
}

// History is the history of runs.
type History struct {
	Path string
	// Keep is how many runs are kept.
	Keep int
}

// Arena holds the settings of tournaments.
type Arena struct {
	// Node is where, "" for the first of the fallback order.
	Node       string
	Candidates []nodes.Model
	// Suite is "builtin" or a file's path.
	Suite                                      string
	Cycles, QuickCycles, TasksPerCycle, Warmup int
	// Temperature of all questions, MaxTokens of an answer, Timeout of a test.
	Temperature float64
	MaxTokens   int
	Timeout     time.Duration
	// Weights are the composite's.
	Weights scoring.Composite
	// OnRegression is what is done about an alarm beside telling it.
	OnRegression healer.OnRegression
}

// Gateway holds the settings of the gateway.
type Gateway struct {
	// Listen is its address, "" for no gateway.
	Listen string
	// Keys are those that let clients in, read from KeysFile; none: everybody.
	Keys     []gateway.Key
	KeysFile string
	// Options are how requests are routed, without an observer.
	Options gateway.Options
	// Metrics are served at /metrics of its address.
	Metrics bool
}

// Alert is a service that receives alerts.
type Alert struct {
	// URL names the service and holds its secrets.
	URL nodes.Secret
	// Events is nil for the default ones.
	Events []healer.EventType
	// Where is "file:line:column" of its URL.
	Where string
}

// Default returns a config without nodes, its files in dir.
func Default(dir string) *Config {
	return &Config{
		Healer: Healer{
			Policy: healer.DefaultPolicy(), Log: filepath.Join(dir, DefaultLog), LogMaxSize: DefaultLogMaxSize,
			State: filepath.Join(dir, DefaultState), Listen: DefaultListen,
		},
		History: History{Path: filepath.Join(dir, DefaultHistory), Keep: 500},
		Arena: Arena{
			Suite: "builtin", Cycles: 5, QuickCycles: 2, TasksPerCycle: 40, Warmup: 3,
			Temperature: 0.2, MaxTokens: 1024, Timeout: time.Minute, Weights: scoring.Default(),
			OnRegression: healer.OnRegressionAlert,
		},
		Gateway: Gateway{Metrics: true},
	}
}

// ErrNotFound means that no file was named and none was found in [SearchPaths].
var ErrNotFound = errors.New("no " + FileName + " found")

// SearchPaths returns the paths at which the file is looked for, in order.
func SearchPaths() []string {
	paths := []string{FileName}
	if dir, err := os.UserConfigDir(); err == nil {
		paths = append(paths, filepath.Join(dir, "jarvis", FileName))
	}
	return paths
}

// Find returns the path of the file: the one named, or the first there is. The
// error wraps [ErrNotFound] if none was named and none is there.
func Find(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	paths := SearchPaths()
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("look for the config: %w", err)
		}
	}
	return "", fmt.Errorf("%w: neither %s", ErrNotFound, strings.Join(paths, " nor "))
}

// Load reads and checks a file. What is wrong with its content is a
// [Mistakes].
func Load(path string) (*Config, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return nil, fmt.Errorf("%s: %w; name another with --config, or write one with `jarvis-heal init`", path, err)
	}
	return parse(path, source, os.LookupEnv)
}

func parse(path string, source []byte, env func(string) (string, bool)) (*Config, error) {
	dir := filepath.Dir(path)
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	r := &reader{file: path, dir: dir, env: env, sample: "`jarvis-heal init` writes one with what it finds"}
	c := Default(dir)
	c.Path = path
	if root, ok := r.parse(source); ok {
		r.config(root, c)
	}
	c.Warnings = r.warnings
	if len(r.mistakes) > 0 {
		return nil, r.mistakes.sorted(path)
	}
	return c, nil
}
