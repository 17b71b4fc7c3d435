package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/route"
	"github.com/turbone/jarvis/scoring"
)

const whole = `nodes:
  - name: M1
    engine: lmstudio                 # lmstudio | ollama | llamacpp | openai
    url: http://${HOST}:1234/
    api_key: ${KEY}
    timeout: 4s
    model: qwen/qwen3-30b-a3b-2507
    load: {context_length: 8192, flash_attention: true, eval_batch_size: 512, offload_kv_cache_to_gpu: true}
    memory: 24GiB
    load_timeout: 10m
    restart: [ssh, m1, systemctl, restart, lmstudio]
    restart_timeout: 3m
  - &ollama
    name: OL1
    engine: ollama
    url: http://10.5.0.5:11434
    api_key_file: key.txt
    model: "llama3:8b"
    on_demand: true
    load: {num_ctx: 4096}
  - <<: *ollama
    name: OL2
    url: http://10.5.0.6:11434
fallback: [OL1, M1]
healer:
  interval: 30s
  retry_after: 2s
  grace: 0s
  canary: {every: 2m, timeout: 20s}
  mini_benchmark:
    threshold: 1
    questions: [{prompt: "What does ${HOME} hold?", expect: "a path"}]
    every: 1h
    timeout: 45s
  max_attempts: ${ATTEMPTS}
  max_repairs: 2
  drift: adopt
  settle: 5m
  backoff: {initial: 5s, max: 1m}
  restart_wait: 90s
  busy_limit: 20m
  log: /var/log/jarvis.log
  log_max_size: 20MiB
  state: off
  listen: 0.0.0.0:7071
  listen_token: ${KEY}
history: {path: history.json, keep: 100}
arena:
  node: M1
  candidates: [{model: qwen3-coder-30b, load: {context_length: 8192}}, {model: devstral}]
  suite: builtin
  cycles: 4
  quick_cycles: 1
  tasks_per_cycle: 20
  warmup: 0
  temperature: 0.7
  max_tokens: 2048
  timeout: 90s
  weights: {quality: 3, speed: 1}
  on_regression: tournament
gateway:
  listen: 0.0.0.0:7072
  keys_file: keys.yaml
  policy: sticky
  models:
    fast: {M1: qwen3-4b, OL1: "llama3.2:3b"}
    coder: {M1: qwen3-coder-30b}
  strict_models: true
  per_node: 4
  queue: {size: 64, wait: 10s}
  first_token: 20s
  answer: 5m
  between_tokens: 15s
  slow_start: 1m
  restart_streams: true
  max_body: 16MiB
  metrics: false
alerts: [{url: ${TELEGRAM}, events: [offline, critical, healed, rollback]}]
`

func revealed(a, b nodes.Secret) bool { return a.Reveal() == b.Reveal() }

// TestWhole: every key of the documentation arrives where it belongs.
func TestWhole(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key.txt"), []byte("sk-file-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys := "- {name: alice, key: '${KEY}', at_once: 4, per_minute: 60}\n- name: bob\n  key: sk-bob-0123456789\n"
	if err := os.WriteFile(filepath.Join(dir, "keys.yaml"), []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, FileName)
	got, err := parse(file, []byte(whole), environment)
	if err != nil {
		t.Fatal(err)
	}
	ollama := Node{
		Name: "OL1", Engine: "ollama", URL: "http://10.5.0.5:11434", Key: nodes.NewSecret("sk-file-secret"),
		Model:   nodes.Model{Name: "llama3:8b", Settings: nodes.Settings{"num_ctx": 4096}},
		Timeout: 3 * time.Second, OnDemand: true,
	}
	second := ollama
	second.Name, second.URL = "OL2", "http://10.5.0.6:11434"
	want := &Config{
		Path: file,
		Nodes: []Node{{
			Name: "M1", Engine: "lmstudio", URL: "http://10.5.0.2:1234", Key: nodes.NewSecret("sk-environment-secret"),
			Model: nodes.Model{Name: "qwen/qwen3-30b-a3b-2507", Settings: nodes.Settings{
				"context_length": 8192, "flash_attention": true, "eval_batch_size": 512, "offload_kv_cache_to_gpu": true,
			}},
			Memory: 24 << 30, Timeout: 4 * time.Second, LoadTimeout: 10 * time.Minute,
			Restart: []string{"ssh", "m1", "systemctl", "restart", "lmstudio"}, RestartTimeout: 3 * time.Minute,
		}, ollama, second},
		Fallback: []string{"OL1", "M1"},
		Healer: Healer{
			Policy: healer.Policy{
				Interval: 30 * time.Second, RetryAfter: 2 * time.Second,
				CanaryEvery: 2 * time.Minute, CanaryTimeout: 20 * time.Second,
				Questions: []healer.Question{{Prompt: "What does ${HOME} hold?", Expect: "a path"}},
				Threshold: 1, QuestionTimeout: 45 * time.Second, QuestionsEvery: time.Hour,
				MaxAttempts: 5, MaxRepairs: 2, BackoffInitial: 5 * time.Second, BackoffMax: time.Minute,
				Settle: 5 * time.Minute, RestartWait: 90 * time.Second, BusyLimit: 20 * time.Minute, AdoptDrift: true,
			},
			Log: "/var/log/jarvis.log", LogMaxSize: 20 << 20, Listen: "0.0.0.0:7071", Token: nodes.NewSecret("sk-environment-secret"),
		},
		History: History{Path: filepath.Join(dir, "history.json"), Keep: 100},
		Arena: Arena{
			Node: "M1", Candidates: []nodes.Model{
				{Name: "qwen3-coder-30b", Settings: nodes.Settings{"context_length": 8192}}, {Name: "devstral"},
			},
			Suite: "builtin", Cycles: 4, QuickCycles: 1, TasksPerCycle: 20, Temperature: 0.7, MaxTokens: 2048, Timeout: 90 * time.Second,
			Weights: scoring.Composite{Quality: 0.75, Speed: 0.25}, OnRegression: healer.OnRegressionTournament,
		},
		Gateway: Gateway{
			Listen: "0.0.0.0:7072", KeysFile: filepath.Join(dir, "keys.yaml"),
			Keys: []gateway.Key{
				{Name: "alice", Secret: nodes.NewSecret("sk-environment-secret"), AtOnce: 4, PerMinute: 60},
				{Name: "bob", Secret: nodes.NewSecret("sk-bob-0123456789")},
			},
			Options: gateway.Options{
				Rules:  route.Rules{Policy: route.Sticky{}, PerNode: 4, Queue: 64, SlowStart: time.Minute},
				Strict: true, Wait: 10 * time.Second,
				Roles:      map[string]map[string]string{"fast": {"M1": "qwen3-4b", "OL1": "llama3.2:3b"}, "coder": {"M1": "qwen3-coder-30b"}},
				FirstToken: 20 * time.Second, Answer: 5 * time.Minute, Between: 15 * time.Second,
				Restart: true, MaxBody: 16 << 20,
			},
		},
		Alerts: []Alert{{
			URL:    nodes.NewSecret("telegram://123:sk-environment-secret@telegram?chats=1"),
			Events: []healer.EventType{"offline", "critical", "healed", "rollback"}, Where: file + ":78:16",
		}},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(revealed), cmpopts.IgnoreUnexported(Node{})); diff != "" {
		t.Errorf("want(-) got(+):\n%s", diff)
	}
	if got, want := got.Nodes[0].Where("model"), file+":7:5"; got != want {
		t.Errorf("the model stands at %s, want %s", got, want)
	}
	if got, want := got.Nodes[0].Where("on_demand"), file+":2:5"; got != want {
		t.Errorf("a key that isn't there is looked for at %s, want %s", got, want)
	}
}

// TestDefaults: a file of one node gets every figure of the documentation, and
// its files lie beside it.
func TestDefaults(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, FileName)
	got, err := parse(file, []byte("nodes: [{name: M1, engine: lmstudio, url: 'http://h:1', model: m}]\r\n"), environment)
	if err != nil {
		t.Fatal(err)
	}
	want := Default(dir)
	want.Path = file
	want.Nodes = []Node{{Name: "M1", Engine: "lmstudio", URL: "http://h:1", Model: nodes.Model{Name: "m"}, Timeout: 5 * time.Second}}
	if diff := cmp.Diff(want, got, cmp.Comparer(revealed), cmpopts.IgnoreUnexported(Node{})); diff != "" {
		t.Errorf("want(-) got(+):\n%s", diff)
	}
}

// TestGateway: when there is one, and what its words mean.
func TestGateway(t *testing.T) {
	on := Gateway{Listen: DefaultGateway, Metrics: true}
	with := func(o gateway.Options) Gateway { return Gateway{Listen: DefaultGateway, Metrics: true, Options: o} }
	for _, c := range []struct {
		name, section string
		want          Gateway
	}{
		{"no section", "", Gateway{Metrics: true}},
		{"nothing in it", "gateway:", on},
		{"empty", "gateway: {}", on},
		{"off", "gateway: {listen: off}", Gateway{Metrics: true}},
		{"another port", "gateway: {listen: 'localhost:8000'}", Gateway{Listen: "localhost:8000", Metrics: true}},
		{"IPv6", "gateway: {listen: '[::1]:7071'}", Gateway{Listen: "[::1]:7071", Metrics: true}},
		{"the defaults, written out", `gateway: {listen: 127.0.0.1:7071, strict_models: false, per_node: 0, first_token: auto,
  answer: auto, between_tokens: auto, restart_streams: false, metrics: true}`, on},
		{"nobody waits", "gateway: {queue: {size: 0}}", with(gateway.Options{Rules: route.Rules{Queue: route.NoQueue}})},
		{"no slow start", "gateway: {slow_start: off}", with(gateway.Options{Rules: route.Rules{SlowStart: route.NoSlowStart}})},
		{"a slow start of 0", "gateway: {slow_start: 0s}", with(gateway.Options{Rules: route.Rules{SlowStart: route.NoSlowStart}})},
		{"the status API's default address, which it left", "healer: {listen: off}\ngateway: {listen: 127.0.0.1:7070}",
			Gateway{Listen: "127.0.0.1:7070", Metrics: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parse(filepath.Join(t.TempDir(), FileName), []byte(oneNode+c.section+"\n"), environment)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.Gateway, cmp.Comparer(revealed)); diff != "" {
				t.Errorf("want(-) got(+):\n%s", diff)
			}
			if len(got.Warnings) > 0 {
				t.Errorf("warned: %s", got.Warnings)
			}
		})
	}
}

// TestVariables: what ${…} becomes.
func TestVariables(t *testing.T) {
	for _, c := range []struct{ name, written, want string }{
		{"alone", "${HOST}", "10.5.0.2"},
		{"within", "a-${HOST}-b", "a-10.5.0.2-b"},
		{"twice", "${HOST}${HOST}", "10.5.0.210.5.0.2"},
		{"with a default, set", "${HOST:-x}", "10.5.0.2"},
		{"with a default, not set", "${NOPE:-x}", "x"},
		{"with a default, empty", "${EMPTY:-x}", "x"},
		{"escaped", "$${HOST}", "${HOST}"},
		{"no braces", "$HOST", "$HOST"},
		{"never closed", "${HOST", "${HOST"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parse("jarvis.yaml", []byte("nodes: [{name: \""+c.written+"\", engine: lmstudio, url: 'http://h:1', model: m}]"), environment)
			if err != nil {
				t.Fatal(err)
			}
			if got.Nodes[0].Name != c.want {
				t.Errorf("%s became %q, want %q", c.written, got.Nodes[0].Name, c.want)
			}
		})
	}
}

// TestWarnings: a key in the file itself, and one that others can read, are
// taken and pointed out, without quoting them.
func TestWarnings(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key.txt"), []byte("sk-file-secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "keys.yaml"), []byte("- {name: alice, key: sk-literal-secret}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := parse(filepath.Join(dir, FileName), []byte(`nodes:
  - {name: M1, engine: lmstudio, url: "http://h:1", model: m, api_key: sk-literal-secret}
  - {name: M2, engine: lmstudio, url: "http://h:2", model: m, api_key_file: key.txt}
gateway: {keys_file: keys.yaml}
`), environment)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(got.Warnings, "\n")
	for _, part := range []string{":2:", "nodes[0].api_key: a secret is written into the file", ":3:", "key.txt; better chmod 600", ":4:", "gateway.keys_file: others can read", "keys.yaml; better chmod 600"} {
		if !strings.Contains(all, part) {
			t.Errorf("no %q in the warnings:\n%s", part, all)
		}
	}
	if strings.Contains(all, "sk-") {
		t.Errorf("a secret is printed:\n%s", all)
	}
	if len(got.Warnings) != 3 {
		t.Errorf("%d warnings, want 3:\n%s", len(got.Warnings), all)
	}
	if got.Nodes[0].Key.Reveal() != "sk-literal-secret" || got.Nodes[1].Key.Reveal() != "sk-file-secret" {
		t.Error("the keys didn't arrive")
	}
}

// TestFind: the file named, else the one here, else the user's, else none.
func TestFind(t *testing.T) {
	work, home := t.TempDir(), t.TempDir()
	t.Chdir(work)
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "config"))
	t.Setenv("AppData", filepath.Join(home, "config"))
	paths := SearchPaths()
	if _, err := Find(""); err == nil || !strings.Contains(err.Error(), paths[1]) {
		t.Errorf("nothing there: %v, want an error that names %s", err, paths[1])
	}
	for i := len(paths) - 1; i >= 0; i-- {
		if err := os.MkdirAll(filepath.Dir(paths[i]), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(paths[i], nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Find(""); got != paths[i] || err != nil {
			t.Errorf("found %q, %v, want %q", got, err, paths[i])
		}
	}
	if got, err := Find("other.yaml"); got != "other.yaml" || err != nil {
		t.Errorf("found %q, %v, want the one named", got, err)
	}
}
